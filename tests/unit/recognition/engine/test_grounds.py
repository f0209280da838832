"""Step 1, line by line: when a ground is given, and (as important) when it is not."""

from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from services.recognition.engine.grounds import permission_for
from services.recognition.engine.model import Agreement, All, Denial, Ledger, LevelMapping, NOf, Use
from tests.unit.recognition.engine.build import (
    agreement,
    award,
    completion,
    decide,
    decided,
    granted,
    leaf,
    line,
    rule,
)

RECOGNISED = "RECOGNISED"
LADDER, HIGHER, NEITHER = Use(True, False), Use(False, True), Use(False, False)


def decision_on(under: Agreement | None, **fields: Any) -> str:
    return decided(decide(completion(**fields), under))["c1"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"signature_valid": False}, "INVALID SIGNATURE"),
        ({"completed_on": date(2025, 10, 1)}, RECOGNISED),
        ({"completed_on": date(2025, 10, 2)}, "INVALID COMPLETED_IN_FUTURE"),
        ({"completed_on": date(2025, 10, 2), "result": "pending"}, "INCOMPLETE AWAITING_RESULT"),
        ({"completed_on": date(2025, 10, 2), "result": "fail"}, "INVALID COMPLETED_IN_FUTURE NOT_PASSED"),
        ({"uln": "9276308687"}, "INVALID ULN_CHECK"),
        ({"uln": ""}, "INVALID ULN_CHECK"),
        ({"uln": "9999999999"}, "REFERRED IDENTITY_PLACEHOLDER"),
        ({"uln": None}, RECOGNISED),
        ({"missing_elements": ("title",)}, "REFERRED MISSING_ELEMENT:title"),
        ({"missing_elements": ("workload", "title")}, "REFERRED MISSING_ELEMENT:title MISSING_ELEMENT:workload"),
        ({"revoked": True}, "DECLINED REVOKED"),
        ({"result": "pending"}, "INCOMPLETE AWAITING_RESULT"),
        ({"result": "pending", "mark": 10}, "INCOMPLETE AWAITING_RESULT"),
        ({"result": "not_assessed", "mark": None}, "DECLINED NOT_ASSESSED"),
        ({"result": "fail", "mark": 10}, "DECLINED NOT_PASSED"),
        ({"level": None}, "REFERRED LEVEL_MISSING"),
        ({"level": None, "mark": 10}, "DECLINED GRADE_BELOW_MIN LEVEL_MISSING"),
        ({"level": 3}, "DECLINED BELOW_HE_LEVEL"),
        ({"level": 4}, RECOGNISED),
        ({"framework": "EQF", "level": 4}, "DECLINED BELOW_HE_LEVEL"),
        ({"framework": "EQF", "level": 5}, "REFERRED LEVEL_AMBIGUOUS"),
        ({"framework": "EQF", "level": 3}, "REFERRED LEVEL_UNMAPPED"),
        ({"mark": 40}, RECOGNISED),
        ({"mark": "39.999"}, "DECLINED GRADE_BELOW_MIN"),
        ({"mark": None}, "REFERRED MISSING_ELEMENT:mark"),
        ({"result": "compensated"}, "DECLINED COMPENSATED_NOT_ACCEPTED"),
        ({"result": "compensated", "mark": None}, "DECLINED COMPENSATED_NOT_ACCEPTED"),
        ({"already_used_for": (NEITHER,)}, "DECLINED ALREADY_USED"),
    ],
)
def test_a_completion_by_itself(fields: dict[str, Any], expected: str) -> None:
    assert decision_on(agreement(), **fields) == expected


