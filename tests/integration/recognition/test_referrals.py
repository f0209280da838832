"""Referrals: the queue, what an officer sees, and what they decide (domain.md, Referral; decision.md, officers)."""

import asyncio
import importlib.util
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

import services.recognition
from chassis.batch import Batch
from chassis.database import transaction
from services.recognition.events import GROUP
from tests.conftest import Database
from tests.eventually import eventually
from tests.integration.recognition.ground import (
    Ground,
    agreement,
    award,
    completion,
    enrolment,
    member,
    opportunity,
    somebody,
)
from tests.integration.recognition.people import at_the_desk, current, decline, general, recognise

pytestmark = pytest.mark.servers

RULES = {
    "rules": [
        {"priority": 3, "requires": {"course": "northbridge:law"}, "grants": [{"slot": "CORE", "credits": "20"}]},
        {
            "priority": 1,
            "requires": {"any": [{"course": "northbridge:stats", "minimum_mark": "70"}]},
            "grants": [{"slot": "CORE", "credits": "20"}],
        },
    ]
}


async def referred(ground: Ground, *documents: dict[str, Any], **changes: Any) -> UUID:
    """A learner whose completion at northbridge no agreement covers."""
    await ground.set_up(*(documents or [award()]))
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner, **changes))
    return learner


async def test_a_referral_opened_on_1_october_2025_is_due_on_22_october(ground: Ground) -> None:
    ground.clock.now = datetime(2025, 10, 1, 12, 0, tzinfo=UTC)
    learner = await referred(ground)
    claim = await current(ground, learner)
    async with at_the_desk(ground) as desk:
        [listed] = await desk.queue()
        assert (listed["completion_id"], listed["number"]) == (str(claim.completion_id), 1)
        assert (listed["opened_at"], listed["due_on"]) == ("2025-10-01T12:00:00Z", "2025-10-22")
        assert (listed["breach_on"], listed["escalated"], listed["breached"]) == ("2026-02-01", False, False)
        assert [ground["code"] for ground in listed["grounds"]] == ["NO_AGREEMENT"]

        for now, overdue, breach in (
            (datetime(2025, 10, 22, 23, 59, tzinfo=UTC), 0, 0),
            (datetime(2025, 10, 23, 0, 0, tzinfo=UTC), 1, 0),
            (datetime(2026, 1, 31, 23, 59, tzinfo=UTC), 1, 0),
            (datetime(2026, 2, 1, 0, 0, tzinfo=UTC), 1, 1),
        ):
            ground.clock.now = now
            [listed] = await desk.queue()
            assert (listed["escalated"], listed["breached"]) == (bool(overdue), bool(breach))
            assert len(await desk.queue(state="overdue")) == overdue
            assert len(await desk.queue(state="breach")) == breach
            figures = (await desk.client.get("/referrals/figures")).json()
            assert (figures["open"], figures["overdue"], figures["breached"]) == (1, overdue, breach)
            assert figures["oldest"] == "2025-10-01T12:00:00Z"


async def test_the_queue_is_in_order_page_by_page_and_can_be_narrowed(ground: Ground) -> None:
    await ground.set_up(award())
    await ground.consume(member("ashford"), opportunity("ashford:art"))
    claims = []
    for day, course in ((3, "northbridge:stats"), (1, "northbridge:law"), (2, "ashford:art")):
        ground.clock.now = datetime(2026, 9, day, 12, 0, tzinfo=UTC)
        learner = somebody()
        await ground.consume(enrolment(learner), completion(learner, course))
        claims.append(str((await current(ground, learner)).completion_id))
    async with at_the_desk(ground) as desk:
        assert [one["completion_id"] for one in await desk.queue()] == [claims[1], claims[2], claims[0]]
        first = (await desk.client.get("/referrals", params={"limit": 2})).json()
        assert [one["completion_id"] for one in first["items"]] == [claims[1], claims[2]]
        second = (await desk.client.get("/referrals", params={"limit": 2, "after": first["next"]})).json()
        assert [one["completion_id"] for one in second["items"]] == [claims[0]]
        assert second["next"] is None
        assert [one["completion_id"] for one in await desk.queue(provider="ashford")] == [claims[2]]
        assert [one["completion_id"] for one in await desk.queue(learning_opportunity="northbridge:law")] == [claims[1]]
        assert (await desk.client.get("/referrals", params={"after": "WyJ4IiwieSIsInoiXQ"})).status_code == 422
    async with at_the_desk(ground, "northbridge") as desk:
        assert await desk.queue() == []
    async with ground.caller(None, "operations") as client:
        figures = (await client.get("/referrals/figures")).json()
        assert [(one["receiver"], one["open"]) for one in figures["receivers"]] == [("strathmore", 3)]


