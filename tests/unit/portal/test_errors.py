"""What a person sees of a fault that nobody expected, and what a program does."""

import asyncio

import httpx
import pytest
from fastapi import APIRouter

from chassis.clock import system_clock
from chassis.database import open_pool
from chassis.http import create_app
from chassis.identity import Verifier, public
from chassis.pages.issuer import Issuer
from chassis.pages.sessions import Sessions
from chassis.pages.site import Site
from chassis.settings import Settings
from services.portal import pages

router = APIRouter()


@router.get("/broken")
@public
async def broken() -> None:
    raise KeyError("a bug in a page")


@router.get("/hangs")
@public
async def hangs() -> None:
    await asyncio.Event().wait()


@pytest.fixture
async def browser() -> httpx.AsyncClient:
    """A caller of the portal's frame around two pages that fail; no server of any kind is there."""
    nowhere = httpx.AsyncClient()
    settings = Settings(service_database_url="postgresql://nobody@127.0.0.1:1/nothing")  # type: ignore[arg-type]
    verifier = Verifier(issuer="http://issuer.test", audience="concord", jwks_url="http://issuer.test/jwks")
    app = create_app("Pages", "1", verifier=verifier, deadline=0.2)
    Site(
        name="portal",
        public_url="http://portal.test",
        sessions=Sessions(await open_pool(settings.service_database_url.get_secret_value())),
        issuer=Issuer.of(settings, verifier, nowhere),
        verifier=verifier,
        templates=pages.templates(),
        clock=system_clock,
    ).put_on(app, "services.portal")
    app.include_router(router)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://portal.test")


@pytest.mark.parametrize(("path", "status"), [("/broken", 500), ("/hangs", 503)])
async def test_a_person_sees_a_page_and_a_program_gets_a_problem(
    browser: httpx.AsyncClient, path: str, status: int
) -> None:
    seen = await browser.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
    assert (seen.status_code, seen.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert "<h1>" in seen.text
    assert "KeyError" not in seen.text
    told = await browser.get(path, headers={"Accept": "application/json"})
    assert (told.status_code, told.headers["Content-Type"]) == (status, "application/problem+json")
    for answer in (seen, told):
        assert answer.headers.get("Retry-After") == ("1" if status == 503 else None)
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src" in answer.headers["Content-Security-Policy"]
