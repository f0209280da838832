"""Progress towards awards, capstones and conferrals (domain.md; documents.md, "Award definition"; design 16)."""

import asyncio
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from contracts.ids import completion_id, conferral_id, enrolment_id
from contracts.learner_record_award_progress import AwardProgressChanged
from contracts.provider_completion import CompletionPublished, LearningOpportunityVersion
from services.learner_record.application import progressing
from services.learner_record.application.progressing import TellProgress
from services.learner_record.store.progress import LearnerState
from tests.eventually import eventually
from tests.integration.learner_record.ground import (
    Ground,
    award,
    completion,
    decision,
    grant,
    learner_id,
    member,
    opportunity,
)

E_1 = enrolment_id("strathmore", "E-1")


def own(reference: str, credits_: int = 40, level: int = 11, **changes: Any) -> CompletionPublished:
    """Own credit at Strathmore."""
    code = changes.pop("code", "ann")
    course = changes.pop("course", f"strathmore:{reference.lower()}")
    return completion(
        reference,
        code,
        provider="strathmore",
        learning_opportunity=LearningOpportunityVersion(id=course, version=1),
        credits=Decimal(credits_),
        framework="SCQF",
        level=level,
        **changes,
    )


async def eligible(ground: Ground) -> tuple[UUID, UUID]:
    """40 own credits at level 11 and 20 recognised ones: the PGCert of 60 is there. Gives both completions' ids."""
    await ground.receive(member("strathmore"), award())
    await ground.enrol("strathmore", "E-1")
    await ground.receive(own("OWN"), completion(), decision(grant=grant("C-1", amount="20", level=10)))
    await ground.tell_progress()
    return completion_id("strathmore", "OWN"), completion_id("northbridge", "C-1")


def heard(events: list[AwardProgressChanged]) -> list[tuple[int, bool, str, bool, int]]:
    """Revision, eligible, capstone, conferred, and how much is lost, of each in order."""
    return [(one.revision, one.eligible, one.capstone, one.conferral is not None, len(one.lost)) for one in events]


async def confer(ground: Ground, reference: str = "E-1", *, revision: int = 1, **document: Any) -> httpx.Response:
    async with ground.caller("strathmore", "registry") as registry:
        headers = {"If-Match": f'"{revision}"'}
        return await registry.put(f"/conferrals/{reference}", json=document, headers=headers)


async def test_eligibility_comes_and_goes_with_what_it_rests_on_and_each_change_is_an_event(ground: Ground) -> None:
    await eligible(ground)
    await ground.receive(decision(2, "DECLINED"))
    await ground.tell_progress()
    await ground.receive(decision(3, grant=grant("C-1", amount="20", level=10, nth=2)))
    told = await ground.tell_progress()
    assert heard(told) == [(1, True, "none", False, 0), (2, False, "none", False, 0), (3, True, "none", False, 0)]
    [(_, cause, _)] = (await ground.sent("learner_record.award_progress"))[1:2]
    assert cause == decision(2, "DECLINED").event_id


async def test_what_changes_nothing_of_the_progress_tells_nothing(ground: Ground) -> None:
    await eligible(ground)
    await ground.receive(own("MORE", 5))
    assert len(await ground.tell_progress()) == 1


async def test_a_new_version_of_the_award_is_told_to_whom_it_concerns(ground: Ground) -> None:
    await eligible(ground)
    await ground.receive(award(version=2, credits_required="80"))
    told = await ground.tell_progress()
    assert [(one.eligible, one.award.version) for one in told] == [(True, 1), (False, 2)]


async def test_the_capstone_opens_when_all_else_is_there_and_counts_where_it_was_studied(ground: Ground) -> None:
    capstone = opportunity(
        learning_opportunity_id="strathmore:capstone",
        version=1,
        member="strathmore",
        kind="capstone",
        credits=Decimal(20),
        framework="SCQF",
        level=11,
    )
    await ground.receive(member("strathmore"), award(capstone="strathmore:capstone"))
    await ground.enrol("strathmore", "E-1")
    await ground.receive(own("OWN"))
    assert await ground.tell_progress() == []
    # Now its credit is known: with it passed there would be 60.
    await ground.receive(capstone)
    assert heard(await ground.tell_progress()) == [(1, False, "open", False, 0)]
    await ground.receive(own("LAST", 20, course="strathmore:capstone"))
    assert heard(await ground.tell_progress())[1:] == [(2, True, "passed", False, 0)]


async def test_the_record_says_what_is_missing_in_words(ground: Ground) -> None:
    await ground.receive(member("strathmore"), award())
    await ground.enrol("strathmore", "E-1")
    await ground.receive(own("OWN", 20))
    [at] = [one for one in (await ground.record()).members if one.member == "strathmore"]
    progress = at.enrolments[0].progress
    assert progress is not None
    assert [one.sentence for one in progress.conditions] == [
        "20 of 60 credits: 40 are missing.",
        "20 of 40 credits at level 11 or above: 20 are missing.",
    ]