async def test_what_stays_referred_keeps_its_day_and_what_is_referred_again_begins_anew(ground: Ground) -> None:
    learner = await referred(ground)

    async def stands() -> list[tuple[Any, ...]]:
        rows = await ground.rows("SELECT opened_at, closed_at FROM referral WHERE learner_id = $1", learner)
        return [tuple(at and at.day for at in row) for row in rows]

    assert await stands() == [(2, None)]
    ground.clock.now = ground.clock.now.replace(day=4)
    await ground.consume(completion(learner, revision=2, mark=Decimal(61)))
    assert [one.state for one in await ground.decisions_on(learner)] == ["REFERRED", "REFERRED"]
    assert await stands() == [(2, None)]
    ground.clock.now = ground.clock.now.replace(day=7)
    await ground.put(agreement())
    await ground.look_again()
    assert (await current(ground, learner)).state == "RECOGNISED"
    assert await stands() == [(2, 7)]
    ground.clock.now = ground.clock.now.replace(day=9)
    await ground.consume(completion(learner, revision=3, revoked=True))
    assert (await current(ground, learner)).state == "REFERRED"
    assert await stands() == [(9, None)]


async def test_evidence_rule_trace_and_precedents_stand_side_by_side(ground: Ground) -> None:
    await ground.set_up(award(), agreement(**RULES))
    first, second, third = somebody(), somebody(), somebody()
    for learner, mark, level in ((first, 75, 5), (second, 71, None), (third, 72, None)):
        await ground.consume(enrolment(learner), completion(learner, mark=Decimal(mark), level=level))
    async with at_the_desk(ground) as desk:
        answer = await desk.decide(
            await current(ground, second), recognise(general("10"), reasons="Seen the portfolio.")
        )
        assert answer.status_code == 200, answer.text
        await ground.consume(completion(third, revision=2, level=None, mark=Decimal(73)))
        claim = await current(ground, third)
        answer = await desk.read(claim)
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == f'"{claim.number}"'
    read = answer.json()
    evidence = read["evidence"]
    assert (evidence["completion"]["revision"], evidence["completion"]["mark"]) == (2, "73")
    assert evidence["enrolment"]["award"] == "strathmore:pgcert"
    assert evidence["ledger"] == {"imported": "0", "imported_by_level": {}, "granted_courses": [], "slots_filled": []}
    assert evidence["rooms"] == {
        "credits": "20",
        "total": "120",
        "by_level": {},
        "slots": ["CORE"],
        "course_has_a_grant": False,
    }
    assert {ground["clause"] for ground in read["grounds"]} == {ground.clause for ground in claim.grounds}
    trace = read["rule_trace"]
    assert (trace["pinned"], trace["agreement"]["id"], trace["agreement"]["version"]) == (
        True,
        "northbridge-strathmore",
        1,
    )
    assert [one["clause"] for one in trace["agreement"]["rules"]] == ["/rules/1"]
    precedents = read["precedents"]
    # What an officer decided comes first, though the rule decided too.
    assert [(one["state"], one["by_officer"], one["mark"]) for one in precedents] == [
        ("PARTIAL", True, "71"),
        ("RECOGNISED", False, "75"),
    ]
    assert precedents[0]["grounds"][0]["sentence"].endswith("Seen the portfolio.")
    assert [line["credits"] for line in precedents[0]["lines"]] == ["10"]
    for learner in (first, second):
        assert str(learner) not in str(precedents)
    # That it was read stands in the log of readings.
    assert await ground.rows("SELECT learner_id, what, member FROM record_access") == [
        (third, "referral", "strathmore")
    ]
    assert not any(
        name in one for one in precedents for name in ("learner_id", "completion_id", "completion_reference")
    )


