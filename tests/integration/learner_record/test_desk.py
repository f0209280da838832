"""What comes over topics: repeats, older ones, what comes too early, and what it does to the record."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import asyncpg
import pytest

from chassis import telemetry
from chassis.database import Connection, open_pool
from contracts.event import Event
from contracts.ids import enrolment_id, entry_id
from contracts.learner_record_entry import EntryUpdated
from services.learner_record.application.keeping import Keeping
from services.learner_record.events import RecordDesk
from services.learner_record.views import EntryView, RecordView
from tests.eventually import eventually
from tests.integration.chassis.ground import headers_of
from tests.integration.learner_record.ground import (
    TRACEPARENT,
    UTC_ZONE,
    Ground,
    award,
    completion,
    decision,
    esi,
    grant,
    learner_id,
    member,
    opportunity,
)


def entries_at(record: RecordView, member_id: str) -> list[EntryView]:
    (at,) = [one for one in record.members if one.member == member_id]
    return [entry for one in at.enrolments for entry in one.entries]


def own_at(record: RecordView, member_id: str) -> list[EntryView]:
    return next(one.own_credit for one in record.members if one.member == member_id)


HEADERS = headers_of(completion())


async def entries_sent(ground: Ground) -> list[EntryUpdated]:
    return [event for event, _, _ in await ground.sent("learner_record.entry")]


async def test_a_completion_is_own_credit_at_once_and_received_where_the_learner_is_enrolled(ground: Ground) -> None:
    await ground.enrol("strathmore", "E-1")
    event = completion()
    await ground.receive(event)
    record = await ground.record()
    assert [one.member for one in record.members] == ["northbridge", "strathmore"]
    assert [one.state for one in own_at(record, "northbridge")] == ["EARNED"]
    (entry,) = entries_at(record, "strathmore")
    assert (entry.state, entry.is_being_decided, entry.counts) == ("RECEIVED", True, False)
    assert entry.entry_id == entry_id(event.completion_id, enrolment_id("strathmore", "E-1"))
    sent = await ground.sent("learner_record.entry")
    assert [(one.state, one.member, one.revision) for one, _, _ in sent] == [
        ("EARNED", "northbridge", 1), ("RECEIVED", "strathmore", 1),
    ]  # fmt: skip
    assert {cause for _, cause, _ in sent} == {event.event_id}
    assert {trace for _, _, trace in sent} == {TRACEPARENT}


async def test_an_enrolment_pulls_in_what_was_earned_before_in_its_own_transaction(ground: Ground) -> None:
    await ground.receive(completion("C-1"), completion("C-2"), completion("C-3", code="bob"))
    await ground.enrol("strathmore", "E-1")
    sent = (await ground.sent("learner_record.entry"))[3:]
    assert [one.state for one, _, _ in sent] == ["RECEIVED", "RECEIVED"]
    ((enrolled, _, _),) = await ground.sent("learner_record.enrolment")
    assert {cause for _, cause, _ in sent} == {enrolled.event_id}
    assert await ground.version() == 2
    assert [one.state for one in entries_at(await ground.record(), "strathmore")] == ["RECEIVED", "RECEIVED"]


class Slow(RecordDesk):
    """Holds a batch between reading and writing, until a test lets it go."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground.clock, UTC_ZONE)
        self.has_read = asyncio.Event()
        self.may_go = asyncio.Event()

    async def write(self, connection: Connection, works: Sequence[Keeping]) -> None:
        self.has_read.set()
        await self.may_go.wait()
        await super().write(connection, works)


async def test_a_completion_and_an_enrolment_that_come_at_once_do_not_miss_each_other(ground: Ground) -> None:
    await ground.enrol("northbridge", "E-0")
    desk = Slow(ground)
    batch = asyncio.create_task(ground.handle(ground.log([completion()]), desk))
    await desk.has_read.wait()
    enrolling = asyncio.create_task(ground.enrol("strathmore", "E-1"))

    async def it_waits_for_the_learner() -> bool:
        async with ground.pool.acquire() as connection:
            return bool(
                await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            )

    await eventually(lambda: enrolling.done() or it_waits_for_the_learner())
    desk.may_go.set()
    await batch
    assert (await enrolling).status_code == 201
    assert [one.state for one in await entries_sent(ground)] == ["EARNED", "RECEIVED"]
    assert [one.state for one in entries_at(await ground.record(), "strathmore")] == ["RECEIVED"]


