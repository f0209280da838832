"""What the demo tells after its figures goes through on a whole system; it comes last, since it drafts and suspends."""

import pytest

from deploy.demo.life import Life
from tests.whole import Whole

pytestmark = pytest.mark.servers


async def test_the_demos_story_of_what_becomes_of_decisions_is_told_to_its_end(whole: Whole) -> None:
    steps = dict(await Life(whole.system, whole.doors).tell())
    assert steps["a mark is corrected from 38 to 72"] == "DECLINED → RECOGNISED"
    assert steps["all decided again from what is stored"].endswith("decisions, 0 otherwise")
    assert len(steps) == 15