async def test_a_registry_confers_and_the_credit_is_used_and_the_enrolment_closed(ground: Ground) -> None:
    completions = await eligible(ground)
    async with ground.caller("strathmore", "registry") as registry:
        listed = (await registry.get("/progress", params={"only": "eligible"})).json()["items"]
        read = await registry.get("/progress/E-1")
    assert [(one["reference"], one["revision"]) for one in listed] == [("E-1", 1)]
    assert read.headers["ETag"] == '"1"'
    assert read.json()["counted"] == sorted(str(one) for one in completions)
    answer = await confer(ground)
    assert answer.status_code == 201, answer.text
    assert answer.json()["completions"] == sorted(str(one) for one in completions)
    told = await ground.tell_progress()
    assert heard(told) == [(1, True, "none", False, 0), (2, True, "none", True, 0)]
    conferral = told[-1].conferral
    assert conferral is not None
    assert (conferral.id, conferral.conferred_by) == (conferral_id(E_1), "somebody at strathmore")
    [at] = [one for one in (await ground.record()).members if one.member == "strathmore"]
    assert at.enrolments[0].closed_on == date(2026, 9, 1)
    # What comes later is no claim there any more.
    await ground.receive(completion("C-2", claimable_from=ground.clock.now.replace(month=10)))
    [at] = [one for one in (await ground.record()).members if one.member == "strathmore"]
    assert len(at.enrolments[0].entries) == 1


async def test_the_same_conferral_again_is_the_same_answer_and_another_one_a_conflict(ground: Ground) -> None:
    own_id, _ = await eligible(ground)
    first = await confer(ground)
    again = await confer(ground, revision=2)
    assert (again.status_code, again.json()) == (200, first.json())
    other = await confer(ground, completions=[str(own_id)])
    assert (other.status_code, other.json()["type"]) == (409, "urn:concord:problem:conferred-already")


async def test_what_is_not_eligible_is_not_conferred(ground: Ground) -> None:
    own_id, _ = await eligible(ground)
    for document, status, name in (
        ({"completions": [str(own_id)]}, 409, "not-eligible"),
        ({"completions": [str(own_id), str(E_1)]}, 422, "invalid"),
        ({"conferred_on": "2026-09-02"}, 422, "invalid"),
        ({"completions": []}, 422, "invalid"),
    ):
        answer = await confer(ground, **document)
        assert (answer.status_code, answer.json()["type"]) == (status, f"urn:concord:problem:{name}"), answer.text
    assert (await confer(ground, revision=7)).status_code == 412
    async with ground.caller("strathmore", "registry") as registry:
        assert (await registry.put("/conferrals/E-1", json={})).status_code == 428
        assert (await registry.put("/conferrals/E-9", json={}, headers={"If-Match": '"1"'})).status_code == 404
    async with ground.caller("northbridge", "registry") as registry:
        assert (await registry.put("/conferrals/E-1", json={}, headers={"If-Match": '"1"'})).status_code == 404
    async with ground.caller("strathmore", "publisher") as publisher:
        assert (await publisher.put("/conferrals/E-1", json={}, headers={"If-Match": '"1"'})).status_code == 403
    assert await ground.count("conferral") == 0


async def test_what_a_conferral_rested_on_and_lost_is_named_to_the_registry(ground: Ground) -> None:
    own_id, recognised = await eligible(ground)
    await confer(ground)
    await ground.receive(
        completion(revision=2, revoked=True), decision(2, "REFERRED", grant=grant("C-1", amount="20", frozen=True))
    )
    assert (await ground.tell_progress())[-1].lost == [recognised]
    await ground.receive(own("OWN", revision=2, revoked=True))
    assert (await ground.tell_progress())[-1].lost == sorted([own_id, recognised])
    async with ground.caller("strathmore", "registry") as registry:
        [listed] = (await registry.get("/progress", params={"only": "lost"})).json()["items"]
    assert listed["lost"] == sorted([str(own_id), str(recognised)])
    # Nothing is undone by the system: the award stays conferred.
    assert await ground.count("conferral") == 1


async def test_recognised_credit_waits_for_recognitions_word_on_another_conferral(ground: Ground) -> None:
    """Two enrolments of one learner rest on the same completion of Northbridge's."""
    await ground.receive(member("strathmore"), award(credits_required="20", minimum_by_level={}))
    await ground.receive(member("glenmore"), award("glenmore", credits_required="20", minimum_by_level={}))
    await ground.enrol("strathmore", "E-1")
    await ground.enrol("glenmore", "G-1")
    there = {"receiver": "glenmore", "enrolled": "G-1"}
    granted = grant("C-1", amount="20")
    elsewhere = granted.model_copy(update={"id": enrolment_id("glenmore", "any id will do")})
    await ground.receive(completion(), decision(grant=granted), decision(grant=elsewhere, **there))
    await ground.tell_progress()
    assert (await confer(ground)).status_code == 201

    async def at_glenmore() -> httpx.Response:
        async with ground.caller("glenmore", "registry") as registry:
            return await registry.put("/conferrals/G-1", json={}, headers={"If-Match": '"1"'})

    refused = await at_glenmore()
    assert (refused.status_code, refused.json()["retryable"]) == (409, True)
    # Recognition has judged that it may count twice: its decision names the conferral that it knew.
    await ground.receive(decision(2, grant=elsewhere, conferrals=[conferral_id(E_1)], **there))
    await ground.tell_progress()
    assert (await at_glenmore()).status_code == 201


