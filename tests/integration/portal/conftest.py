"""The portal before the services that it asks: the real provider and learner record, each on a database of its own."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from chassis.batch import Batch
from chassis.clock import system_clock
from chassis.database import Pool, open_pool, transaction
from chassis.identity import Access, Role, walk
from chassis.settings import Settings
from contracts.event import Event
from deploy import setup
from deploy.local.issuer import Signer
from deploy.local.ports import free_port
from services.learner_record.events import RecordDesk
from services.learner_record.main import build as build_learner_record
from services.portal.main import application
from services.provider.main import build as build_provider
from tests.conftest import _PASSWORD as PASSWORD
from tests.conftest import Database
from tests.databases import create
from tests.integration.chassis.ground import Logged, headers_of
from tests.integration.learner_record.ground import KEY, award, enrolment, member
from tests.integration.portal.people import SECRET, issuer_for, serving, swept, system_token
from tests.integration.portal.place import begin

__all__ = ["begin", "swept"]

MEMBERS = {
    "northbridge": ("Northbridge University", "FHEQ", {"primary": "#123b6d", "accent": "#f2b134"}),
    "strathmore": ("Strathmore University", "SCQF", {"primary": "#5b2a86", "accent": "#7fd1ae"}),
    "eastmoor": ("Eastmoor College", "FHEQ", {"primary": "#f6d8ae", "accent": "#a33b20"}),
}


@dataclass
class Consortium:
    """Members, a learner record that events can be put into, and the portal in front of them."""

    portal_url: str
    learner_record_url: str
    signer: Signer
    pool: Pool
    """Of the learner record."""
    portal_pool: Pool
    stops: dict[str, Callable[[], Awaitable[None]]]
    app: FastAPI
    """The portal itself."""
    routes: dict[str, Access]
    """What each address of the portal asks of its caller."""
    ending: asyncio.Event
    """Set, it ends the portal's streams."""
    next_offset: dict[str, int] = field(default_factory=dict)

    async def receive(self, *events: Event) -> None:
        """Let events come to the learner record, as its consumer takes them."""
        records: list[Logged] = []
        for event in events:
            offset = self.next_offset.get(event.TOPIC, 0)
            self.next_offset[event.TOPIC] = offset + 1
            records.append(Logged(event.TOPIC, 0, offset, event.key.encode(), event.to_bytes(), headers_of(event)))
        desk = RecordDesk(system_clock, Settings(service_database_url="unused").time_zone)  # type: ignore[arg-type]
        async with transaction(self.pool) as connection:
            await Batch(desk, records, system_clock(), group="test", failures_before=0).handle(connection)

    async def enrol(self, reference: str = "E-1", **changes: Any) -> None:
        """Enrol the learner at Strathmore."""
        async with httpx.AsyncClient(headers=system_token(self.signer, "strathmore", Role.PUBLISHER)) as client:
            body = enrolment("strathmore", **changes)
            answer = await client.put(f"{self.learner_record_url}/enrolments/{reference}", json=body)
            answer.raise_for_status()


async def _register(provider_url: str, signer: Signer) -> None:
    async with httpx.AsyncClient(headers=system_token(signer, None, Role.CONSORTIUM)) as client:
        for member_id, (name, framework, colours) in MEMBERS.items():
            body = {
                "name": name, "colours": colours, "country": "GB", "framework": framework, "suspensions": [],
                "joined_on": "2024-01-15", "public_keys": [], "referrals_to": "Recognition office",
                "appeals": {"route": "Write to the registrar", "days": 20, "stages": ["Registrar", "Panel"]},
            }  # fmt: skip
            answer = await client.put(f"{provider_url}/members/{member_id}", json=body, headers={"If-None-Match": "*"})
            answer.raise_for_status()


@asynccontextmanager
async def _beside(loops: Sequence[Callable[[], Awaitable[None]]]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(loop()) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _consortium_on(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Consortium]:
    portal_url = f"http://127.0.0.1:{free_port()}"
    async with AsyncExitStack() as stack:
        signer = await stack.enter_async_context(issuer_for("portal", portal_url))
        stops: dict[str, Callable[[], Awaitable[None]]] = {}

        async def pool_of(service: str) -> tuple[str, Pool]:
            url = (await database(service)).url
            pool = await open_pool(url)
            stack.callback(pool.terminate)
            return url, pool

        def settings(url: str, **more: Any) -> Settings:
            return Settings(service_database_url=url, oidc_issuer=signer.issuer, learner_id_key=KEY.decode(), **more)  # type: ignore[arg-type]

        async def serve(name: str, app: FastAPI, port: int) -> str:
            own = AsyncExitStack()
            address = await own.enter_async_context(serving(app, port))
            stops[name] = own.aclose
            stack.push_async_callback(own.aclose)
            return address

        url, pool = await pool_of("provider")
        provider = await build_provider(settings(url), pool, system_clock)
        provider_url = await serve("provider", provider.app, free_port())  # type: ignore[arg-type]
        await _register(provider_url, signer)

        url, pool = await pool_of("learner_record")
        record = await build_learner_record(settings(url), pool, system_clock)
        await stack.enter_async_context(_beside(record.beside_api))
        record_url = await serve("learner_record", record.app, free_port())  # type: ignore[arg-type]
        for end in record.before_end:
            stack.callback(end)

        portal_database, portal_pool = await pool_of("portal")
        client = await stack.enter_async_context(httpx.AsyncClient())
        told = settings(
            portal_database,
            oidc_client_id="portal",
            oidc_client_secret=SECRET,
            public_url=portal_url,
            provider_url=provider_url,
            learner_record_url=record_url,
        )
        ending = asyncio.Event()
        app = application(told, portal_pool, system_clock, client, ending)
        await serve("portal", app, int(portal_url.rpartition(":")[2]))
        routes = {path: asked for _, path, asked in walk(app)}
        made = Consortium(portal_url, record_url, signer, pool, portal_pool, stops, app, routes, ending)
        await made.receive(
            *(member(one, name=name, framework=framework) for one, (name, framework, _) in MEMBERS.items()), award()
        )
        yield made


@pytest.fixture
async def consortium(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Consortium]:
    """Three members whose learner may sign in; `stops` ends the provider or the learner record early."""
    async with _consortium_on(database) as made:
        yield made


@pytest.fixture(scope="module")
async def standing(postgres_url: str) -> AsyncIterator[Consortium]:
    """The same, for all tests of a module that only look at it: nobody has earned anything there."""
    names: list[str] = []

    async def make(service: str) -> Database:
        names.append(f"{service}_{secrets.token_hex(6)}")
        return Database(*await create(postgres_url, service, names[-1], PASSWORD))

    async with _consortium_on(make) as made:
        yield made
    async with setup.alone(postgres_url) as connection:
        for name in names:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
