"""The provider service on a fresh database, and those who call it."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from chassis.database import Pool, open_pool
from tests.conftest import Database
from tests.integration.provider.ground import Ground, member


@pytest.fixture
async def own_database(database: Callable[[str], Awaitable[Database]]) -> Database:
    return await database("provider")


@pytest.fixture
async def pool(own_database: Database) -> AsyncIterator[Pool]:
    pool = await open_pool(own_database.url)
    yield pool
    pool.terminate()


@pytest.fixture
async def ground(pool: Pool) -> Ground:
    return Ground(pool)


@pytest.fixture
async def consortium(ground: Ground) -> AsyncIterator[httpx.AsyncClient]:
    async with ground.caller(None, "consortium") as client:
        yield client


@pytest.fixture
async def northbridge(ground: Ground) -> AsyncIterator[httpx.AsyncClient]:
    async with ground.caller("northbridge", "publisher") as client:
        yield client


@pytest.fixture
async def westfield(ground: Ground) -> AsyncIterator[httpx.AsyncClient]:
    async with ground.caller("westfield", "publisher") as client:
        yield client


@pytest.fixture
async def members(consortium: httpx.AsyncClient) -> None:
    for member_id in ("northbridge", "westfield"):
        answer = await consortium.put(f"/members/{member_id}", json=member(), headers={"If-None-Match": "*"})
        assert answer.status_code == 201
