"""The relay on a real broker: every committed event leaves at least once, oldest first, whatever happens meanwhile."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from chassis import relay as relay_module
from chassis.database import Pool, connect, in_transaction, transaction
from chassis.outbox import EventTooLarge, Outgoing, put
from chassis.relay import SESSION, TAKE, Relay
from contracts.event import Event
from contracts.learner_record_enrolment import EnrolmentRecorded
from tests.eventually import eventually
from tests.integration.chassis.ground import NOW, enrolment, member

pytestmark = pytest.mark.servers


@asynccontextmanager
async def relaying(url: str, bootstrap: str) -> AsyncIterator[Relay]:
    """A relay at work; it ends with the block."""
    relay = Relay(database_url=url, bootstrap=bootstrap, source="urn:concord:test", clock=lambda: NOW)
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        relay.stop()
        await asyncio.wait_for(task, 30)


async def commit(pool: Pool, *events: Event) -> None:
    """Write events into the outbox, in a transaction of their own."""
    await in_transaction(pool, lambda connection: put(connection, [Outgoing(event, uuid4(), None) for event in events]))


async def on_topic(bootstrap: str, name: str) -> "list[ConsumerRecord[bytes, bytes]]":
    """Everything that stands on a topic, partition by partition."""
    consumer = AIOKafkaConsumer(name, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        await eventually(lambda: consumer.assignment())
        ends = await consumer.end_offsets(consumer.assignment())
        records = []
        while any([await consumer.position(p) < end for p, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                records += batch
        return records
    finally:
        await consumer.stop()


def outbox_is_empty(pool: Pool):  # type: ignore[no-untyped-def]
    """Whether everything was sent."""

    async def empty() -> bool:
        async with transaction(pool) as connection:
            return not await connection.fetchval("SELECT count(*) FROM outbox")

    return empty


async def test_events_leave_with_their_envelope_in_order_and_by_kafkas_own_partitioning(
    pool: Pool,
    database_url: str,
    kafka_bootstrap: str,
    topic: str,
) -> None:
    learners = [uuid4() for _ in range(20)]
    events = [enrolment(learner, f"E-{n}") for n in range(15) for learner in learners]
    await commit(pool, *events)
    async with relaying(database_url, kafka_bootstrap):
        await eventually(outbox_is_empty(pool))
    records = await on_topic(kafka_bootstrap, topic)
    assert len(records) == 300
    for learner in learners:
        mine = [r for r in records if r.key == str(learner).encode()]
        assert len({r.partition for r in mine}) == 1
        assert [EnrolmentRecorded.model_validate_json(r.value).reference for r in mine] == [f"E-{n}" for n in range(15)]
    by_id = {str(event.event_id): event for event in events}
    headers = dict(records[0].headers)
    sent = by_id[headers["ce_id"].decode()]
    assert records[0].value == sent.to_bytes()
    assert headers["ce_type"] == EnrolmentRecorded.TYPE.encode()
    assert headers["ce_source"] == b"urn:concord:test"
    assert headers["ce_time"] == b"2026-09-01T12:00:00Z"
    assert UUID(headers["caused_by"].decode())
    # Kafka's own partitioner agrees: whoever writes by key alone lands in the same partition.
    from aiokafka.partitioner import DefaultPartitioner

    for record in records[:50]:
        assert DefaultPartitioner()(record.key, [0, 1], [0, 1]) == record.partition


async def test_a_transaction_that_commits_late_with_a_lower_number_is_sent_too(
    pool: Pool,
    database_url: str,
    kafka_bootstrap: str,
    topic: str,
) -> None:
    """reliability.md, F-12: whoever polls by `id > last_seen` loses the first."""
    early, late = enrolment(uuid4(), "early number"), enrolment(uuid4(), "later number")
    async with relaying(database_url, kafka_bootstrap):
        async with transaction(pool) as connection:
            await put(connection, [Outgoing(early)])
            await commit(pool, late)
            await eventually(lambda: _is_on(kafka_bootstrap, topic, 1))
        await eventually(outbox_is_empty(pool))
    references = {
        EnrolmentRecorded.model_validate_json(r.value).reference for r in await on_topic(kafka_bootstrap, topic)
    }
    assert references == {"early number", "later number"}


async def _is_on(bootstrap: str, name: str, count: int) -> bool:
    return len(await on_topic(bootstrap, name)) >= count


async def test_killed_between_the_ack_and_the_commit_it_sends_twice_under_one_id(
    pool: Pool,
    database_url: str,
    kafka_bootstrap: str,
    topic: str,
) -> None:
    """reliability.md, F-02."""
    await commit(pool, *[enrolment(uuid4(), f"E-{n}") for n in range(5)])
    program = (
        "import asyncio, datetime, sys\n"
        "from chassis.relay import Relay\n"
        "asyncio.run(Relay(database_url=sys.argv[1], bootstrap=sys.argv[2], source='urn:concord:test',"
        " clock=lambda: datetime.datetime.now(datetime.UTC)).run())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        database_url,
        kafka_bootstrap,
        env={**os.environ, "CRASH_AT": "relay_after_ack:1"},
    )
    assert await asyncio.wait_for(process.wait(), 30) == -signal.SIGKILL
    async with transaction(pool) as connection:
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 5
    async with relaying(database_url, kafka_bootstrap):
        await eventually(outbox_is_empty(pool))
    ids = [dict(record.headers)["ce_id"] for record in await on_topic(kafka_bootstrap, topic)]
    assert len(ids) == 10
    assert len(set(ids)) == 5


async def test_two_relays_send_each_event_once(
    pool: Pool,
    database_url: str,
    kafka_bootstrap: str,
    topic: str,
) -> None:
    await commit(pool, *[enrolment(uuid4(), f"E-{n}") for n in range(2500)])
    async with relaying(database_url, kafka_bootstrap), relaying(database_url, kafka_bootstrap):
        await eventually(outbox_is_empty(pool), within=30)
    ids = [dict(record.headers)["ce_id"] for record in await on_topic(kafka_bootstrap, topic)]
    assert len(ids) == len(set(ids)) == 2500


async def test_a_topic_that_is_not_there_holds_its_events_and_they_leave_when_it_comes(
    pool: Pool, database_url: str, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chassis.topics import create
    from contracts.catalogue import Topic

    name = f"test.{uuid4().hex}"
    monkeypatch.setattr(EnrolmentRecorded, "TOPIC", name)
    monkeypatch.setattr(relay_module, "ACK_SECONDS", 2.0)
    await commit(pool, enrolment(uuid4()))
    async with relaying(database_url, kafka_bootstrap) as relay:
        await eventually(lambda: relay.trouble not in (None, "starting"))
        async with transaction(pool) as connection:
            assert await connection.fetchval("SELECT count(*) FROM outbox") == 1
        await create(kafka_bootstrap, wanted=[Topic(name, "test", "learner_id", EnrolmentRecorded.TYPE, 1, 1, 524288)])
        await eventually(outbox_is_empty(pool), within=30)
        assert relay.trouble is None
    assert len(await on_topic(kafka_bootstrap, name)) == 1


async def test_its_session_ends_within_seconds_when_the_process_is_stopped(pool: Pool, database_url: str) -> None:
    """A paused relay must not keep its rows: the server ends its session, and the other relay goes on (F-06)."""
    await commit(pool, enrolment(uuid4()))
    connection = await connect(database_url, **SESSION)
    await connection.execute("BEGIN")
    assert len(await connection.fetch(TAKE, 10, 1_000_000)) == 1

    async def another_can_take() -> bool:
        other = await connect(database_url, **SESSION, lock_timeout="200ms")
        try:
            async with other.transaction():
                return bool(await other.fetch(TAKE, 10, 1_000_000))
        except asyncpg.LockNotAvailableError:
            return False
        finally:
            await other.close()

    assert not await another_can_take()
    await eventually(another_can_take, within=15)
    connection.terminate()


async def test_taking_uses_the_index_whatever_the_statistics_say(pool: Pool, database_url: str) -> None:
    """Statistics of an empty outbox make PostgreSQL scan all of it for every batch; the relay's session says no."""
    async with transaction(pool) as connection:
        await connection.execute("ANALYZE outbox")
    await commit(pool, *[enrolment(uuid4()) for _ in range(2000)])
    connection = await connect(database_url, **SESSION)
    try:
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {TAKE}", 1000, 1_000_000))
    finally:
        await connection.close()
    assert "Seq Scan on outbox" not in plan
    assert plan.count("Index Scan using outbox_pkey") + plan.count("Bitmap Index Scan on outbox_pkey") >= 2, plan


async def test_a_batch_is_bounded_in_bytes_but_never_empty(pool: Pool, database_url: str) -> None:
    await commit(pool, *[enrolment(uuid4()) for _ in range(20)])
    connection = await connect(database_url, **SESSION)
    try:
        for most_bytes, expected in ((1, 1), (2_000, range(2, 10)), (1_000_000, range(20, 21))):
            transaction_ = connection.transaction()
            await transaction_.start()
            taken = len(await connection.fetch(TAKE, 1000, most_bytes))
            assert taken == expected if isinstance(expected, int) else taken in expected
            await transaction_.rollback()
    finally:
        await connection.close()


async def test_an_event_that_no_topic_would_take_is_refused_before_its_fact_is_committed(pool: Pool) -> None:
    large = member("northbridge").model_copy(update={"public_keys": ["x" * 4000] * 70})
    with pytest.raises(EventTooLarge):
        await commit(pool, large)
