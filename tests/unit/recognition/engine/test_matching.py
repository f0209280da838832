"""Step 2: which completions are used together, what disputes what, and what becomes of the rest."""

from datetime import date
from fractions import Fraction

import pytest

from services.recognition.engine.model import (
    All,
    Any,
    Denial,
    Ledger,
    NOf,
    Requirement,
    Use,
)
from tests.unit.recognition.engine.build import (
    agreement,
    completion,
    decide,
    decided,
    granted,
    ground_of,
    leaf,
    line,
    rule,
)

A, B, C, D = leaf("A"), leaf("B"), leaf("C"), leaf("D")
RECOGNISED, DUPLICATE, WAITS = "RECOGNISED", "DECLINED DUPLICATE_CLAIM", "INCOMPLETE RULE_NOT_SATISFIED"
AMBIGUOUS, FILLED = "REFERRED AMBIGUOUS_RULES", "DECLINED SLOT_FILLED"


# Like for like: which attempt is taken


def test_the_highest_mark_is_taken_first() -> None:
    outcome = decide([completion("c1", mark=50), completion("c2", mark=60)], agreement())
    assert decided(outcome) == {"c1": DUPLICATE, "c2": RECOGNISED}


def test_at_one_mark_the_earliest_completion_is_taken_first() -> None:
    later, earlier = completion("c1", completed_on=date(2024, 6, 30)), completion("c2", completed_on=date(2024, 6, 29))
    assert decided(decide([later, earlier], agreement())) == {"c1": DUPLICATE, "c2": RECOGNISED}


def test_on_one_day_the_smaller_id_by_code_point_is_taken_first() -> None:
    assert decided(decide([completion("c9"), completion("c10")], agreement())) == {"c9": DUPLICATE, "c10": RECOGNISED}


def test_an_attempt_used_for_another_award_comes_last_whatever_its_mark() -> None:
    used = completion("c1", mark=90, already_used_for=(Use(True, True),))
    outcome = decide([used, completion("c2", mark=45)], agreement(double_counting=("within_ladder",)))
    assert decided(outcome) == {"c1": DUPLICATE, "c2": RECOGNISED}


def test_no_mark_is_lowest() -> None:
    outcome = decide([completion("c1", mark=None), completion("c2", mark=0)], agreement(minimum_mark=None))
    assert decided(outcome) == {"c1": DUPLICATE, "c2": RECOGNISED}


# When a tree is met


@pytest.mark.parametrize(
    ("tree", "used"),
    [
        (A, "A"),
        (All((A, B)), "A+B"),
        (All((A, D)), ""),
        (All(()), ""),
        (All((A, All(()))), ""),
        (Any((D, B, A)), "B"),
        (Any(()), ""),
        (Any((Any(()), A)), "A"),
        (NOf(2, (D, C, A, B)), "A+C"),
        (NOf(4, (A, B, C, D)), ""),
        (NOf(3, (A, B)), ""),
        (NOf(0, (A, B)), ""),
        (NOf(-1, (A, B)), ""),
        (NOf(1, (All((A, D)), All((B, C)))), "B+C"),
        (All((A, Any((A, B)))), "A"),  # one completion may meet several branches
        (NOf(2, (A, A)), "A"),
        (All((Any((D, A)), NOf(2, (B, D, C)))), "A+B+C"),
    ],
)
def test_which_completions_meet_a_tree(tree: Requirement, used: str) -> None:
    held = [completion(course, course) for course in "ABC"]
    assert list(granted(decide(held, agreement(rule(tree, line("M1", 20)))))) == [used] * bool(used)


def test_two_completions_of_one_course_meet_no_rule() -> None:
    held = [completion("c1", "A", mark=72), completion("c2", "A", mark=45), completion("c3", "B")]
    twice = All((leaf("A", 60), leaf("A", None, 50)))
    assert decided(decide(held, agreement(rule(twice)))) == {"c1": WAITS, "c2": WAITS, "c3": "REFERRED NO_RULE"}
    # in a branch too: the rule as a whole is not met, though B alone would have met it
    outcome = decide(held, agreement(rule(Any((twice, B)))))
    assert decided(outcome) == {"c1": WAITS, "c2": WAITS, "c3": WAITS}


