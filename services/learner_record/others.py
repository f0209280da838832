"""The other services that hold something about learners, asked under this service's own token."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import httpx
import structlog

from chassis.export import About
from chassis.identity import IssuerUnreachable, ServiceToken
from chassis.problems import Problem, unavailable
from chassis.settings import Settings

log = structlog.get_logger()

PATIENCE: Final = 3.0
"""Seconds that a service may take to answer: all are asked at once, within what a request of ours may take."""
PROVIDER: Final = "provider"
RECOGNITION: Final = "recognition"


class Others:
    """Asks the services at these base addresses, by their names."""

    def __init__(self, client: httpx.AsyncClient, addresses: Mapping[str, str], auth: httpx.Auth) -> None:
        self._client = client
        self._addresses = {name: address.rstrip("/") for name, address in addresses.items()}
        self._auth = auth

    @classmethod
    def of(cls, settings: Settings, client: httpx.AsyncClient) -> "Others":
        """Those of an installation."""
        addresses = {
            PROVIDER: settings.provider_url,
            RECOGNITION: settings.recognition_url,
            "operations": settings.operations_url,
        }
        token = ServiceToken(
            issuer=settings.oidc_issuer,
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret.get_secret_value(),
            asked=settings.asked_with_credentials,
        )
        return cls(client, addresses, token)

    async def export(self, about: About, *, only_accesses: bool = False) -> dict[str, bytes]:
        """What every other service holds about a learner, as JSON; raises the Problem 503 where one does not answer."""
        body = {
            "learner_id": str(about.learner_id),
            "completions": [str(one) for one in about.completions],
            "enrolments": [str(one) for one in about.enrolments],
            "only_accesses": only_accesses,
        }
        answers = await asyncio.gather(*(self._post(name, "/learners:export", body) for name in self._addresses))
        return dict(zip(self._addresses, answers, strict=True))

    async def erase(self, erasure: Mapping[str, Any]) -> None:
        """Have the provider service forget a learner; raises the Problem 503 where it does not answer."""
        await self._post(PROVIDER, "/learners:erase", erasure)

    async def preview(self, question: Mapping[str, Any]) -> bytes:
        """Where a learning opportunity would count, as recognition answers it.

        Raises the Problem 404 where nobody offers it, 422 where more would have to be answered than one answer holds,
        and 503.
        """
        response = await self._send(RECOGNITION, "/preview", question)
        # Whatever stands between the services has pages of its own for what it does not find.
        is_a_problem = "json" in response.headers.get("Content-Type", "")
        if is_a_problem and response.status_code in (httpx.codes.NOT_FOUND, httpx.codes.UNPROCESSABLE_ENTITY):
            raise Problem(response.status_code, str(response.json()["detail"]))
        return _content(RECOGNITION, "/preview", response)

    async def _post(self, name: str, path: str, body: Mapping[str, Any]) -> bytes:
        return _content(name, path, await self._send(name, path, body))

    async def _send(self, name: str, path: str, body: Mapping[str, Any]) -> httpx.Response:
        try:
            return await self._client.post(
                f"{self._addresses[name]}{path}", json=body, auth=self._auth, timeout=PATIENCE
            )
        except (httpx.HTTPError, httpx.InvalidURL, IssuerUnreachable) as error:
            log.warning("a service did not answer", service=name, path=path, error=type(error).__name__)
            raise _away(name) from None


def _content(name: str, path: str, response: httpx.Response) -> bytes:
    if not response.is_success:
        log.warning("a service refused", service=name, path=path, status=response.status_code)
        raise _away(name)
    return response.content


def _away(name: str) -> Problem:
    return unavailable(f"The service {name} does not answer at the moment; nothing is left out for that. Try again.")
