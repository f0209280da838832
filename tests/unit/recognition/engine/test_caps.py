"""Step 5: caps, in whole units and split, the learner's choice, and excess lines."""

from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from services.recognition.engine.model import All, Completion, Ledger, Use
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

RECOGNISED, CHOOSE = "RECOGNISED", "INCOMPLETE CHOICE_REQUIRED"
REUSED = Use(False, False)
REUSE = ("within_ladder", "towards_higher_award", "same_level_up_to_cap")


def held(credits_by_course: dict[str, int], **other: Any) -> list[Completion]:
    """A completion of each course, its id the course's in small letters; the later in the list, the later completed."""
    return [
        completion(course.lower(), course, credits_=credits_, **({"completed_on": date(2024, 1, day)} | other))
        for day, (course, credits_) in enumerate(credits_by_course.items(), start=1)
    ]


# Whole units


@pytest.mark.parametrize(
    ("cap", "imported", "expected"),
    [
        (20, 0, RECOGNISED),
        (40, 20, RECOGNISED),
        (40, "20.5", "DECLINED CAP_EXCEEDED"),
        (20, 20, "DECLINED CAP_REACHED"),
        (20, 30, "DECLINED CAP_REACHED"),
        (None, 1000, RECOGNISED),
    ],
)
def test_a_cap_is_a_balance(cap: int | None, imported: Any, expected: str) -> None:
    outcome = decide(completion(), agreement(), award(cap), Ledger(imported=Fraction(imported)))
    assert decided(outcome) == {"c1": expected}


@pytest.mark.parametrize(
    ("level", "by_level", "imported", "expected"),
    [
        (6, {6: 20}, {}, RECOGNISED),
        (6, {6: 15}, {}, "DECLINED LEVEL_CAP_EXCEEDED"),
        (6, {6: 35}, {6: Fraction(20)}, "DECLINED LEVEL_CAP_EXCEEDED"),
        (6, {6: 20}, {6: Fraction(20)}, "DECLINED LEVEL_CAP_REACHED"),
        (6, {6: 20}, {5: Fraction(20)}, RECOGNISED),
        (5, {6: 0}, {6: Fraction(20)}, RECOGNISED),
    ],
)
def test_a_level_cap_is_for_lines_of_that_level(
    level: int, by_level: dict[int, int], imported: dict[int, Fraction], expected: str
) -> None:
    outcome = decide(completion(level=level), agreement(), award(None, by_level), Ledger(imported_by_level=imported))
    assert decided(outcome) == {"c1": expected}


def test_every_cap_in_the_way_is_named() -> None:
    reused = completion(already_used_for=(REUSED,))
    into = award(10, {5: 0}, same_level_cap=Fraction(15))
    outcome = decide(reused, agreement(double_counting=REUSE), into)
    assert decided(outcome) == {"c1": "DECLINED CAP_EXCEEDED LEVEL_CAP_REACHED SAME_LEVEL_CAP_EXCEEDED"}


def test_two_levels_of_one_match_meet_two_caps() -> None:
    terms = agreement(rule(All((leaf("A"), leaf("B"))), line("M1", 10, 5), line("M2", 10, 6)))
    both = [completion("a", "A", credits_=10, level=5), completion("b", "B", credits_=10, level=6)]
    outcome = decide(both, terms, award(None, {5: 0, 6: 5}))
    assert decided(outcome) == dict.fromkeys("ab", "DECLINED LEVEL_CAP_EXCEEDED LEVEL_CAP_REACHED")
    outcome = decide(both, terms, award(None, {5: 5, 6: 5}))
    clauses = [ground.clause for ground in outcome.decisions[0].grounds]
    assert clauses == ["/import_cap_by_level/5", "/import_cap_by_level/6"]


@pytest.mark.parametrize(
    ("uses", "counts"),
    [
        ((REUSED,), True),
        ((Use(True, False),), False),
        ((Use(False, True),), False),
        ((Use(True, True), REUSED), True),
        ((), False),
    ],
)
def test_the_same_level_cap_is_for_what_nothing_else_permits(uses: tuple[Use, ...], counts: bool) -> None:
    outcome = decide(
        completion(already_used_for=uses), agreement(double_counting=REUSE), award(same_level_cap=Fraction(0))
    )
    assert decided(outcome) == {"c1": "DECLINED SAME_LEVEL_CAP_REACHED" if counts else RECOGNISED}


