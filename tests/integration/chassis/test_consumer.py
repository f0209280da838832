"""The consumer on a real broker: where it stands, and what happens when the broker or the database misbehaves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from chassis.consumer import Consumer
from chassis.database import Pool, transaction
from contracts.event import Event
from contracts.learner_record_enrolment import EnrolmentRecorded
from tests.eventually import eventually
from tests.integration.chassis.ground import NOW, CountingDesk, effects, enrolment, headers_of

pytestmark = pytest.mark.servers

Make = Callable[..., Consumer]


async def send(bootstrap: str, events: Sequence[Event | bytes], *, partition: int = 0) -> None:
    """Put events on their topic, in order, in one partition."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for event in events:
            if isinstance(event, bytes):
                await producer.send_and_wait(EnrolmentRecorded.TOPIC, event, partition=partition)
            else:
                await producer.send_and_wait(
                    event.TOPIC, event.to_bytes(), event.key.encode(), partition=partition, headers=headers_of(event)
                )
    finally:
        await producer.stop()


@asynccontextmanager
async def running(pool: Pool, bootstrap: str, group: str, desk: Any = None, **settings: Any) -> AsyncIterator[Consumer]:
    """A consumer at work; it ends with the block."""

    class Enrolments(CountingDesk):
        reads = (EnrolmentRecorded,)

    consumer = Consumer(
        desk or Enrolments(reads=(EnrolmentRecorded,)),
        group=group,
        pool=pool,
        bootstrap=bootstrap,
        clock=lambda: NOW,
        session_timeout_ms=6_000,
        **settings,
    )
    task = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        consumer.stop()
        await asyncio.wait_for(task, 30)


def applied(pool: Pool, count: int) -> Callable[[], Awaitable[bool]]:
    """Whether so many effects are there."""

    async def reached() -> bool:
        return len(await effects(pool)) >= count

    return reached


async def commit_offset(bootstrap: str, group: str, topic: str, offset: int) -> None:
    """Let Kafka believe that the group stands at `offset` of partition 0."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    await consumer.commit({partition: offset})
    await consumer.stop()


async def test_it_goes_on_at_the_fence_whatever_kafka_has_committed(
    pool: Pool, kafka_bootstrap: str, topic: str
) -> None:
    group, learner = f"g-{uuid4()}", uuid4()
    await send(kafka_bootstrap, [enrolment(learner, f"E-{n}") for n in range(5)])
    async with running(pool, kafka_bootstrap, group):
        await eventually(applied(pool, 5))
    await send(kafka_bootstrap, [enrolment(learner, f"E-{n}") for n in range(5, 10)])
    await commit_offset(kafka_bootstrap, group, topic, 8)
    async with running(pool, kafka_bootstrap, group):
        await eventually(applied(pool, 10))
    assert [row[1] for row in await effects(pool)] == [f"E-{n}" for n in range(10)]


async def test_a_listener_that_raises_loses_nothing(
    pool: Pool, kafka_bootstrap: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiokafka logs and swallows what the listener raises, and starts at the committed offset: a gap, which is seen."""
    group, learner = f"g-{uuid4()}", uuid4()
    await send(kafka_bootstrap, [enrolment(learner, f"E-{n}") for n in range(10)])
    await commit_offset(kafka_bootstrap, group, topic, 6)
    place, calls = Consumer.place, []

    async def first_time_the_database_is_away(self: Consumer, partitions: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("the database is away")
        await place(self, partitions)

    monkeypatch.setattr(Consumer, "place", first_time_the_database_is_away)
    async with running(pool, kafka_bootstrap, group):
        await eventually(applied(pool, 10))
    assert [row[1] for row in await effects(pool)] == [f"E-{n}" for n in range(10)]
    assert len(calls) >= 2


async def test_a_log_that_starts_above_the_fence_stops_the_consumer(
    pool: Pool, kafka_bootstrap: str, topic: str
) -> None:
    group, learner = f"g-{uuid4()}", uuid4()
    await send(kafka_bootstrap, [enrolment(learner, f"E-{n}") for n in range(6)])
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=4)})
    await admin.close()
    async with running(pool, kafka_bootstrap, group) as consumer:
        await eventually(lambda: consumer.stopped_because)
        assert f"{topic}/0 begins at 4, above the fence 0" in (consumer.trouble or "")
    assert await effects(pool) == []