@pytest.mark.parametrize(
    ("terms", "fields", "expected"),
    [
        ({"requires_identity_check": True}, {}, RECOGNISED),
        (
            {"requires_identity_check": True},
            {"identity_verified_at_assessment": False},
            "REFERRED ID_NOT_VERIFIED_AT_ASSESSMENT",
        ),
        ({}, {"identity_verified_at_assessment": False}, RECOGNISED),
        ({"provider_suspended": True}, {}, "REFERRED MEMBER_SUSPENDED"),
        ({"receiver_suspended": True}, {"provider_suspended": False}, "REFERRED MEMBER_SUSPENDED"),
        ({"provider_suspended": True}, {"provider_suspended": False}, RECOGNISED),
        ({}, {"provider_suspended": True}, "REFERRED MEMBER_SUSPENDED"),
        ({"receiver_suspended": True}, {"receiver_suspended": False}, RECOGNISED),
        ({}, {"receiver_suspended": True}, "REFERRED MEMBER_SUSPENDED"),
        ({"course_versions": (2, 3)}, {"course_version": 1}, "REFERRED VERSION_NOT_COVERED"),
        ({"course_versions": (2, 3)}, {"course_version": 2}, RECOGNISED),
        ({"course_versions": (2, 3)}, {"course_version": 3}, RECOGNISED),
        ({"course_versions": (2, 3)}, {"course_version": 4}, "REFERRED VERSION_NOT_COVERED"),
        ({"minimum_mark": None}, {"mark": None}, RECOGNISED),
        ({"accepts_compensated_pass": True}, {"result": "compensated", "mark": 38}, RECOGNISED),
        ({"accepts_compensated_pass": True}, {"result": "compensated", "mark": None}, RECOGNISED),
        ({"accepts_compensated_pass": True}, {"mark": 38}, "DECLINED GRADE_BELOW_MIN"),
        ({"accepts_compensated_pass": True}, {"mark": 10, "result": "fail"}, "DECLINED NOT_PASSED"),
        ({"accepts_compensated_pass": True}, {"mark": None, "result": "pending"}, "INCOMPLETE AWAITING_RESULT"),
        ({"denied_courses": (Denial("B", "x"), Denial("A", "y"))}, {}, "DECLINED EXPLICITLY_DENIED"),
        ({"denied_courses": (Denial("B", "x"),)}, {}, RECOGNISED),
        ({"excluded_components": ("B", "A")}, {}, "DECLINED EXCLUDED_COMPONENT"),
        ({"excluded_components": ("B",)}, {}, RECOGNISED),
    ],
)
def test_what_the_agreement_asks_for(terms: dict[str, Any], fields: dict[str, Any], expected: str) -> None:
    assert decision_on(agreement(**terms), **fields) == expected


@pytest.mark.parametrize(
    ("terms", "fields", "expected"),
    [  # 20 credits at 25–30 hours are 500–600 hours
        ({"hours_per_credit": (Fraction(25), Fraction(30))}, {"workload_hours": Fraction(500)}, RECOGNISED),
        ({"hours_per_credit": (Fraction(25), Fraction(30))}, {"workload_hours": Fraction(600)}, RECOGNISED),
        (
            {"hours_per_credit": (Fraction(25), Fraction(30))},
            {"workload_hours": Fraction(4999, 10)},
            "REFERRED WORKLOAD_INCONSISTENT",
        ),
        (
            {"hours_per_credit": (Fraction(25), Fraction(30))},
            {"workload_hours": Fraction(601)},
            "REFERRED WORKLOAD_INCONSISTENT",
        ),
        ({"hours_per_credit": (Fraction(25), Fraction(30))}, {}, "REFERRED MISSING_ELEMENT:workload"),
        ({"cmf_sizes_only": True}, {"workload_hours": Fraction(100)}, RECOGNISED),
        ({"cmf_sizes_only": True}, {"workload_hours": Fraction(150)}, RECOGNISED),
        ({"cmf_sizes_only": True}, {"workload_hours": Fraction(99)}, "REFERRED OUTSIDE_CMF_SIZE"),
        ({"cmf_sizes_only": True}, {"workload_hours": Fraction(151)}, "REFERRED OUTSIDE_CMF_SIZE"),
        ({"cmf_sizes_only": True}, {}, "REFERRED MISSING_ELEMENT:workload"),
        ({"cmf_sizes_only": True}, {"missing_elements": ("workload",)}, "REFERRED MISSING_ELEMENT:workload"),
        ({}, {"workload_hours": Fraction(1)}, RECOGNISED),
        (
            {"cmf_sizes_only": True, "hours_per_credit": (Fraction(10), Fraction(10))},
            {"workload_hours": Fraction(160)},
            "REFERRED OUTSIDE_CMF_SIZE WORKLOAD_INCONSISTENT",
        ),
    ],
)
def test_hours_of_work(terms: dict[str, Any], fields: dict[str, Any], expected: str) -> None:
    assert decision_on(agreement(**terms), **fields) == expected