def test_a_rule_is_met_once_what_made_it_take_a_course_twice_is_gone() -> None:
    # Both attempts at A go to the first rule; what is left of the second is met by C alone.
    held = [completion("c1", "A", mark=72), completion("c2", "A", mark=45), completion("c3", "C")]
    twice = All((leaf("A", 60), leaf("A", None, 50)))
    terms = agreement(rule(Any((twice, C)), line("M1", 20), priority=1), rule("A", line("M2", 20), priority=2))
    outcome = decide(held, terms)
    assert decided(outcome) == {"c1": RECOGNISED, "c2": DUPLICATE, "c3": RECOGNISED}
    assert granted(outcome) == {"c1": ["M2 20@5"], "c3": ["M1 20@5"]}


def test_a_leaf_takes_the_first_attempt_that_it_accepts() -> None:
    held = [completion("c1", mark=72), completion("c2", mark=45)]
    outcome = decide(held, agreement(rule(leaf("A", None, 50), line("M1", 20))))
    assert decided(outcome) == {"c1": "REFERRED NO_RULE", "c2": RECOGNISED}


def test_a_leaf_passes_over_an_attempt_below_the_lowest_level_named() -> None:
    held = [completion("c1", mark=90, level=4), completion("c2", mark=45, level=5)]
    outcome = decide(held, agreement(rule("A", line("M1", 20, 5))))
    assert decided(outcome) == {"c1": "DECLINED LEVEL_TOO_LOW", "c2": RECOGNISED}


# Which rule


def test_the_lowest_priority_number_comes_first() -> None:
    terms = agreement(rule(All((A, B)), line("M1", 20), priority=2), rule("A", line("M2", 20), priority=1))
    outcome = decide([completion("c1", "A"), completion("c2", "B")], terms)
    assert granted(outcome) == {"c1": ["M2 20@5"]}
    assert decided(outcome) == {"c1": RECOGNISED, "c2": "REFERRED NO_RULE"}  # A is used by a grant


def test_at_one_priority_the_rule_that_uses_most_completions() -> None:
    terms = agreement(rule("A", line("M2", 20)), rule(All((A, B)), line("GENERAL", 40)))
    outcome = decide([completion("c1", "A"), completion("c2", "B")], terms)
    assert granted(outcome) == {"c1+c2": ["(GENERAL 40@5)"]}


def test_a_slot_comes_before_general_credit() -> None:
    terms = agreement(rule("A", line("GENERAL", 20)), rule("A", line("GENERAL", 10), line("M1", 10)))
    assert granted(decide(completion(), terms)) == {"c1": ["(GENERAL 10@5)", "M1 10@5"]}


def test_general_credit_of_two_kinds_is_in_dispute_where_nothing_fills_a_slot() -> None:
    terms = agreement(rule("A", line("GENERAL", 20)), rule("A", line("GENERAL", 10)))
    assert decided(decide(completion(), terms)) == {"c1": AMBIGUOUS}


def test_the_same_grants_count_as_one_in_any_order_and_form() -> None:
    one = rule("A", line("M1", "10"), line("M2", "5.0"))
    other = rule(Any((B, A)), line("M2", "10/2"), line("M1", "10.00"))
    outcome = decide(completion(credits_=15), agreement(one, other))
    assert granted(outcome) == {"c1": ["M1 10@5", "M2 5@5"]}


@pytest.mark.parametrize(
    "other",
    [
        rule("A", line("M1", 10), line("M1", 10), line("M2", 5)),  # a line twice is not a line once
        rule("A", line("M1", 10, 5), line("M2", 5)),  # a level named is not a level taken over
        rule("A"),
    ],
)
def test_other_grants_are_a_dispute(other: object) -> None:
    one = rule("A", line("M1", 10), line("M2", 5))
    assert decided(decide(completion(credits_=25), agreement(one, other))) == {"c1": AMBIGUOUS}  # type: ignore[arg-type]


