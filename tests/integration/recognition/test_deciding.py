"""Events come in, and decisions, grants and ledger rows are what decision.md says (through the real desk)."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from chassis.batch import Batch
from chassis.database import Connection, is_passing, transaction
from contracts.event import Event
from services.recognition.application.catalogue import CatalogueReader
from services.recognition.domain.inputs import case_from
from services.recognition.engine.codec import ground_to_json
from services.recognition.engine.evaluate import evaluate
from services.recognition.events import GROUP, Desk
from tests.eventually import eventually
from tests.integration.recognition.ground import (
    UTC_ZONE,
    Ground,
    Logged,
    agreement,
    award,
    completion,
    enrolment,
    member,
    opportunity,
    somebody,
)

pytestmark = pytest.mark.servers

BOTH = {
    "rules": [
        {
            "priority": 1,
            "requires": {"all": [{"course": "northbridge:stats"}, {"course": "northbridge:ethics"}]},
            "grants": [{"slot": "CORE", "credits": "40"}],
        }
    ]
}


def summary(decisions: list[Any]) -> list[str]:
    """Number, state and cause of each decision, in order."""
    return [f"{one.number} {one.state} {one.cause.kind}" for one in decisions]


@pytest.mark.parametrize("completion_comes_first", [True, False])
async def test_a_completion_and_an_enrolment_make_a_decision_whichever_comes_first(
    ground: Ground, completion_comes_first: bool
) -> None:
    await ground.set_up()
    learner = somebody()
    published, enrolled = completion(learner), enrolment(learner)
    events: list[Event] = [published, enrolled] if completion_comes_first else [enrolled, published]
    for event in events:
        await ground.consume(event)
    [decision] = await ground.decisions_on(learner)
    assert (decision.state, decision.number, decision.grade) == ("RECOGNISED", 1, Decimal(58))
    assert decision.cause.kind == ("enrolment" if completion_comes_first else "completion")
    assert decision.cause.event_id == events[1].event_id
    assert (decision.completion_reference, decision.enrolment_reference) == (published.reference, enrolled.reference)
    assert (decision.provider_learner_reference, decision.receiver_learner_reference) == ("N-1", "S-1")
    assert decision.agreement is not None
    assert (decision.agreement.id, decision.agreement.version) == ("northbridge-strathmore", 1)
    assert decision.grant is not None
    assert [(line.slot, line.credits, line.level) for line in decision.grant.lines] == [("northbridge:stats", 20, 5)]
    assert await ground.balance(learner) == 20
    assert await ground.rows("SELECT caused_by FROM outbox WHERE topic = 'recognition.decision'") == [
        (events[1].event_id,)
    ]


async def test_a_life_of_corrections_and_a_revocation_is_all_there_in_the_tables(ground: Ground) -> None:
    await ground.set_up(award(), agreement(on_revocation="withdraw"))
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner, mark=Decimal(38)))
    await ground.consume(completion(learner, revision=2, mark=Decimal(58)))
    await ground.consume(completion(learner, revision=3, credits=Decimal(30)))
    await ground.consume(completion(learner, revision=4, credits=Decimal(30), mark=Decimal(61)))
    await ground.consume(completion(learner, revision=5, revoked=True, revocation_reason="An error"))
    decisions = await ground.decisions_on(learner)
    assert summary(decisions) == [
        "1 DECLINED completion",
        "2 RECOGNISED revision",
        "3 RECOGNISED revision",
        "4 RECOGNISED revision",
        "5 DECLINED revocation",
    ]
    grants = [one.grant.id if one.grant else None for one in decisions]
    assert grants[0] is grants[4] is None
    assert grants[1] != grants[2] == grants[3]
    assert await ground.rows(
        "SELECT is_withdrawal, sum(credits) FROM ledger WHERE learner_id = $1 GROUP BY 1 ORDER BY 1", learner
    ) == [(False, Decimal(50)), (True, Decimal(-50))]
    # The topic says what the tables say (I-10).
    async with ground.caller("strathmore", "officer") as officer:

        async def shown() -> list[Any]:
            items: list[Any] = (await officer.get("/decisions", params={"as": "receiver"})).json()["items"]
            return items if len(items) == len(decisions) else []

        assert await eventually(shown) == [one.model_dump(mode="json") for one in decisions]


async def test_a_frozen_grant_stays_in_the_ledger_and_the_events_say_that_it_is_frozen(ground: Ground) -> None:
    await ground.set_up(award(), agreement(**BOTH))
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner), completion(learner, "northbridge:ethics"))
    await ground.consume(completion(learner, revision=2, revoked=True))
    frozen = (await ground.decisions_on(learner))[-2:]
    assert [one.grounds[0].code for one in frozen] in (["REVOKED", "GRANT_FROZEN"], ["GRANT_FROZEN", "REVOKED"])
    assert {one.state for one in frozen} == {"REFERRED"}
    assert all(one.grant is not None and one.grant.frozen for one in frozen)
    assert await ground.balance(learner) == 40
    await ground.consume(completion(learner, revision=3))
    thawed = (await ground.decisions_on(learner))[-2:]
    assert {one.state for one in thawed} == {"RECOGNISED"}
    assert [one.grant.id for one in thawed if one.grant] == [one.grant.id for one in frozen if one.grant]
    assert not any(one.grant.frozen for one in thawed if one.grant)


async def test_a_repeat_and_an_older_revision_change_nothing(ground: Ground) -> None:
    await ground.set_up()
    learner = somebody()
    await ground.consume(enrolment(learner, revision=2), completion(learner, revision=2))
    before = await everything(ground)
    again: list[Event] = [enrolment(learner, revision=2), completion(learner, revision=2)]
    older: list[Event] = [enrolment(learner), completion(learner, mark=Decimal(12))]
    await ground.consume(*again, *older, member("northbridge"), opportunity("northbridge:stats"))
    assert await everything(ground) == before
    fences = await ground.rows("SELECT topic, applied, ignored FROM fence ORDER BY topic")
    assert fences == [
        ("learner_record.enrolment", 1, 2),
        ("provider.completion", 1, 2),
        ("provider.learning_opportunity", 3, 1),
        ("provider.member", 2, 1),
    ]


async def test_records_that_are_read_again_from_the_beginning_change_no_business_row(ground: Ground) -> None:
    await ground.set_up()
    learner = somebody()
    events: list[Event] = [
        enrolment(learner),
        completion(learner, mark=Decimal(38)),
        completion(learner, revision=2),
        completion(learner, revision=3, revoked=True),
    ]
    await ground.consume(*events)
    before = await everything(ground)
    for _ in range(3):
        ground.offsets.clear()
        async with ground.pool.acquire() as connection:
            await connection.execute("UPDATE fence SET next_offset = 0, applied = 0, ignored = 0, set_aside = 0")
        await ground.consume(member("northbridge"), member("strathmore"), *events)
    assert await everything(ground) == before


@pytest.mark.parametrize("sizes", [[9], [1] * 9, [2, 5, 2], [4, 4, 1]])
async def test_batch_boundaries_never_change_an_outcome(ground: Ground, sizes: list[int]) -> None:
    await ground.set_up(award(import_cap="50"), agreement())
    learner, other = UUID(int=1 << 80), UUID(int=2 << 80)
    events: list[Event] = [
        completion(learner),
        enrolment(learner),
        completion(other),
        completion(learner, "northbridge:ethics"),
        completion(learner, "northbridge:law"),
        enrolment(other),
        completion(learner, revision=2, result="fail"),
        completion(learner, "northbridge:ethics", revision=2, revoked=True),
        completion(learner, revision=3, mark=Decimal(50)),
    ]
    for size in sizes:
        batch, events = events[:size], events[size:]
        await ground.consume(*batch)
    assert summary(await ground.decisions_on(learner)) == [
        "1 RECOGNISED enrolment",
        "1 RECOGNISED completion",
        "1 DECLINED completion",
        "2 DECLINED revision",
        "2 RECOGNISED given_back",
        "2 REFERRED revocation",
        "3 DECLINED revision",
    ]
    assert summary(await ground.decisions_on(other)) == ["1 RECOGNISED enrolment"]
    assert await ground.balance(learner) == 40


def _spoilt(kind: str, event: Event, ground: Ground) -> Logged:
    [record] = ground.log(event)
    ground.offsets[event.TOPIC] -= 1
    match kind:
        case "invalid JSON":
            record.value = b'{"completion_id": '
        case "unknown type":
            record.headers = [(n, b"provider.completion.melted.v7" if n == "ce_type" else v) for n, v in record.headers]
        case "new enum value":
            record.value = event.to_bytes().replace(b'"result":"pass"', b'"result":"excellent"')
        case "changed type":
            record.value = event.to_bytes().replace(b'"revision":1', b'"revision":"one"')
        case "no value":
            record.value = None
    return record


@pytest.mark.parametrize("kind", ["invalid JSON", "unknown type", "new enum value", "changed type", "no value"])
async def test_what_cannot_be_read_sets_its_learner_aside_and_nobody_else(ground: Ground, kind: str) -> None:
    await ground.set_up()
    learner, other = somebody(), somebody()
    spoilt = _spoilt(kind, completion(learner), ground)
    handled = await ground.consume(enrolment(learner), spoilt, enrolment(other), completion(other))
    assert handled.set_aside == 1
    await ground.consume(completion(learner, "northbridge:ethics"))
    assert await ground.decisions_on(learner) == []
    assert summary(await ground.decisions_on(other)) == ["1 RECOGNISED completion"]
    assert await ground.rows("SELECT DISTINCT queue, state FROM set_aside") == [(f"learner:{learner}", "waiting")]


async def test_an_unknown_field_is_ignored(ground: Ground) -> None:
    await ground.set_up()
    learner = somebody()
    [record] = ground.log(completion(learner))
    assert record.value is not None
    record.value = record.value.replace(b'{"completion_id"', b'{"mood":"sunny","completion_id"')
    await ground.handle([record, *ground.log(enrolment(learner))])
    assert summary(await ground.decisions_on(learner)) == ["1 RECOGNISED enrolment"]


async def test_a_batch_whose_database_session_ends_is_done_whole_by_the_next_try(ground: Ground) -> None:
    await ground.set_up()
    learner = somebody()
    records = ground.log(enrolment(learner), completion(learner))

    class Struck(Desk):
        async def write(self, connection: Connection, works: Any) -> None:
            await super().write(connection, works)
            async with ground.pool.acquire() as other:
                await other.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
            await connection.execute("SELECT 1")

    struck = Struck(ground.catalogues, zone=UTC_ZONE, clock=ground.clock)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)) as trouble:
        async with transaction(ground.pool) as connection:
            await Batch(struck, records, ground.clock(), group=GROUP, failures_before=0).handle(connection)
    assert is_passing(trouble.value)
    assert await ground.decisions_on(learner) == []
    await ground.handle(records)
    assert summary(await ground.decisions_on(learner)) == ["1 RECOGNISED completion"]
    assert await ground.balance(learner) == 20


async def test_a_batch_takes_the_same_number_of_statements_however_many_learners_it_has(ground: Ground) -> None:
    await ground.set_up()
    counts = []
    for size in (2, 200):
        learners = [somebody() for _ in range(size)]
        await ground.consume(*(enrolment(learner) for learner in learners))
        await ground.consume(*(completion(learner) for learner in learners[: size // 2]))
        records = ground.log(
            *(completion(learner, "northbridge:ethics") for learner in learners),
            *(completion(learner, revision=2, credits=Decimal(30)) for learner in learners[: size // 2]),
            *(completion(learner, "northbridge:law", level=None) for learner in learners),
            *(enrolment(learner, revision=2) for learner in learners),
        )
        statements: list[str] = []
        async with transaction(ground.pool) as connection:
            connection.add_query_logger(lambda query, statements=statements: statements.append(query.query))
            await Batch(ground.desk, records, ground.clock(), group=GROUP, failures_before=0).handle(connection)
        counts.append(len(statements))
    assert counts[0] == counts[1] > 10


async def test_every_decision_can_be_made_again_from_what_is_stored_to_the_same_bytes(ground: Ground) -> None:
    await ground.set_up(award(import_cap="50", import_cap_by_level={"5": "45"}), agreement(whole_units_only=False))
    learner = somebody()
    await ground.consume(member("northbridge", 2, suspensions=[]), enrolment(learner))
    for course in ("stats", "ethics", "law"):
        await ground.consume(completion(learner, f"northbridge:{course}", workload_hours=Decimal("200.5")))
    await ground.consume(completion(learner, revision=2, result="compensated", mark=Decimal("39.75")))
    async with transaction(ground.pool) as connection:
        catalogue = await CatalogueReader().read(connection)
        rows = await connection.fetch(
            "SELECT completion_id, state, grounds, grade, agreement_id, agreement_version, award_id, award_version,"
            " inputs FROM decision JOIN evaluation USING (evaluation_id)"
        )
    assert len(rows) >= 5
    for row in rows:
        pinned = catalogue.agreement(row["agreement_id"], row["agreement_version"])
        [award_version] = [one for one in catalogue.awards[row["award_id"]] if one.version == row["award_version"]]
        assert pinned is not None
        outcome = evaluate(case_from(row["inputs"], pinned.terms["FHEQ"], award_version.terms))
        [again] = [one for one in outcome.decisions if one.completion == str(row["completion_id"])]
        assert (again.state, again.grade) == (row["state"], row["grade"])
        assert [ground_to_json(one) for one in again.grounds] == row["grounds"]


async def test_what_must_not_change_cannot(ground: Ground) -> None:
    for table, column in {
        "completion_revision": "result",
        "enrolment_revision": "award",
        "evaluation": "inputs",
        "decision": "state",
        "credit_grant": "courses",
        "ledger": "credits",
        "agreement": "document",
        "award": "document",
    }.items():
        change = f"UPDATE {table} SET {column} = {column}"  # noqa: S608 - names from above
        for statement in (f"DELETE FROM {table}", change, f"TRUNCATE {table}"):  # noqa: S608 - names from above
            async with ground.pool.acquire() as connection:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)


async def test_the_ledger_takes_no_finer_credit_than_hundredths(ground: Ground) -> None:
    await ground.set_up(award(), agreement(credit_ratio="1/3", credit_step="0.01"))
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner))
    [decision] = await ground.decisions_on(learner)
    assert (decision.state, decision.grounds[0].code) == ("PARTIAL", "ROUNDED_DOWN")
    # 20 / 3 is 6.666…, and never rounded up.
    assert await ground.balance(learner) == Decimal("6.66")


async def everything(ground: Ground) -> dict[str, list[tuple[Any, ...]]]:
    """All business rows; work rows (fences, learners) aside."""
    tables = (
        "member",
        "completion_revision",
        "enrolment_revision",
        "evaluation",
        "decision",
        "credit_grant",
        "ledger",
        "claim",
        "outbox",
    )
    return {table: await ground.rows(f"SELECT {table}::text FROM {table} ORDER BY 1") for table in tables}  # noqa: S608