def test_a_ground_for_missing_hours_is_given_once() -> None:
    terms = agreement(cmf_sizes_only=True, hours_per_credit=(Fraction(10), Fraction(10)))
    for missing in ((), ("workload",)):
        outcome = decide(completion(missing_elements=missing), terms)
        assert [ground.code for ground in outcome.decisions[0].grounds] == ["MISSING_ELEMENT:workload"]


@pytest.mark.parametrize(
    ("terms", "completed_on", "claimed_on", "in_force"),
    [
        ({}, date(2019, 12, 31), date(2020, 1, 1), True),
        ({}, date(2019, 12, 31), date(2019, 12, 31), False),
        ({"in_force_until": date(2025, 8, 1)}, date(2025, 6, 30), date(2025, 8, 1), True),
        ({"in_force_until": date(2025, 8, 1)}, date(2025, 6, 30), date(2025, 8, 2), False),
        ({"in_force_until": date(2025, 8, 1), "run_off_years": 1}, date(2025, 8, 1), date(2026, 8, 1), True),
        ({"in_force_until": date(2025, 8, 1), "run_off_years": 1}, date(2025, 8, 1), date(2026, 8, 2), False),
        ({"in_force_until": date(2025, 8, 1), "run_off_years": 1}, date(2025, 8, 2), date(2025, 9, 1), False),
        ({"covers_since": date(2019, 6, 1)}, date(2019, 6, 1), date(2019, 6, 1), True),
        ({"covers_since": date(2019, 6, 1)}, date(2019, 5, 31), date(2019, 5, 31), False),
        ({"covers_since": date(2021, 1, 1)}, date(2020, 1, 1), date(2020, 1, 1), True),  # the earlier one counts
        ({"in_force_basis": "completion"}, date(2020, 1, 1), date(2021, 1, 1), True),
        ({"in_force_basis": "completion"}, date(2019, 12, 31), date(2021, 1, 1), False),
        (
            {"in_force_basis": "completion", "in_force_until": date(2024, 1, 1)},
            date(2024, 1, 1),
            date(2099, 1, 1),
            True,
        ),
        (
            {"in_force_basis": "completion", "in_force_until": date(2024, 1, 1), "run_off_years": 9},
            date(2024, 1, 2),
            date(2024, 1, 2),
            False,
        ),
    ],
)
def test_whether_an_agreement_is_in_force(
    terms: dict[str, Any], completed_on: date, claimed_on: date, in_force: bool
) -> None:
    expected = RECOGNISED if in_force else "REFERRED AGREEMENT_NOT_IN_FORCE"
    assert decision_on(agreement(**terms), completed_on=completed_on, claimed_on=claimed_on) == expected


EVERYTHING: dict[str, Any] = {
    "identity_verified_at_assessment": False,
    "course_version": 9,
    "completed_on": date(2000, 1, 1),
    "already_used_for": (NEITHER,),
    "level": 3,
    "mark": 1,
    "workload_hours": Fraction(1),
}
HARSH: dict[str, Any] = {
    "requires_identity_check": True,
    "receiver_suspended": True,
    "course_versions": (1, 2),
    "hours_per_credit": (Fraction(10), Fraction(10)),
    "cmf_sizes_only": True,
    "denied_courses": (Denial("A", "x"),),
    "excluded_components": ("A",),
    "currency_years": 5,
}


def test_no_ground_hides_another() -> None:
    assert decision_on(agreement(**HARSH), **EVERYTHING).split() == [
        "DECLINED",
        "ALREADY_USED",
        "BELOW_HE_LEVEL",
        "CURRENCY",
        "EXCLUDED_COMPONENT",
        "EXPLICITLY_DENIED",
        "GRADE_BELOW_MIN",
        "ID_NOT_VERIFIED_AT_ASSESSMENT",
        "MEMBER_SUSPENDED",
        "OUTSIDE_CMF_SIZE",
        "VERSION_NOT_COVERED",
        "WORKLOAD_INCONSISTENT",
    ]


