"""The recognition service on a fresh database."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from chassis.database import Pool, open_pool
from tests.conftest import Database
from tests.integration.recognition.ground import Ground


@pytest.fixture
async def own_database(database: Callable[[str], Awaitable[Database]]) -> Database:
    return await database("recognition")


@pytest.fixture
async def pool(own_database: Database) -> AsyncIterator[Pool]:
    pool = await open_pool(own_database.url)
    yield pool
    pool.terminate()


@pytest.fixture
async def ground(pool: Pool) -> Ground:
    return Ground(pool)