async def test_an_officer_recognises_and_the_decision_is_an_event_like_any_other(ground: Ground) -> None:
    learner = await referred(ground)
    claim = await current(ground, learner)
    ruling = recognise({"slot": "CORE", "credits": "12.5", "level": 5}, reasons="Units 1 to 5 match.")
    async with at_the_desk(ground) as desk:
        answer = await desk.decide(claim, ruling)
        assert answer.status_code == 200, answer.text
        made = answer.json()
        assert (made["state"], made["number"], made["cause"]["kind"]) == ("PARTIAL", 2, "officer")
        [ground_] = made["grounds"]
        assert ground_["compared"]["decided_by"] == "somebody of strathmore"
        assert ground_["sentence"].endswith("Units 1 to 5 match.")
        assert await ground.balance(learner) == Decimal("12.5")
        event = await current(ground, learner)
        assert (str(event.decision_id), event.state, event.number) == (made["decision_id"], "PARTIAL", 2)
        assert await desk.queue() == []
        # The same again on the same ETag is no second decision; another one builds on what is no more.
        again = await desk.decide(claim, ruling)
        assert (again.status_code, again.content) == (200, answer.content)
        other = await desk.decide(claim, {**ruling, "reasons": "Other reasons."})
        assert (other.status_code, other.headers["etag"]) == (412, '"2"')
        assert (await desk.decide(claim, recognise(general("12.5"), reasons=ruling["reasons"]))).status_code == 412
        settled = await desk.decide(event, decline())
        assert (settled.status_code, settled.json()["type"]) == (409, "urn:concord:problem:not-referred")
        read = (await desk.read(claim)).json()
        assert (read["state"], read["closed_at"]) == ("PARTIAL", "2026-09-02T12:00:00Z")
    assert len(await ground.decisions_on(learner)) == 2
    async with at_the_desk(ground) as another:
        another.client.headers["Authorization"] = "Bearer " + ground.signer.sign(
            {"sub": "another officer", "member": "strathmore", "roles": ["officer"]}
        )
        assert (await another.decide(claim, ruling)).status_code == 412


async def test_a_decline_is_shown_with_its_reasons_clause_and_way_to_appeal(ground: Ground) -> None:
    learner = await referred(ground)
    async with at_the_desk(ground) as desk:
        made = (await desk.decide(await current(ground, learner), decline())).json()
    assert made["state"] == "DECLINED"
    assert all(one["clause"] for one in made["grounds"])
    assert made["appeals"] == {"route": "Write to the registrar", "days": 20, "stages": ["Registrar"]}
    assert await ground.balance(learner) == 0


async def test_what_stands_in_the_way_is_said_and_nothing_is_posted(ground: Ground) -> None:
    learner = await referred(ground, award(import_cap="15"))
    claim = await current(ground, learner)
    async with at_the_desk(ground) as desk:
        answer = await desk.decide(claim, recognise(general("16"), {"slot": "ELECTIVE", "credits": "5", "level": 5}))
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:concord:problem:cannot-rule")
        assert [(one["field"], one["expected"]) for one in answer.json()["errors"]] == [
            ("lines", "at most 20, the completion's own credit"),
            ("lines", "at most 15: strathmore:pgcert/import_cap"),
            ("slot", "a slot of strathmore:pgcert, or GENERAL"),
        ]
        assert await ground.balance(learner) == 0
        assert (await current(ground, learner)).number == 1
        assert len(await desk.queue()) == 1
        assert (await desk.decide(claim, recognise(general("15")))).status_code == 200
    assert await ground.balance(learner) == 15