def test_a_match_that_uses_one_reused_completion_counts_whole_under_the_same_level_cap() -> None:
    both = [completion("a", "A", already_used_for=(REUSED,)), completion("b", "B")]
    terms = agreement(rule(All((leaf("A"), leaf("B")))), double_counting=REUSE)
    ledger = Ledger(imported_same_level=Fraction(5))
    assert decided(decide(both, terms, award(same_level_cap=Fraction(45)), ledger)) == dict.fromkeys("ab", RECOGNISED)
    assert decided(decide(both, terms, award(same_level_cap=Fraction(44)), ledger)) == dict.fromkeys(
        "ab", "DECLINED SAME_LEVEL_CAP_EXCEEDED"
    )


def test_what_fits_together_is_granted_without_a_choice() -> None:
    outcome = decide(held({"A": 20, "B": 20}), agreement(), award(40))
    assert decided(outcome) == {"a": RECOGNISED, "b": RECOGNISED}
    assert outcome.offers == ()


def test_what_fits_alone_but_not_together_is_for_the_learner_to_choose() -> None:
    outcome = decide(held({"A": 20, "B": 20, "C": 30, "D": 60}), agreement(), award(50))
    assert decided(outcome) == {"a": CHOOSE, "b": CHOOSE, "c": CHOOSE, "d": "DECLINED CAP_EXCEEDED"}
    assert outcome.offers == (("a", "c"), ("b", "c"), ("a", "b"))
    assert granted(outcome) == {}
    assert dict(ground_of(outcome, "CHOICE_REQUIRED", "a").compared) == {"credits": "70", "room": "50"}


def test_only_credit_under_an_overrun_cap_waits() -> None:
    both = held({"A": 20, "B": 20}, level=6) + held({"C": 20})
    outcome = decide(both, agreement(), award(60, {6: 30}))
    assert decided(outcome) == {"a": CHOOSE, "b": CHOOSE, "c": RECOGNISED}
    assert outcome.offers == (("a",), ("b",))


def test_a_choice_that_names_nothing_of_the_rest_is_no_choice() -> None:
    for choice in ((), ("elsewhere",), ("d",)):
        outcome = decide(held({"A": 20, "B": 20, "D": 60}), agreement(), award(30), choice=choice)
        assert decided(outcome) == {"a": CHOOSE, "b": CHOOSE, "d": "DECLINED CAP_EXCEEDED"}


def test_chosen_ones_are_granted_in_the_order_of_the_choice_then_the_others_by_date() -> None:
    many = held({"A": 20, "B": 20, "C": 20, "D": 10})
    outcome = decide(many, agreement(), award(50), choice=("c", "b"))
    assert list(granted(outcome)) == ["b", "c", "d"]
    assert decided(outcome)["a"] == "DECLINED CAP_EXCEEDED"
    outcome = decide(many, agreement(), award(40), choice=("d",))
    assert list(granted(outcome)) == ["a", "d"]  # then 10 are left, and A is the earliest


def test_the_first_that_is_named_of_a_match_counts_and_so_does_a_weaker_or_faulty_attempt() -> None:
    many = [*held({"A": 20, "B": 20}), completion("a2", "A", mark=10)]
    outcome = decide(many, agreement(), award(20), choice=("elsewhere", "b", "a2", "b"))
    assert list(granted(outcome)) == ["b"]
    outcome = decide(many, agreement(), award(20), choice=("a2", "b"))
    assert list(granted(outcome)) == ["a"]
    assert decided(outcome) == {"a": RECOGNISED, "a2": "DECLINED GRADE_BELOW_MIN", "b": "DECLINED CAP_REACHED"}