def test_what_is_not_in_force_refuses_nothing() -> None:
    ended = agreement(**HARSH, in_force_until=date(2024, 1, 1))
    assert decision_on(ended, **EVERYTHING) == "REFERRED AGREEMENT_NOT_IN_FORCE"
    assert decision_on(None, **EVERYTHING) == "REFERRED NO_AGREEMENT"
    assert decision_on(None, result="compensated") == "REFERRED NO_AGREEMENT"


def test_what_needs_no_agreement_is_found_without_one() -> None:
    outcome = decide(
        completion(
            signature_valid=False,
            completed_on=date(2026, 1, 1),
            uln="1",
            missing_elements=("title",),
            revoked=True,
            result="fail",
            level=None,
        ),
        None,
        ledger=Ledger(granted_courses=("A",)),
    )
    assert decided(outcome)["c1"].split() == [
        "INVALID",
        "COMPLETED_IN_FUTURE",
        "DUPLICATE_CLAIM",
        "LEVEL_MISSING",
        "MISSING_ELEMENT:title",
        "NOT_PASSED",
        "NO_AGREEMENT",
        "REVOKED",
        "SIGNATURE",
        "ULN_CHECK",
    ]


@pytest.mark.parametrize(
    ("terms", "completed_on", "expected"),
    [  # claimed on 1 October 2025
        ({}, date(2000, 1, 1), RECOGNISED),
        ({"currency_years": 5}, date(2020, 10, 1), RECOGNISED),
        ({"currency_years": 5}, date(2020, 9, 30), "DECLINED CURRENCY"),
        ({"currency_years": 5, "on_expired": "REFERRED"}, date(2020, 9, 30), "REFERRED CURRENCY"),
        ({"currency_years": 10, "provider_currency_years": 3}, date(2022, 9, 30), "DECLINED CURRENCY"),
        ({"currency_years": 10, "scheme_currency_years": 3}, date(2022, 9, 30), "DECLINED CURRENCY"),
        ({"scheme_currency_years": 3}, date(2022, 10, 1), RECOGNISED),
        ({"currency_years": 0}, date(2025, 9, 30), "DECLINED CURRENCY"),
        ({"currency_years": 0}, date(2025, 10, 1), RECOGNISED),
    ],
)
def test_how_old_credit_may_be(terms: dict[str, Any], completed_on: date, expected: str) -> None:
    assert decision_on(agreement(**terms), completed_on=completed_on) == expected


def test_each_completion_is_judged_on_its_own_claim_date() -> None:
    early = completion("c1", "A", completed_on=date(2020, 6, 30), claimed_on=date(2025, 6, 30))
    late = completion("c2", "B", completed_on=date(2020, 6, 30), claimed_on=date(2025, 7, 1))
    outcome = decide([early, late], agreement(currency_years=5))
    assert decided(outcome) == {"c1": RECOGNISED, "c2": "DECLINED CURRENCY"}


@pytest.mark.parametrize(
    ("uses", "permitted", "same_level_cap", "expected"),
    [
        ((LADDER,), ("within_ladder",), None, RECOGNISED),
        ((LADDER,), ("towards_higher_award", "same_level_up_to_cap"), 240, "DECLINED ALREADY_USED"),
        ((HIGHER,), ("towards_higher_award",), None, RECOGNISED),
        ((HIGHER,), ("within_ladder", "same_level_up_to_cap"), 240, "DECLINED ALREADY_USED"),
        ((Use(True, True),), ("towards_higher_award",), None, RECOGNISED),
        ((Use(True, True),), ("within_ladder",), None, RECOGNISED),
        ((NEITHER,), ("same_level_up_to_cap",), 240, RECOGNISED),
        ((NEITHER,), ("same_level_up_to_cap",), None, "DECLINED ALREADY_USED"),
        ((NEITHER,), ("within_ladder", "towards_higher_award"), 240, "DECLINED ALREADY_USED"),
        ((NEITHER,), (), 240, "DECLINED ALREADY_USED"),
        ((LADDER,), ("by_courtesy",), 240, "DECLINED ALREADY_USED"),  # what is none of the three permits nothing
        ((LADDER, HIGHER), ("within_ladder", "towards_higher_award"), None, RECOGNISED),
        ((LADDER, HIGHER), ("within_ladder",), None, "DECLINED ALREADY_USED"),
        ((HIGHER, LADDER), ("within_ladder",), None, "DECLINED ALREADY_USED"),
    ],
)
def test_credit_used_for_another_award(
    uses: tuple[Use, ...], permitted: tuple[str, ...], same_level_cap: int | None, expected: str
) -> None:
    into = award(same_level_cap=None if same_level_cap is None else Fraction(same_level_cap))
    outcome = decide(completion(already_used_for=uses), agreement(double_counting=permitted), into)
    assert decided(outcome)["c1"] == expected


