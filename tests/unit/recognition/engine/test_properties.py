"""What holds for every case, however it is made."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from services.recognition.engine.codec import case_from_json, case_to_json, outcome_to_bytes
from services.recognition.engine.evaluate import evaluate
from services.recognition.engine.model import Case, Completion, Decision, Grant, Outcome, State
from services.recognition.engine.numbers import total
from tests.unit.recognition.engine.strategies import CASES

EXAMPLES = settings(max_examples=60, deadline=None)


def worth(completion: Completion, case: Case) -> Fraction:
    assert case.agreement is not None
    ratio = completion.credit_ratio
    return completion.credits * (case.agreement.credit_ratio if ratio is None else ratio)


def reused_at_one_level(grant: Grant, by_id: Mapping[str, Completion]) -> bool:
    uses = [use for id_ in grant.completions for use in by_id[id_].already_used_for]
    return any(not use.same_ladder and not use.new_award_is_higher for use in uses)


@EXAMPLES
@given(CASES, st.randoms(use_true_random=False))
def test_the_order_of_completions_never_matters(case: Case, random: object) -> None:
    shuffled = list(case.completions)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert evaluate(replace(case, completions=tuple(shuffled))) == evaluate(case)


@EXAMPLES
@given(CASES)
def test_deciding_twice_gives_equal_bytes_also_from_what_was_stored(case: Case) -> None:
    first = outcome_to_bytes(evaluate(case))
    assert outcome_to_bytes(evaluate(case)) == first
    assert outcome_to_bytes(evaluate(case_from_json(case_to_json(case)))) == first


@EXAMPLES
@given(CASES)
def test_credit_is_never_created(case: Case) -> None:
    by_id = {completion.id: completion for completion in case.completions}
    for grant in evaluate(case).grants:
        assert total(line.credits for line in grant.lines) <= total(
            worth(by_id[id_], case) for id_ in grant.completions
        )
        assert all(line.credits > 0 for line in grant.lines)


@EXAMPLES
@given(CASES)
def test_no_completion_and_no_course_is_granted_twice(case: Case) -> None:
    by_id = {completion.id: completion for completion in case.completions}
    used = [id_ for grant in evaluate(case).grants for id_ in grant.completions]
    assert max(Counter(used).values(), default=1) == 1
    courses = [by_id[id_].course for id_ in used] + list(case.ledger.granted_courses)
    assert max(Counter(courses).values(), default=1) == 1


@EXAMPLES
@given(CASES)
def test_no_cap_is_exceeded_by_what_is_granted(case: Case) -> None:
    by_id = {completion.id: completion for completion in case.completions}
    grants, award, ledger = evaluate(case).grants, case.award, case.ledger
    lines = [line for grant in grants for line in grant.lines]

    def holds(cap: Fraction | None, before: Fraction, granted: Fraction) -> bool:
        return cap is None or granted == 0 or before + granted <= cap

    assert holds(award.import_cap, ledger.imported, total(line.credits for line in lines))
    for level, cap in award.import_cap_by_level.items():
        before = ledger.imported_by_level.get(level, Fraction(0))
        assert holds(cap, before, total(line.credits for line in lines if line.level == level))
    reused = [line for grant in grants if reused_at_one_level(grant, by_id) for line in grant.lines]
    assert holds(award.same_level_cap, ledger.imported_same_level, total(line.credits for line in reused))


@EXAMPLES
@given(CASES)
def test_lines_are_whole_steps_and_slots_of_rules_are_filled_once(case: Case) -> None:
    agreement = case.agreement
    if agreement is None:
        return
    step = agreement.credit_step
    grants = evaluate(case).grants
    if step is not None:
        assert all((line.credits / step).denominator == 1 for grant in grants for line in grant.lines)
    slots = {line.slot for rule in agreement.rules or () for line in rule.grants or ()} - {"GENERAL"}
    filled = [
        slot
        for grant in grants
        for slot in {line.slot for line in grant.lines if line.kind == "specific"}
        if slot in slots
    ]
    assert max(Counter(filled).values(), default=1) == 1
    assert not set(filled) & set(case.ledger.slots_filled)


@EXAMPLES
@given(CASES)
def test_a_state_is_the_worst_ground_and_credit_is_granted_to_what_is_recognised(case: Case) -> None:
    outcome = evaluate(case)
    granted = {id_ for grant in outcome.grants for id_ in grant.completions}
    for decision in outcome.decisions:
        states = [ground.state for ground in decision.grounds]
        assert decision.state == max(states, key=lambda state: state.severity, default=State.RECOGNISED)
        assert (decision.completion in granted) == (decision.state in (State.RECOGNISED, State.PARTIAL))
        assert len(decision.grounds) == len({(ground.code, ground.clause) for ground in decision.grounds})


@EXAMPLES
@given(CASES)
def test_an_offer_fits_and_cannot_be_added_to(case: Case) -> None:
    outcome = evaluate(case)
    waiting = {
        decision.completion
        for decision in outcome.decisions
        if "CHOICE_REQUIRED" in {ground.code for ground in decision.grounds}
    }
    assert bool(outcome.offers) == bool(waiting)
    assert len(outcome.offers) <= 10
    for offer in outcome.offers:
        assert set(offer) <= waiting
        chosen = evaluate(replace(case, choice=offer))
        granted = {id_ for grant in chosen.grants for id_ in grant.completions}
        assert set(offer) <= granted
        assert not (waiting - set(offer)) & granted


FAULTY = Completion(
    id="faulty",
    course="of its own",
    course_version=1,
    credits=Fraction(20),
    framework="FHEQ",
    level=5,
    mark=Fraction(99),
    result="pass",
    completed_on=date(2024, 6, 30),
    workload_hours=None,
    identity_verified_at_assessment=True,
    signature_valid=True,
    revoked=True,
    missing_elements=(),
    uln=None,
    already_used_for=(),
    claimed_on=date(2025, 10, 1),
)


@EXAMPLES
@given(CASES, st.sampled_from(["A", "B", "C", "of its own"]))
def test_a_faulty_completion_never_changes_another(case: Case, course: str) -> None:
    with_it = evaluate(replace(case, completions=(*case.completions, replace(FAULTY, course=course))))
    without = evaluate(case)
    assert _without(with_it, "faulty") == without.decisions
    assert with_it.grants == without.grants
    assert with_it.offers == without.offers


def _without(outcome: Outcome, id_: str) -> tuple[Decision, ...]:
    return tuple(decision for decision in outcome.decisions if decision.completion != id_)


@EXAMPLES
@given(CASES)
def test_without_an_agreement_nothing_is_granted_and_everything_is_referred_or_worse(case: Case) -> None:
    outcome = evaluate(replace(case, agreement=None))
    assert outcome.grants == ()
    assert outcome.offers == ()
    assert all(decision.state.severity >= State.REFERRED.severity for decision in outcome.decisions)
