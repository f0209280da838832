"""The relay takes events out of the outbox and sends them; what Kafka did not acknowledge is still there.

Its transaction is its lease: the rows it is sending are deleted but not committed, so a second relay waits on them,
and those of a dead or stopped one are there again (ADR 2).
"""

import asyncio
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from opentelemetry.trace import Span, SpanKind

from chassis import telemetry
from chassis.clock import Clock, pause
from chassis.crash import crash_point
from chassis.database import connect, is_passing
from chassis.kafka import OPEN, Access
from chassis.record import envelope

log = structlog.get_logger()

MOST_ROWS: Final = 1000
MOST_BYTES: Final = 1_000_000
"""Of one transaction's payloads: what is lost to a crash, and sent twice, stays small."""
ACK_SECONDS: Final = 8.0
IDLE_SECONDS: Final = 0.02
"""Between two looks into an empty outbox; a NOTIFY for every commit would cost the writers half their speed."""

TAKE: Final = """
WITH lowest AS MATERIALIZED (
    SELECT id, sum(octet_length(payload)) OVER (ORDER BY id) AS bytes, row_number() OVER (ORDER BY id) AS nth
    FROM (SELECT id, payload FROM outbox ORDER BY id LIMIT $1) AS candidates
)
DELETE FROM outbox
WHERE id = ANY (ARRAY(SELECT id FROM lowest WHERE bytes <= $2 OR nth = 1))
RETURNING id, topic, key, event_id, event_type, happened_at, caused_by, traceparent, payload
"""

SESSION: Final = {
    # Statistics taken while the outbox was empty make the delete scan all of it for every batch.
    "enable_seqscan": "off",
    "application_name": "relay",
}


