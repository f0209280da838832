"""A database of each test's own, with the chassis's tables and those of the counting service."""

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import pytest

from chassis.database import Pool, open_pool
from chassis.topics import create
from contracts.catalogue import Topic
from contracts.learner_record_enrolment import EnrolmentRecorded
from tests.conftest import Database
from tests.integration.chassis.ground import lay_tables


@pytest.fixture
async def database_url(database: Callable[[str], Awaitable[Database]]) -> str:
    """A fresh database without tables, as its owner."""
    return (await database("chassis")).owner_url


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool on a fresh database, under the role that owns it."""
    pool = await open_pool(database_url)
    await lay_tables(pool)
    yield pool
    pool.terminate()


@pytest.fixture
async def topic(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A topic of this test's own with two partitions, that the enrolment event calls its home."""
    name = f"test.{uuid4().hex}"
    await create(kafka_bootstrap, wanted=[Topic(name, "test", "learner_id", EnrolmentRecorded.TYPE, 2, 1, 524288)])
    monkeypatch.setattr(EnrolmentRecorded, "TOPIC", name)
    return name
