"""One batch of records in one transaction: docs/architecture.md, "How a batch of events is handled", steps 2 to 6."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import structlog
from aiokafka import TopicPartition
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from chassis import fence, set_aside, telemetry
from chassis.crash import crash_point
from chassis.database import ABOUT_THE_DATA, Connection
from chassis.desk import Desk, Work
from chassis.fence import Progress
from chassis.outbox import EventTooLarge
from chassis.record import Received, Record, Unreadable, read
from chassis.set_aside import BEHIND, SetAside, queue_of

log = structlog.get_logger()

INSERT_LEARNERS: Final = "INSERT INTO learner (learner_id) SELECT unnest($1::uuid[]) ORDER BY 1 ON CONFLICT DO NOTHING"
LOCK_LEARNERS: Final = (
    "SELECT learner_id FROM learner WHERE learner_id = ANY ($1::uuid[]) ORDER BY learner_id FOR UPDATE"
)

SOMEBODYS_DATA: Final = (*ABOUT_THE_DATA, EventTooLarge)
"""Errors of a write that no repetition cures, and that belong to one learner or one thing."""


async def lock_learners(connection: Connection, learner_ids: Iterable[UUID]) -> None:
    """Lock learners, in one order for everybody; whatever changes a learner's state does so under this lock.

    What is read of them must be read in a *later* statement: the locking statement still sees what was there before
    the one who held the lock committed.
    """
    wanted = sorted(set(learner_ids))
    await connection.execute(INSERT_LEARNERS, wanted)
    await connection.fetch(LOCK_LEARNERS, wanted)


@dataclass(slots=True)
class Item:
    """A record of the batch, what could be read of it, and what became of it."""

    record: Record
    queue: str | None
    received: Received | Unreadable
    span: Span | None = None
    outcome: Literal["applied", "ignored", "set_aside"] | None = None

    @property
    def event(self) -> Received:
        """The event, of a record that was readable."""
        if isinstance(self.received, Unreadable):
            raise self.received
        return self.received

    @property
    def learner_id(self) -> UUID | None:
        """The learner by the record's key; None where it has none, or none that can be read."""
        kind, _, name = (self.queue or "").partition(":")
        return UUID(name) if kind == "learner" else None


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of a batch: records set aside, records below the fence, and failures since the last success."""

    set_aside: int
    dropped: int
    failures_in_a_row: int


class Batch:
    """Handles the records of one batch for one desk; made anew for every try."""

    def __init__(
        self, desk: Desk[Any, Any], records: Sequence[Record], now: datetime, *, group: str, failures_before: int
    ) -> None:
        self._desk = desk
        self._records = records
        self._now = now
        self._group = group
        self._contracts = {contract.TOPIC: contract for contract in desk.reads}
        self._failures_in_a_row = failures_before
        self._closed: set[str] = set()
        self._set_aside: list[SetAside] = []
        self._spans: list[Span] = []

    async def handle(self, connection: Connection, *, one_by_one: bool = False) -> Handled:
        """Do all of it but the commit. `one_by_one` finds whose data SQL refuses, a record at a time.

        Raises fence.Gap, database errors, and whatever a desk's own `read` or `write` raises.
        """
        try:
            progress = await fence.lock(connection, {TopicPartition(r.topic, r.partition) for r in self._records})
            items = [self._read(record) for record in fence.above(progress, self._records)]
            await lock_learners(connection, {i.learner_id for i in items if i.learner_id})
            self._closed = await set_aside.waiting(connection, {item.queue for item in items if item.queue})
            if one_by_one:
                for item in items:
                    await self._handle_alone(connection, item)
            else:
                await self._work(connection, items)
            await set_aside.put(connection, self._set_aside, self._now)
            _count(progress, items)
            await fence.advance(connection, progress)
            crash_point("before_commit")
            return Handled(len(self._set_aside), sum(at.dropped for at in progress.values()), self._failures_in_a_row)
        except BaseException as error:
            self._mark_spans(error)
            raise
        finally:
            for span in self._spans:
                span.end()

    def _read(self, record: Record) -> Item:
        contract = self._contracts[record.topic]
        queue = queue_of(record, contract)
        try:
            received = read(record, contract)
        except Unreadable as trouble:
            return Item(record, queue, trouble)
        if not telemetry.is_sampled(received.traceparent):
            return Item(record, queue, received)
        span = telemetry.start_child(
            f"process {record.topic}",
            received.traceparent,
            SpanKind.CONSUMER,
            telemetry.messaging(
                "process",
                "process",
                record.topic,
                messaging__destination__partition__id=str(record.partition),
                messaging__consumer__group__name=self._group,
                messaging__kafka__offset=record.offset,
                messaging__kafka__message__key=received.event.key,
            ),
        )
        self._spans.append(span)
        # What this record causes continues the trace from the work on it, not from its sending.
        return Item(record, queue, replace(received, traceparent=telemetry.traceparent_of(span)), span)

    async def _handle_alone(self, connection: Connection, item: Item) -> None:
        try:
            async with connection.transaction():
                await self._work(connection, [item])
        except SOMEBODYS_DATA as error:
            self._fail(item, error)

    async def _work(self, connection: Connection, items: Sequence[Item]) -> None:
        """References first, since learners are judged by them; then the learners, each by itself."""
        references = [item for item in items if item.learner_id is None and self._is_free(item)]
        if references:
            changed = await self._desk.keep_references(connection, [item.event for item in references])
            for item, it_changed in zip(references, changed, strict=True):
                item.outcome = "applied" if it_changed else "ignored"
        by_learner: dict[UUID, list[Item]] = {}
        for item in items:
            if item.learner_id is not None:
                by_learner.setdefault(item.learner_id, []).append(item)
        if by_learner:
            received = [item.received for item in items if item.learner_id and isinstance(item.received, Received)]
            state = await self._desk.read(connection, list(by_learner), received)
            crash_point("state_read")
            works = [self._fold(state, learner_id, mine) for learner_id, mine in by_learner.items()]
            await self._desk.write(connection, works)

    def _is_free(self, item: Item) -> bool:
        """Whether an item can be worked on; otherwise it is set aside, and its queue is closed from here on."""
        if item.queue in self._closed:
            self._put_aside(item, BEHIND, "an earlier record of this queue was set aside")
        elif isinstance(item.received, Unreadable):
            self._put_aside(item, item.received.cause, item.received.detail)
        return item.outcome is None

    def _fold(self, state: Any, learner_id: UUID, items: Sequence[Item]) -> Work:
        work: Work = self._desk.open(state, learner_id)
        for nth, item in enumerate(items):
            if not self._is_free(item):
                continue
            try:
                item.outcome = "applied" if work.apply(item.event) else "ignored"
            except Exception as error:
                # Begin again on the state as read, so that nothing stays of the event that failed.
                work = self._desk.open(state, learner_id)
                for done in items[:nth]:
                    work.apply(done.event)
                self._fail(item, error)
            else:
                self._failures_in_a_row = 0
        return work

    def _fail(self, item: Item, error: Exception) -> None:
        self._failures_in_a_row += 1
        if item.span:
            item.span.set_status(Status(StatusCode.ERROR))
            item.span.set_attribute("error.type", type(error).__name__)
        log.error("handler failed", topic=item.record.topic, offset=item.record.offset, exc_info=error)
        self._put_aside(item, "handler_error", type(error).__name__)

    def _put_aside(self, item: Item, cause: str, detail: str) -> None:
        item.outcome = "set_aside"
        if item.queue:
            self._closed.add(item.queue)
        self._set_aside.append(SetAside(item.queue, item.record, cause, detail))

    def _mark_spans(self, error: BaseException) -> None:
        for span in self._spans:
            span.set_status(Status(StatusCode.ERROR))
            span.set_attribute("error.type", type(error).__name__)


def _count(progress: dict[TopicPartition, Progress], items: Iterable[Item]) -> None:
    """Enter into the fences what became of each record; one that nothing became of is refused by their CHECK."""
    for item in items:
        at = progress[TopicPartition(item.record.topic, item.record.partition)]
        at.applied += item.outcome == "applied"
        at.ignored += item.outcome == "ignored"
        at.set_aside += item.outcome == "set_aside"
