"""What was set aside is replayed in order, under the same locks as a batch, and leaves no trace of having waited."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import field_validator

from chassis.batch import Batch
from chassis.database import Connection, Pool, open_pool, transaction
from chassis.record import Received
from chassis.replay import AT_A_TIME, Replay, Replayed
from chassis.set_aside import learner_queue
from chassis.waiting import Act, Choice
from contracts.event import Event
from contracts.learner_record_enrolment import EnrolmentRecorded
from contracts.provider_member import MemberRegistered
from tests.conftest import Database
from tests.eventually import eventually
from tests.integration.chassis.ground import (
    NOW,
    CountingDesk,
    CountingWork,
    Logged,
    effects,
    enrolment,
    handle,
    headers_of,
    in_order,
    lay_tables,
    log_of,
    member,
)

pytestmark = pytest.mark.servers

ACT = Act("olga", "the fix is deployed", NOW)
POSITIONS = 200


class Understanding(EnrolmentRecorded):
    """The contract of a version that understands a revision in text as well."""

    @field_validator("revision", mode="before")
    @classmethod
    def _in_text(cls, value: object) -> object:
        return int(value) if isinstance(value, str) else value


def fixed(**how: Any) -> CountingDesk:
    """The service's next version: it understands more, and its handler has no bug."""
    return CountingDesk(reads=(Understanding, MemberRegistered), mended=True, **how)


def drifted(event: Event) -> Logged:
    """An event as a writer sends it whose revisions have become text."""
    value = event.to_bytes().replace(b'"revision":1', b'"revision":"1"')
    assert value != event.to_bytes()
    return Logged(event.TOPIC, 0, 0, event.key.encode(), value, headers_of(event))


async def replay(
    pool: Pool, desk: CountingDesk | None = None, choice: Choice | None = None, *, dry_run: bool = False
) -> list[Replayed]:
    """Replay until nothing more is to be reached, as the command does."""
    found: list[Replayed] = []
    after = 0
    while True:
        outcomes = await Replay(desk or fixed(), pool, group="test").replay(
            choice or Choice(), ACT, dry_run=dry_run, after=after
        )
        found += outcomes.queues
        if outcomes.more_after is None:
            return found
        after = outcomes.more_after


async def waiting(pool: Pool) -> list[tuple[str | None, str, str]]:
    async with transaction(pool) as connection:
        rows = await connection.fetch("SELECT queue, cause, state FROM set_aside WHERE state = 'waiting' ORDER BY id")
    return [tuple(row) for row in rows]


async def fences(pool: Pool) -> list[tuple[Any, ...]]:
    async with transaction(pool) as connection:
        return [tuple(row) for row in await connection.fetch("SELECT * FROM fence ORDER BY topic, partition")]


async def outbox(pool: Pool) -> set[tuple[Any, ...]]:
    async with transaction(pool) as connection:
        rows = await connection.fetch("SELECT topic, key, event_id, event_type, caused_by, payload FROM outbox")
    assert len({tuple(row) for row in rows}) == len(rows)
    return {tuple(row) for row in rows}


