"""Choices and appeals: what learners ask for, and what of it they are told (decision.md; domain.md)."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx

from contracts.ids import appeal_id, completion_id, decision_id, enrolment_id
from contracts.recognition_appeal import AppealChanged
from tests.integration.learner_record.ground import (
    Ground,
    award,
    completion,
    decision,
    esi,
    grant,
    learner_id,
    member,
)

E_1 = enrolment_id("strathmore", "E-1")
C_1, C_2 = (completion_id("northbridge", reference) for reference in ("C-1", "C-2"))
DECISION = decision_id(C_1, E_1, 1)
WHY = {"statement": "The module is the same as yours."}


async def put(ground: Ground, path: str, document: dict[str, Any], code: str = "ann") -> httpx.Response:
    async with ground.caller(None, "learner", learner=esi(code)) as learner:
        return await learner.put(path, json=document)


async def choose(ground: Ground, *completions: UUID, code: str = "ann") -> httpx.Response:
    return await put(ground, f"/record/choices/{E_1}", {"completions": [str(one) for one in completions]}, code)


async def appeal(ground: Ground, code: str = "ann", **document: Any) -> httpx.Response:
    return await put(ground, f"/record/appeals/{DECISION}", WHY | document, code)


async def two_claims(ground: Ground) -> None:
    await ground.receive(member("strathmore"), award())
    await ground.enrol("strathmore", "E-1")
    await ground.receive(
        completion(),
        completion("C-2"),
        decision(1, "DECLINED", decided_at=ground.clock.now),
        decision(1, "INCOMPLETE", reference="C-2"),
    )


def standing(revision: int = 1, **changes: Any) -> AppealChanged:
    """The appeal at its first stage of two, open."""
    return AppealChanged(
        **{
            "appeal_id": appeal_id(DECISION),
            "revision": revision,
            "learner_id": learner_id("ann"),
            "receiver": "strathmore",
            "completion_id": C_1,
            "enrolment_id": E_1,
            "decision_id": DECISION,
            "stage": 1,
            "stages": 2,
            "state": "open",
            "due_on": date(2026, 9, 22),
            "changed_at": datetime(2026, 9, 1, 10, tzinfo=UTC),
        }
        | changes
    )


async def test_a_choice_is_made_changed_and_taken_back_and_each_is_an_event(ground: Ground) -> None:
    await two_claims(ground)
    assert [(await choose(ground, *wanted)).status_code for wanted in ([C_2], [C_2], [C_2, C_1], [])] == [
        201,
        200,
        201,
        201,
    ]
    events = [event for event, _, _ in await ground.sent("learner_record.choice")]
    assert [(one.revision, one.completions) for one in events] == [(1, [C_2]), (2, [C_2, C_1]), (3, [])]
    assert {(one.enrolment_id, one.receiver, one.learner_id) for one in events} == {
        (E_1, "strathmore", learner_id("ann"))
    }


async def test_the_record_shows_the_choice(ground: Ground) -> None:
    await two_claims(ground)
    before = await ground.version()
    await choose(ground, C_2)
    [at] = [one for one in (await ground.record()).members if one.member == "strathmore"]
    assert at.enrolments[0].choice == [C_2]
    assert await ground.version() > before


async def test_what_cannot_be_chosen_is_refused(ground: Ground) -> None:
    await two_claims(ground)
    unknown = await choose(ground, C_1, uuid4())
    assert unknown.status_code == 422
    assert unknown.json()["errors"][0]["expected"] == "a completion that is claimed for this enrolment"
    assert (await choose(ground, C_1, C_1)).status_code == 422
    assert (await choose(ground, C_1, code="bob")).status_code == 404
    await ground.enrol("strathmore", "E-1", revision=2, closed_on="2026-08-31")
    closed = await choose(ground, C_1)
    assert (closed.status_code, closed.json()["type"]) == (409, "urn:concord:problem:closed")
    assert await ground.count("choice") == 0


async def test_a_choice_changes_no_more_once_something_of_it_is_conferred(ground: Ground) -> None:
    await ground.receive(member("strathmore"), award(credits_required="20", minimum_by_level={}))
    await ground.enrol("strathmore", "E-1")
    await ground.receive(completion(credits=Decimal(20)), decision(grant=grant("C-1", amount="20")))
    assert (await choose(ground, C_1)).status_code == 201
    await ground.tell_progress()
    async with ground.caller("strathmore", "registry") as registry:
        conferred = await registry.put("/conferrals/E-1", json={}, headers={"If-Match": '"1"'})
    assert conferred.status_code == 201, conferred.text
    assert (await choose(ground)).status_code == 409


async def test_an_appeal_goes_to_the_receiver_and_its_words_to_the_officers_alone(ground: Ground) -> None:
    await two_claims(ground)
    lodged = await appeal(ground)
    assert (lodged.status_code, lodged.json()["state"]) == (201, "lodged")
    again = await appeal(ground)
    assert (again.status_code, again.json()) == (200, lodged.json())
    [(event, _, _)] = await ground.sent("learner_record.appeal_request")
    assert (event.appeal_id, event.decision_id, event.stage) == (appeal_id(DECISION), DECISION, 1)
    assert WHY["statement"] not in event.to_bytes().decode()
    path = f"/appeals/{appeal_id(DECISION)}/statements"
    async with ground.caller("strathmore", "officer") as officer:
        read = await officer.get(path)
    assert read.json()["statements"] == [{"stage": 1, **WHY}]
    async with ground.caller("northbridge", "officer") as officer:
        assert (await officer.get(path)).status_code == 403


async def test_the_record_shows_how_the_appeal_stands(ground: Ground) -> None:
    await two_claims(ground)
    await appeal(ground)
    await ground.receive(standing())
    # An older one says nothing.
    await ground.receive(standing(3, state="dismissed", reasons="It is not."), standing(2))
    [at] = [one for one in (await ground.record()).members if one.member == "strathmore"]
    [shown] = [one.appeal for one in at.enrolments[0].entries if one.appeal]
    assert (shown.state, shown.reasons, shown.due_on) == ("dismissed", "It is not.", date(2026, 9, 22))
    assert await ground.count("appeal") == 2


async def test_a_dismissed_appeal_is_taken_to_the_next_stage_in_time_and_no_further_than_the_last(
    ground: Ground,
) -> None:
    await two_claims(ground)
    assert (await appeal(ground, stage=2)).status_code == 422
    await appeal(ground)
    early = await appeal(ground, stage=2)
    assert (early.status_code, early.json()["type"]) == (409, "urn:concord:problem:stage-open")
    await ground.receive(standing(2, state="dismissed", reasons="No.", next_stage_until=date(2026, 9, 10)))
    now = ground.clock.now
    ground.clock.now = now + timedelta(days=30)
    assert (await appeal(ground, stage=2)).json()["type"] == "urn:concord:problem:too-late"
    ground.clock.now = now
    assert (await appeal(ground, stage=3)).status_code == 422
    assert (await appeal(ground, stage=2)).status_code == 201
    await ground.receive(standing(3, stage=2, state="dismissed", reasons="No."))
    assert (await appeal(ground, stage=3)).status_code == 422


async def test_an_appeal_is_withdrawn_while_it_is_open(ground: Ground) -> None:
    await two_claims(ground)
    assert (await appeal(ground, withdrawn=True)).status_code == 409
    await appeal(ground)
    assert (await appeal(ground, withdrawn=True)).status_code == 201
    assert (await appeal(ground)).json()["type"] == "urn:concord:problem:withdrawn"


async def test_an_appeal_is_refused_where_there_is_nothing_to_appeal_against_or_it_is_too_late(ground: Ground) -> None:
    await two_claims(ground)
    assert (await appeal(ground, code="bob")).status_code == 404
    ground.clock.now += timedelta(days=30)
    assert (await appeal(ground)).json()["type"] == "urn:concord:problem:too-late"
    ground.clock.now -= timedelta(days=30)
    await ground.receive(decision(2, grant=grant("C-1")))
    assert (await appeal(ground)).json()["type"] == "urn:concord:problem:superseded"
    recognised = await put(ground, f"/record/appeals/{decision_id(C_1, E_1, 2)}", WHY)
    assert recognised.json()["type"] == "urn:concord:problem:recognised"
