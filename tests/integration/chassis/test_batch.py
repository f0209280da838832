"""One batch in one transaction: fences, locks, order, and what is set aside (docs/architecture.md, steps 2 to 6)."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

import asyncpg
import pytest

from chassis.batch import Batch
from chassis.database import Connection, Pool, is_passing, transaction
from chassis.fence import Gap
from chassis.handling import SOMEBODYS_DATA
from contracts.learner_record_enrolment import EnrolmentRecorded
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
    log_of,
    member,
)

pytestmark = pytest.mark.servers


async def test_a_batch_is_applied_once_and_its_repeat_is_dropped(pool: Pool) -> None:
    learner = uuid4()
    records = log_of([enrolment(learner, "E-1"), enrolment(learner, "E-2"), member("northbridge")])
    first = await handle(pool, records)
    again = await handle(pool, records)
    assert (first.dropped, again.dropped) == (0, 3)
    assert await effects(pool) == [(learner, "E-1", 1), (learner, "E-2", 1)]


async def test_an_older_revision_is_ignored_and_counted(pool: Pool) -> None:
    learner = uuid4()
    newer, older = enrolment(learner, "E-1", 2), enrolment(learner, "E-1", 1)
    await handle(pool, log_of([newer, older]))
    assert await effects(pool) == [(learner, "E-1", 2)]
    async with transaction(pool) as connection:
        fence = await connection.fetchrow("SELECT next_offset, applied, ignored, set_aside FROM fence")
    assert tuple(fence) == (2, 1, 1, 0)


class SlowDesk(CountingDesk):
    """Says when it has read, and writes when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.has_read, self.may_write = asyncio.Event(), asyncio.Event()

    async def write(self, connection: Connection, works: Sequence[CountingWork]) -> None:
        self.has_read.set()
        await self.may_write.wait()
        await super().write(connection, works)


@pytest.mark.parametrize("seen", [0, 5], ids=["without a fence row yet", "with one"])
async def test_two_consumers_of_one_partition_apply_a_batch_once(pool: Pool, seen: int) -> None:
    if seen:
        await handle(pool, log_of([enrolment(uuid4()) for _ in range(seen)]))
    records = log_of([enrolment(uuid4()) for _ in range(20)], first=seen)
    desk = SlowDesk()
    first = asyncio.create_task(handle(pool, records, desk=desk))
    await desk.has_read.wait()
    second = asyncio.create_task(handle(pool, records))
    await _somebody_waits_for_a_lock(pool)
    desk.may_write.set()
    assert ((await first).dropped, (await second).dropped) == (0, 20)
    assert len(await effects(pool)) == seen + 20


@pytest.mark.parametrize("known", [False, True], ids=["a learner not known yet", "a known learner"])
async def test_a_learner_that_comes_twice_at_once_is_read_after_the_first_committed(pool: Pool, known: bool) -> None:
    """The state is read in a later statement than the lock: the second sees what the first wrote, and ignores it."""
    learner = uuid4()
    if known:
        await handle(pool, log_of([enrolment(learner, "E-0")], partition=2))
    desk = SlowDesk()
    first = asyncio.create_task(handle(pool, log_of([enrolment(learner, "E-1")], partition=0), desk=desk))
    await desk.has_read.wait()
    second = asyncio.create_task(handle(pool, log_of([enrolment(learner, "E-1")], partition=1)))
    await _somebody_waits_for_a_lock(pool)
    desk.may_write.set()
    await asyncio.gather(first, second)
    assert [row for row in await effects(pool) if row[1] == "E-1"] == [(learner, "E-1", 1)]


@pytest.mark.parametrize("seen", [0, 3])
async def test_a_gap_above_the_fence_is_refused(pool: Pool, seen: int) -> None:
    learner = uuid4()
    if seen:
        await handle(pool, log_of([enrolment(learner, f"E-{n}") for n in range(seen)]))
    with pytest.raises(Gap) as gap:
        await handle(pool, log_of([enrolment(learner, "E-9")], first=seen + 1))
    assert (gap.value.fence, gap.value.found) == (seen, seen + 1)
    assert len(await effects(pool)) == seen


async def test_a_hole_inside_a_batch_is_a_gap_too(pool: Pool) -> None:
    records = log_of([enrolment(uuid4(), f"E-{n}") for n in range(3)])
    with pytest.raises(Gap):
        await handle(pool, [records[0], records[2]])
    assert await effects(pool) == []


