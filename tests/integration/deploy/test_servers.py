"""The servers of a test run themselves: real, shared, and ended with the run."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from contracts.catalogue import topics
from tests.conftest import Database

pytestmark = pytest.mark.servers


async def test_postgres_is_version_18_and_keeps_what_it_confirmed(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        assert connection.get_server_version().major == 18
        assert await connection.fetchval("SHOW fsync") == "on"
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
    finally:
        await connection.close()


async def test_a_database_is_fresh_and_its_own(database: Callable[[str], Awaitable[Database]]) -> None:
    first, second = await database("scratch"), await database("scratch")
    connection = await asyncpg.connect(first.url)
    try:
        await connection.execute("CREATE TABLE thing (id int)")
    finally:
        await connection.close()
    connection = await asyncpg.connect(second.url)
    try:
        assert await connection.fetchval("SELECT to_regclass('thing')") is None
    finally:
        await connection.close()


async def test_kafka_has_the_topics_and_gives_back_what_it_took(kafka_bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        assert {topic.name for topic in topics()} <= set(await admin.list_topics())
    finally:
        await admin.close()


async def test_a_test_may_have_a_kafka_of_its_own(own_kafka: Callable[[int], str], kafka_bootstrap: str) -> None:
    bootstrap = own_kafka(1)
    assert bootstrap != kafka_bootstrap
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        assert await admin.list_topics() == []
    finally:
        await admin.close()