async def test_a_log_that_is_cut_off_while_the_consumer_runs_stops_it_too(
    pool: Pool, kafka_bootstrap: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library skips to the log's start without a word; the check in the batch's transaction is what sees it."""
    group, learner = f"g-{uuid4()}", uuid4()
    await send(kafka_bootstrap, [enrolment(learner, f"E-{n}") for n in range(6)])
    place, calls = Consumer.place, []

    async def first_time_nothing(self: Consumer, partitions: Any) -> None:
        calls.append(1)
        if len(calls) > 1:
            await place(self, partitions)

    monkeypatch.setattr(Consumer, "place", first_time_nothing)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=4)})
    await admin.close()
    async with running(pool, kafka_bootstrap, group) as consumer:
        await eventually(lambda: consumer.stopped_because)
    assert await effects(pool) == []


async def test_a_fence_beyond_the_end_stops_the_consumer(pool: Pool, kafka_bootstrap: str, topic: str) -> None:
    async with transaction(pool) as connection:
        await connection.execute(
            "INSERT INTO fence (topic, partition, next_offset, applied) VALUES ($1, 0, 7, 7)", topic
        )
    async with running(pool, kafka_bootstrap, f"g-{uuid4()}") as consumer:
        await eventually(lambda: consumer.stopped_because)
        assert "ends at 0, below the fence 7" in (consumer.trouble or "")


async def test_another_cluster_stops_the_consumer(pool: Pool, kafka_bootstrap: str, topic: str) -> None:
    async with transaction(pool) as connection:
        await connection.execute("INSERT INTO cluster (cluster_id) VALUES ('another')")
    await send(kafka_bootstrap, [enrolment(uuid4())])
    async with running(pool, kafka_bootstrap, f"g-{uuid4()}") as consumer:
        await eventually(lambda: consumer.stopped_because)
        assert "another cluster" in (consumer.trouble or "")
    assert await effects(pool) == []


async def test_a_passing_error_of_the_database_repeats_the_batch_and_sets_nobody_aside(
    pool: Pool, kafka_bootstrap: str, topic: str
) -> None:
    learner = uuid4()
    cut = 0

    class CutOff(CountingDesk):
        reads = (EnrolmentRecorded,)

        async def write(self, connection, works):  # type: ignore[no-untyped-def]
            nonlocal cut
            await super().write(connection, works)
            if cut < 3:
                cut += 1
                async with transaction(pool) as other:
                    await other.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())

    await send(kafka_bootstrap, [enrolment(learner, f"E-{n}") for n in range(4)])
    async with running(pool, kafka_bootstrap, f"g-{uuid4()}", CutOff(reads=(EnrolmentRecorded,))) as consumer:
        await eventually(applied(pool, 4))
        assert consumer.stopped_because is None
    assert cut == 3
    assert len(await effects(pool)) == 4
    async with transaction(pool) as connection:
        assert await connection.fetchval("SELECT count(*) FROM set_aside") == 0


async def test_a_fault_that_belongs_to_nobody_stops_the_consumer_and_loses_nothing(
    pool: Pool, kafka_bootstrap: str, topic: str
) -> None:
    class Broken(CountingDesk):
        async def read(self, connection, learner_ids, received):  # type: ignore[no-untyped-def]
            raise KeyError("a bug in the service")

    group = f"g-{uuid4()}"
    await send(kafka_bootstrap, [enrolment(uuid4())])
    async with running(pool, kafka_bootstrap, group, Broken(reads=(EnrolmentRecorded,))) as consumer:
        await eventually(lambda: consumer.stopped_because)
        assert "KeyError" in (consumer.trouble or "")
    async with running(pool, kafka_bootstrap, group):
        await eventually(applied(pool, 1))


async def test_after_too_many_failures_in_a_row_it_stops_and_sets_none_of_that_batch_aside(
    pool: Pool, kafka_bootstrap: str, topic: str
) -> None:
    await send(kafka_bootstrap, [enrolment(uuid4(), "bug") for _ in range(5)])
    async with running(pool, kafka_bootstrap, f"g-{uuid4()}", set_aside_in_a_row=5) as consumer:
        await eventually(lambda: consumer.stopped_because)
        assert "5 records failed in a row" in (consumer.trouble or "")
    async with transaction(pool) as connection:
        assert await connection.fetchval("SELECT count(*) FROM set_aside") < 5


async def test_it_says_why_it_stopped_and_goes_on_from_there_when_more_in_a_row_are_allowed(
    pool: Pool, kafka_bootstrap: str, topic: str
) -> None:
    learners = [uuid4() for _ in range(6)]
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap)
    await producer.start()
    for learner in learners:
        headers = [
            (name, b"a.later.type.v2" if name == "ce_type" else value) for name, value in headers_of(enrolment(learner))
        ]
        await producer.send_and_wait(
            topic, enrolment(learner).to_bytes(), key=str(learner).encode(), headers=headers, partition=0
        )
    await producer.stop()
    group = f"g-{uuid4()}"
    async with running(pool, kafka_bootstrap, group, set_aside_in_a_row=6) as consumer:
        why = await eventually(lambda: consumer.trouble if consumer.stopped_because else None)
        assert why is not None
        assert "6 records failed in a row" in why
        assert f"unknown_type (not {EnrolmentRecorded.TYPE}) at {topic}/0 offset 5" in why
    async with running(pool, kafka_bootstrap, group, set_aside_in_a_row=100):
        await eventually(lambda: _set_aside(pool, 6))
    async with transaction(pool) as connection:
        assert {row["queue"] for row in await connection.fetch("SELECT queue FROM set_aside")} == {
            f"learner:{learner}" for learner in learners
        }


async def _set_aside(pool: Pool, number: int) -> bool:
    async with transaction(pool) as connection:
        return bool(await connection.fetchval("SELECT count(*) = $1 FROM set_aside", number))


async def test_a_second_consumer_takes_over_partitions_without_a_double_effect(
    pool: Pool, kafka_bootstrap: str, topic: str
) -> None:
    group = f"g-{uuid4()}"
    learners = [uuid4() for _ in range(4)]
    async with running(pool, kafka_bootstrap, group) as first:
        await eventually(lambda: first.trouble is None)
        for partition in (0, 1):
            await send(kafka_bootstrap, [enrolment(x, f"E-{partition}") for x in learners], partition=partition)
        await eventually(applied(pool, 8))
        async with running(pool, kafka_bootstrap, group) as second:
            await eventually(lambda: second.trouble is None and first.trouble is None, within=30)
            for partition in (0, 1):
                await send(kafka_bootstrap, [enrolment(x, f"F-{partition}") for x in learners], partition=partition)
            await eventually(applied(pool, 16))
    assert len(await effects(pool)) == 16


async def test_a_message_of_bytes_alone_is_set_aside_and_the_partition_flows_on(
    pool: Pool, kafka_bootstrap: str, topic: str
) -> None:
    await send(kafka_bootstrap, [b"\x00\xff", enrolment(uuid4())])
    async with running(pool, kafka_bootstrap, f"g-{uuid4()}"):
        await eventually(applied(pool, 1))
    async with transaction(pool) as connection:
        assert await connection.fetchval("SELECT value FROM set_aside") == b"\x00\xff"