async def test_the_decision_says_what_the_credit_counts_as_and_why(ground: Ground) -> None:
    await ground.receive(member("northbridge"), member("strathmore"), award(), opportunity())
    await ground.enrol("strathmore", "E-1")
    await ground.receive(
        completion(title=None), decision(1, "PARTIAL", grant=grant("C-1", amount="12.5"), grade=Decimal("62.5"))
    )
    record = await ground.record()
    (entry,) = entries_at(record, "strathmore")
    assert (entry.state, entry.decision_number, entry.is_being_decided) == ("PARTIAL", 1, False)
    assert (entry.completion.title, entry.completion.provider_name) == (
        "Data Ethics as offered",
        "Northbridge University",
    )
    assert entry.counts_as is not None
    assert [(one.credits, one.level, one.kind) for one in entry.counts_as.lines] == [(Decimal("12.5"), 11, "general")]
    assert entry.counts
    assert [(one.code, one.clause) for one in entry.grounds] == [("LEVEL_TOO_LOW", "/rules/3")]
    assert entry.agreement is not None
    assert (entry.cause, entry.claimed_on) == ("completion", date(2026, 8, 15))
    assert (entry.agreement.id, entry.agreement.version, entry.grade) == ("northbridge-strathmore", 3, Decimal("62.5"))
    (enrolled,) = record.members[1].enrolments
    assert (enrolled.award.title, enrolled.award.credits_required) == ("PGCert Data", Decimal(60))
    assert (enrolled.totals.imported, enrolled.totals.general, enrolled.totals.total) == (Decimal("12.5"),) * 3
    assert [(one.level, one.total) for one in enrolled.totals.by_level] == [(11, Decimal("12.5"))]


async def test_a_decline_says_how_to_appeal(ground: Ground) -> None:
    await ground.receive(member("strathmore"))
    await ground.enrol("strathmore", "E-1")
    await ground.receive(completion(), decision(1, "DECLINED"))
    (entry,) = entries_at(await ground.record(), "strathmore")
    assert entry.appeals is not None
    assert (entry.appeals.route, entry.appeals.days) == ("Write to the registrar", 20)


FACTS: dict[str, Event | None] = {
    "completion 1": completion(),
    "completion 2": completion(revision=2, mark=Decimal(71)),
    "enrolment": None,
    "decision 1": decision(1, "REFERRED"),
    "decision 2": decision(2, "RECOGNISED", completion_revision=2, grant=grant("C-1")),
}


async def end_state(ground: Ground) -> dict[str, Any]:
    """The record without what counts how often and when it was written."""
    return (await ground.record()).model_dump(
        exclude={"version": True, "members": {"__all__": {
            "own_credit": {"__all__": {"revision", "updated_at"}},
            "enrolments": {"__all__": {"entries": {"__all__": {"revision", "updated_at"}}}},
        }}}
    )  # fmt: skip


@pytest.mark.parametrize("order", list(permutations(FACTS))[::7], ids=" then ".join)
async def test_whatever_comes_first_the_end_is_the_same(ground: Ground, order: tuple[str, ...]) -> None:
    for name in order:
        event = FACTS[name]
        await (ground.receive(event) if event else ground.enrol("strathmore", "E-1"))
    at_once = Ground(ground.pool, ground.database_url)
    state = await end_state(ground)
    (entry,) = state["members"][1]["enrolments"][0]["entries"]
    assert (entry["state"], entry["completion"]["mark"], entry["counts"]) == ("RECOGNISED", Decimal(71), True)
    sent = await entries_sent(at_once)
    last = max((one for one in sent if one.enrolment_id), key=lambda one: one.revision)
    assert (last.state, last.decision_number, last.completion_revision) == ("RECOGNISED", 2, 2)


async def test_batch_boundaries_change_nothing_not_even_the_number_of_revisions(ground: Ground, database: Any) -> None:
    events = [
        member("strathmore"),
        completion(),
        decision(1, "REFERRED"),
        completion("C-2"),
        decision(1, reference="C-2", grant=grant("C-2")),
        completion(revision=2),
        decision(2, completion_revision=2, grant=grant("C-1", nth=2)),
        completion("C-3", code="bob"),
        completion(revision=1),
        decision(1, "DECLINED"),
    ]
    other = await database("learner_record")
    pool = await open_pool(other.url)
    whole = Ground(pool, other.url)
    for one in (ground, whole):
        await one.enrol("strathmore", "E-1")
    for event in events:
        await ground.receive(event)
    await whole.receive(*events)
    assert await entries_sent(ground) == await entries_sent(whole)
    assert await end_state(ground) == await end_state(whole)
    pool.terminate()