@pytest.mark.parametrize(
    "ruling",
    [
        {"reasons": "Nothing said"},
        {"decline": True, "recognise": [general()], "reasons": "Both"},
        {"decline": True},
        {"decline": True, "reasons": "  "},
        {"recognise": [{"slot": "CORE", "credits": 12.5, "level": 5}], "reasons": "A float"},
        {"recognise": [{"slot": "CORE", "credits": "0.125", "level": 5}], "reasons": "Too fine"},
        {"recognise": [{"slot": "CORE", "credits": "5"}], "reasons": "No level"},
    ],
)
async def test_a_ruling_is_lines_or_a_decline_with_reasons(ground: Ground, ruling: dict[str, Any]) -> None:
    claim = await current(ground, await referred(ground))
    async with at_the_desk(ground) as desk:
        assert (await desk.decide(claim, ruling)).status_code == 422
    assert len(await ground.published()) == 1


async def test_only_officers_of_the_receiver_decide(ground: Ground) -> None:
    learner = await referred(ground)
    claim = await current(ground, learner)
    for member_id, role, reads, decides in (
        ("strathmore", "registry", 200, 403),
        ("strathmore", "publisher", 403, 403),
        ("northbridge", "officer", 403, 403),
        ("northbridge", "operations", 403, 403),
    ):
        async with at_the_desk(ground, member_id, role) as desk:
            assert (await desk.read(claim)).status_code == reads, (member_id, role)
            assert (await desk.decide(claim, recognise())).status_code == decides, (member_id, role)
            assert (await desk.propose(claim)).status_code == 403
    async with at_the_desk(ground) as desk:
        unknown = claim.model_copy(update={"completion_id": somebody()})
        assert (await desk.read(unknown)).status_code == 404
        assert (await desk.decide(unknown, recognise())).status_code == 404
        path = f"/referrals/{claim.completion_id}/{claim.enrolment_id}/decision"
        assert (await desk.client.put(path, json=recognise())).status_code == 428
        assert (await desk.decide(claim, recognise(), number=7)).status_code == 412
    assert len(await ground.decisions_on(learner)) == 1


async def test_a_frozen_grant_waits_for_an_officer_who_withdraws_or_keeps_it(ground: Ground) -> None:
    await ground.set_up()
    kept, lost = somebody(), somebody()
    for learner in (kept, lost):
        await ground.consume(enrolment(learner), completion(learner))
        await ground.consume(completion(learner, revision=2, revoked=True))
        assert await ground.balance(learner) == 20
    async with at_the_desk(ground) as desk:
        assert [(one["frozen"], one["state"]) for one in await desk.queue()] == [(True, "REFERRED")] * 2
        read = (await desk.read(await current(ground, kept))).json()
        # Its own credit is no hindrance to it.
        assert (read["evidence"]["ledger"]["imported"], read["evidence"]["rooms"]["total"]) == ("20", "120")
        answer = await desk.decide(await current(ground, kept), recognise(general("10")))
        assert (answer.status_code, answer.json()["state"]) == (200, "PARTIAL")
        answer = await desk.decide(await current(ground, lost), decline())
        assert (answer.status_code, answer.json()["state"]) == (200, "DECLINED")
        assert await desk.queue() == []
    assert (await ground.balance(kept), await ground.balance(lost)) == (10, 0)


async def test_a_closed_enrolment_is_decided_on_appeal_only(ground: Ground) -> None:
    learner = await referred(ground)
    await ground.consume(enrolment(learner, revision=2, closed_on=date(2026, 9, 1)))
    async with at_the_desk(ground) as desk:
        answer = await desk.decide(await current(ground, learner), recognise())
    assert answer.status_code == 409
    assert [one["field"] for one in answer.json()["errors"]] == ["enrolment"]


