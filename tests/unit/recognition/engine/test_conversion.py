"""Steps 3 and 4: what a match gives, what that loses, and the minimum claim."""

from fractions import Fraction
from typing import Any

import pytest

from services.recognition.engine.model import All, Ledger
from tests.unit.recognition.engine.build import (
    agreement,
    award,
    completion,
    decide,
    decided,
    granted,
    ground_of,
    leaf,
    line,
    rule,
)

AB = All((leaf("A"), leaf("B")))


def pair(level_of_a: int = 5, level_of_b: int = 5) -> list[Any]:
    """10 credits of A and 10 of B."""
    return [
        completion("c1", "A", credits_=10, level=level_of_a),
        completion("c2", "B", credits_=10, level=level_of_b),
    ]


def test_like_for_like_is_one_line_for_each_completion_in_order_of_course() -> None:
    held = [completion("c1", "B", credits_=10, level=6), completion("c2", "A", credits_=20, level=5)]
    outcome = decide(held, agreement(rule(AB)))
    assert granted(outcome) == {"c1+c2": ["A 20@5", "B 10@6"]}


def test_a_completions_own_ratio_goes_before_the_agreements() -> None:
    held = [completion("c1", "A", credits_=3), completion("c2", "B", credits_=3, credit_ratio=Fraction(2))]
    outcome = decide(held, agreement(credit_ratio=Fraction(2, 3)))
    assert granted(outcome) == {"c1": ["A 2@5"], "c2": ["B 6@5"]}


def test_a_line_stands_at_the_level_it_names_else_at_the_lowest_of_the_match() -> None:
    terms = agreement(rule(AB, line("M1", 8), line("M2", 10, 6), line("M3", 1, 5)), excess_credit="general")
    outcome = decide(pair(5, 6), terms)
    assert granted(outcome) == {"c1+c2": ["M1 8@5", "M2 10@6", "M3 1@5", "(GENERAL 1@5)"]}


@pytest.mark.parametrize(
    ("agreed", "expected", "lines"),
    [
        (False, "REFERRED LEVEL_MISMATCH", {}),
        (True, "RECOGNISED", {"c1": ["M1 20@5"]}),
    ],
)
def test_higher_credit_counts_at_a_lower_named_level_if_that_is_agreed(
    agreed: bool, expected: str, lines: dict[str, list[str]]
) -> None:
    terms = agreement(rule("A", line("M1", 20, 5)), higher_level_may_fill_lower=agreed)
    outcome = decide(completion(level=6), terms)
    assert decided(outcome) == {"c1": expected}
    assert granted(outcome) == lines


def test_the_level_of_the_match_is_what_is_above_a_named_level() -> None:
    # B alone is above level 5, but the match stands at the level of A
    assert decided(decide(pair(5, 6), agreement(rule(AB, line("M1", 20, 5))))) == dict.fromkeys(
        ["c1", "c2"], "RECOGNISED"
    )
    # no level is named, so nothing is above one
    assert decided(decide(completion(level=7), agreement(rule("A", line("M1", 20))))) == {"c1": "RECOGNISED"}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((line("M1", 20),), "RECOGNISED"),
        ((line("M1", "20.01"),), "REFERRED GRANT_EXCEEDS_SOURCE"),
        ((line("M1", 15), line("GENERAL", 6)), "REFERRED GRANT_EXCEEDS_SOURCE"),
        ((line("M1", 10, 5), line("M2", 10, 6)), "RECOGNISED"),
        ((line("M1", 9, 5), line("M2", 11, 6)), "REFERRED GRANT_EXCEEDS_SOURCE"),
        ((line("M1", 5, 5), line("M2", 6, 6), line("M3", 5, 7)), "PARTIAL EXCESS_NOT_USED"),
        ((line("M1", 5, 5), line("M2", 5, 6), line("M3", 6, 7)), "PARTIAL EXCESS_NOT_USED"),
        ((line("M1", 4, 5), line("M2", 5, 6), line("M3", 6, 8)), "REFERRED EXCESS_NOT_USED GRANT_EXCEEDS_SOURCE"),
    ],
)
def test_nothing_is_granted_above_what_was_earned_in_all_or_from_a_level_up(
    lines: tuple[Any, ...], expected: str
) -> None:
    # A stands at 5, B at 6, but in the cases that name level 7 and 8 B stands at 7, and earns 11
    higher = any(one.level in (7, 8) for one in lines)
    held = [
        completion("c1", "A", credits_=10, level=5),
        completion("c2", "B", credits_=11 if higher else 10, level=7 if higher else 6),
    ]
    outcome = decide(held, agreement(rule(AB, *lines)))
    assert decided(outcome) == dict.fromkeys(["c1", "c2"], expected)


