"""Asks the services what they set aside, and has it replayed or dropped there: over REST, as whoever is at the desk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from chassis.identity import IssuerUnreachable

PATIENCE: Final = 10.0
"""Seconds that a service may take to answer."""


@dataclass
class NotAnswered(Exception):
    """A service did not answer as asked: its status (None where it cannot be reached), and what it said."""

    status: int | None
    detail: str

    def __str__(self) -> str:
        return self.detail


class Desks:
    """The services that consume, by their names, at their base addresses; `patience` is in seconds."""

    def __init__(self, client: httpx.AsyncClient, addresses: Mapping[str, str], *, patience: float = PATIENCE) -> None:
        self._client = client
        self._timeout = httpx.Timeout(patience)
        self._addresses = {name: address.rstrip("/") for name, address in addresses.items() if address}

    @property
    def names(self) -> Sequence[str]:
        """The services whose addresses are known."""
        return tuple(self._addresses)

    async def listed(self, service: str, auth: httpx.Auth, **by: Any) -> dict[str, Any]:
        """A page of what a service set aside; `by` are the parameters of its GET /set-aside. Raises NotAnswered."""
        stated = {name: value for name, value in by.items() if value is not None}
        return await self._ask(service, "GET", "/set-aside", auth, params=stated)

    async def shown(self, service: str, auth: httpx.Auth, record_id: int) -> dict[str, Any]:
        """One record with its bytes. Raises NotAnswered."""
        return await self._ask(service, "GET", f"/set-aside/{record_id}", auth)

    async def done(self, service: str, auth: httpx.Auth, what: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Replay or drop (`what`) all that is wanted, however many requests it takes; one answer for all of them.

        Raises NotAnswered; what was done until then stays done, and the same again goes on with the rest.
        """
        whole: dict[str, Any] = {}
        after = None
        while True:
            part = await self._ask(service, "POST", f"/set-aside:{what}", auth, json={**wanted, "after": after})
            whole = {**part, "queues": [*whole.get("queues", ()), *part["queues"]]}
            if (after := part["next"]) is None:
                return whole

    async def _ask(self, service: str, method: str, path: str, auth: httpx.Auth, **more: Any) -> dict[str, Any]:
        try:
            response = await self._client.request(
                method, f"{self._addresses[service]}{path}", auth=auth, timeout=self._timeout, **more
            )
            answer = response.json()
        except (httpx.HTTPError, IssuerUnreachable, ValueError) as error:
            raise NotAnswered(None, f"{service} could not be asked: {error or type(error).__name__}") from None
        if response.is_success and isinstance(answer, dict):
            return answer
        detail = answer.get("detail", "") if isinstance(answer, dict) else ""
        raise NotAnswered(response.status_code, f"{service} answered {response.status_code}: {detail}")


class Bearer(httpx.Auth):
    """A visitor's token on every request."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Any:
        """Put it there."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request