def test_like_for_like_twice_counts_as_one() -> None:
    assert granted(decide(completion(), agreement(rule("A"), rule(Any((A, B)))))) == {"c1": ["A 20@5"]}


# Disputes


def test_rules_that_share_a_slot_are_in_dispute_and_others_are_not() -> None:
    terms = agreement(rule("A", line("M1", 20)), rule("B", line("M1", 20)), rule("C", line("M2", 20)))
    outcome = decide([completion(course, course) for course in "ABC"], terms)
    assert decided(outcome) == {"A": AMBIGUOUS, "B": AMBIGUOUS, "C": RECOGNISED}


def test_sharing_general_credit_is_no_dispute() -> None:
    terms = agreement(rule("A", line("GENERAL", 20)), rule("B", line("GENERAL", 20)))
    assert decided(decide([completion(course, course) for course in "AB"], terms)) == {"A": RECOGNISED, "B": RECOGNISED}


def test_a_slot_named_like_a_course_is_not_that_course() -> None:
    terms = agreement(rule("A"), rule("B", line("A", 20)))
    outcome = decide([completion("c1", "A"), completion("c2", "B")], terms)
    assert granted(outcome) == {"c1": ["A 20@5"], "c2": ["A 20@5"]}


def test_a_dispute_reaches_through_others_by_course_and_by_slot() -> None:
    terms = agreement(
        rule(All((A, B)), line("M1", 40)),
        rule(All((B, C)), line("M2", 40)),
        rule(All((D, leaf("E"))), line("M2", 40)),
        rule(All((leaf("F"), leaf("G"))), line("M3", 40)),
    )
    outcome = decide([completion(course, course) for course in "ABCDEFG"], terms)
    assert decided(outcome) == dict.fromkeys("ABCDE", AMBIGUOUS) | {"F": RECOGNISED, "G": RECOGNISED}
    assert dict(ground_of(outcome, "AMBIGUOUS_RULES", "A").compared)["rules"] == "1 and 2 and 3"


def test_other_attempts_at_a_disputed_course_are_in_dispute_too() -> None:
    terms = agreement(rule("A", line("M1", 20)), rule("A", line("M2", 20)))
    outcome = decide([completion("c1", mark=50), completion("c2", mark=60)], terms)
    assert decided(outcome) == {"c1": AMBIGUOUS, "c2": AMBIGUOUS}


def test_a_course_is_shared_even_by_different_attempts_at_it() -> None:
    terms = agreement(rule(leaf("A", 60), line("M1", 20)), rule(leaf("A", None, 50), line("M2", 20)))
    outcome = decide([completion("c1", mark=72), completion("c2", mark=45)], terms)
    assert decided(outcome) == {"c1": AMBIGUOUS, "c2": AMBIGUOUS}


def test_an_alternative_that_is_not_used_is_not_shared() -> None:
    terms = agreement(rule(Any((A, B)), line("M1", 20)), rule("B", line("M2", 20)))
    outcome = decide([completion("c1", "A"), completion("c2", "B")], terms)
    assert decided(outcome) == {"c1": RECOGNISED, "c2": RECOGNISED}


def test_a_disputed_slot_stays_closed_and_whoever_waits_for_it_waits() -> None:
    terms = agreement(
        rule("A", line("M1", 20)), rule("B", line("M1", 20)), rule("C", line("M1", 20), line("M2", 0), priority=2)
    )
    outcome = decide([completion(course, course) for course in "ABC"], terms)
    assert decided(outcome) == {"A": AMBIGUOUS, "B": AMBIGUOUS, "C": WAITS}


# The ledger, and what shares a fate


def test_a_filled_slot_closes_every_rule_that_fills_it() -> None:
    terms = agreement(rule("A", line("M1", 10), line("M2", 10), priority=1), rule("A", line("M3", 20), priority=2))
    ledger = Ledger(slots_filled=("M2",))
    assert granted(decide(completion(), terms, ledger=ledger)) == {"c1": ["M3 20@5"]}


