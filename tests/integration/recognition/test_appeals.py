"""Appeals: taken up from what learners lodge, decided by officers, told as events (domain.md, Appeal)."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from contracts.ids import appeal_id
from contracts.provider_member import Appeals
from contracts.recognition_decision import DecisionMade
from tests.integration.recognition.ground import Ground, award, completion, enrolment, member, somebody
from tests.integration.recognition.people import appeals_against, at_the_desk, current, general, told

pytestmark = pytest.mark.servers

UPHELD = {"upheld": True, "recognise": [general()], "reasons": "The panel found it equal."}
DISMISSED = {"upheld": False, "reasons": "The panel agrees with the office."}


async def declined(ground: Ground, **of_award: str) -> DecisionMade:
    """A decision that declines: the completion was failed at first, so nothing but an appeal reaches it."""
    await ground.set_up(award(**of_award))
    stages = Appeals(route="Write to the registrar", days=20, stages=["Registrar", "Senate"])
    await ground.consume(member("strathmore", 2, appeals=stages))
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner, result="fail"))
    decision = await current(ground, learner)
    assert decision.state == "DECLINED"
    return decision


def id_of(decision: DecisionMade) -> UUID:
    return appeal_id(decision.decision_id)


async def test_an_appeal_is_taken_up_and_told_with_the_day_on_which_it_is_due(ground: Ground) -> None:
    decision = await declined(ground)
    lodged = appeals_against(decision, lodged_at=datetime(2025, 10, 1, 10, 0, tzinfo=UTC))
    await ground.consume(lodged)
    [(event, caused_by)] = await told(ground)
    assert (event.state, event.stage, event.stages, event.revision) == ("open", 1, 2, 1)
    assert (event.due_on, event.next_stage_until) == (date(2025, 10, 22), None)
    assert (event.decision_id, caused_by) == (decision.decision_id, lodged.event_id)
    async with at_the_desk(ground) as desk:
        [listed] = (await desk.client.get("/appeals")).json()["items"]
        assert (listed["appeal_id"], listed["due_on"]) == (str(id_of(decision)), "2025-10-22")
        assert listed["escalated"]
        answer = await desk.client.get(f"/appeals/{id_of(decision)}")
        assert answer.headers["etag"] == '"1"'
        read = answer.json()
        assert read["decision"]["state"] == "DECLINED"
        assert read["decision"]["appeals"]["stages"] == ["Registrar", "Senate"]
        assert read["evidence"]["rooms"]["credits"] == "20"
    # The same request once more, in a batch with another learner's, is known.
    await ground.consume(lodged)
    assert len(await told(ground)) == 1


async def test_dismissed_taken_further_and_upheld(ground: Ground) -> None:
    decision = await declined(ground)
    first = appeals_against(decision)
    await ground.consume(first)
    async with at_the_desk(ground) as desk:
        answer = await desk.decide_appeal(id_of(decision), 1, DISMISSED)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["state"], answer.json()["next_stage_until"]) == ("dismissed", "2026-09-22")
        assert (await desk.decide_appeal(id_of(decision), 1, DISMISSED)).content == answer.content
        assert (await desk.decide_appeal(id_of(decision), 1, UPHELD)).status_code == 412
        assert (await desk.decide_appeal(id_of(decision), 2, UPHELD)).json()["type"].endswith(":not-open")
        assert (await desk.client.get("/appeals")).json()["items"] == []

        second = appeals_against(decision, 2, stage=2, lodged_at=datetime(2026, 9, 10, 9, 0, tzinfo=UTC))
        await ground.consume(second)
        upheld = await desk.decide_appeal(id_of(decision), 3, UPHELD)
        assert upheld.status_code == 200, upheld.text
        assert (await desk.decide_appeal(id_of(decision), 3, UPHELD)).content == upheld.content
        assert (await desk.decide_appeal(id_of(decision), 3, {**UPHELD, "reasons": "Others."})).status_code == 412
    outcome = await current(ground, decision.learner_id)
    assert (outcome.state, outcome.number) == ("RECOGNISED", 2)
    assert (outcome.cause.kind, outcome.cause.event_id) == ("appeal", second.event_id)
    assert outcome.grounds[0].compared == {"decided_by": "somebody of strathmore", "on_appeal": "yes"}
    assert await ground.balance(decision.learner_id) == 20
    events = await told(ground)
    assert [(one.state, one.stage, one.revision, caused_by) for one, caused_by in events] == [
        ("open", 1, 1, first.event_id),
        ("dismissed", 1, 2, first.event_id),
        ("open", 2, 3, second.event_id),
        ("upheld", 2, 4, second.event_id),
    ]
    last = events[-1][0]
    assert (last.outcome_decision_id, last.due_on) == (outcome.decision_id, date(2026, 10, 1))
    assert (last.reasons, last.decided_by) == (UPHELD["reasons"], "somebody of strathmore")


async def test_after_the_last_stage_there_is_no_next_one(ground: Ground) -> None:
    decision = await declined(ground)
    await ground.consume(appeals_against(decision, stage=2))
    async with at_the_desk(ground) as desk:
        answer = await desk.decide_appeal(id_of(decision), 1, DISMISSED)
    assert (answer.json()["state"], answer.json()["next_stage_until"]) == ("dismissed", None)


async def test_an_appeal_reaches_an_enrolment_that_is_closed(ground: Ground) -> None:
    decision = await declined(ground)
    closed = enrolment(decision.learner_id, revision=2, closed_on=date(2026, 9, 1))
    await ground.consume(closed, appeals_against(decision))
    async with at_the_desk(ground) as desk:
        assert (await desk.decide_appeal(id_of(decision), 1, UPHELD)).status_code == 200
    assert await ground.balance(decision.learner_id) == 20


async def test_an_appeal_is_upheld_under_the_same_caps(ground: Ground) -> None:
    decision = await declined(ground, import_cap="15")
    await ground.consume(appeals_against(decision))
    async with at_the_desk(ground) as desk:
        answer = await desk.decide_appeal(id_of(decision), 1, UPHELD)
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:concord:problem:cannot-rule")
        assert [one.state for one, _ in await told(ground)] == ["open"]
        assert await ground.balance(decision.learner_id) == 0
        partly = {**UPHELD, "recognise": [general("15")]}
        assert (await desk.decide_appeal(id_of(decision), 1, partly)).status_code == 200
    assert await ground.balance(decision.learner_id) == 15


async def test_an_appeal_against_what_is_referred_ends_the_referral(ground: Ground) -> None:
    await ground.set_up(award())
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner))
    decision = await current(ground, learner)
    await ground.consume(appeals_against(decision))
    async with at_the_desk(ground) as desk:
        assert len(await desk.queue()) == 1
        assert (await desk.decide_appeal(id_of(decision), 1, UPHELD)).status_code == 200
        assert await desk.queue() == []


async def test_a_withdrawn_appeal_is_over_but_one_that_is_decided_stays_so(ground: Ground) -> None:
    decision = await declined(ground)
    await ground.consume(appeals_against(decision), appeals_against(decision, 2, withdrawn=True))
    assert [(one.state, one.revision) for one, _ in await told(ground)] == [("open", 1), ("withdrawn", 2)]
    async with at_the_desk(ground) as desk:
        answer = await desk.decide_appeal(id_of(decision), 2, UPHELD)
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:concord:problem:not-open")

        learner = somebody()
        await ground.consume(enrolment(learner), completion(learner, result="fail"))
        other = await current(ground, learner)
        await ground.consume(appeals_against(other))
        assert (await desk.decide_appeal(id_of(other), 1, DISMISSED)).status_code == 200
        await ground.consume(appeals_against(other, 2, withdrawn=True))
        assert (await desk.client.get(f"/appeals/{id_of(other)}")).json()["state"] == "dismissed"
        found = (await desk.client.get("/appeals", params={"state": "all", "limit": 1})).json()
        following = (await desk.client.get("/appeals", params={"state": "all", "after": found["next"]})).json()
        assert {one["appeal_id"] for one in found["items"] + following["items"]} == {
            str(id_of(decision)),
            str(id_of(other)),
        }


async def test_an_appeal_that_comes_before_its_decision_is_kept_until_that_is_known(ground: Ground) -> None:
    decision = await declined(ground)
    learner = somebody()
    enrolled, completed = enrolment(learner), completion(learner, result="fail", mark=Decimal(30))
    to_come = decision.model_copy(
        update={
            "learner_id": learner,
            "completion_id": completed.completion_id,
            "enrolment_id": enrolled.enrolment_id,
            "decision_id": somebody(),
        }
    )
    await ground.consume(appeals_against(to_come))
    async with at_the_desk(ground) as desk:
        answer = await desk.client.get(f"/appeals/{id_of(to_come)}")
        assert (answer.status_code, answer.json()["decision"], answer.json()["precedents"]) == (200, None, [])
        answer = await desk.decide_appeal(id_of(to_come), 1, UPHELD)
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:concord:problem:unknown-decision")
        await ground.consume(enrolled, completed)
        assert (await desk.decide_appeal(id_of(to_come), 1, UPHELD)).status_code == 200


async def test_only_officers_of_the_receiver_decide_and_only_on_what_they_read(ground: Ground) -> None:
    decision = await declined(ground)
    await ground.consume(appeals_against(decision))
    for member_id, role, reads, decides in (
        ("strathmore", "registry", 200, 403),
        ("strathmore", "publisher", 403, 403),
        ("northbridge", "officer", 403, 403),
    ):
        async with at_the_desk(ground, member_id, role) as desk:
            assert (await desk.client.get(f"/appeals/{id_of(decision)}")).status_code == reads
            assert (await desk.decide_appeal(id_of(decision), 1, UPHELD)).status_code == decides
    async with at_the_desk(ground) as desk:
        assert (await desk.client.get(f"/appeals/{somebody()}")).status_code == 404
        assert (await desk.decide_appeal(id_of(decision), 2, UPHELD)).status_code == 412
        assert (await desk.client.put(f"/appeals/{id_of(decision)}/decision", json=UPHELD)).status_code == 428
        for ruling in ({**UPHELD, "recognise": []}, {**DISMISSED, "recognise": [general()]}, {"upheld": False}):
            assert (await desk.decide_appeal(id_of(decision), 1, ruling)).status_code == 422
    assert [one.state for one, _ in await told(ground)] == ["open"]


async def test_another_way_to_appeal_holds_at_once(ground: Ground) -> None:
    decision = await declined(ground)
    numbers = await ground.rows("SELECT number FROM catalogue")
    one_stage = Appeals(route="Write to the senate", days=10, stages=["Senate"])
    await ground.consume(member("strathmore", 3, appeals=one_stage))
    await ground.consume(appeals_against(decision))
    assert [(one.stage, one.stages) for one, _ in await told(ground)] == [(1, 1)]
    # Nothing is decided anew for it.
    assert await ground.rows("SELECT number FROM catalogue") == numbers