async def test_an_unreadable_record_at_each_position_of_a_batch_holds_up_nobody_else(pool: Pool) -> None:
    expected: dict[UUID, list[str]] = {}
    for position in range(POSITIONS):
        learners = [uuid4() for _ in range(40)]
        events = [enrolment(learners[nth % 40], f"E-{nth // 40}") for nth in range(POSITIONS)]
        for event in events:
            expected.setdefault(event.learner_id, []).append(event.reference)
        log: list[Event | Logged] = [*events]
        log[position] = drifted(events[position])
        handled = await handle(pool, log_of(log, partition=position))
        struck = events[position].learner_id
        applied = await in_order(pool, learners)
        assert applied.get(struck, []) == expected[struck][: position // 40], position
        assert handled.set_aside == 5 - position // 40
        assert all(applied[learner] == expected[learner] for learner in learners if learner != struck), position
    before = await fences(pool)
    queues = await replay(pool)
    assert (len(queues), sum(one.applied for one in queues)) == (POSITIONS, 40 * (5 + 4 + 3 + 2 + 1))
    assert await in_order(pool) == expected
    # The fences counted them as set aside when they were read (I-9), and that stays true.
    assert await fences(pool) == before
    assert await waiting(pool) == []


@pytest.fixture
async def undisturbed(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Pool]:
    """A second database, for the run in which nothing goes wrong."""
    pool = await open_pool((await database("chassis")).owner_url)
    await lay_tables(pool)
    yield pool
    pool.terminate()


async def test_a_bug_for_one_learner_of_a_hundred_leaves_no_trace_after_fix_and_replay(
    pool: Pool, undisturbed: Pool
) -> None:
    learners = [uuid4() for _ in range(100)]
    events = [enrolment(learner, f"E-{nth}") for nth in range(3) for learner in learners]
    struck = learners[37]
    events[137] = enrolment(struck, "bug")
    records = log_of(events)
    for desk, into in ((CountingDesk(sends=True), pool), (fixed(sends=True), undisturbed)):
        for first in range(0, 300, 60):
            await handle(into, records[first : first + 60], desk=desk)
    applied = await in_order(pool)
    assert applied.pop(struck) == ["E-0"]
    assert applied == {learner: ["E-0", "E-1", "E-2"] for learner in learners if learner != struck}
    assert await waiting(pool) == [
        (learner_queue(struck), "handler_error", "waiting"),
        (learner_queue(struck), "waits_behind", "waiting"),
    ]

    await replay(pool, fixed(sends=True))
    assert await in_order(pool) == await in_order(undisturbed)
    assert await effects(pool) == await effects(undisturbed)
    assert await outbox(pool) == await outbox(undisturbed)

    # A second replay finds nothing to do.
    assert await replay(pool, fixed(sends=True)) == []
    assert await outbox(pool) == await outbox(undisturbed)
    # The next event of the learner is handled as everybody's.
    assert (await handle(pool, log_of([enrolment(struck, "E-3")], first=300))).set_aside == 0


async def test_replay_of_what_was_applied_is_a_no_op(pool: Pool) -> None:
    learner = uuid4()
    await handle(pool, log_of([drifted(enrolment(learner, "E-1")), enrolment(learner, "E-2")]))
    await replay(pool, fixed(sends=True))
    before = (await effects(pool), await outbox(pool))
    async with transaction(pool) as connection:  # as a restored backup of this one table would have it
        await connection.execute("UPDATE set_aside SET state = 'waiting'")
    [again] = await replay(pool, fixed(sends=True))
    assert (again.applied, again.ignored, again.waiting) == (0, 2, 0)
    assert (await effects(pool), await outbox(pool)) == before


class Slow(CountingDesk):
    """Stands still before it writes, until it may go on."""

    def __init__(self) -> None:
        super().__init__(reads=(Understanding, MemberRegistered), mended=True)
        self.is_there, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def _stand(self) -> None:
        self.is_there.set()
        await self.may_go_on.wait()

    async def write(self, connection: Connection, works: Sequence[CountingWork]) -> None:
        await self._stand()
        await super().write(connection, works)

    async def keep_references(self, connection: Connection, received: Sequence[Received]) -> Sequence[bool]:
        await self._stand()
        return await super().keep_references(connection, received)


async def _newer_waits(pool: Pool, newer: Event, slow: Slow, partition: int) -> None:
    """Begin a replay, let a newer event come while it is under way, and let both end."""
    replaying = asyncio.create_task(replay(pool, slow))
    await slow.is_there.wait()
    coming = asyncio.create_task(handle(pool, log_of([newer], first=partition)))
    await _somebody_waits_for_a_lock(pool)
    slow.may_go_on.set()
    [replayed] = await replaying
    assert (replayed.waiting, (await coming).set_aside) == (0, 0)


async def test_a_newer_event_of_a_learner_does_not_overtake_a_replay(pool: Pool) -> None:
    learner = uuid4()
    await handle(pool, log_of([drifted(enrolment(learner, "E-1")), enrolment(learner, "E-2")]))
    await _newer_waits(pool, enrolment(learner, "E-3"), Slow(), 2)
    assert await in_order(pool) == {learner: ["E-1", "E-2", "E-3"]}
    assert await waiting(pool) == []


async def test_a_newer_revision_of_a_member_does_not_overtake_a_replay(pool: Pool) -> None:
    bad = drifted(member("northbridge"))
    await handle(pool, log_of([bad]))
    slow = Slow()
    slow.reads = (EnrolmentRecorded, _UnderstandingMember)
    await _newer_waits(pool, member("northbridge", 2), slow, 1)
    async with transaction(pool) as connection:
        assert [tuple(row) for row in await connection.fetch("SELECT * FROM member")] == [("northbridge", 2)]
    assert await waiting(pool) == []


class _UnderstandingMember(MemberRegistered):
    @field_validator("revision", mode="before")
    @classmethod
    def _in_text(cls, value: object) -> object:
        return int(value) if isinstance(value, str) else value


async def test_what_comes_while_a_batch_is_under_way_is_dropped_or_replayed_with_the_rest(pool: Pool) -> None:
    """The other way round: a replay waits for the batch that adds to the queue, and sees what it added."""
    learner = uuid4()
    await handle(pool, log_of([drifted(enrolment(learner, "E-1"))]))
    batch = Batch(CountingDesk(), log_of([enrolment(learner, "E-2")], first=1), NOW, group="test", failures_before=0)
    async with transaction(pool) as connection:
        await batch.handle(connection)
        replaying = asyncio.create_task(replay(pool))
        await _somebody_waits_for_a_lock(pool)
    [replayed] = await replaying
    assert (replayed.applied, replayed.waiting) == (2, 0)
    assert await in_order(pool) == {learner: ["E-1", "E-2"]}


async def test_what_fails_again_waits_on_with_its_new_cause_and_so_does_all_behind_it(pool: Pool) -> None:
    learner, other = uuid4(), uuid4()
    bug, sound = drifted(enrolment(learner, "bug")), drifted(enrolment(other, "E-1"))
    await handle(pool, log_of([bug, enrolment(learner, "E-2"), sound]))
    [first, second] = await replay(pool, CountingDesk(reads=(Understanding, MemberRegistered)))
    assert (first.applied, first.waiting, first.trouble and first.trouble.cause) == (0, 2, "handler_error")
    assert (second.applied, second.waiting) == (1, 0)
    assert await waiting(pool) == [
        (learner_queue(learner), "handler_error", "waiting"),
        (learner_queue(learner), "waits_behind", "waiting"),
    ]
    async with transaction(pool) as connection:
        tried = await connection.fetchrow("SELECT acted_by, because, acted_at, detail FROM set_aside ORDER BY id")
    assert tuple(tried or ()) == (ACT.by, ACT.because, NOW, "RuntimeError")
    # The learner is still set aside: the next one joins the queue.
    assert (await handle(pool, log_of([enrolment(learner, "E-3")], first=3))).set_aside == 1
    assert await in_order(pool) == {other: ["E-1"]}


async def test_a_value_that_sql_refuses_fails_alone_in_a_replay(pool: Pool) -> None:
    learner = uuid4()
    events = [enrolment(learner, "E-1"), enrolment(learner, "too long for the column"), enrolment(learner, "E-2")]
    await handle(pool, log_of([drifted(events[0]), *events[1:]]))
    [replayed] = await replay(pool)
    assert (replayed.applied, replayed.waiting) == (1, 2)
    assert replayed.trouble is not None
    assert (replayed.trouble.cause, replayed.trouble.detail) == ("handler_error", "StringDataRightTruncationError")
    assert await in_order(pool) == {learner: ["E-1"]}


async def test_a_replay_that_meets_a_bug_of_the_service_itself_leaves_that_queue_and_goes_on(pool: Pool) -> None:
    class Failing(CountingDesk):
        async def write(self, connection: Connection, works: Sequence[CountingWork]) -> None:
            await super().write(connection, works)
            if any(one.event.reference == "E-bad" for work in works for one in work.received):  # type: ignore[attr-defined]
                raise KeyError("a bug in the service")

    learner, other = uuid4(), uuid4()
    await handle(pool, log_of([drifted(enrolment(learner, "E-bad")), drifted(enrolment(other, "E-1"))]))
    [first, second] = await replay(pool, Failing(reads=(Understanding, MemberRegistered)))
    assert (first.applied, first.waiting, first.trouble and first.trouble.detail) == (0, 1, "KeyError")
    assert second.applied == 1
    assert await in_order(pool) == {other: ["E-1"]}


async def test_a_dry_run_says_what_would_be_and_changes_nothing(pool: Pool) -> None:
    learner = uuid4()
    await handle(pool, log_of([drifted(enrolment(learner, "E-1")), enrolment(learner, "E-2")]))
    before = await waiting(pool)
    [would] = await replay(pool, fixed(sends=True), dry_run=True)
    assert (would.applied, would.waiting) == (2, 0)
    dropped = await Replay(fixed(), pool, group="test").drop(Choice(), ACT, dry_run=True)
    assert [len(one.ids) for one in dropped.queues] == [2]
    assert (await effects(pool), await outbox(pool), await waiting(pool)) == ([], set(), before)


async def test_after_a_drop_of_the_first_the_rest_waits_until_it_is_replayed(pool: Pool) -> None:
    learner = uuid4()
    await handle(pool, log_of([drifted(enrolment(learner, "E-1")), enrolment(learner, "E-2")]))
    async with transaction(pool) as connection:
        first = await connection.fetchval("SELECT min(id) FROM set_aside")
    [dropped] = (await Replay(fixed(), pool, group="test").drop(Choice(ids=[first]), ACT, dry_run=False)).queues
    assert (dropped.ids, dropped.waiting) == ([first], 1)
    assert await effects(pool) == []
    assert (await handle(pool, log_of([enrolment(learner, "E-3")], first=2))).set_aside == 1
    [replayed] = await replay(pool, CountingDesk())
    assert (replayed.applied, replayed.waiting) == (2, 0)
    assert await in_order(pool) == {learner: ["E-2", "E-3"]}
    async with transaction(pool) as connection:
        kept = await connection.fetchrow("SELECT state, acted_by, because, acted_at, value FROM set_aside ORDER BY id")
    assert kept is not None
    assert tuple(kept)[:4] == ("dropped", ACT.by, ACT.because, NOW)
    assert kept["value"]
    # What was dropped is not replayed, whoever asks for it.
    assert await replay(pool, choice=Choice(ids=[first])) == []


async def test_a_record_without_a_readable_key_is_replayed_in_vain_and_can_be_dropped(pool: Pool) -> None:
    bad, worse = drifted(enrolment(uuid4())), drifted(enrolment(uuid4()))
    bad.key, worse.key = None, b"\xff"
    await handle(pool, log_of([bad, worse]))
    outcomes = await replay(pool)
    assert [(one.queue.name, one.applied, one.waiting) for one in outcomes] == [(None, 0, 1)] * 2
    [dropped, _] = (await Replay(fixed(), pool, group="test").drop(Choice(), ACT, dry_run=False)).queues
    assert (len(dropped.ids), dropped.waiting) == (1, 0)
    assert await waiting(pool) == []


async def test_a_choice_takes_the_queues_in_which_something_meets_it(pool: Pool) -> None:
    one, two = uuid4(), uuid4()
    await handle(
        pool,
        log_of([drifted(enrolment(one)), enrolment(one, "E-2"), enrolment(two, "bug"), drifted(member("northbridge"))]),
    )

    async def met(**by: Any) -> list[str | None]:
        return [found.queue.name for found in await replay(pool, choice=Choice(**by), dry_run=True)]

    everything = [learner_queue(one), learner_queue(two), "provider.member:northbridge"]
    assert await met() == everything
    assert await met(cause="bad_value") == [everything[0], everything[2]]
    assert await met(cause="handler_error") == [everything[1]]
    assert await met(topic="provider.member") == [everything[2]]
    assert await met(queue=everything[0]) == [everything[0]]
    assert await met(since=NOW) == everything
    assert await met(since=NOW.replace(year=2027)) == []


async def test_nothing_is_replayed_past_what_stands_before_it(pool: Pool) -> None:
    learner = uuid4()
    await handle(pool, log_of([drifted(enrolment(learner, "bug")), enrolment(learner, "E-2")]))
    async with transaction(pool) as connection:
        second = await connection.fetchval("SELECT max(id) FROM set_aside")
    for desk, expected in ((CountingDesk(), []), (fixed(), ["bug", "E-2"])):
        await replay(pool, desk, Choice(ids=[second]))
        assert (await in_order(pool)).get(learner, []) == expected


async def test_a_long_queue_is_replayed_part_by_part_and_to_its_end(pool: Pool) -> None:
    learner = uuid4()
    many = AT_A_TIME * 2 + 1
    await handle(
        pool, log_of([drifted(enrolment(learner, "E-0")), *(enrolment(learner, f"E-{n}") for n in range(1, many))])
    )
    [replayed] = await replay(pool)
    assert (replayed.applied, replayed.waiting) == (many, 0)
    assert await in_order(pool) == {learner: [f"E-{n}" for n in range(many)]}


async def _somebody_waits_for_a_lock(pool: Pool) -> None:
    async def waits() -> Any:
        async with transaction(pool) as connection:
            return bool(
                await connection.fetchval(
                    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) "
                    "WHERE NOT granted AND datname = current_database()"
                )
            )

    await eventually(waits)