def test_matches_stand_by_their_earliest_completion_then_by_their_smallest_id() -> None:
    pair = All((leaf("A"), leaf("B")))
    terms = agreement(rule(pair), rule("C"), whole_units_only=False)
    many = [
        completion("c1", "C", completed_on=date(2024, 6, 2)),
        completion("c2", "A", completed_on=date(2024, 6, 3)),
        completion("c3", "B", completed_on=date(2024, 6, 1)),
    ]
    assert list(granted(decide(many, terms, award(40)))) == ["c2+c3"]
    same_day = [completion("c2", "C"), completion("c3", "A"), completion("c1", "B")]
    assert list(granted(decide(same_day, terms, award(40)))) == ["c1+c3"]


def test_a_room_of_the_moment_is_what_a_match_meets() -> None:
    outcome = decide(held({"A": 20, "B": 20, "C": 15}), agreement(), award(35), choice=("a",))
    assert decided(outcome) == {"a": RECOGNISED, "b": "DECLINED CAP_EXCEEDED", "c": RECOGNISED}
    assert dict(ground_of(outcome, "CAP_EXCEEDED", "b").compared) == {"cap": "35", "room": "15", "credits": "20"}


# Offers


def test_at_most_ten_offers_the_greatest_credit_first() -> None:
    outcome = decide(held(dict.fromkeys("ABCDEF", 10)), agreement(), award(20))
    assert outcome.offers == (
        ("a", "b"), ("a", "c"), ("a", "d"), ("a", "e"), ("a", "f"),
        ("b", "c"), ("b", "d"), ("b", "e"), ("b", "f"), ("c", "d"),
    )  # fmt: skip


def test_an_offer_cannot_be_added_to() -> None:
    outcome = decide(held({"A": 30, "B": 20, "C": 10, "D": 5}), agreement(), award(35))
    assert outcome.offers == (("a", "d"), ("b", "c", "d"))


def test_offers_keep_to_every_cap() -> None:
    many = held({"A": 20, "B": 20}, level=6) + held({"C": 20, "D": 20}, completed_on=date(2024, 1, 9))
    outcome = decide(many, agreement(), award(40, {6: 20}))
    assert outcome.offers == (("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d"))


def test_an_overdrawn_cap_stands_in_the_way_of_no_offer_without_credit_under_it() -> None:
    ledger = Ledger(imported_by_level={6: Fraction(30)})
    outcome = decide(held({"A": 20, "B": 20}), agreement(), award(30, {6: 10}), ledger)
    assert outcome.offers == (("a",), ("b",))


def test_up_to_twelve_matches_the_best_offer_is_found() -> None:
    # taking A (35) first leaves room for one more only: 55; three of the others are 60
    twelve = held({"A": 35} | dict.fromkeys("BCDEFGHIJKL", 20))
    assert decide(twelve, agreement(), award(60)).offers[0] == ("b", "c", "d")


def test_offers_in_thirds_are_exact() -> None:
    outcome = decide(held({"A": 10, "B": 10, "C": 10}), agreement(credit_ratio=Fraction(1, 3)), award(7))
    assert outcome.offers == (("a", "b"), ("a", "c"), ("b", "c"))


def test_many_matches_still_get_offers_that_fit_and_cannot_be_added_to() -> None:
    many = held({course: 10 + number for number, course in enumerate("ABCDEFGHIJKLMN")})
    outcome = decide(many, agreement(), award(40))
    credits_ = {one.id: one.credits for one in many}
    assert 1 <= len(outcome.offers) <= 10
    totals = [sum(credits_[id_] for id_ in offer) for offer in outcome.offers]
    assert totals == sorted(totals, reverse=True)
    for offer, total in zip(outcome.offers, totals, strict=True):
        assert total <= 40
        assert all(total + credits_[id_] > 40 for id_ in credits_.keys() - set(offer))


# Split


SPLIT = {"whole_units_only": False}


def test_a_line_gets_the_smallest_room_and_later_lines_what_is_left() -> None:
    outcome = decide(held({"A": 20, "B": 20, "C": 20}), agreement(**SPLIT), award(35, {5: 25}))
    assert granted(outcome) == {"a": ["A 20@5"], "b": ["B 5@5"]}
    assert decided(outcome) == {
        "a": RECOGNISED,
        "b": "PARTIAL CAP_EXCEEDED LEVEL_CAP_EXCEEDED",
        "c": "DECLINED CAP_EXCEEDED LEVEL_CAP_REACHED",
    }


