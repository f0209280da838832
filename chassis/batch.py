"""One batch of records in one transaction: docs/architecture.md, "How a batch of events is handled", steps 2 to 6."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from aiokafka import TopicPartition

from chassis import fence, set_aside
from chassis.crash import crash_point
from chassis.database import Connection
from chassis.desk import Desk
from chassis.fence import Progress
from chassis.handling import Handling, Item, Row
from chassis.record import Record
from chassis.set_aside import SetAside

INSERT_LEARNERS: Final = "INSERT INTO learner (learner_id) SELECT unnest($1::uuid[]) ORDER BY 1 ON CONFLICT DO NOTHING"
LOCK_LEARNERS: Final = (
    "SELECT learner_id FROM learner WHERE learner_id = ANY ($1::uuid[]) ORDER BY learner_id FOR UPDATE"
)


async def lock_learners(connection: Connection, learner_ids: Iterable[UUID]) -> None:
    """Lock learners, in one order for everybody; whatever changes a learner's state does so under this lock.

    What is read of them must be read in a *later* statement: the locking statement still sees what was there before
    the one who held the lock committed.
    """
    wanted = sorted(set(learner_ids))
    await connection.execute(INSERT_LEARNERS, wanted)
    await connection.fetch(LOCK_LEARNERS, wanted)


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of a batch: records set aside, records below the fence, and failures in a row."""

    set_aside: int
    dropped: int
    row: Row

    @property
    def failures_in_a_row(self) -> int:
        """Failures since the last success."""
        return self.row.at_the_end


class Batch:
    """Handles the records of one batch for one desk; made anew for every try."""

    def __init__(
        self, desk: Desk[Any, Any], records: Sequence[Record], now: datetime, *, group: str, failures_before: int
    ) -> None:
        self._desk = desk
        self._records = records
        self._now = now
        self._group = group
        self._failures_before = failures_before

    async def handle(self, connection: Connection, *, one_by_one: bool = False) -> Handled:
        """Do all of it but the commit. `one_by_one` finds whose data SQL refuses, a record at a time.

        Raises fence.Gap, database errors, and whatever a desk's own `read` or `write` raises.
        """
        with Handling(self._desk, group=self._group) as handling:
            progress = await fence.lock(connection, {TopicPartition(r.topic, r.partition) for r in self._records})
            items = [handling.read(record) for record in fence.above(progress, self._records)]
            if any(item.learner_id is None for item in items):
                await set_aside.share_references(connection)
            await lock_learners(connection, {i.learner_id for i in items if i.learner_id})
            closed = await set_aside.waiting(connection, {item.queue for item in items if item.queue})
            await handling.work(connection, items, closed, one_by_one=one_by_one)
            aside = [SetAside(item.queue, item.record, item.trouble) for item in items if item.trouble]
            await set_aside.put(connection, aside, self._now)
            _count(progress, items)
            await fence.advance(connection, progress)
            crash_point("before_commit")
            dropped = sum(at.dropped for at in progress.values())
            return Handled(len(aside), dropped, Row.of(items, self._failures_before))


def _count(progress: dict[TopicPartition, Progress], items: Iterable[Item]) -> None:
    """Enter into the fences what became of each record; one that nothing became of is refused by their CHECK."""
    for item in items:
        at = progress[TopicPartition(item.record.topic, item.record.partition)]
        at.applied += item.outcome == "applied"
        at.ignored += item.outcome == "ignored"
        at.set_aside += item.outcome == "set_aside"