async def test_an_officer_waits_for_what_happens_to_the_learner_meanwhile_and_counts_it(ground: Ground) -> None:
    await ground.set_up(award(import_cap="20"), agreement())
    await ground.consume(member("ashford"), opportunity("ashford:art"))
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner, "ashford:art"))
    claim = await current(ground, learner, "ashford")
    assert claim.state == "REFERRED"
    records = ground.log(completion(learner))
    async with at_the_desk(ground) as desk:
        async with transaction(ground.pool) as connection:
            # A completion takes all the room there is, and is not committed yet.
            await Batch(ground.desk, records, ground.clock(), group=GROUP, failures_before=0).handle(connection)
            ruling = asyncio.create_task(desk.decide(claim, recognise()))

            async def waits() -> bool:
                [(waiting,)] = await ground.rows(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
                return bool(waiting)

            await eventually(waits)
        answer = await ruling
    assert answer.status_code == 409, answer.text
    assert [one["expected"] for one in answer.json()["errors"]] == ["at most 0: strathmore:pgcert/import_cap"]
    assert await ground.balance(learner) == 20


async def test_a_decision_becomes_a_rule_that_decides_the_next_such_claim(ground: Ground) -> None:
    learner = await referred(ground, award(), agreement(rules=RULES["rules"][:1]))
    claim = await current(ground, learner)
    assert [one.code for one in claim.grounds] == ["NO_RULE"]
    async with at_the_desk(ground) as desk:
        nothing = await desk.propose(claim)
        assert (nothing.status_code, nothing.json()["type"]) == (409, "urn:concord:problem:no-ruling")
        answer = await desk.decide(claim, recognise({"slot": "CORE", "credits": "12", "level": 5}))
        assert answer.status_code == 200, answer.text
        answer = await desk.propose(claim)
        assert answer.status_code == 200, answer.text
        proposed = answer.json()
        free = (await desk.propose(claim, minimum_mark=False)).json()
    rule = {
        "priority": 4,
        "requires": {"course": "northbridge:stats", "minimum_mark": "58", "maximum_mark": None},
        "grants": [{"slot": "CORE", "credits": "12", "level": 5}],
    }
    assert (proposed["agreement_id"], proposed["version"], proposed["rule"]) == ("northbridge-strathmore", 2, rule)
    assert proposed["document"]["rules"][1:] == [rule]
    assert free["rule"]["requires"]["minimum_mark"] is None
    # Nothing is published by it; published, it decides the next such claim as the officer did.
    assert await ground.rows("SELECT max(version) FROM agreement") == [(1,)]
    answer = await ground.put(proposed["document"])
    assert answer.status_code == 201, answer.text
    following = somebody()
    await ground.consume(enrolment(following), completion(following))
    made = await current(ground, following)
    assert (made.state, made.agreement and made.agreement.version, await ground.balance(following)) == (
        "PARTIAL",
        2,
        12,
    )


async def test_where_there_is_no_agreement_or_it_takes_every_course_no_rule_is_proposed(ground: Ground) -> None:
    learner = await referred(ground)
    claim = await current(ground, learner)
    async with at_the_desk(ground) as desk:
        assert (await desk.decide(claim, recognise())).status_code == 200
        answer = await desk.propose(claim)
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:concord:problem:no-agreement")
        await ground.put(agreement())
        answer = await desk.propose(claim)
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:concord:problem:like-for-like")


async def test_what_was_referred_before_there_was_a_queue_stands_in_it_since_it_was_referred(
    ground: Ground, own_database: Database
) -> None:
    learner, decided = await referred(ground), somebody()
    await ground.consume(enrolment(decided), completion(decided, "northbridge:law", result="fail"))
    ground.clock.now = ground.clock.now.replace(day=4)
    await ground.consume(completion(learner, revision=2, mark=Decimal(61)))
    before = await ground.rows("SELECT * FROM referral WHERE closed_at IS NULL ORDER BY completion_id")
    assert len(before) == 1
    [folder] = services.recognition.__path__
    migration = Path(folder) / "migrations" / "0005_referrals_and_appeals.py"
    specification = importlib.util.spec_from_file_location("migration", migration)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    owner = await asyncpg.connect(own_database.owner_url)
    try:
        await owner.execute("DELETE FROM referral")
        await owner.execute(module.REFERRED_ALREADY)
    finally:
        await owner.close()
    assert await ground.rows("SELECT * FROM referral ORDER BY completion_id") == before
