"""Members come, are suspended, and leave: each with its effect on decisions (docs/members.md)."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from contracts.provider_member import MemberRegistered
from tests.integration.recognition.ground import (
    ACCEPTED,
    Ground,
    award,
    completion,
    enrolment,
    member,
    somebody,
    suspension,
)
from tests.integration.recognition.test_catalogue import states

pytestmark = pytest.mark.servers

SEPTEMBER = (date(2026, 9, 1), date(2026, 9, 30))
"""The claims of these tests are of 1 September, the day on which the credit could be claimed first."""


async def change(ground: Ground, revision: int, **changes: Any) -> MemberRegistered:
    """The consortium's registry changes Northbridge, and what is open is looked at again."""
    changed = member("northbridge", revision, **changes)
    await ground.consume(changed)
    await ground.look_again()
    return changed


async def test_a_new_member_is_entered_and_what_waited_for_it_is_decided(ground: Ground) -> None:
    """Its learners' enrolments came before it was entered and its award was published: they wait, and nobody is told
    anything; then its first decision is made by itself."""
    await ground.consume(member("northbridge"))
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner))
    assert await states(ground, learner) == []
    async with ground.caller("strathmore", "registry") as registry:
        refused = await registry.put("/awards/strathmore:pgcert", json=award())
    assert refused.status_code == 422, "nobody knows yet by which framework its levels are read"
    entered = member("strathmore", joined_on=date(2026, 9, 1))
    await ground.consume(entered)
    assert (await ground.put(award())).status_code == 201
    await ground.look_again()
    assert await states(ground, learner) == ["1 REFERRED NO_AGREEMENT (award)"], "to a person, never declined"


async def test_a_suspension_refers_the_claims_of_its_days_and_leaves_those_before_and_after(ground: Ground) -> None:
    await ground.set_up()
    before, within, after = somebody(), somebody(), somebody()
    await change(ground, 2, suspensions=[suspension(date(2026, 9, 3), date(2026, 9, 10))])
    for learner, day in ((before, 2), (within, 3), (after, 11)):
        claimable = ACCEPTED.replace(day=day)
        await ground.consume(enrolment(learner), completion(learner, accepted_at=claimable, claimable_from=claimable))
    assert await states(ground, before) == ["1 RECOGNISED (completion)"]
    assert await states(ground, within) == ["1 REFERRED MEMBER_SUSPENDED (completion)"]
    assert await states(ground, after) == ["1 RECOGNISED (completion)"]


@pytest.mark.parametrize("suspended", ["northbridge", "strathmore"])
async def test_a_suspension_of_either_side_refers(ground: Ground, suspended: str) -> None:
    await ground.set_up()
    learner = somebody()
    await ground.consume(member(suspended, 2, suspensions=[suspension(*SEPTEMBER)]))
    await ground.consume(enrolment(learner), completion(learner))
    [decision] = await ground.decisions_on(learner)
    [reason] = decision.grounds
    assert (decision.state, reason.code) == ("REFERRED", "MEMBER_SUSPENDED")
    assert decision.grant is None


@pytest.mark.parametrize(
    "lifted",
    [[], [suspension(date(2026, 8, 1), date(2026, 8, 31))], [suspension(date(2026, 9, 2), date(2026, 9, 30))]],
    ids=["lifted", "ended before the claim", "begun after the claim"],
)
async def test_a_suspension_that_no_longer_covers_a_claim_lets_it_be_decided(ground: Ground, lifted: Any) -> None:
    await ground.set_up()
    learner = somebody()
    await change(ground, 2, suspensions=[suspension(*SEPTEMBER)])
    await ground.consume(enrolment(learner), completion(learner))
    changed = await change(ground, 3, suspensions=lifted)
    assert await states(ground, learner) == [
        "1 REFERRED MEMBER_SUSPENDED (completion)",
        "2 RECOGNISED (member)",
    ]
    assert (await ground.decisions_on(learner))[1].cause.event_id == changed.event_id
    assert await ground.balance(learner) == Decimal(20)


async def test_a_suspension_that_is_over_but_covered_the_claim_leaves_it_to_a_person(ground: Ground) -> None:
    """Its days count, not today: a claim of the time under inquiry does not become sound by waiting."""
    await ground.set_up()
    learner = somebody()
    await change(ground, 2, suspensions=[suspension(date(2026, 9, 1))])
    await ground.consume(enrolment(learner), completion(learner))
    await change(ground, 3, suspensions=[suspension(date(2026, 9, 1), date(2026, 9, 1))])
    assert [one.rpartition(" ")[0] for one in await states(ground, learner)][-1].endswith("REFERRED MEMBER_SUSPENDED")
    assert await ground.balance(learner) == 0


async def test_what_was_recognised_before_a_suspension_stays_and_is_still_corrected(ground: Ground) -> None:
    await ground.set_up()
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner))
    await change(ground, 2, suspensions=[suspension(*SEPTEMBER)])
    assert await states(ground, learner) == ["1 RECOGNISED (completion)"]
    assert await ground.balance(learner) == Decimal(20)
    await ground.consume(completion(learner, revision=2, revoked=True, revocation_reason="Issued in error"))
    newest = (await ground.decisions_on(learner))[-1]
    assert newest.number == 2
    assert newest.state != "RECOGNISED", "a revocation is followed up whatever the member's standing"


async def test_leaving_is_a_suspension_without_end_from_its_day_on(ground: Ground) -> None:
    await ground.set_up()
    recognised, before, on_the_day = somebody(), somebody(), somebody()
    await ground.consume(enrolment(recognised), completion(recognised))
    await change(ground, 2, left_on=date(2026, 9, 3))
    for learner, day in ((before, 2), (on_the_day, 3)):
        claimable = ACCEPTED.replace(day=day)
        await ground.consume(enrolment(learner), completion(learner, accepted_at=claimable, claimable_from=claimable))
    assert await states(ground, recognised) == ["1 RECOGNISED (completion)"], "what was recognised stays"
    assert await states(ground, before) == ["1 RECOGNISED (completion)"]
    assert await states(ground, on_the_day) == ["1 REFERRED MEMBER_SUSPENDED (completion)"]


async def test_a_member_that_left_still_corrects_and_revokes_what_it_published(ground: Ground) -> None:
    await ground.set_up()
    corrected, revoked = somebody(), somebody()
    for learner in (corrected, revoked):
        await ground.consume(enrolment(learner), completion(learner))
    await change(ground, 2, left_on=date(2026, 9, 3))
    await ground.consume(
        completion(corrected, revision=2, mark=Decimal(64)),
        completion(revoked, revision=2, revoked=True, revocation_reason="Issued in error"),
    )
    assert (await states(ground, corrected))[-1].startswith("2 RECOGNISED"), "the claim is of the day before"
    assert not (await states(ground, revoked))[-1].startswith("2 RECOGNISED")


async def test_a_member_that_comes_back_has_its_claims_decided(ground: Ground) -> None:
    await ground.set_up()
    learner = somebody()
    await change(ground, 2, left_on=date(2026, 8, 31))
    await ground.consume(enrolment(learner), completion(learner))
    await change(ground, 3, left_on=None)
    assert await states(ground, learner) == ["1 REFERRED MEMBER_SUSPENDED (completion)", "2 RECOGNISED (member)"]