class Relay:
    """One loop that sends a service's outbox, oldest row first. Any number may run; one works at a time."""

    name: Final = "relay"

    def __init__(self, *, database_url: str, bootstrap: str, source: str, clock: Clock, access: Access = OPEN) -> None:
        self._database_url = database_url
        self._bootstrap = bootstrap
        self._source = source
        self._clock = clock
        self._access = access
        self._producer: AIOKafkaProducer | None = None
        self._partitions: dict[str, int] = {}
        self._most_rows = MOST_ROWS
        self._stopping = asyncio.Event()
        self.trouble: str | None = "starting"

    async def run(self) -> None:
        """Send until `stop`; whatever goes wrong is tried again, with backoff, and nothing is skipped."""
        backoff = 0.1
        while not self._stopping.is_set():
            try:
                connection = await connect(self._database_url, **SESSION)
                try:
                    while not self._stopping.is_set():
                        sent = await self._send_once(connection)
                        self.trouble = None
                        backoff = 0.1
                        if sent == 0:
                            await pause(IDLE_SECONDS, self._stopping)
                finally:
                    # A connection to a stopped server must not hold up the next try.
                    connection.terminate()
            except Exception as error:
                # A group of errors is several partitions' sends; the first speaks for them.
                first = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
                expected = is_passing(first) or isinstance(first, KafkaError)
                self.trouble = f"waits for {await self._access.why(self._bootstrap, first)}"
                telemetry.BATCHES_ROLLED_BACK.labels("relay").inc()
                log.warning("relay tries again", error=self.trouble, in_seconds=backoff, exc_info=not expected)
                self._most_rows = max(1, self._most_rows // 2)
                await self._drop_producer()
                await pause(backoff, self._stopping)
                backoff = min(backoff * 2, 5.0)
        await self._drop_producer()

    def stop(self) -> None:
        """Ask the loop to end after the batch under way."""
        self._stopping.set()

    async def _send_once(self, connection: "asyncpg.Connection[asyncpg.Record]") -> int:
        producer = await self._ready_producer()
        async with connection.transaction():
            rows = await connection.fetch(TAKE, self._most_rows, MOST_BYTES)
            if not rows:
                return 0
            rows.sort(key=lambda row: row["id"])
            async with asyncio.timeout(ACK_SECONDS):
                await self._send(producer, rows)
            crash_point("relay_after_ack")
        self._most_rows = min(MOST_ROWS, self._most_rows * 2)
        return len(rows)

    async def _send(self, producer: AIOKafkaProducer, rows: Sequence[asyncpg.Record]) -> None:
        """Send rows partition by partition, each in order, and wait for every acknowledgement."""
        by_partition: dict[tuple[str, int], list[asyncpg.Record]] = {}
        for row in rows:
            topic = row["topic"]
            by_partition.setdefault((topic, await self._partition(producer, topic, row["key"])), []).append(row)
        spans: list[Span] = []
        try:
            await _all(
                self._send_partition(producer, topic, partition, mine, spans)
                for (topic, partition), mine in by_partition.items()
            )
        finally:
            for span in spans:
                span.end()

    async def _send_partition(
        self, producer: AIOKafkaProducer, topic: str, partition: int, rows: Sequence[asyncpg.Record], spans: list[Span]
    ) -> None:
        batch = producer.create_batch()
        for row in rows:
            record = {"timestamp": None, **self._record(row, topic, partition, spans)}
            if batch.append(**record) is None:
                await self._deliver(producer, batch, topic, partition)
                batch = producer.create_batch()
                batch.append(**record)
        await self._deliver(producer, batch, topic, partition)

    async def _deliver(self, producer: AIOKafkaProducer, batch: Any, topic: str, partition: int) -> None:
        started, error = time.perf_counter(), ""
        try:
            # The next batch of a partition leaves only when this one is acknowledged, so order holds after a failure.
            await (await producer.send_batch(batch, topic, partition=partition))
        except BaseException as failure:
            error = type(failure).__name__
            raise
        finally:
            labels = telemetry.labels("send", "send", topic, error=error)
            telemetry.OPERATION_DURATION.labels(**labels).observe(time.perf_counter() - started)
            telemetry.SENT.labels(**labels).inc(batch.record_count())

    def _record(self, row: asyncpg.Record, topic: str, partition: int, spans: list[Span]) -> dict[str, Any]:
        traceparent = row["traceparent"]
        if telemetry.is_sampled(traceparent):
            span = telemetry.start_child(
                f"send {topic}",
                traceparent,
                SpanKind.PRODUCER,
                telemetry.messaging(
                    "send",
                    "send",
                    topic,
                    messaging__destination__partition__id=str(partition),
                    messaging__kafka__message__key=row["key"],
                ),
            )
            spans.append(span)
            traceparent = telemetry.traceparent_of(span)
        return {
            "key": row["key"].encode(),
            "value": row["payload"],
            "headers": envelope(
                event_id=row["event_id"],
                event_type=row["event_type"],
                source=self._source,
                happened_at=row["happened_at"],
                caused_by=row["caused_by"],
                traceparent=traceparent,
            ),
        }

    async def _partition(self, producer: AIOKafkaProducer, topic: str, key: str) -> int:
        """Where Kafka's own partitioner would put the key, over the number of partitions the topic has."""
        if topic not in self._partitions:
            self._partitions[topic] = len(await producer.partitions_for(topic))
        return _hashed(key) % self._partitions[topic]

    async def _ready_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                **self._access.options,
                enable_idempotence=True,
                acks="all",
                max_batch_size=400_000,
                max_request_size=1_500_000,
                # Below ACK_SECONDS: what the producer itself repeats must be over before the transaction is given up.
                request_timeout_ms=6_000,
                retry_backoff_ms=100,
            )
            try:
                async with asyncio.timeout(ACK_SECONDS):
                    await producer.start()
            except BaseException:
                await _close(producer)
                raise
            self._producer = producer
        return self._producer

    async def _drop_producer(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            self._partitions.clear()
            await _close(producer)


@lru_cache(maxsize=10_000)
def _hashed(key: str) -> int:
    """Kafka's own hash of a key; a learner's events leave close together, and Python takes long for it."""
    return int(murmur2(key.encode()) & 0x7FFFFFFF)


async def _close(producer: AIOKafkaProducer) -> None:
    """Stop a producer whose broker may be gone; what it still holds is in the outbox."""
    try:
        async with asyncio.timeout(2):
            await producer.stop()
    except (TimeoutError, KafkaError):
        log.warning("producer did not stop cleanly")


async def _all(sends: Any) -> None:
    async with asyncio.TaskGroup() as group:
        for send in sends:
            group.create_task(send)
