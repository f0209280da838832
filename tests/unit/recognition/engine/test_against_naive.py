"""The engine and the naive reading of the same text agree on every random case."""

from collections import Counter
from random import Random

from services.recognition.engine.evaluate import evaluate
from services.recognition.engine.grounds import grounds_of
from services.recognition.engine.leaves import leaves_by_course
from services.recognition.engine.levels import level_of
from services.recognition.engine.model import Case
from tests.unit.recognition.engine.naive import Naive
from tests.unit.recognition.engine.strategies import case_of

CASES = 1200
REACHED = {
    "AMBIGUOUS_RULES",
    "BELOW_MIN_CLAIM",
    "CAP_EXCEEDED",
    "CAP_REACHED",
    "CHOICE_REQUIRED",
    "DUPLICATE_CLAIM",
    "EXCESS_NOT_USED",
    "GRANT_EXCEEDS_SOURCE",
    "LEVEL_CAP_EXCEEDED",
    "LEVEL_CAP_REACHED",
    "LEVEL_MISMATCH",
    "NO_RULE",
    "ROUNDED_DOWN",
    "ROUNDED_TO_NOTHING",
    "RULE_NOT_SATISFIED",
    "SAME_LEVEL_CAP_EXCEEDED",
    "SAME_LEVEL_CAP_REACHED",
    "SLOT_FILLED",
}
"""Every ground of steps 2 to 5: none may be out of the cases' reach."""


def codes_where_both_agree(case: Case) -> set[str]:
    """The codes of the case, once it is shown that engine and naive reading give the same ones and the same grants."""
    agreement = case.agreement
    if agreement is None:
        return set()
    leaves = None if agreement.rules is None else leaves_by_course(agreement.rules)
    own = {completion.id: grounds_of(completion, case, leaves) for completion in case.completions}
    levels = {
        completion.id: level
        for completion in case.completions
        if not own[completion.id] and (level := level_of(completion, agreement)) is not None
    }
    codes, grants = Naive(case, levels).run()

    outcome = evaluate(case)
    found = {decision.completion: {ground.code for ground in decision.grounds} for decision in outcome.decisions}
    assert found == {id_: codes.get(id_, {ground.code for ground in own[id_]}) for id_ in own}
    assert [
        (list(grant.completions), sorted((line.slot, line.credits, line.level, line.kind) for line in grant.lines))
        for grant in outcome.grants
    ] == grants
    return {code for those in codes.values() for code in those}


def test_both_decide_alike() -> None:
    seen = Counter(code for seed in range(CASES) for code in codes_where_both_agree(case_of(Random(seed))))
    assert set(seen) == REACHED
