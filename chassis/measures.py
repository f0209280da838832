"""What is measured beside the work, so that it is known also when the work stands still (reliability.md, Telemetry).

Each measure remembers instants and tells ages when it is asked for: while a server does not answer they go on growing,
and `concord_measured_seconds_ago` says for how long nothing new was learnt.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from chassis import fence, telemetry
from chassis.clock import Clock
from chassis.database import Pool, connect, is_passing, transaction
from chassis.kafka import Access

log = structlog.get_logger()

EVERY_SECONDS: Final = 1.0
"""Between two looks."""
LONGEST_PAUSE: Final = 5.0
"""Between two tries to reach a server."""
LOOK_SECONDS: Final = 10.0
"""What a look at Kafka may take."""

# What the relay has taken and not committed is still here for everybody else.
STORED: Final = """
SELECT outbox_rows, outbox_oldest_at, set_aside_records, set_aside_learners, set_aside_oldest_at
FROM (SELECT count(*) AS outbox_rows FROM outbox) AS rows
CROSS JOIN (SELECT (SELECT happened_at FROM outbox ORDER BY id LIMIT 1) AS outbox_oldest_at) AS oldest
CROSS JOIN (
    SELECT count(*) AS set_aside_records,
           count(DISTINCT queue) FILTER (WHERE queue LIKE 'learner:%') AS set_aside_learners,
           min(set_aside_at) AS set_aside_oldest_at
    FROM set_aside WHERE state = 'waiting'
) AS aside
"""


class Stored:
    """What waits in the service's database: its outbox, and what was set aside.

    It has a connection of its own: the pool may be what everybody waits for.
    """

    def __init__(self, database_url: str, clock: Clock) -> None:
        self._database_url = database_url
        self._clock = clock
        self._outbox_oldest_at: datetime | None = None
        self._set_aside_oldest_at: datetime | None = None

    async def run(self) -> None:
        """Look again and again, until it is cancelled."""
        looked_at = self._clock()
        telemetry.MEASURED_AGO.labels("database").set_function(lambda: _age(looked_at, self._clock()))
        telemetry.OUTBOX_OLDEST.set_function(lambda: _age(self._outbox_oldest_at, self._clock()))
        telemetry.SET_ASIDE_OLDEST.set_function(lambda: _age(self._set_aside_oldest_at, self._clock()))
        while True:
            try:
                connection = await connect(self._database_url, application_name="measures")
                try:
                    while True:
                        row = await connection.fetchrow(STORED)
                        assert row is not None  # noqa: S101 - counts always are
                        self._outbox_oldest_at = row["outbox_oldest_at"]
                        self._set_aside_oldest_at = row["set_aside_oldest_at"]
                        telemetry.OUTBOX_ROWS.set(row["outbox_rows"])
                        telemetry.SET_ASIDE_RECORDS.set(row["set_aside_records"])
                        telemetry.SET_ASIDE_LEARNERS.set(row["set_aside_learners"])
                        looked_at = self._clock()
                        await asyncio.sleep(EVERY_SECONDS)
                finally:
                    connection.terminate()
            except Exception as error:
                log.warning("not measured", what="database", error=type(error).__name__, exc_info=not is_passing(error))
                await asyncio.sleep(LONGEST_PAUSE)


class Lag:
    """How far the fences of a service stand behind the ends of its topics, in records and in seconds.

    It asks Kafka and the database themselves, as a reader without a group: a consumer that hangs or has stopped does
    not hide what it leaves lying.
    """

    def __init__(self, topics: Sequence[str], pool: Pool, bootstrap: str, access: Access, clock: Clock) -> None:
        self._topics = topics
        self._pool = pool
        self._bootstrap = bootstrap
        self._access = access
        self._clock = clock
        self._ends: Mapping[TopicPartition, int] = {}
        self._first_waiting: dict[TopicPartition, tuple[int, datetime]] = {}
        """By partition the record at its fence, and when it was written; only where it has been there for a look."""

    async def run(self) -> None:
        """Look again and again, until it is cancelled."""
        looked_at = self._clock()
        telemetry.MEASURED_AGO.labels("kafka").set_function(lambda: _age(looked_at, self._clock()))
        for topic in self._topics:
            telemetry.LAG_SECONDS.labels(topic).set_function(partial(self._seconds, topic))
        while True:
            reader = AIOKafkaConsumer(
                *self._topics,
                bootstrap_servers=self._bootstrap,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                # A batch at a time is enough to see when its first record was written.
                max_partition_fetch_bytes=1,
                request_timeout_ms=5_000,
                **self._access.options,
            )
            try:
                await reader.start()
                reader.pause(*reader.assignment())
                while True:
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._look(reader)
                    looked_at = self._clock()
                    await asyncio.sleep(EVERY_SECONDS)
            except Exception as error:
                expected = is_passing(error) or isinstance(error, KafkaError)
                log.warning("not measured", what="kafka", error=type(error).__name__, exc_info=not expected)
                await asyncio.sleep(LONGEST_PAUSE)
            finally:
                await reader.stop()

    def _seconds(self, topic: str) -> float:
        now = self._clock()
        return max((_age(at, now) for tp, (_, at) in self._first_waiting.items() if tp.topic == topic), default=0.0)

    async def _look(self, reader: AIOKafkaConsumer) -> None:
        before = self._ends
        ends = await reader.end_offsets(reader.assignment())
        async with transaction(self._pool) as connection:
            fences = await fence.read(connection, ends)
        self._ends = ends
        waiting: defaultdict[str, int] = defaultdict(int)
        positions: defaultdict[str, int] = defaultdict(int)
        for tp, end in ends.items():
            waiting[tp.topic] += max(0, end - fences[tp])
            positions[tp.topic] += fences[tp]
            # What was written since the look before is no older than that.
            if fences[tp] >= before.get(tp, end):
                self._first_waiting.pop(tp, None)
            elif fences[tp] != self._first_waiting.get(tp, (None,))[0]:
                self._first_waiting[tp] = (fences[tp], await self._written_at(reader, tp, fences[tp]))
        for topic in self._topics:
            telemetry.LAG_RECORDS.labels(topic).set(waiting[topic])
            telemetry.POSITION.labels(topic).set(positions[topic])

    async def _written_at(self, reader: AIOKafkaConsumer, tp: TopicPartition, offset: int) -> datetime:
        reader.seek(tp, offset)
        reader.resume(tp)
        try:
            record = await reader.getone(tp)
        finally:
            reader.pause(tp)
        return datetime.fromtimestamp(record.timestamp / 1000, UTC)


def _age(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0