@pytest.mark.parametrize(
    ("use", "permission"),
    [
        (LADDER, "within_ladder"),
        (HIGHER, "towards_higher_award"),
        (Use(True, True), "within_ladder"),
        (NEITHER, "same_level_up_to_cap"),
    ],
)
def test_which_entry_permits_a_second_use(use: Use, permission: str) -> None:
    terms = agreement(double_counting=("same_level_up_to_cap", "towards_higher_award", "within_ladder"))
    assert permission_for(use, terms, award(same_level_cap=Fraction(1))) == permission


def test_a_course_counts_once_in_an_enrolment() -> None:
    ledger = Ledger(granted_courses=("B", "A"))
    assert decided(decide(completion(), agreement(), ledger=ledger)) == {"c1": "DECLINED DUPLICATE_CLAIM"}
    assert decided(decide(completion(course="C"), agreement(), ledger=ledger)) == {"c1": RECOGNISED}


def test_an_award_without_a_minimum_level_takes_every_level() -> None:
    assert decided(decide(completion(level=3), agreement(), award(minimum_level=None))) == {"c1": RECOGNISED}


def test_several_levels_are_not_below_a_minimum() -> None:
    outcome = decide(completion(framework="EQF", level=5), agreement(), award(minimum_level=6))
    assert decided(outcome) == {"c1": "REFERRED LEVEL_AMBIGUOUS"}


def test_a_level_that_the_agreement_names_is_known() -> None:
    named = agreement(level_map=(LevelMapping("EQF", 5, 4),))
    outcome = decide(completion(framework="EQF", level=5), named, award(minimum_level=5))
    assert decided(outcome) == {"c1": "DECLINED BELOW_HE_LEVEL"}


BANDS = (
    rule(leaf("A", 50, 59), line("GENERAL", 20)),
    rule(leaf("A", 70), line("M1", 20)),
)


