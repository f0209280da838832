"""The consumer of every service: Kafka brings batches, the database says where it stands and keeps what came of them.

FastStream and aiokafka swallow what a handler or a rebalance listener raises, and go on behind it. So nothing here
relies on an exception reaching anybody: the fence is checked in the transaction of every batch (chassis.fence), a
passing error is repeated in place, and anything else stops the consumer, which stays up, not ready, and says why.
"""

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import KafkaAckableMessage
from opentelemetry.trace import Link, SpanKind

from chassis import fence, telemetry
from chassis.batch import Batch, Handled
from chassis.clock import Clock, pause
from chassis.crash import crash_point
from chassis.database import Pool, is_passing, transaction
from chassis.desk import Desk
from chassis.fence import Gap
from chassis.handling import SOMEBODYS_DATA
from chassis.kafka import OPEN, Access
from chassis.record import Record

log = structlog.get_logger()

MOST_RECORDS: Final = 1000
LONGEST_PAUSE: Final = 2.0
"""Seconds between two tries of a batch whose database is away."""
STUCK_SECONDS: Final = 15.0
"""After so long without asking for records a consumer is not ready; no sound batch of 1,000 takes that long."""


class Consumer:
    """Reads all topics of a service in one group and hands their events to its desk, each exactly once in effect."""

    name: Final = "consumer"

    def __init__(
        self,
        desk: Desk[Any, Any],
        *,
        group: str,
        pool: Pool,
        bootstrap: str,
        clock: Clock,
        access: Access = OPEN,
        session_timeout_ms: int = 10_000,
        set_aside_in_a_row: int = 25,
        stuck_after: float = STUCK_SECONDS,
    ) -> None:
        self._desk = desk
        self._group = group
        self._pool = pool
        self._bootstrap = bootstrap
        self._clock = clock
        self._access = access
        self._session_timeout_ms = session_timeout_ms
        self._set_aside_in_a_row = set_aside_in_a_row
        self._stuck_after = stuck_after
        self._failures_in_a_row = 0
        self._stopping = asyncio.Event()
        self._revoking = asyncio.Event()
        self._at_work = asyncio.Lock()
        self._broker: KafkaBroker | None = None
        self._subscriber: Any = None
        self.stopped_because: str | None = None
        self.waits_for: str | None = None

    # Running

    async def run(self) -> None:
        """Consume until `stop`. A consumer that stopped for cause does nothing more, and `trouble` says why."""
        backoff = 0.1
        while not self._stopping.is_set() and self.stopped_because is None:
            try:
                await self._start()
                backoff = 0.1
                await self._watch()
            except Exception as error:
                if not (isinstance(error, KafkaError) or is_passing(error)):
                    log.exception("consumer failed")
                    self._halt(f"{type(error).__name__} while starting")
                    continue
                self.waits_for = await self._access.why(self._bootstrap, error)
                log.warning("consumer tries to start again", error=self.waits_for, in_seconds=backoff)
                await pause(backoff, self._stopping)
                backoff = min(backoff * 2, LONGEST_PAUSE)
            finally:
                await self._leave()
        await self._stopping.wait()

    def stop(self) -> None:
        """Ask to end after the batch under way."""
        self._stopping.set()

    @property
    def trouble(self) -> str | None:
        """Why this consumer is not ready; None while it consumes, or would if there were anything."""
        if self.stopped_because:
            return f"stopped: {self.stopped_because}"
        if self.waits_for:
            return f"waits for {self.waits_for}"
        consumer = self._kafka
        if consumer is None:
            return "not started"
        if self._loop_is_dead():
            return "its loop ended"
        if not consumer.assignment():
            return "no partitions are assigned"
        # Of the library's own making: 0 while it waits for records, else how long ago it last did.
        idle: float = consumer._subscription.fetcher_idle_time
        return f"has not asked for records for {idle:.0f} s" if idle > self._stuck_after else None

    @property
    def topics(self) -> Sequence[str]:
        """What it reads."""
        return [contract.TOPIC for contract in self._desk.reads]

    @property
    def _kafka(self) -> AIOKafkaConsumer | None:
        return self._subscriber.consumer if self._subscriber is not None else None

    def _loop_is_dead(self) -> bool:
        return any(task.done() for task in self._subscriber.tasks)

    async def _start(self) -> None:
        # Before the first record is seen, since a listener's own check can fail without anybody's knowing.
        if not await self._is_the_same_cluster():
            return
        self._broker = KafkaBroker(
            # FastStream takes one text for one server.
            self._bootstrap.split(","),
            security=self._access.security,
            allow_auto_create_topics=False,
            logger=None,
            graceful_timeout=10.0,
        )
        self._subscriber = self._broker.subscriber(
            *self.topics,
            batch=True,
            group_id=self._group,
            max_records=MOST_RECORDS,
            batch_timeout_ms=20,
            fetch_min_bytes=1,
            fetch_max_wait_ms=100,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            listener=_Listener(self),
            session_timeout_ms=self._session_timeout_ms,
            heartbeat_interval_ms=self._session_timeout_ms // 4,
            rebalance_timeout_ms=30_000,
            max_poll_interval_ms=300_000,
            parser=self._parse,
            decoder=_leave_as_it_is,
            no_reply=True,
        )
        self._subscriber(self._on_batch)
        await self._broker.start()
        # After start-up: what lives for ever need not be looked at again, and batches make much garbage at once.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 1000)

    async def _watch(self) -> None:
        """Stay until asked to stop; start again where the loop of the library died, which it says to nobody."""
        while not self._stopping.is_set() and self.stopped_because is None and not self._loop_is_dead():
            await pause(0.5, self._stopping)

    async def _leave(self) -> None:
        self._revoking.set()
        if self._broker is not None:
            broker, self._broker, self._subscriber = self._broker, None, None
            try:
                async with asyncio.timeout(15):
                    await broker.stop()
            except (KafkaError, TimeoutError):
                log.warning("consumer did not leave cleanly")

    def _halt(self, cause: str) -> None:
        """Stop for cause. Nothing is committed past what is in the database; a person must look."""
        if self.stopped_because is None:
            self.stopped_because = cause
            log.critical("consumer stopped", cause=cause)

    # Where it stands

    async def place(self, partitions: Iterable[TopicPartition]) -> None:
        """Go to the fences of these partitions, after looking whether the log can still be read from there."""
        consumer = self._kafka
        wanted = list(partitions)
        if consumer is None or not wanted:
            return
        if not await self._is_the_same_cluster():
            return
        async with transaction(self._pool) as connection:
            fences = await fence.read(connection, wanted)
        begins = await consumer.beginning_offsets(wanted)
        ends = await consumer.end_offsets(wanted)
        for partition, position in fences.items():
            if begins[partition] > position:
                self._halt(
                    f"{_name(partition)} begins at {begins[partition]}, above the fence {position}: records are lost"
                )
                return
            if ends[partition] < position:
                self._halt(
                    f"{_name(partition)} ends at {ends[partition]}, below the fence {position}: the log is older"
                )
                return
            consumer.seek(partition, position)

    async def _is_the_same_cluster(self) -> bool:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap, **self._access.options)
        await admin.start()
        try:
            cluster_id = (await admin.describe_cluster())["cluster_id"]
        finally:
            await admin.close()
        async with transaction(self._pool) as connection:
            await connection.execute("INSERT INTO cluster (cluster_id) VALUES ($1) ON CONFLICT DO NOTHING", cluster_id)
            known = await connection.fetchval("SELECT cluster_id FROM cluster")
        if known != cluster_id:
            self._halt(f"another cluster ({cluster_id}): the fences belong to the log of {known}")
        return bool(known == cluster_id)

    async def on_revoked(self) -> None:
        """Let the batch in flight commit; one that only waits for its next try is given up."""
        self._revoking.set()
        async with self._at_work:
            return  # it has committed

    async def on_assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """Go to the fences. Where that fails the library goes on at the committed offset; `above` then sees it."""
        self._revoking.clear()
        async with self._at_work:
            await self.place(partitions)
        self.waits_for = None

    # A batch

    async def _parse(self, records: tuple[Record, ...]) -> KafkaMessage:
        # FastStream's own parser decodes every header, and one that is no UTF-8 would cost the whole batch.
        return KafkaAckableMessage(
            body=b"", headers={}, reply_to="", raw_message=records, consumer=self._subscriber.consumer
        )

    async def _on_batch(self, message: KafkaMessage) -> None:
        for topic, count in Counter(record.topic for record in message.raw_message).items():
            telemetry.CONSUMED.labels(**telemetry.labels("poll", "receive", topic, group=self._group)).inc(count)
        async with self._at_work:
            if self.stopped_because is not None or not await self._repeat(message.raw_message):
                return
        started, error = time.perf_counter(), ""
        try:
            # A courtesy to lag tools: the fence is the position.
            await message.ack()
        except (KafkaError, IllegalStateError) as failure:
            error = type(failure).__name__
            log.info("offsets were not committed", error=error)
        labels = telemetry.labels("commit", "settle", group=self._group, error=error)
        telemetry.OPERATION_DURATION.labels(**labels).observe(time.perf_counter() - started)

    async def _repeat(self, records: Sequence[Record]) -> bool:
        """Try a batch until it is committed; False where it was given up, and the fence brings it back."""
        backoff = 0.05
        one_by_one = False
        while not (self._revoking.is_set() or self._stopping.is_set()):
            try:
                await self._once(records, one_by_one=one_by_one)
                self.waits_for = None
                return True
            except Gap as gap:
                log.warning("gap above the fence", partition=_name(gap.partition), fence=gap.fence, found=gap.found)
                telemetry.BATCHES_ROLLED_BACK.labels("gap").inc()
                await self._seek_back()
                return False
            except SOMEBODYS_DATA as error:
                if one_by_one:
                    self._halt(f"{type(error).__name__} that belongs to no record")
                    return False
                telemetry.BATCHES_ROLLED_BACK.labels("data").inc()
                one_by_one = True
            except TooManySetAside as error:
                self._halt(str(error))
                return False
            except Exception as error:
                if not is_passing(error):
                    log.exception("batch failed")
                    self._halt(f"{type(error).__name__} in {self._group}, not in one learner's work")
                    return False
                telemetry.BATCHES_ROLLED_BACK.labels("passing").inc()
                self.waits_for = f"the database: {type(error).__name__}"
                log.warning("batch is tried again", error=type(error).__name__, in_seconds=backoff)
                await self._rest(backoff)
                backoff = min(backoff * 2, LONGEST_PAUSE)
        return False

    async def _once(self, records: Sequence[Record], *, one_by_one: bool) -> None:
        links = [
            Link(context)
            for record in records
            if telemetry.is_sampled(traceparent := telemetry.traceparent_in(record.headers))
            and (context := telemetry.context_of(traceparent))
        ]
        with (
            telemetry.tracer().start_as_current_span(
                "poll",
                kind=SpanKind.CLIENT,
                links=links,
                attributes=telemetry.messaging(
                    "poll",
                    "receive",
                    messaging__batch__message_count=len(records),
                    messaging__consumer__group__name=self._group,
                ),
            ),
            self._timed(records),
        ):
            batch = Batch(
                self._desk, records, self._clock(), group=self._group, failures_before=self._failures_in_a_row
            )
            async with transaction(self._pool) as connection:
                handled = await batch.handle(connection, one_by_one=one_by_one)
                if handled.row.longest >= self._set_aside_in_a_row:
                    raise TooManySetAside(
                        f"{handled.row.longest} records failed in a row, at last {handled.row.last}; is this version"
                        " sound? Nothing of this batch was set aside (docs/runbook.md, The consumer stopped)"
                    )
        crash_point("after_commit")
        self._note(handled)

    def _note(self, handled: Handled) -> None:
        self._failures_in_a_row = handled.failures_in_a_row
        if handled.dropped:
            telemetry.BELOW_FENCE.inc(handled.dropped)
            log.info("records below the fence were dropped", records=handled.dropped)

    @contextmanager
    def _timed(self, records: Sequence[Record]) -> Iterator[None]:
        topics = {record.topic for record in records}
        topic = topics.pop() if len(topics) == 1 else ""
        started, error = time.perf_counter(), ""
        try:
            yield
        except BaseException as failure:
            error = type(failure).__name__
            raise
        finally:
            labels = telemetry.labels("process", "process", topic, group=self._group, error=error)
            telemetry.PROCESS_DURATION.labels(**labels).observe(time.perf_counter() - started)

    async def _rest(self, seconds: float) -> None:
        """Wait before the next try, but no longer than until somebody wants the partitions or the process."""
        await pause(seconds, self._revoking, self._stopping)

    async def _seek_back(self) -> None:
        try:
            await self.place(self._kafka.assignment() if self._kafka else ())
        except Exception as error:
            # The next batch meets the same gap and comes here again.
            log.warning("could not go back to the fence", error=type(error).__name__)
            await self._rest(0.5)


class TooManySetAside(Exception):
    """So many learners failed in a row that the fault is more likely in the code than in them."""


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002
        await self._consumer.on_revoked()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        await self._consumer.on_assigned(assigned)


async def _leave_as_it_is(message: KafkaMessage) -> bytes:
    return message.body if isinstance(message.body, bytes) else b""


def _name(partition: TopicPartition) -> str:
    return f"{partition.topic}/{partition.partition}"
