"""Work on records for a desk, in the caller's transaction and under its locks: a batch's, or those that waited."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Final, Literal, Self
from uuid import UUID

import structlog
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from chassis import telemetry
from chassis.crash import crash_point
from chassis.database import ABOUT_THE_DATA, Connection, is_passing
from chassis.desk import Desk, Work
from chassis.outbox import EventTooLarge
from chassis.record import Received, Record, Unreadable, read
from chassis.set_aside import BEHIND, Trouble, learner_of, queue_of

log = structlog.get_logger()

SOMEBODYS_DATA: Final = (*ABOUT_THE_DATA, EventTooLarge)
"""Errors of a write that no repetition cures, and that belong to one learner or one thing."""


@dataclass(slots=True)
class Item:
    """A record, what could be read of it, and what became of it."""

    record: Record
    queue: str | None
    received: Received | Unreadable
    span: Span | None = None
    outcome: Literal["applied", "ignored", "set_aside"] | None = None
    trouble: Trouble | None = None
    """Why it is set aside."""
    learner_id: UUID | None = field(init=False)
    """The learner by the record's key; None where it has none, or none that can be read."""

    def __post_init__(self) -> None:
        self.learner_id = learner_of(self.queue)

    @property
    def event(self) -> Received:
        """The event, of a record that was readable."""
        if isinstance(self.received, Unreadable):
            raise self.received
        return self.received

    @property
    def failed(self) -> bool:
        """Whether it is set aside for a cause of its own."""
        return self.trouble is not None and self.trouble.cause != BEHIND


class Handling:
    """One try at some records; made anew for every try, and used in a `with`, which ends its spans.

    `forgiving` takes whatever goes wrong with a record tried alone for that record's own fault.
    """

    def __init__(self, desk: Desk[Any, Any], *, group: str, traced: bool = True, forgiving: bool = False) -> None:
        self._desk = desk
        self._group = group
        self._traced = traced
        self._forgives = Exception if forgiving else SOMEBODYS_DATA
        self._contracts = {contract.TOPIC: contract for contract in desk.reads}
        self._closed: set[str] = set()
        self._spans: list[Span] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        for span in self._spans:
            if error is not None:
                span.set_status(Status(StatusCode.ERROR))
                span.set_attribute("error.type", type(error).__name__)
            span.end()

    def read(self, record: Record) -> Item:
        """Understand a record as far as it can be."""
        contract = self._contracts.get(record.topic)
        if contract is None:
            return Item(
                record, None, Unreadable("unknown_topic", "this version of the service does not read the topic")
            )
        queue = queue_of(record, contract)
        try:
            received = read(record, contract)
        except Unreadable as trouble:
            return Item(record, queue, trouble)
        if not (self._traced and telemetry.is_sampled(received.traceparent)):
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

    async def work(
        self, connection: Connection, items: Sequence[Item], closed: Collection[str] = (), *, one_by_one: bool = False
    ) -> None:
        """Work on items, whose learners are locked; each then has its outcome. What is `closed` waits already.

        `one_by_one` finds whose data SQL refuses, a record at a time. Raises database errors, and whatever a desk's
        own `read` or `write` raises.
        """
        self._closed = set(closed)
        if not one_by_one:
            await self._work(connection, items)
            return
        for item in items:
            try:
                async with connection.transaction():
                    await self._work(connection, [item])
            except self._forgives as error:
                if is_passing(error):
                    raise
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
        return work

    def _fail(self, item: Item, error: Exception) -> None:
        if item.span:
            item.span.set_status(Status(StatusCode.ERROR))
            item.span.set_attribute("error.type", type(error).__name__)
        log.error("handler failed", topic=item.record.topic, offset=item.record.offset, exc_info=error)
        self._put_aside(item, "handler_error", type(error).__name__)

    def _put_aside(self, item: Item, cause: str, detail: str) -> None:
        item.outcome, item.trouble = "set_aside", Trouble(cause, detail)
        if item.queue:
            self._closed.add(item.queue)


@dataclass(frozen=True, slots=True)
class Row:
    """Failures in a row, in the order of the records: how many at the end, the longest, and the last of that one."""

    at_the_end: int
    longest: int
    last: str

    @classmethod
    def of(cls, items: Iterable[Item], before: int) -> "Row":
        """Count on from `before`. A success ends a row; what waits behind a failure neither ends nor lengthens it."""
        now = longest = before
        last = ""
        for item in items:
            if item.failed:
                now += 1
                if now > longest:
                    longest, last = now, f"{item.trouble} at {item.record.topic}/{item.record.partition}"
                    last += f" offset {item.record.offset}"
            elif item.outcome != "set_aside":
                now = 0
        return cls(now, longest, last)
