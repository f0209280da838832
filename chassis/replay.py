"""Replay and drop of what was set aside, in order and under the same locks as a batch (ADR 25).

A queue is replayed from its head: what waits behind a record goes with it, since nothing may overtake. Effects, outbox
rows and the records' states are one transaction; what was applied before is a no-op, by the desk's own rules. A record
that fails again waits on with its new cause, and so does all behind it.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

import structlog

from chassis import set_aside, waiting
from chassis.batch import lock_learners
from chassis.database import Connection, Pool, in_transaction, is_passing, transaction
from chassis.desk import Desk
from chassis.handling import Handling
from chassis.set_aside import Trouble, learner_of
from chassis.waiting import Act, Choice, Queue

log = structlog.get_logger()

AT_A_TIME: Final = 100
"""Records of a queue in one transaction; what comes for the queue meanwhile joins its end."""
QUEUES_AT_A_TIME: Final = 500
SECONDS: Final = 2.0
"""After so long no further transaction is begun, so that a request is answered in time; the rest is asked for again."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a queue: how many records had an effect, how many were known already, where it stopped."""

    queue: Queue
    applied: int = 0
    ignored: int = 0
    waiting: int = 0
    """How many records wait on in it."""
    stopped_at: int | None = None
    """The record that failed again."""
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was dropped of a queue, and how many records wait behind it: they are replayed or dropped next."""

    queue: Queue
    ids: Sequence[int]
    waiting: int


Outcome = TypeVar("Outcome", Replayed, Dropped)


@dataclass(frozen=True, slots=True)
class Outcomes(Generic[Outcome]):
    """What became of each queue, and after which first record to go on where not all was reached."""

    queues: Sequence[Outcome]
    more_after: int | None


class Replay:
    """Replays and drops what one service set aside, through that service's own desk."""

    def __init__(self, desk: Desk[Any, Any], pool: Pool, *, group: str, seconds: float = SECONDS) -> None:
        self._desk = desk
        self._pool = pool
        self._group = group
        self._seconds = seconds

    async def replay(self, choice: Choice, act: Act, *, dry_run: bool, after: int = 0) -> Outcomes[Replayed]:
        """Replay the queues in which a chosen record waits. A dry run does all of it, and takes it back.

        Raises the database's passing errors; what was committed until then stays, and the same call goes on with the
        rest.
        """
        return await self._each(choice, after, lambda queue: self._replay_queue(queue, act, dry_run=dry_run))

    async def drop(self, choice: Choice, act: Act, *, dry_run: bool, after: int = 0) -> Outcomes[Dropped]:
        """Give up the chosen records; none that waits behind them is processed by that. Raises as `replay` does."""

        async def one(queue: Queue) -> Dropped:
            return await self._whole(lambda connection: self._drop(connection, choice, queue, act), dry_run=dry_run)

        return await self._each(choice, after, one)

    async def _each(self, choice: Choice, after: int, do: Callable[[Queue], Awaitable[Outcome]]) -> Outcomes[Outcome]:
        ends_at = time.monotonic() + self._seconds
        async with transaction(self._pool) as connection:
            queues = await waiting.queues(connection, choice, after=after, limit=QUEUES_AT_A_TIME + 1)
        done: list[Outcome] = []
        for queue in queues[:QUEUES_AT_A_TIME]:
            if done and time.monotonic() > ends_at:
                break
            done.append(await do(queue))
            after = queue.first
        return Outcomes(done, after if len(done) < len(queues) else None)

    async def _replay_queue(self, queue: Queue, act: Act, *, dry_run: bool) -> Replayed:
        """Part by part, so that no transaction grows with the queue: until it is empty, or a record fails again."""
        total = Replayed(queue)
        while True:
            part = await self._replay_part(queue, act, dry_run=dry_run)
            total = replace(part, applied=total.applied + part.applied, ignored=total.ignored + part.ignored)
            if dry_run or part.stopped_at is not None or not part.waiting:
                return total

    async def _replay_part(self, queue: Queue, act: Act, *, dry_run: bool) -> Replayed:
        async def one_by_one(connection: Connection) -> Replayed:
            return await self._replay(connection, queue, act, dry_run=dry_run, one_by_one=True)

        try:
            return await self._whole(
                lambda connection: self._replay(connection, queue, act, dry_run=dry_run), dry_run=dry_run
            )
        except Exception as error:
            if is_passing(error):
                raise
            log.warning("a replay is tried record by record", error=type(error).__name__)
            return await self._whole(one_by_one, dry_run=dry_run)

    async def _replay(
        self, connection: Connection, queue: Queue, act: Act, *, dry_run: bool, one_by_one: bool = False
    ) -> Replayed:
        await _lock(connection, queue)
        # In a later statement than the lock: what a batch added to the queue before is seen.
        kept = await waiting.take(connection, queue.name, _head(queue), AT_A_TIME)
        with Handling(self._desk, group=self._group, traced=not dry_run, forgiving=True) as handling:
            items = [handling.read(record) for record in kept]
            await handling.work(connection, items, one_by_one=one_by_one)
        done = [record.id for record, item in zip(kept, items, strict=True) if item.outcome != "set_aside"]
        await waiting.mark_replayed(connection, done, act)
        failed = next(((r.id, i.trouble) for r, i in zip(kept, items, strict=True) if i.failed), (None, None))
        if failed[0] is not None and failed[1] is not None:
            await waiting.mark_waiting(connection, failed[0], failed[1], act)
        return Replayed(
            queue,
            sum(item.outcome == "applied" for item in items),
            sum(item.outcome == "ignored" for item in items),
            await waiting.count(connection, queue.name, _head(queue)),
            *failed,
        )

    async def _drop(self, connection: Connection, choice: Choice, queue: Queue, act: Act) -> Dropped:
        await _lock(connection, queue)
        ids = await waiting.drop(connection, choice, queue, act)
        behind = await waiting.count(connection, queue.name, ids[0]) if ids and queue.name is not None else 0
        return Dropped(queue, ids, behind)

    async def _whole(self, work: Callable[[Connection], Awaitable[Outcome]], *, dry_run: bool) -> Outcome:
        async def and_perhaps_back(connection: Connection) -> Outcome:
            outcome = await work(connection)
            if dry_run:
                raise _TakenBack(outcome)
            return outcome

        try:
            return await in_transaction(self._pool, and_perhaps_back)
        except _TakenBack as taken_back:
            outcome: Outcome = taken_back.outcome
            return outcome


class _TakenBack(Exception):
    """Ends the transaction of a dry run."""

    def __init__(self, outcome: Any) -> None:
        super().__init__("a dry run")
        self.outcome = outcome


async def _lock(connection: Connection, queue: Queue) -> None:
    """Keep batches, and whoever else replays, away from a queue until the transaction ends."""
    learner_id = learner_of(queue.name)
    if learner_id is not None:
        await lock_learners(connection, [learner_id])
    else:
        await set_aside.hold_references(connection)


def _head(queue: Queue) -> int:
    """Where a queue begins: at whatever waits first in it, whichever record was chosen."""
    return 0 if queue.name is not None else queue.first
