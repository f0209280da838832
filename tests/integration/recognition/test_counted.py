"""What is decided is counted, for whoever watches."""

import pytest
from prometheus_client import REGISTRY

from tests.integration.recognition.ground import Ground, completion, enrolment, somebody

pytestmark = pytest.mark.servers


async def test_every_decision_is_counted_by_its_state(ground: Ground) -> None:
    def counted(state: str) -> float:
        return REGISTRY.get_sample_value("concord_decisions_total", {"state": state}) or 0

    await ground.set_up()
    before = {state: counted(state) for state in ("RECOGNISED", "DECLINED")}
    good, poor = somebody(), somebody()
    await ground.consume(enrolment(good), enrolment(poor), completion(good), completion(poor, result="fail", mark=None))

    states = [decision.state for decision in await ground.published()]
    assert sorted(states) == ["DECLINED", "RECOGNISED"]
    assert {state: counted(state) - before[state] for state in before} == {"RECOGNISED": 1, "DECLINED": 1}