def test_what_is_cut_is_floored_to_the_step_and_said_by_the_cap_alone() -> None:
    outcome = decide(completion(), agreement(credit_step=Fraction(4), **SPLIT), award(15))
    assert granted(outcome) == {"c1": ["A 12@5"]}
    assert decided(outcome) == {"c1": "PARTIAL CAP_EXCEEDED"}


def test_what_the_step_floors_to_nothing_is_declined() -> None:
    outcome = decide(completion(), agreement(credit_step=Fraction(4), **SPLIT), award(3))
    assert granted(outcome) == {}
    assert decided(outcome) == {"c1": "DECLINED CAP_EXCEEDED"}


def test_an_overdrawn_cap_gives_nothing_rather_than_less() -> None:
    outcome = decide(held({"A": 20}), agreement(**SPLIT), award(10), Ledger(imported=Fraction(30)))
    assert granted(outcome) == {}
    assert decided(outcome) == {"a": "DECLINED CAP_REACHED"}


def test_a_line_for_a_slot_is_never_cut_and_stops_its_match() -> None:
    lines = (line("GENERAL", 5), line("M1", 10), line("M2", 5))
    terms = agreement(rule("A", *lines), **SPLIT)
    assert granted(decide(completion(), terms, award(17))) == {"c1": ["M1 10@5", "M2 5@5", "(GENERAL 2@5)"]}
    outcome = decide(completion(), terms, award(14))
    assert granted(outcome) == {}
    assert decided(outcome) == {"c1": "DECLINED CAP_EXCEEDED"}
    assert dict(ground_of(outcome, "CAP_EXCEEDED").compared) == {"cap": "14", "room": "4", "credits": "5"}


def test_only_the_line_that_stopped_a_match_is_named_and_its_room_is_given_back() -> None:
    # M2 at level 6 does not fit; M1 before it would have, the general line after it is not looked at
    terms = agreement(
        rule(All((leaf("A"), leaf("B"))), line("M1", 10, 5), line("M2", 10, 6), line("GENERAL", 10, 5)),
        rule("C", line("M3", 10), priority=2),
        **SPLIT,
    )
    many = [
        completion("a", "A", credits_=20, level=5, completed_on=date(2024, 1, 1)),
        completion("b", "B", credits_=10, level=6),
        completion("c", "C", credits_=10),
    ]
    outcome = decide(many, terms, award(None, {5: 10, 6: 0}))
    assert decided(outcome) == {"a": "DECLINED LEVEL_CAP_REACHED", "b": "DECLINED LEVEL_CAP_REACHED", "c": RECOGNISED}
    assert [ground.clause for ground in outcome.decisions[0].grounds] == ["/import_cap_by_level/6"]


def test_a_ground_of_step_3_stays_beside_the_one_that_stopped_a_match() -> None:
    terms = agreement(rule("A", line("M1", "15.5")), credit_step=Fraction(1), **SPLIT)
    outcome = decide(completion(), terms, award(10))
    assert decided(outcome) == {"c1": "DECLINED CAP_EXCEEDED EXCESS_NOT_USED ROUNDED_DOWN"}


def test_credit_like_for_like_may_be_cut_under_a_rule_too() -> None:
    terms = agreement(rule(All((leaf("A"), leaf("B")))), **SPLIT)
    outcome = decide(held({"A": 20, "B": 20}), terms, award(25))
    assert granted(outcome) == {"a+b": ["A 20@5", "B 5@5"]}
    outcome = decide(held({"A": 20, "B": 20}), terms, award(15))
    assert granted(outcome) == {"a+b": ["A 15@5"]}
    assert decided(outcome) == dict.fromkeys("ab", "PARTIAL CAP_EXCEEDED CAP_REACHED")


def test_split_never_asks_for_a_choice_but_follows_one() -> None:
    outcome = decide(held({"A": 20, "B": 20}), agreement(**SPLIT), award(25), choice=("b",))
    assert granted(outcome) == {"a": ["A 5@5"], "b": ["B 20@5"]}


