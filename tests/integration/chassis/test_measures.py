"""What is measured beside the work, while the work stands still."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from chassis import outbox
from chassis.clock import system_clock
from chassis.database import Pool, transaction
from chassis.kafka import OPEN
from chassis.measures import Lag, Stored
from chassis.outbox import Outgoing
from chassis.relay import TAKE
from contracts.learner_record_enrolment import EnrolmentRecorded
from tests.eventually import eventually
from tests.integration.chassis.ground import CountingDesk, Logged, enrolment, handle, log_of
from tests.integration.chassis.test_consumer import applied, running, send

pytestmark = pytest.mark.servers


@asynccontextmanager
async def measuring(loop: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """A measure at work; it is cancelled with the block."""
    task = asyncio.create_task(loop)
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait({task})


def metric(name: str, **labels: str) -> float:
    value = REGISTRY.get_sample_value(name, labels)
    assert value is not None, f"no {name} with {labels}"
    return value


async def test_the_outbox_is_measured_while_a_relay_holds_its_rows_and_when_the_database_is_silent(
    pool: Pool, database_url: str
) -> None:
    async with measuring(Stored(database_url, system_clock).run()):
        await eventually(lambda: metric("concord_outbox_rows") == 0 and metric("concord_outbox_oldest_seconds") == 0)
        old = enrolment(uuid4()).model_copy(update={"accepted_at": system_clock() - timedelta(seconds=100)})
        async with transaction(pool) as connection:
            await outbox.put(connection, [Outgoing(old), Outgoing(enrolment(uuid4(), "E-2"))])
        async with transaction(pool) as relay:
            assert len(await relay.fetch(TAKE, 1000, 1_000_000)) == 2
            await eventually(lambda: metric("concord_outbox_rows") == 2)
            assert metric("concord_outbox_oldest_seconds") >= 100
            async with transaction(pool) as locks:
                await locks.execute("LOCK TABLE set_aside IN ACCESS EXCLUSIVE MODE")
                await eventually(lambda: metric("concord_measured_seconds_ago", server="database") > 2)
                before = metric("concord_outbox_oldest_seconds")
                await eventually(lambda: metric("concord_outbox_oldest_seconds") > before + 1)
        await eventually(lambda: metric("concord_outbox_rows") == metric("concord_outbox_oldest_seconds") == 0)
        assert metric("concord_measured_seconds_ago", server="database") < 60


async def test_what_is_set_aside_is_counted_by_records_and_learners_with_its_age(pool: Pool, database_url: str) -> None:
    first, second = uuid4(), uuid4()
    async with measuring(Stored(database_url, system_clock).run()):
        await eventually(lambda: metric("concord_set_aside_records") == 0)
        unreadable = [
            Logged(EnrolmentRecorded.TOPIC, 0, 0, str(learner).encode(), b"no JSON", [])
            for learner in (first, first, second)
        ]
        await handle(pool, log_of(unreadable))
        await eventually(lambda: metric("concord_set_aside_records") == 3)
        assert metric("concord_set_aside_learners") == 2
        assert metric("concord_set_aside_oldest_seconds") > 0
        async with transaction(pool) as connection:
            await connection.execute(
                "UPDATE set_aside SET state = 'dropped', acted_at = now(), acted_by = 'somebody', because = 'a test'"
            )
        await eventually(lambda: metric("concord_set_aside_records") == metric("concord_set_aside_oldest_seconds") == 0)


async def test_lag_is_known_while_nobody_consumes_and_while_a_handler_hangs(
    pool: Pool, kafka_bootstrap: str, topic: str
) -> None:
    goes_on = asyncio.Event()

    class Hanging(CountingDesk):
        async def read(self, connection, learner_ids, received):  # type: ignore[no-untyped-def]
            await goes_on.wait()
            return await super().read(connection, learner_ids, received)

    def waiting() -> tuple[float, float]:
        return metric("concord_consumer_lag_records", topic=topic), metric("concord_consumer_lag_seconds", topic=topic)

    group = f"g-{uuid4()}"
    async with measuring(Lag([topic], pool, kafka_bootstrap, OPEN, system_clock).run()):
        async with running(pool, kafka_bootstrap, group):
            await send(kafka_bootstrap, [enrolment(uuid4(), f"E-{n}") for n in range(3)])
            await eventually(applied(pool, 3))
            await eventually(lambda: metric("concord_consumer_position", topic=topic) == 3)
            assert waiting() == (0, 0)
        await send(kafka_bootstrap, [enrolment(uuid4(), f"E-{n}") for n in range(5)])
        await eventually(lambda: waiting()[0] == 5 and waiting()[1] > 2)
        await send(kafka_bootstrap, [enrolment(uuid4(), "E-1")], partition=1)
        await eventually(lambda: waiting()[0] == 6)
        desk = Hanging(reads=(EnrolmentRecorded,))
        async with running(pool, kafka_bootstrap, group, desk, stuck_after=1.0) as consumer:
            await eventually(lambda: "has not asked for records" in (consumer.trouble or ""), within=60)
            before = waiting()
            assert before[0] == 6
            await eventually(lambda: waiting()[1] > before[1] + 1)
            assert metric("concord_consumer_position", topic=topic) == 3
            goes_on.set()
            await eventually(applied(pool, 9), within=60)
            await eventually(lambda: consumer.trouble is None)
        await eventually(lambda: waiting() == (0, 0))
        assert metric("concord_consumer_position", topic=topic) == 9