async def test_a_repeat_and_an_older_revision_change_nothing(ground: Ground) -> None:
    await ground.enrol("strathmore", "E-1")
    newest = [completion(revision=3), decision(2, "RECOGNISED", grant=grant("C-1"))]
    await ground.receive(member("strathmore", revision=2), opportunity(revision=2), award(version=2), *newest)
    before, version = await ground.counts(), await ground.version()
    await ground.receive(*newest, completion(revision=1), completion(revision=2), decision(1, "DECLINED"))
    await ground.receive(member("strathmore"), opportunity(), award())
    await ground.receive(member("strathmore", revision=2))
    assert (await ground.counts(), await ground.version()) == (before, version)
    async with ground.pool.acquire() as connection:
        for table, newest_of_all in (("member", 2), ("learning_opportunity", 2)):
            assert await connection.fetchval(f"SELECT revision FROM {table}") == newest_of_all  # noqa: S608
        assert await connection.fetchval("SELECT version FROM award") == 2
        rows = await connection.fetch("SELECT topic, applied, ignored, set_aside FROM fence")
    assert {row["topic"]: (row["applied"], row["ignored"], row["set_aside"]) for row in rows} == {
        "provider.member": (1, 2, 0),
        "provider.learning_opportunity": (1, 1, 0),
        "recognition.award": (1, 1, 0),
        "provider.completion": (1, 3, 0),
        "recognition.decision": (1, 2, 0),
    }


async def test_everything_read_again_from_the_beginning_changes_no_row(ground: Ground) -> None:
    """reliability.md, I-13: the fences are cleared, and the whole log comes once more."""
    await ground.enrol("strathmore", "E-1")
    events = [member("strathmore"), completion(), decision(1, "REFERRED"), completion(revision=2), decision(2)]
    await ground.receive(*events)
    before, version, state = await ground.counts(), await ground.version(), await ground.record()
    async with ground.pool.acquire() as connection:
        await connection.execute("UPDATE fence SET next_offset = 0, applied = 0, ignored = 0, set_aside = 0")
    ground.next_offset.clear()
    await ground.receive(*events)
    assert (await ground.counts(), await ground.version(), await ground.record()) == (before, version, state)


async def test_several_members_in_one_batch_are_kept_each_at_its_newest(ground: Ground) -> None:
    await ground.receive(
        member("northbridge", revision=2, name="New"), member("northbridge", name="Old"),
        member("strathmore"), member("northbridge", revision=3, name="Newest"),
    )  # fmt: skip
    async with ground.pool.acquire() as connection:
        rows = await connection.fetch("SELECT member_id, revision, event ->> 'name' AS name FROM member ORDER BY 1")
        fence = await connection.fetchrow("SELECT applied, ignored FROM fence")
    assert [tuple(row) for row in rows] == [("northbridge", 3, "Newest"), ("strathmore", 1, "Strathmore University")]
    assert tuple(fence) == (3, 1)


async def test_a_revocation_is_seen_at_the_provider_before_anybody_decides(ground: Ground) -> None:
    await ground.enrol("strathmore", "E-1")
    await ground.receive(completion(), decision(1, grant=grant("C-1")))
    await ground.receive(completion(revision=2, revoked=True, revocation_reason="Plagiarism"))
    record = await ground.record()
    (own,) = own_at(record, "northbridge")
    assert (own.state, own.completion.revocation_reason) == ("REVOKED", "Plagiarism")
    (entry,) = entries_at(record, "strathmore")
    assert (entry.state, entry.completion_revision, entry.is_being_decided) == ("RECOGNISED", 1, True)
    # Frozen, it is shown apart and counts in no total.
    await ground.receive(decision(2, "REFERRED", completion_revision=2, grant=grant("C-1", frozen=True)))
    (enrolled,) = (await ground.record()).members[1].enrolments
    assert (enrolled.totals.total, enrolled.frozen.total) == (Decimal(0), Decimal(15))
    assert enrolled.entries[0].counts_as is not None
    assert (enrolled.entries[0].counts_as.frozen, enrolled.entries[0].counts) == (True, False)


async def test_a_grant_on_two_completions_counts_once_and_only_while_both_name_it(ground: Ground) -> None:
    await ground.enrol("strathmore", "E-1")
    shared = grant("C-1", "C-2", amount="30", kind="specific")
    await ground.receive(completion("C-1"), completion("C-2"), decision(1, reference="C-1", grant=shared))

    async def total() -> Decimal:
        return (await ground.record()).members[1].enrolments[0].totals.total

    assert await total() == 0
    await ground.receive(decision(1, reference="C-2", grant=shared))
    assert await total() == 30
    await ground.receive(decision(2, "DECLINED", reference="C-1"))
    assert await total() == 0
    entry = next(one for one in entries_at(await ground.record(), "strathmore") if one.decision_number == 1)
    assert entry.counts_as is not None
    assert not entry.counts