def _unreadable(kind: str, learner: str) -> Logged:
    event = enrolment(uuid4())
    sound = Logged(event.TOPIC, 0, 0, learner.encode(), event.to_bytes(), headers_of(event))
    match kind:
        case "invalid JSON":
            sound.value = b'{"enrolment_id": '
        case "NUL bytes":
            sound.value = b"\x00\x00"
        case "no value":
            sound.value = None
        case "unknown type":
            sound.headers = [(n, b"some.other.thing.v9" if n == "ce_type" else v) for n, v in headers_of(event)]
        case "no headers":
            sound.headers = []
        case "missing field":
            sound.value = event.to_bytes().replace(b'"award"', b'"reward"')
        case "changed type":
            sound.value = event.to_bytes().replace(b'"revision":1', b'"revision":"one"')
        case "header that is no text":
            sound.headers = [*headers_of(event)[1:], ("ce_id", b"\xff\xfe")]
    return sound


KINDS = [
    "invalid JSON", "NUL bytes", "no value", "unknown type", "no headers", "missing field", "changed type",
    "header that is no text",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_an_unreadable_record_sets_its_learner_aside_and_nobody_else(pool: Pool, kind: str) -> None:
    learner, other = uuid4(), uuid4()
    bad = _unreadable(kind, str(learner))
    before, after = enrolment(learner, "before"), enrolment(learner, "after")
    await handle(pool, log_of([before, enrolment(other, "E-1"), bad, after, enrolment(other, "E-2")]))
    await handle(pool, log_of([enrolment(learner, "later"), enrolment(other, "E-3")], first=5))
    assert await effects(pool) == sorted(
        [(learner, "before", 1), (other, "E-1", 1), (other, "E-2", 1), (other, "E-3", 1)]
    )
    async with transaction(pool) as connection:
        rows = await connection.fetch("SELECT queue, log_offset, value, cause, state FROM set_aside ORDER BY id")
        fence = await connection.fetchrow("SELECT next_offset, applied, ignored, set_aside FROM fence")
    assert [(row["log_offset"], row["state"]) for row in rows] == [(2, "waiting"), (3, "waiting"), (5, "waiting")]
    assert {row["queue"] for row in rows} == {f"learner:{learner}"}
    assert rows[0]["value"] == bad.value
    assert [row["cause"] for row in rows[1:]] == ["waits_behind", "waits_behind"]
    assert tuple(fence) == (7, 4, 0, 3)


@pytest.mark.parametrize("key", [None, b"\xff", b"no uuid"])
async def test_a_record_without_a_readable_key_is_set_aside_alone(pool: Pool, key: bytes | None) -> None:
    learner = uuid4()
    bad = _unreadable("invalid JSON", str(learner))
    bad.key = key
    await handle(pool, log_of([bad, enrolment(learner, "E-1")]))
    assert await effects(pool) == [(learner, "E-1", 1)]
    async with transaction(pool) as connection:
        assert [tuple(row) for row in await connection.fetch("SELECT queue, record_key FROM set_aside")] == [
            (None, key)
        ]


async def test_a_bug_for_one_learner_sets_that_learner_aside_from_that_event_on(pool: Pool) -> None:
    learner, other = uuid4(), uuid4()
    events = [enrolment(learner, "E-1"), enrolment(learner, "bug"), enrolment(other, "E-1"), enrolment(learner, "E-2")]
    handled = await handle(pool, log_of(events))
    assert (handled.set_aside, handled.failures_in_a_row) == (2, 0)
    assert await effects(pool) == sorted([(learner, "E-1", 1), (other, "E-1", 1)])


async def test_failures_in_a_row_are_counted_and_a_success_ends_the_row(pool: Pool) -> None:
    bugs = [enrolment(uuid4(), "bug") for _ in range(3)]
    assert (await handle(pool, log_of(bugs))).failures_in_a_row == 3
    assert (
        await handle(pool, log_of([enrolment(uuid4(), "E-1"), enrolment(uuid4(), "bug")], first=3))
    ).failures_in_a_row == 1


async def test_a_row_of_failures_counts_what_is_unreadable_and_is_found_in_the_middle_of_a_batch(pool: Pool) -> None:
    """A version that understands nothing must not set everybody aside, and a success after a row does not hide it."""
    learners = [uuid4() for _ in range(4)]
    events = [
        enrolment(learners[0], "bug"),
        enrolment(learners[0], "E-2"),  # behind: neither a failure of its own nor a success
        _unreadable("missing field", str(learners[1])),
        _unreadable("unknown type", str(learners[2])),
        enrolment(learners[3], "E-1"),
    ]
    row = (await handle(pool, log_of(events))).row
    assert (row.at_the_end, row.longest) == (0, 3)
    assert row.last == "unknown_type (not learner_record.enrolment.recorded.v1) at learner_record.enrolment/0 offset 3"


async def test_a_value_that_sql_refuses_is_found_record_by_record(pool: Pool) -> None:
    learner, other = uuid4(), uuid4()
    events = [
        enrolment(learner, "E-1"), enrolment(learner, "too long for the column"), enrolment(learner, "E-2"),
        enrolment(other, "E-1"),
    ]  # fmt: skip
    with pytest.raises(asyncpg.StringDataRightTruncationError):
        await handle(pool, log_of(events))
    handled = await handle(pool, log_of(events), one_by_one=True)
    assert handled.set_aside == 2
    assert await effects(pool) == sorted([(learner, "E-1", 1), (other, "E-1", 1)])


async def test_a_value_that_the_driver_refuses_to_send_is_somebodys_too(pool: Pool) -> None:
    class Narrow(CountingDesk):
        async def write(self, connection: Connection, works: Sequence[CountingWork]) -> None:
            revisions = [one.event.sequence for work in works for one in work.received]
            await connection.execute("SELECT unnest($1::smallint[])", revisions)
            await super().write(connection, works)

    learner, other = uuid4(), uuid4()
    records = log_of([enrolment(learner, "E-1", 40_000), enrolment(other, "E-1")])
    with pytest.raises(SOMEBODYS_DATA) as refused:
        await handle(pool, records, desk=Narrow())
    assert not is_passing(refused.value)
    await handle(pool, records, desk=Narrow(), one_by_one=True)
    assert await effects(pool) == [(other, "E-1", 1)]


async def test_a_member_waits_by_its_own_id_and_learners_go_on(pool: Pool) -> None:
    learner = uuid4()
    bad = _unreadable("invalid JSON", "northbridge")
    bad.topic = "provider.member"
    await handle(pool, log_of([bad, member("northbridge", 2), member("strathmore"), enrolment(learner, "E-1")]))
    async with transaction(pool) as connection:
        assert [tuple(row) for row in await connection.fetch("SELECT * FROM member")] == [("strathmore", 1)]
        queues = [row["queue"] for row in await connection.fetch("SELECT queue FROM set_aside ORDER BY id")]
    assert queues == ["provider.member:northbridge"] * 2
    assert await effects(pool) == [(learner, "E-1", 1)]


@pytest.mark.parametrize("sizes", [[6], [1] * 6, [2, 3, 1], [5, 1]])
async def test_batch_boundaries_never_change_an_outcome(pool: Pool, sizes: list[int]) -> None:
    learner, other = uuid4(), uuid4()
    records = log_of(
        [
            enrolment(learner, "E-1"), enrolment(other, "E-1"), enrolment(learner, "bug"),
            enrolment(learner, "E-1", 2), enrolment(other, "E-1", 2), enrolment(other, "E-1", 1),
        ]
    )  # fmt: skip
    for size in sizes:
        batch, records = records[:size], records[size:]
        await handle(pool, batch)
    assert await effects(pool) == sorted([(learner, "E-1", 1), (other, "E-1", 1), (other, "E-1", 2)])
    async with transaction(pool) as connection:
        assert await connection.fetchval("SELECT count(*) FROM set_aside") == 2


async def test_a_batch_takes_the_same_number_of_statements_however_many_records_it_has(pool: Pool) -> None:
    counts = []
    for size in (1, 3, 300):  # the first also pays for asyncpg's look-up of types
        records = log_of([enrolment(uuid4(), f"E-{n}") for n in range(size)], partition=size)
        async with transaction(pool) as connection:
            statements: list[str] = []
            connection.add_query_logger(lambda query, statements=statements: statements.append(query.query))
            await Batch(CountingDesk(), records, NOW, group="test", failures_before=0).handle(connection)
            counts.append(len(statements))
    assert counts[1] == counts[2] > 5


def test_the_desk_of_these_tests_reads_what_it_says() -> None:
    assert EnrolmentRecorded in CountingDesk().reads


async def _somebody_waits_for_a_lock(pool: Pool) -> None:
    async def waits() -> bool:
        async with transaction(pool) as connection:
            return bool(
                await connection.fetchval(
                    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) "
                    "WHERE NOT granted AND datname = current_database()"
                )
            )

    await eventually(waits)
