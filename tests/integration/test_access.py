"""Every route of every service, walked: without a token 401, with a wrong role 403, and what is public is listed here.

ADR 15 has the list of what needs no token; a route that says nothing about its caller fails this test.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import httpx
import pytest
from fastapi import FastAPI

from chassis.database import open_pool
from chassis.identity import Role, walk
from chassis.migrate import SERVICES
from tests.apis import application
from tests.conftest import Database
from tests.tokens import Issuer

pytestmark = pytest.mark.servers

PUBLIC = {
    # Health and the API's own description.
    "/health/live", "/health/ready", "/openapi.json", "/docs", "/docs/style.css", "/asyncapi.json", "/docs/events",
    # A member's name and colours.
    "/members/{member_id}/face", "/faces", "/members.css", "/{member}/theme.css",
    # Sign-in, and static files.
    "/sign-in", "/sign-in/callback", "/sign-out", "/static",
}  # fmt: skip

SILENT = "/{member}/record/stream"
"""Answers a stranger with 204 and nothing else: only that stops a browser's EventSource from asking again."""

FORMS = ("/{member}/choices/{enrolment_id}", "/{member}/appeals/{decision_id}")
"""Lead back to the record. What a stranger sends to appeal goes nowhere: it is shown, to be copied and sent again."""


@pytest.fixture
async def apps(database: Callable[[str], Awaitable[Database]], issuer: Issuer) -> AsyncIterator[dict[str, FastAPI]]:
    """The application of every service, built as its process builds it."""
    built, pools = {}, []
    for service in SERVICES:
        url = (await database(service)).url
        pools.append(await open_pool(url))
        built[service] = await application(service, pools[-1], service_database_url=url, oidc_issuer=issuer.url)
    yield built
    for pool in pools:
        pool.terminate()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """An issuer of this test's own."""
    with Issuer() as running:
        yield running


def _address(path: str) -> str:
    """A path with something plausible in the place of every parameter."""
    return re.sub(r"\{[^}]*\}", lambda name: _VALUES.get(name[0].strip("{}").partition(":")[0], "x-1"), path)


_VALUES = {
    "member_id": "northbridge",
    "member": "northbridge",
    "learning_opportunity_id": "northbridge:x",
    "award_id": "northbridge:x",
    "completion_id": "6f2d1c1e-6a2b-5d0e-9d59-3b8f5f0c7a11",
    "record_id": "1",
    "service": "recognition",
    "decision_id": "6f2d1c1e-6a2b-5d0e-9d59-3b8f5f0c7a11",
}


async def test_every_route_says_what_it_asks_of_its_caller(apps: dict[str, FastAPI]) -> None:
    for service, app in apps.items():
        routes = list(walk(app))
        assert len(routes) >= 5
        for method, path, access in routes:
            assert access is not None, f"{service}: {method} {path} says nothing about its caller"
            if access == "public":
                shown = {path, re.sub(r"/\{[^}]*\}$", "", path)}
                page = service == "portal" and path in ("/", "/{member}", "/{member}/", SILENT, *FORMS)
                assert shown & PUBLIC or page, f"{service}: {method} {path} is public, and not on the list"


async def test_without_a_token_401_and_with_a_wrong_role_403(apps: dict[str, FastAPI], issuer: Issuer) -> None:
    asked = 0
    for service, app in apps.items():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{service}.test") as http:
            for method, path, access in walk(app):
                if access == "public" or access is None:
                    continue
                asked += 1
                address = _address(path)
                for token in (None, *_bad_tokens(issuer)):
                    headers = {"Authorization": f"Bearer {token}"} if token else {}
                    response = await http.request(method, address, headers=headers)
                    assert response.status_code == 401, (service, method, address, response.text)
                    challenge = response.headers.get("WWW-Authenticate", "")
                    assert challenge.startswith("Bearer") or _asks_to_sign_in(response), (
                        service,
                        address,
                        response.text,
                    )
                if _asks_to_sign_in(response):
                    continue  # it goes by its session, and a token changes nothing
                for role in set(Role) - access if access else ():
                    headers = issuer.headers(role, member="northbridge")
                    response = await http.request(method, address, headers=headers)
                    assert response.status_code == 403, (service, method, address, role, response.text)
    assert asked >= 20


def _asks_to_sign_in(response: httpx.Response) -> bool:
    """A page, or a part of one, does not challenge: it has, or leads to, a link to sign in."""
    return "sign in" in response.text.lower()


def _bad_tokens(issuer: Issuer) -> list[str]:
    """Expired; signed with another key; not signed at all."""
    everything = [role.value for role in Role]
    return [
        issuer.expired(*everything, member="northbridge"),
        issuer.forged(*everything, member="northbridge"),
        issuer.unsigned(*everything, member="northbridge"),
    ]


async def test_the_one_silent_route_says_nothing_to_a_stranger(apps: dict[str, FastAPI], issuer: Issuer) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=apps["portal"]), base_url="http://portal.test"
    ) as http:
        for headers in ({}, issuer.headers("learner", "publisher", member="northbridge")):
            response = await http.get(_address(SILENT), headers=headers)
            assert (response.status_code, response.content) == (204, b"")