def test_general_credit_never_fills_up() -> None:
    ledger = Ledger(slots_filled=("GENERAL", "A"))
    assert granted(decide(completion(), agreement(rule("A", line("GENERAL", 20))), ledger=ledger)) == {
        "c1": ["(GENERAL 20@5)"]
    }
    assert granted(decide(completion(), agreement(rule("A")), ledger=ledger)) == {"c1": ["A 20@5"]}


def test_a_rule_for_general_credit_is_met_again_by_what_is_left() -> None:
    terms = agreement(rule(Any((A, B)), line("GENERAL", 20)))
    outcome = decide([completion("c1", "A"), completion("c2", "B")], terms)
    assert granted(outcome) == {"c1": ["(GENERAL 20@5)"], "c2": ["(GENERAL 20@5)"]}


def test_other_attempts_share_the_grounds_of_a_match_that_is_refused() -> None:
    terms = agreement(rule("A", line("M1", 30)))
    outcome = decide([completion("c1", mark=50), completion("c2", mark=60)], terms)
    assert decided(outcome) == dict.fromkeys(["c1", "c2"], "REFERRED GRANT_EXCEEDS_SOURCE")


def test_other_attempts_at_a_course_of_a_larger_match_share_its_fate() -> None:
    held = [completion("c1", "A", credits_=10), completion("c2", "A", credits_=10, mark=60), completion("c3", "B")]
    terms = agreement(rule(All((A, B)), line("M1", 30)), rule("A", line("M2", 10), priority=9))
    outcome = decide(held, terms)
    assert decided(outcome) == {"c1": DUPLICATE, "c2": RECOGNISED, "c3": RECOGNISED}


# What is still free in the end


def test_a_rule_that_could_still_be_met_waits_and_says_for_what() -> None:
    terms = agreement(rule(All((A, Any((All((B, C)), D)))), line("M1", 20)))
    outcome = decide(completion(), terms)
    assert decided(outcome) == {"c1": WAITS}
    ground = ground_of(outcome, "RULE_NOT_SATISFIED")
    assert dict(ground.compared) == {"held": "A", "missing": "D"}  # one course is less than two
    assert ground.clause == "/rules/0"


def test_what_is_held_already_is_not_missing() -> None:
    terms = agreement(rule(NOf(3, (A, B, C, D)), line("M1", 20)))
    outcome = decide([completion("c1", "A"), completion("c2", "C")], terms)
    assert dict(ground_of(outcome, "RULE_NOT_SATISFIED").compared) == {"held": "A, C", "missing": "B"}


def test_of_several_open_rules_the_one_that_misses_least_is_named_then_by_priority() -> None:
    far, near = rule(All((A, B, C)), line("M1", 20), priority=1), rule(All((A, D)), line("M2", 20), priority=2)
    ground = ground_of(decide(completion(), agreement(far, near)), "RULE_NOT_SATISFIED")
    assert (ground.clause, dict(ground.compared)["missing"]) == ("/rules/1", "D")
    later, sooner = rule(All((A, B)), line("M1", 20), priority=2), rule(All((A, D)), line("M2", 20), priority=1)
    ground = ground_of(decide(completion(), agreement(later, sooner)), "RULE_NOT_SATISFIED")
    assert (ground.clause, dict(ground.compared)["missing"]) == ("/rules/1", "D")


def test_every_filled_slot_of_the_rule_is_named_and_no_other() -> None:
    terms = agreement(rule("A", line("M2", 10), line("M1", 10), line("M3", 0)))
    outcome = decide(completion(), terms, ledger=Ledger(slots_filled=("M1", "M2", "M9")))
    assert dict(ground_of(outcome, "SLOT_FILLED").compared) == {
        "slot": "M1 and M2",
        "filled": "already",
        "allowed": "once",
    }


def test_every_course_that_is_in_the_way_is_named_and_no_other() -> None:
    outcome = decide(completion(), agreement(rule(All((A, C, B)))), ledger=Ledger(granted_courses=("B", "C", "Z")))
    assert dict(ground_of(outcome, "NO_RULE").compared) == {
        "course": "A",
        "in_the_way": "B, C cannot count for it any more",
    }


def test_every_missing_course_is_named() -> None:
    outcome = decide(completion(), agreement(rule(All((C, A, B)), line("M1", 20))))
    assert dict(ground_of(outcome, "RULE_NOT_SATISFIED").compared) == {"held": "A", "missing": "B, C"}


