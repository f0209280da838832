"""Acts as the demo's people without a browser: tokens of its own issuer, and the services under them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, TypeVar

import httpx

from client.session import Connection
from deploy.demo.publishing import DemoRefused, Doors, accepted
from deploy.local.issuer import signer_of
from deploy.local.system import System

WITHIN: Final = 20.0
"""Seconds in which what is done must show."""
Found = TypeVar("Found")


class Actors:
    """Whoever the demo acts as."""

    def __init__(self, system: System, doors: Doors) -> None:
        self._signer = signer_of(system.environment("issuer"))
        self._doors = doors

    def system(self, member: str, url: str) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        """A member's system at a service."""
        claims = {"sub": f"{member}-system", "member": member, "roles": ["publisher", "registry"]}
        return Connection(url, token=self._signer.sign(claims)).open()

    def staff(self, member: str, role: str, url: str) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        """One of a member's staff at a service."""
        claims = {"sub": f"{member}-{role}", "member": member, "roles": [role]}
        return Connection(url, token=self._signer.sign(claims)).open()

    def learner(self, identifier: str) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        """The learner of an identifier at the learner record."""
        claims = {"sub": identifier, "roles": ["learner"], "schac_personal_unique_code": identifier}
        return Connection(self._doors.learner_record, token=self._signer.sign(claims)).open()

    async def enrolments(self, identifier: str, member: str | None = None) -> list[Any]:
        """What a learner sees of their enrolments, at one member or at all."""
        async with self.learner(identifier) as http:
            record = (await got(http, f"/record?member={member}" if member else "/record")).json()
        return [{**enrolled, "at": at} for at in record["members"] for enrolled in at["enrolments"]]


async def got(http: httpx.AsyncClient, path: str) -> httpx.Response:
    """GET, and the answer where all is well. Raises DemoRefused."""
    return accepted(await http.get(path))


async def put_on_newest(http: httpx.AsyncClient, read: str, path: str, body: Any) -> Any:
    """PUT what carries `If-Match` on what is at `read` now; again where that changed in between. Raises DemoRefused."""

    async def done() -> Any:
        etag = (await got(http, read)).headers["ETag"]
        response = await http.put(path, json=body, headers={"If-Match": etag})
        return None if response.status_code == httpx.codes.PRECONDITION_FAILED else accepted(response).json()

    return await eventually(done, f"{path} on what stays as it is for a moment")


async def eventually(look: Callable[[], Awaitable[Found | None]], what: str, within: float = WITHIN) -> Found:
    """Look until there is something. Raises DemoRefused where there is nothing in time."""
    ends_at = time.monotonic() + within
    while not (found := await look()):
        if time.monotonic() > ends_at:
            raise DemoRefused(f"not seen within {within:.0f} s: {what}")
        await asyncio.sleep(0.1)
    return found