def test_less_than_the_source_is_dropped_or_becomes_general_credit() -> None:
    one = rule("A", line("M1", "12.5"))
    dropped = decide(completion(), agreement(one))
    assert decided(dropped) == {"c1": "PARTIAL EXCESS_NOT_USED"}
    assert granted(dropped) == {"c1": ["M1 12.5@5"]}
    general = decide(completion(level=6), agreement(one, excess_credit="general"))
    assert decided(general) == {"c1": "RECOGNISED"}
    assert granted(general) == {"c1": ["M1 12.5@6", "(GENERAL 7.5@6)"]}


def test_each_line_is_floored_by_itself_the_excess_too() -> None:
    terms = agreement(rule("A", line("M1", "5.7"), line("M2", "5.7")), excess_credit="general", credit_step=Fraction(1))
    outcome = decide(completion(), terms)  # 20 − 11.4 = 8.6
    assert granted(outcome) == {"c1": ["M1 5@5", "M2 5@5", "(GENERAL 8@5)"]}
    assert decided(outcome) == {"c1": "PARTIAL ROUNDED_DOWN"}
    assert dict(ground_of(outcome, "ROUNDED_DOWN").compared) == {"step": "1", "before": "20", "after": "18"}


def test_a_loss_in_the_excess_alone_is_a_loss() -> None:
    terms = agreement(rule("A", line("M1", 19)), excess_credit="general", credit_step=Fraction(2, 3))
    outcome = decide(completion(credits_="19.5"), terms)  # 19 is 28 steps and a half; 0.5 is none
    assert granted(outcome) == {"c1": ["M1 56/3@5"]}
    terms = agreement(rule("A", line("M1", 18)), excess_credit="general", credit_step=Fraction(1))
    outcome = decide(completion(credits_="18.5"), terms)
    assert granted(outcome) == {"c1": ["M1 18@5"]}
    assert decided(outcome) == {"c1": "PARTIAL ROUNDED_DOWN"}


def test_without_a_loss_nothing_is_said() -> None:
    assert decided(decide(completion(credits_="7.5"), agreement(credit_step=Fraction(1, 2)))) == {"c1": "RECOGNISED"}


@pytest.mark.parametrize(
    ("lines", "terms", "expected"),
    [
        ((line("M1", "0.4"),), {"credit_step": Fraction(1)}, "EXCESS_NOT_USED ROUNDED_DOWN ROUNDED_TO_NOTHING"),
        (  # an excess line does not count as a line
            (line("M1", "0.4"),),
            {"credit_step": Fraction(1), "excess_credit": "general"},
            "ROUNDED_DOWN ROUNDED_TO_NOTHING",
        ),
        ((line("M1", 0),), {}, "EXCESS_NOT_USED ROUNDED_TO_NOTHING"),
        ((line("M1", 0),), {"excess_credit": "general"}, "ROUNDED_TO_NOTHING"),
    ],
)
def test_a_match_without_a_line_left_is_declined(lines: tuple[Any, ...], terms: dict[str, Any], expected: str) -> None:
    outcome = decide(completion(), agreement(rule("A", *lines), **terms))
    assert decided(outcome) == {"c1": f"DECLINED {expected}"}
    assert granted(outcome) == {}


def test_a_line_that_comes_to_nothing_disappears_beside_another() -> None:
    terms = agreement(rule("A", line("M1", "0.4"), line("M2", 19)), credit_step=Fraction(1))
    assert granted(decide(completion(), terms)) == {"c1": ["M2 19@5"]}


