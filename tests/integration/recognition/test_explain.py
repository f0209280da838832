"""GET /decisions/{id}: every ground with what it compared, its clause and outcome, and all of it as one paragraph."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.integration.recognition.ground import Ground, agreement, award, completion, enrolment, somebody

pytestmark = pytest.mark.servers


async def answers(ground: Ground, learner: UUID) -> list[dict[str, Any]]:
    """Every decision on a learner, as it is read."""
    found = []
    async with ground.caller("strathmore", "registry") as client:
        for one in await ground.decisions_on(learner):
            answer = await client.get(f"/decisions/{one.decision_id}")
            assert answer.status_code == 200, answer.text
            found.append(answer.json())
    return found


async def test_what_was_recognised_is_told_with_its_terms(ground: Ground) -> None:
    await ground.set_up()
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner))
    [answer] = await answers(ground, learner)
    assert answer["explanation"] == (
        "This completion is recognised towards strathmore:pgcert (version 1): 20 credits at level 5 as "
        "northbridge:stats, and the mark 58 goes with it. The claim of 2026-09-01 was judged under the agreement "
        "northbridge-strathmore, version 1. You need do nothing."
    )


async def test_every_ground_says_what_it_compared_and_the_paragraph_has_its_sentence(ground: Ground) -> None:
    await ground.set_up(award(import_cap="30"), agreement())
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner, mark=Decimal(39), level=3))
    await ground.consume(completion(learner, "northbridge:ethics"), completion(learner, "northbridge:law"))
    await ground.consume(completion(learner, "westfield:stats"))
    await ground.consume(completion(learner, "northbridge:ethics", 2, revoked=True))
    found = await answers(ground, learner)
    grounds = [ground for answer in found for ground in answer["grounds"]]
    assert {ground["code"] for ground in grounds} >= {"GRADE_BELOW_MIN", "BELOW_HE_LEVEL", "CAP_EXCEEDED", "REVOKED"}
    for one in grounds:
        assert one["state"] in ("PARTIAL", "INCOMPLETE", "REFERRED", "DECLINED", "INVALID")
        assert one["clause"]
        assert one["document"] in ("northbridge-strathmore", "strathmore:pgcert", "consortium")
        assert len(one["compared"]) >= 2
        assert all(isinstance(value, str) and value for value in one["compared"].values())
    for answer in found:
        assert all(one["sentence"] in answer["explanation"] for one in answer["grounds"])
        if answer["state"] == "DECLINED":
            assert "you may appeal within 20 days, before Registrar: Write to the registrar." in answer["explanation"]


async def test_a_decision_that_was_replaced_says_so(ground: Ground) -> None:
    await ground.set_up()
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner, mark=Decimal(39)))
    await ground.consume(completion(learner, revision=2))
    first, second = await answers(ground, learner)
    assert first["explanation"].startswith("A newer decision has taken the place of this one.")
    assert second["explanation"].startswith("This completion is recognised")
