"""SIGTERM: what is under way is finished, nothing new begins, and the process ends by itself in good time."""

import asyncio
import signal
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer

from chassis.database import Connection
from chassis.record import envelope
from contracts.event import Event
from tests.conftest import Database
from tests.eventually import eventually
from tests.integration.away.ground import Publisher, Server, process, state
from tests.integration.recognition.ground import member

pytestmark = pytest.mark.servers

GRACE = 30
"""Seconds until docker-compose.yml's stop_grace_period kills."""


async def hold(owner: Connection, table: str) -> None:
    """Let every commit of a row of this table wait until `release`."""
    await owner.execute(f"""
        CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER hold AFTER INSERT OR UPDATE ON {table} DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION hold();
    """)
    await owner.execute("SELECT pg_advisory_lock(7)")


async def release(owner: Connection) -> None:
    await owner.execute("SELECT pg_advisory_unlock(7)")


async def somebody_waits(owner: Connection) -> Any:
    return await owner.fetchval(
        "SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
    )


async def test_an_api_answers_what_is_under_way_and_takes_nothing_new(
    environment: dict[str, str], publisher: Publisher, owner: Connection
) -> None:
    async with process("provider", "api", environment) as api:
        await hold(owner, "completion_revision")
        under_way = asyncio.create_task(publisher.publish())
        await eventually(lambda: somebody_waits(owner), every=0.01)
        api.running.send_signal(signal.SIGTERM)

        async def refuses() -> bool:
            try:
                async with httpx.AsyncClient() as another:
                    await another.get(f"http://127.0.0.1:{environment['HTTP_PORT']}/health/live")
            except httpx.ConnectError:
                return True
            return False

        await eventually(refuses, every=0.01)
        assert not under_way.done()
        await release(owner)
        assert await under_way
        assert await asyncio.wait_for(api.running.wait(), GRACE) == 0
    assert await state(owner) == (1, 1, 1)


async def test_a_worker_commits_the_batch_under_way(recognition: Database, postgres: Server, kafka: Server) -> None:
    owner = await asyncpg.connect(postgres.within(recognition))
    settings = {"SERVICE_DATABASE_URL": recognition.url, "KAFKA_BOOTSTRAP_SERVERS": kafka.address}
    async with process("recognition", "worker", settings) as worker:
        await hold(owner, "fence")
        await send(kafka.address, member("northbridge"))
        await eventually(lambda: somebody_waits(owner), every=0.01)
        worker.running.send_signal(signal.SIGTERM)
        await release(owner)
        assert await asyncio.wait_for(worker.running.wait(), GRACE) == 0
    assert await owner.fetchval("SELECT applied FROM fence WHERE topic = 'provider.member' AND next_offset > 0") == 1
    await owner.close()


async def send(bootstrap: str, event: Event) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        headers = envelope(
            event_id=event.event_id,
            event_type=event.TYPE,
            source="urn:concord:test",
            happened_at=datetime.now(UTC),
            caused_by=None,
            traceparent=None,
        )
        await producer.send_and_wait(event.TOPIC, event.to_bytes(), event.key.encode(), headers=headers)
    finally:
        await producer.stop()