def test_a_rule_that_grants_no_line_gives_nothing() -> None:
    outcome = decide(completion(), agreement(rules=(rule("A").__class__(1, leaf("A"), ()),)))
    assert decided(outcome) == {"c1": "DECLINED EXCESS_NOT_USED ROUNDED_TO_NOTHING"}


def test_every_ground_of_the_step_is_given() -> None:
    terms = agreement(rule("A", line("M1", "10.5", 5), line("M2", 15, 6)), credit_step=Fraction(1))
    outcome = decide(completion(level=6), terms)
    assert decided(outcome) == {"c1": "REFERRED GRANT_EXCEEDS_SOURCE LEVEL_MISMATCH ROUNDED_DOWN"}


# The minimum claim


@pytest.mark.parametrize(
    ("credits_", "imported", "expected"),
    [
        (20, 0, "RECOGNISED"),
        ("19.9", 0, "INCOMPLETE BELOW_MIN_CLAIM"),
        (10, 10, "RECOGNISED"),
        (10, "9.9", "INCOMPLETE BELOW_MIN_CLAIM"),
    ],
)
def test_what_is_imported_counts_towards_the_minimum_claim(credits_: Any, imported: Any, expected: str) -> None:
    ledger = Ledger(imported=Fraction(imported))
    outcome = decide(completion(credits_=credits_), agreement(minimum_claim=Fraction(20)), ledger=ledger)
    assert decided(outcome) == {"c1": expected}


def test_all_matches_count_together_and_excess_lines_too() -> None:
    terms = agreement(
        rule("A", line("M1", 5)), rule("B", line("M2", 5)), minimum_claim=Fraction(20), excess_credit="general"
    )
    assert decided(decide(pair(), terms)) == {"c1": "RECOGNISED", "c2": "RECOGNISED"}


def test_what_step_3_refuses_does_not_count_and_keeps_its_own_ground() -> None:
    terms = agreement(
        rule("A", line("M1", 10)), rule("B", line("M2", 11)), minimum_claim=Fraction(20), credit_step=Fraction(1)
    )
    assert decided(decide(pair(), terms)) == {
        "c1": "INCOMPLETE BELOW_MIN_CLAIM",
        "c2": "REFERRED GRANT_EXCEEDS_SOURCE",
    }


def test_the_minimum_claim_is_compared_after_the_floor_and_hides_nothing() -> None:
    terms = agreement(minimum_claim=Fraction(20), credit_step=Fraction(1))
    outcome = decide(completion(credits_="19.9"), terms, award(0))
    assert decided(outcome) == {"c1": "INCOMPLETE BELOW_MIN_CLAIM ROUNDED_DOWN"}
    assert dict(ground_of(outcome, "BELOW_MIN_CLAIM").compared) == {"minimum_claim": "20", "claimed": "19"}


def test_below_the_minimum_nothing_fills_a_slot() -> None:
    terms = agreement(
        rule("A", line("M1", 20), priority=1), rule("B", line("M1", 20), priority=2), minimum_claim=Fraction(30)
    )
    outcome = decide([completion("c1", "A"), completion("c2", "B")], terms)
    assert decided(outcome) == {"c1": "INCOMPLETE BELOW_MIN_CLAIM", "c2": "INCOMPLETE RULE_NOT_SATISFIED"}


def test_other_attempts_wait_below_the_minimum_too() -> None:
    outcome = decide([completion("c1"), completion("c2", mark=60)], agreement(minimum_claim=Fraction(30)))
    assert decided(outcome) == dict.fromkeys(["c1", "c2"], "INCOMPLETE BELOW_MIN_CLAIM")


# The grade


@pytest.mark.parametrize(
    ("policy", "credits_", "grade"),
    [
        ("carry", 20, Fraction("64.5")),
        ("carry", "20.5", Fraction("64.5")),
        ("carry", "0.5", None),
        ("ungraded", 20, None),
    ],
)
def test_a_mark_travels_with_what_is_granted(policy: str, credits_: Any, grade: Fraction | None) -> None:
    terms = agreement(grade_policy=policy, credit_step=Fraction(1))
    assert decide(completion(credits_=credits_, mark="64.5"), terms).decisions[0].grade == grade