@pytest.mark.parametrize(
    ("rules", "fields", "expected"),
    [
        (BANDS, {"mark": 59}, RECOGNISED),
        (BANDS, {"mark": 50}, RECOGNISED),
        (BANDS, {"mark": 70}, RECOGNISED),
        (BANDS, {"mark": "59.5"}, "REFERRED NO_RULE"),
        (BANDS, {"mark": "49.9"}, "DECLINED GRADE_BELOW_MIN"),
        (BANDS, {"mark": None}, "REFERRED MISSING_ELEMENT:mark"),
        (BANDS, {"mark": None, "result": "pending"}, "INCOMPLETE AWAITING_RESULT"),
        (BANDS, {"mark": 10, "result": "fail"}, "DECLINED NOT_PASSED"),
        (BANDS, {"mark": 10, "result": "compensated"}, "DECLINED COMPENSATED_NOT_ACCEPTED"),
        (BANDS, {"course": "B"}, "REFERRED NO_RULE"),
        (BANDS, {"course": "B", "result": "pending"}, "REFERRED AWAITING_RESULT NO_RULE"),
        (BANDS, {"course": "B", "mark": None}, "REFERRED NO_RULE"),
        # an upper bound only: the agreement's minimum is the lower one
        ((rule(leaf("A", None, 60), line("M1", 20)),), {"mark": 61}, "REFERRED NO_RULE"),
        ((rule(leaf("A", None, 60), line("M1", 20)),), {"mark": 39}, "DECLINED GRADE_BELOW_MIN"),
        # an upper bound below the agreement's minimum: nothing is taken, and the minimum itself is not below it
        ((rule(leaf("A", None, 30), line("M1", 20)),), {"mark": 40}, "REFERRED NO_RULE"),
        ((rule(leaf("A", None, 30), line("M1", 20)),), {"mark": 39}, "DECLINED GRADE_BELOW_MIN"),
        # a leaf's own minimum goes before the agreement's, above or below
        ((rule(leaf("A", 30), line("M1", 20)),), {"mark": 35}, RECOGNISED),
        ((rule(leaf("A", 60), line("M1", 20)),), {"mark": 55}, "DECLINED GRADE_BELOW_MIN"),
        # levels: 6 is named by the rule of the better mark only
        ((rule(leaf("A", 70), line("M1", 20, 6)), rule("A", line("M2", 20, 7))), {}, "DECLINED LEVEL_TOO_LOW"),
        ((rule(leaf("A", 70), line("M1", 20, 6)), rule("A", line("M2", 20, 5))), {}, RECOGNISED),
        ((rule(leaf("A", 70), line("M1", 20, 4)), rule("A", line("M2", 20, 6))), {}, "DECLINED LEVEL_TOO_LOW"),
        ((rule("A", line("M2", 20, 6)),), {"level": None}, "REFERRED LEVEL_MISSING"),
        ((rule("A", line("M2", 20, 6)),), {"framework": "EQF"}, "REFERRED LEVEL_AMBIGUOUS"),
        ((rule("A", line("M2", 20, 6)),), {"result": "pending"}, "INCOMPLETE AWAITING_RESULT"),
        # the lowest level that the lines name is what has to be reached
        ((rule("A", line("M2", 10, 6), line("GENERAL", 10, 5)),), {}, "REFERRED GRANT_EXCEEDS_SOURCE"),
        # a leaf inside a tree that nothing can meet names its course all the same
        ((rule(NOf(0, (leaf("A"),)), line("M1", 20)),), {"mark": 10}, "DECLINED GRADE_BELOW_MIN"),
    ],
)
def test_marks_and_levels_under_rules(rules: tuple[Any, ...], fields: dict[str, Any], expected: str) -> None:
    assert decision_on(agreement(*rules), **fields) == expected


@pytest.mark.parametrize(
    ("leaf_", "mark", "expected"),
    [
        (leaf("A"), None, RECOGNISED),  # it need not meet the agreement's minimum, so nothing is compared
        (leaf("A"), 1, RECOGNISED),
        (leaf("A", 30), 29, "DECLINED GRADE_BELOW_MIN"),
        (leaf("A", 30), 30, RECOGNISED),
        (leaf("A", 30), None, "REFERRED MISSING_ELEMENT:mark"),
        (leaf("A", None, 60), None, "REFERRED MISSING_ELEMENT:mark"),
        (leaf("A", None, 60), 1, RECOGNISED),
        (leaf("A", None, 60), 61, "REFERRED NO_RULE"),
    ],
)
def test_a_compensated_pass_meets_a_leafs_own_bounds_only(leaf_: Any, mark: int | None, expected: str) -> None:
    terms = agreement(rule(leaf_, line("M1", 20)), accepts_compensated_pass=True)
    assert decision_on(terms, result="compensated", mark=mark) == expected


def test_an_empty_list_of_rules_covers_no_course() -> None:
    assert decision_on(agreement(rules=())) == "REFERRED NO_RULE"


def test_a_fault_of_one_completion_never_spoils_another() -> None:
    both = decide([completion("c1", "A", revoked=True), completion("c2", "B")], agreement())
    assert decided(both) == {"c1": "DECLINED REVOKED", "c2": RECOGNISED}
    assert granted(both) == {"c2": ["B 20@5"]}


def test_a_rule_of_two_courses_is_not_met_by_a_faulty_one() -> None:
    terms = agreement(rule(All((leaf("A"), leaf("B"))), line("M1", 20)))
    outcome = decide([completion("c1", "A", credits_=10), completion("c2", "B", credits_=10, revoked=True)], terms)
    assert decided(outcome) == {"c1": "INCOMPLETE RULE_NOT_SATISFIED", "c2": "DECLINED REVOKED"}