def test_the_same_level_cap_cuts_too() -> None:
    outcome = decide(
        completion(already_used_for=(REUSED,)),
        agreement(double_counting=REUSE, **SPLIT),
        award(same_level_cap=Fraction(8)),
    )
    assert granted(outcome) == {"c1": ["A 8@5"]}
    assert decided(outcome) == {"c1": "PARTIAL SAME_LEVEL_CAP_EXCEEDED"}


# Excess


GENERAL = {"excess_credit": "general"}


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(("cap", "expected"), [(20, RECOGNISED), (19, "PARTIAL EXCESS_NOT_USED")])
def test_an_excess_line_fits_whole_or_is_not_used(whole: bool, cap: int, expected: str) -> None:
    terms = agreement(rule("A", line("M1", 15)), whole_units_only=whole, **GENERAL)
    outcome = decide(completion(), terms, award(cap))
    assert decided(outcome) == {"c1": expected}
    assert granted(outcome) == {"c1": ["M1 15@5"] + ["(GENERAL 5@5)"] * (cap == 20)}


def test_excess_comes_after_every_other_line() -> None:
    terms = agreement(rule("A", line("M1", 15)), rule("B", line("M2", 20)), **GENERAL)
    outcome = decide(held({"A": 20, "B": 20}), terms, award(35))
    assert decided(outcome) == {"a": "PARTIAL EXCESS_NOT_USED", "b": RECOGNISED}


def test_excess_lines_are_granted_in_order_of_matches() -> None:
    terms = agreement(rule("A", line("M1", 15)), rule("B", line("M2", 15)), **GENERAL)
    outcome = decide(held({"A": 20, "B": 20}), terms, award(36))
    assert decided(outcome) == {"a": RECOGNISED, "b": "PARTIAL EXCESS_NOT_USED"}
    outcome = decide(held({"A": 20, "B": 20}), terms, award(36), choice=("b",))
    assert decided(outcome) == {"a": "PARTIAL EXCESS_NOT_USED", "b": RECOGNISED}


def test_a_match_that_is_granted_nothing_has_no_excess_either() -> None:
    terms = agreement(rule("A", line("M1", 15)), **GENERAL)
    assert decided(decide(completion(), terms, award(10))) == {"c1": "DECLINED CAP_EXCEEDED"}


def test_an_overdrawn_room_for_excess_is_shown_as_none() -> None:
    terms = agreement(rule("A", line("M1", 15, 5)), higher_level_may_fill_lower=True, **GENERAL)
    ledger = Ledger(imported_by_level={6: Fraction(9)})
    outcome = decide(completion(level=6), terms, award(None, {6: 4}), ledger)
    assert dict(ground_of(outcome, "EXCESS_NOT_USED").compared) == {"excess": "5", "room": "0"}


def test_excess_is_under_the_level_cap_of_its_own_level() -> None:
    terms = agreement(rule("A", line("M1", 15, 5)), higher_level_may_fill_lower=True, **GENERAL)
    outcome = decide(completion(level=6), terms, award(None, {6: 4}))
    assert decided(outcome) == {"c1": "PARTIAL EXCESS_NOT_USED"}
    assert ground_of(outcome, "EXCESS_NOT_USED").clause == "/import_cap_by_level/6"


@pytest.mark.parametrize(("cap", "excess_fits"), [(60, True), (59, False)])
def test_excess_leaves_room_for_all_lines_that_wait_for_a_choice(cap: int, excess_fits: bool) -> None:
    # A and B (15 each and 5 of excess) wait for level 6, where there is room for 20; C is granted 25 of 30.
    # With A and B at 15 each, 60 − 25 − 30 leaves 5 for the excess of C; the excess of A and B does not count.
    terms = agreement(rule("A", line("M1", 15)), rule("B", line("M2", 15)), rule("C", line("M3", 25)), **GENERAL)
    many = held({"A": 20, "B": 20}, level=6) + held({"C": 30})
    outcome = decide(many, terms, award(cap, {6: 20}))
    assert decided(outcome) == {
        "a": CHOOSE,
        "b": CHOOSE,
        "c": RECOGNISED if excess_fits else "PARTIAL EXCESS_NOT_USED",
    }