@pytest.mark.parametrize(
    ("tree", "waits"),
    [
        (All((A, B)), False),
        (All((A, C)), True),
        (Any((All((A, B)), All((A, C)))), True),
        (NOf(2, (A, B, C)), True),
        (NOf(3, (A, B, C)), False),
        (NOf(0, (A, C)), False),
        (All((A, All(()))), False),
        (NOf(4, (A, C, D)), False),
    ],
)
def test_a_course_that_is_granted_already_is_no_longer_obtainable(tree: Requirement, waits: bool) -> None:
    outcome = decide(completion(), agreement(rule(tree, line("M1", 20))), ledger=Ledger(granted_courses=("B",)))
    assert decided(outcome) == {"c1": WAITS if waits else "REFERRED NO_RULE"}


def test_denied_and_excluded_courses_are_not_obtainable() -> None:
    tree = All((A, B))
    assert decided(decide(completion(), agreement(rule(tree), denied_courses=(Denial("B", "x"),)))) == {
        "c1": "REFERRED NO_RULE"
    }
    assert decided(decide(completion(), agreement(rule(tree), excluded_components=("B",)))) == {
        "c1": "REFERRED NO_RULE"
    }


def test_a_slot_filled_by_a_grant_of_this_evaluation_counts_as_filled() -> None:
    terms = agreement(rule(Any((A, B)), line("M1", 20)))
    outcome = decide([completion("c1", "A"), completion("c2", "B")], terms)
    assert decided(outcome) == {"c1": RECOGNISED, "c2": FILLED}
    assert dict(ground_of(outcome, "SLOT_FILLED", "c2").compared)["slot"] == "M1"


def test_a_slot_whose_match_was_refused_is_not_filled() -> None:
    terms = agreement(rule(Any((A, B)), line("M1", 20)))
    outcome = decide([completion("c1", "A", credits_=10), completion("c2", "B")], terms)
    assert decided(outcome) == {"c1": "REFERRED GRANT_EXCEEDS_SOURCE", "c2": WAITS}


def test_a_slot_whose_line_came_to_nothing_is_not_filled() -> None:
    terms = agreement(rule(Any((A, B)), line("M1", "0.4"), line("GENERAL", 19)), credit_step=Fraction(1))
    outcome = decide([completion("c1", "A"), completion("c2", "B")], terms)
    assert granted(outcome) == {"c1": ["(GENERAL 19@5)"]}
    assert decided(outcome) == {"c1": "PARTIAL EXCESS_NOT_USED ROUNDED_DOWN", "c2": WAITS}


def test_an_open_rule_that_can_be_met_goes_before_a_filled_slot() -> None:
    terms = agreement(rule("A", line("M1", 20)), rule(All((A, B)), line("M2", 20), priority=2))
    outcome = decide(completion(), terms, ledger=Ledger(slots_filled=("M1",)))
    assert decided(outcome) == {"c1": WAITS}
    assert ground_of(outcome, "RULE_NOT_SATISFIED").clause == "/rules/1"


def test_a_filled_slot_goes_before_a_rule_that_can_never_be_met() -> None:
    terms = agreement(rule("A", line("M1", 20)), rule(All((A, B)), line("M2", 20), priority=2))
    outcome = decide(completion(), terms, ledger=Ledger(slots_filled=("M1",), granted_courses=("B",)))
    assert decided(outcome) == {"c1": FILLED}


def test_a_rule_counts_only_if_a_leaf_of_it_accepts_the_completion() -> None:
    # the second rule wants 60 or more of A: it neither waits for this one nor is filled for it
    terms = agreement(rule(All((A, B)), line("M1", 20)), rule(All((leaf("A", 60), C)), line("M2", 20)))
    ledger = Ledger(granted_courses=("B",))
    assert decided(decide(completion(mark=55), terms, ledger=ledger)) == {"c1": "REFERRED NO_RULE"}
    assert decided(decide(completion(mark=60), terms, ledger=ledger)) == {"c1": WAITS}
