"""The learner-record service on a fresh database, and those who call it."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from chassis.database import Pool, open_pool
from tests.conftest import Database
from tests.integration.learner_record.ground import Ground


@pytest.fixture
async def own_database(database: Callable[[str], Awaitable[Database]]) -> Database:
    return await database("learner_record")


@pytest.fixture
async def pool(own_database: Database) -> AsyncIterator[Pool]:
    pool = await open_pool(own_database.url)
    yield pool
    pool.terminate()


@pytest.fixture
async def ground(pool: Pool, own_database: Database) -> Ground:
    return Ground(pool, own_database.url)


@pytest.fixture
async def strathmore(ground: Ground) -> AsyncIterator[httpx.AsyncClient]:
    async with ground.caller("strathmore", "publisher") as client:
        yield client


@pytest.fixture
async def northbridge(ground: Ground) -> AsyncIterator[httpx.AsyncClient]:
    async with ground.caller("northbridge", "publisher") as client:
        yield client