async def test_own_credit_counts_at_the_awarding_member_the_best_attempt_alone(ground: Ground) -> None:
    await ground.receive(member("northbridge"), award("northbridge", framework="FHEQ", level=7))
    await ground.enrol("northbridge", "E-9")
    await ground.receive(
        completion("C-1", mark=Decimal(50)),
        completion("C-2", mark=Decimal(70)),
        completion("C-3", result="fail", mark=Decimal(90)),
    )
    (at,) = (await ground.record()).members
    assert at.enrolments[0].entries == []
    assert (at.enrolments[0].totals.own, at.enrolments[0].totals.imported) == (Decimal(15), Decimal(0))
    assert {one.completion.reference: one.counts for one in at.own_credit} == {"C-1": False, "C-2": True, "C-3": False}


@pytest.mark.parametrize(("closed_on", "stands"), [("2026-08-31", False), ("2026-09-01", True)])
async def test_an_enrolment_closed_before_the_claim_date_receives_nothing(
    ground: Ground, closed_on: str, stands: bool
) -> None:
    at = datetime(2026, 9, 1, 0, 0, tzinfo=UTC)
    await ground.enrol("strathmore", "E-1", closed_on=closed_on)
    await ground.receive(completion(accepted_at=at, claimable_from=at))
    assert bool(entries_at(await ground.record(), "strathmore")) is stands


async def test_an_unreadable_event_sets_its_learner_aside_and_nobody_else(ground: Ground) -> None:
    spoiled = completion()
    value = spoiled.to_bytes().replace(b'"state"', b'"stat"').replace(b'"pass"', b'"excellent"')
    record = ground.log([spoiled])[0]
    record.value = value
    handled = await ground.handle([record, *ground.log([completion("C-2"), completion("C-3", code="bob")])])
    assert handled.set_aside == 2
    async with ground.pool.acquire() as connection:
        learners = await connection.fetch("SELECT DISTINCT learner_id FROM completion_revision")
    assert [row["learner_id"] for row in learners] == [learner_id("bob")]


async def test_a_character_that_postgresql_cannot_keep_sets_that_learner_aside_alone(ground: Ground) -> None:
    event = completion()
    record = ground.log([event])[0]
    record.value = event.to_bytes()[:-1] + b',"of_a_newer_writer":"\\u0000"}'
    records = [record, *ground.log([completion("C-3", code="bob")])]
    with pytest.raises(asyncpg.DataError):
        await ground.handle(records)
    handled = await ground.handle(records, one_by_one=True)
    assert handled.set_aside == 1
    assert await ground.count("completion_revision") == 1


@pytest.mark.parametrize("trouble", ["unknown type", "no value", "no headers"])
async def test_a_record_that_says_nothing_sets_its_learner_aside_alone(ground: Ground, trouble: str) -> None:
    record = ground.log([completion()])[0]
    match trouble:
        case "unknown type":
            record.headers = [
                (n, b"provider.completion.published.v9" if n == "ce_type" else v) for n, v in record.headers
            ]
        case "no value":
            record.value = None
        case "no headers":
            record.headers = []
    handled = await ground.handle([record, *ground.log([decision(1), completion("C-3", code="bob")])])
    assert handled.set_aside == 2
    assert await ground.count("completion_revision") == 1


async def test_an_unknown_field_is_kept(ground: Ground) -> None:
    event = completion()
    record = ground.log([event])[0]
    record.value = event.to_bytes()[:-1] + b',"of_a_newer_writer":{"n":1}}'
    await ground.handle([record])
    async with ground.pool.acquire() as connection:
        stored = await connection.fetchval("SELECT event FROM completion_revision")
    assert stored["of_a_newer_writer"] == {"n": 1}


async def test_how_long_a_credit_took_to_be_seen_is_measured_once(ground: Ground) -> None:
    def observed() -> tuple[float, float]:
        (metric,) = telemetry.VISIBILITY.collect()
        values = {sample.name: sample.value for sample in metric.samples if not sample.labels}
        return values["concord_visibility_seconds_count"], values["concord_visibility_seconds_sum"]

    count, seconds = observed()
    await ground.enrol("strathmore", "E-1")
    accepted = ground.clock.now + timedelta(seconds=10)
    ground.clock.now = accepted + timedelta(seconds=0.5)
    await ground.receive(completion(accepted_at=accepted))
    assert observed() == (count, seconds)
    await ground.receive(decision(1, "REFERRED"), decision(2, "RECOGNISED"))
    assert observed() == (count + 1, pytest.approx(seconds + 0.5))


async def test_a_learner_reads_only_one_member_where_it_asks_for_one(ground: Ground) -> None:
    await ground.enrol("strathmore", "E-1")
    await ground.receive(completion())
    async with ground.caller("strathmore", "learner", learner=["urn:other", esi("ann").upper()]) as client:
        answer = (await client.get("/record", params={"member": "strathmore"})).json()
    assert [one["member"] for one in answer["members"]] == ["strathmore"]
    assert answer["version"] == await ground.version()
