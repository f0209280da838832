"""Events come in, and decisions, grants and ledger rows are what decision.md says (through the real desk)."""

from decimal import Decimal

import pytest

from tests.integration.recognition.ground import Ground, completion, enrolment, somebody

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("completion_comes_first", [True, False])
async def test_a_completion_and_an_enrolment_make_a_decision_whichever_comes_first(
    ground: Ground, completion_comes_first: bool
) -> None:
    await ground.set_up()
    learner = somebody()
    events = [completion(learner), enrolment(learner)]
    for event in events if completion_comes_first else reversed(events):
        await ground.consume(event)
    [decision] = await ground.decisions_on(learner)
    assert (decision.state, decision.number, decision.grade) == ("RECOGNISED", 1, Decimal(58))
    assert decision.cause.kind == ("enrolment" if completion_comes_first else "completion")
    assert decision.grant is not None
    assert [(line.slot, line.credits, line.level) for line in decision.grant.lines] == [("northbridge:stats", 20, 5)]
    assert await ground.balance(learner) == 20
