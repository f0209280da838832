"""Operations on a database and behind an issuer of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI

from chassis.clock import system_clock
from chassis.database import Pool, open_pool
from chassis.settings import Settings
from deploy.local.issuer import Signer
from deploy.local.ports import free_port
from services.operations.main import application
from tests.conftest import Database
from tests.integration.portal.people import SECRET, issuer_for, serving, swept

__all__ = ["swept"]

TRACE_URL = "http://viewer.example/trace/{trace_id}"
NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Operations:
    """The service, served: its address, its database, and whose tokens it accepts."""

    url: str
    pool: Pool
    signer: Signer
    app: FastAPI


@pytest.fixture
async def pool(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Pool]:
    """A pool on a fresh database of operations, under the service's role."""
    pool = await open_pool((await database("operations")).url)
    yield pool
    pool.terminate()


@pytest.fixture
async def operations(request: pytest.FixtureRequest, pool: Pool) -> AsyncIterator[Operations]:
    """The API and the pages; a parameter is another TRACE_URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with issuer_for("operations", url) as signer, httpx.AsyncClient() as client:
        settings = Settings(
            service_database_url="postgresql://not-asked-here",
            oidc_issuer=signer.issuer,
            oidc_client_id="operations",
            oidc_client_secret=SECRET,
            public_url=url,
            operations_url=url,
            recognition_url="http://127.0.0.1:1",  # nobody is there
            trace_url=getattr(request, "param", TRACE_URL),
        )
        app = application(settings, pool, system_clock, client)
        async with serving(app, port):
            yield Operations(url, pool, signer, app)