async def test_two_members_that_confer_at_once_over_one_credit_never_both_count_it(ground: Ground) -> None:
    await ground.receive(
        member("strathmore"),
        award(credits_required="20", minimum_by_level={}),
        award("glenmore", credits_required="20", minimum_by_level={}),
    )
    learners = [f"learner-{number}" for number in range(100)]
    for code in learners:
        await ground.enrol("strathmore", f"E-{code}", code=code)
        await ground.enrol("glenmore", f"G-{code}", code=code)
        reference = f"C-{code}"
        granted = grant(reference, amount="20")
        await ground.receive(
            completion(reference, code),
            decision(reference=reference, enrolled=f"E-{code}", code=code, grant=granted),
            decision(
                reference=reference,
                enrolled=f"G-{code}",
                receiver="glenmore",
                code=code,
                grant=granted.model_copy(update={"id": enrolment_id("glenmore", code)}),
            ),
        )
    await ground.tell_progress()
    async with (
        ground.caller("strathmore", "registry") as strathmore,
        ground.caller("glenmore", "registry") as glenmore,
    ):

        async def both(code: str) -> list[int]:
            headers = {"If-Match": '"1"'}
            answers = await asyncio.gather(
                strathmore.put(f"/conferrals/E-{code}", json={}, headers=headers),
                glenmore.put(f"/conferrals/G-{code}", json={}, headers=headers),
            )
            return sorted(answer.status_code for answer in answers)

        assert [await both(code) for code in learners] == [[201, 409]] * 100
    async with ground.pool.acquire() as connection:
        twice = "SELECT count(*) FROM conferral GROUP BY completions HAVING count(*) > 1"
        assert await connection.fetch(twice) == []


async def test_own_credit_of_a_conferred_award_counts_in_no_other_but_within_one_ladder(ground: Ground) -> None:
    await ground.receive(member("strathmore"), award(credits_required="40"))
    other = {"award": "strathmore:pgdip-data"}
    await ground.enrol("strathmore", "E-1")
    await ground.enrol("strathmore", "E-2", **other)
    await ground.receive(own("OWN"))
    await ground.tell_progress()
    assert (await confer(ground)).status_code == 201
    document = {"id": "strathmore:pgdip-data", "credits_required": "40"}
    diploma = award(**document)
    await ground.receive(diploma.model_copy(update={"award_id": "strathmore:pgdip-data"}))
    [*_, last] = await ground.tell_progress()
    assert last.enrolment_id == E_1  # nothing was told of the second: nothing counts there
    refused = await confer(ground, "E-2", revision=0, completions=[str(completion_id("strathmore", "OWN"))])
    assert (refused.status_code, refused.json()["retryable"]) == (409, False)


async def test_a_learner_whose_progress_cannot_be_told_holds_nobody_up(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ground.receive(member("strathmore"), award(credits_required="40"))
    for code in ("ann", "bob"):
        await ground.enrol("strathmore", f"E-{code}", code=code)
    await ground.receive(*(own(f"OWN-{code}", code=code) for code in ("ann", "bob")))
    tell = progressing.told_anew

    def fails_for_ann(state: LearnerState, *rest: Any) -> AwardProgressChanged | None:
        if state.learner_id == learner_id("ann"):
            raise ValueError("a fault in the code")
        return tell(state, *rest)

    monkeypatch.setattr(progressing, "told_anew", fails_for_ann)
    loop = asyncio.create_task(TellProgress(ground.pool, ground.clock).run())
    try:

        async def bobs() -> list[UUID]:
            return [event.learner_id for event, _, _ in await ground.sent("learner_record.award_progress")]

        assert await eventually(bobs) == [learner_id("bob")]
        postponed = "SELECT learner_id FROM progress_due WHERE since > now()"
        async with ground.pool.acquire() as connection:
            assert await eventually(lambda: connection.fetchval(postponed)) == learner_id("ann")
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)


async def test_who_is_due_is_looked_at_with_the_event_that_changed_something_last(ground: Ground) -> None:
    await eligible(ground)
    revoked = own("OWN", revision=2, revoked=True)
    await ground.receive(revoked)
    async with ground.pool.acquire() as connection:
        [row] = await connection.fetch("SELECT learner_id, caused_by FROM progress_due")
    assert tuple(row) == (learner_id("ann"), revoked.event_id)
