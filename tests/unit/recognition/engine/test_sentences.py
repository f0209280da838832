"""Every ground says what it rests on, what was compared with what, and one plain sentence."""

import re
from collections.abc import Callable
from datetime import date
from fractions import Fraction
from pathlib import Path
from string import Formatter

import pytest

from services.recognition.engine.model import All, Denial, Ground, Ledger, LevelMapping, NOf, Outcome, Use
from services.recognition.engine.sentences import SENTENCES
from tests.unit.recognition.engine.build import agreement, award, completion, decide, leaf, line, rule

HOURS = (Fraction(10), Fraction(10))
AB = All((leaf("A"), leaf("B")))
AGREEMENT, AWARD, CONSORTIUM = "north-to-south", "ba", "consortium"


def both(**other: int) -> list[object]:
    return [completion("c1", "A", **other), completion("c2", "B", **other)]


Situation = Callable[[], Outcome]
SITUATIONS: list[tuple[str, str, str, Situation]] = [
    ("SIGNATURE", CONSORTIUM, "signature_verifies", lambda: decide(completion(signature_valid=False), None)),
    (
        "COMPLETED_IN_FUTURE",
        CONSORTIUM,
        "completed_by_the_claim_date",
        lambda: decide(completion(completed_on=date(2026, 1, 1)), None),
    ),
    ("ULN_CHECK", CONSORTIUM, "uln_is_valid", lambda: decide(completion(uln="1"), None)),
    ("IDENTITY_PLACEHOLDER", CONSORTIUM, "identity_is_known", lambda: decide(completion(uln="9999999999"), None)),
    (
        "MISSING_ELEMENT:awarding_body",
        CONSORTIUM,
        "every_element_is_stated",
        lambda: decide(completion(missing_elements=("awarding_body",)), None),
    ),
    ("REVOKED", CONSORTIUM, "completion_stands", lambda: decide(completion(revoked=True), None)),
    (
        "ID_NOT_VERIFIED_AT_ASSESSMENT",
        AGREEMENT,
        "/requires_identity_check",
        lambda: decide(completion(identity_verified_at_assessment=False), agreement(requires_identity_check=True)),
    ),
    ("NO_AGREEMENT", CONSORTIUM, "agreement_exists", lambda: decide(completion(), None)),
    (
        "MEMBER_SUSPENDED",
        CONSORTIUM,
        "members_are_not_suspended",
        lambda: decide(completion(), agreement(provider_suspended=True, receiver_suspended=True)),
    ),
    (
        "AGREEMENT_NOT_IN_FORCE",
        AGREEMENT,
        "/in_force_from",
        lambda: decide(completion(), agreement(in_force_from=date(2026, 1, 1))),
    ),
    (
        "AGREEMENT_NOT_IN_FORCE",
        AGREEMENT,
        "/covers_since",
        lambda: decide(completion(), agreement(in_force_from=date(2027, 1, 1), covers_since=date(2026, 1, 1))),
    ),
    (
        "AGREEMENT_NOT_IN_FORCE",
        AGREEMENT,
        "/in_force_until",
        lambda: decide(completion(), agreement(in_force_until=date(2025, 1, 1))),
    ),
    (
        "AGREEMENT_NOT_IN_FORCE",
        AGREEMENT,
        "/in_force_until",
        lambda: decide(
            completion(completed_on=date(2024, 9, 2)), agreement(in_force_until=date(2024, 9, 1), run_off_years=1)
        ),
    ),
    (
        "AGREEMENT_NOT_IN_FORCE",
        AGREEMENT,
        "/run_off_years",
        lambda: decide(completion(), agreement(in_force_until=date(2024, 9, 1), run_off_years=1)),
    ),
    (
        "VERSION_NOT_COVERED",
        AGREEMENT,
        "/course_versions",
        lambda: decide(completion(), agreement(course_versions=(2, 3))),
    ),
    (
        "WORKLOAD_INCONSISTENT",
        AGREEMENT,
        "/hours_per_credit",
        lambda: decide(completion(workload_hours=Fraction(1)), agreement(hours_per_credit=HOURS)),
    ),
    (
        "OUTSIDE_CMF_SIZE",
        AGREEMENT,
        "/cmf_sizes_only",
        lambda: decide(completion(workload_hours=Fraction(1)), agreement(cmf_sizes_only=True)),
    ),
    (
        "MISSING_ELEMENT:workload",
        AGREEMENT,
        "/hours_per_credit",
        lambda: decide(completion(), agreement(hours_per_credit=HOURS)),
    ),
    (
        "MISSING_ELEMENT:workload",
        AGREEMENT,
        "/cmf_sizes_only",
        lambda: decide(completion(), agreement(cmf_sizes_only=True)),
    ),
    (
        "EXPLICITLY_DENIED",
        AGREEMENT,
        "/denied_courses/1",
        lambda: decide(completion(), agreement(denied_courses=(Denial("B", "no"), Denial("A", "Too short.")))),
    ),
    (
        "EXPLICITLY_DENIED",
        AGREEMENT,
        "/denied_courses/0",
        lambda: decide(completion(), agreement(denied_courses=(Denial("A", None),))),
    ),
    (
        "EXCLUDED_COMPONENT",
        AGREEMENT,
        "/excluded_components/1",
        lambda: decide(completion(), agreement(excluded_components=("B", "A"))),
    ),
    ("AWAITING_RESULT", CONSORTIUM, "result_is_known", lambda: decide(completion(result="pending"), None)),
    ("NOT_ASSESSED", CONSORTIUM, "completion_was_assessed", lambda: decide(completion(result="not_assessed"), None)),
    ("NOT_PASSED", CONSORTIUM, "completion_was_passed", lambda: decide(completion(result="fail"), None)),
    (
        "COMPENSATED_NOT_ACCEPTED",
        AGREEMENT,
        "/accepts_compensated_pass",
        lambda: decide(completion(result="compensated"), agreement()),
    ),
    (
        "CURRENCY",
        AGREEMENT,
        "/provider_currency_years",
        lambda: decide(
            completion(),
            agreement(currency_years=2, provider_currency_years=0, scheme_currency_years=1, on_expired="REFERRED"),
        ),
    ),
    (
        "DUPLICATE_CLAIM",
        CONSORTIUM,
        "course_counts_once",
        lambda: decide(completion(), None, ledger=Ledger(granted_courses=("A",))),
    ),
    (
        "DUPLICATE_CLAIM",
        CONSORTIUM,
        "course_counts_once",
        lambda: decide([completion("c1"), completion("c2", mark=60)], agreement()),
    ),
    (
        "ALREADY_USED",
        AGREEMENT,
        "/double_counting",
        lambda: decide(completion(already_used_for=(Use(False, False, "BA"),)), agreement()),
    ),
    (
        "ALREADY_USED",
        AGREEMENT,
        "/double_counting",
        lambda: decide(
            completion(already_used_for=(Use(False, False),)),
            agreement(double_counting=("within_ladder", "towards_higher_award")),
        ),
    ),
    (
        "ALREADY_USED",
        AGREEMENT,
        "/double_counting",
        lambda: decide(
            completion(already_used_for=(Use(False, False),)), agreement(double_counting=("same_level_up_to_cap",))
        ),
    ),
    ("LEVEL_MISSING", CONSORTIUM, "level_is_stated", lambda: decide(completion(level=None), None)),
    (
        "LEVEL_UNMAPPED",
        CONSORTIUM,
        "levels_compare_nationally",
        lambda: decide(completion(framework="NFQ", level=4), agreement()),
    ),
    (
        "LEVEL_AMBIGUOUS",
        CONSORTIUM,
        "levels_compare_nationally",
        lambda: decide(completion(framework="EQF", level=5), agreement()),
    ),
    (
        "LEVEL_AMBIGUOUS",
        AGREEMENT,
        "/level_map",
        lambda: decide(
            completion(framework="EQF", level=5),
            agreement(level_map=(LevelMapping("EQF", 5, 4), LevelMapping("EQF", 5, 5))),
        ),
    ),
    ("BELOW_HE_LEVEL", AWARD, "/minimum_level", lambda: decide(completion(level=3), agreement())),
    ("GRADE_BELOW_MIN", AGREEMENT, "/minimum_mark", lambda: decide(completion(mark=39), agreement())),
    (
        "GRADE_BELOW_MIN",
        AGREEMENT,
        "/rules/1",
        lambda: decide(completion(mark=30), agreement(rule(leaf("A", 60)), rule(leaf("A", 35)))),
    ),
    ("MISSING_ELEMENT:mark", AGREEMENT, "/minimum_mark", lambda: decide(completion(mark=None), agreement())),
    (
        "MISSING_ELEMENT:mark",
        AGREEMENT,
        "/rules/0",
        lambda: decide(completion(mark=None), agreement(rule(leaf("A", None, 60)))),
    ),
    (
        "LEVEL_TOO_LOW",
        AGREEMENT,
        "/rules/1",
        lambda: decide(completion(), agreement(rule("A", line("M1", 1, 7)), rule("A", line("M2", 1, 6)))),
    ),
    ("NO_RULE", AGREEMENT, "/rules", lambda: decide(completion(), agreement(rule("B")))),
    ("NO_RULE", AGREEMENT, "/rules", lambda: decide(completion(), agreement(rules=()))),
    (
        "NO_RULE",
        AGREEMENT,
        "/rules",
        lambda: decide(
            completion(), agreement(rule(leaf("A", None, 50)), rule(leaf("A", 60)), rule(leaf("A", 60, 70)))
        ),
    ),
    (
        "NO_RULE",
        AGREEMENT,
        "/rules/0",
        lambda: decide(completion(), agreement(rule(AB)), ledger=Ledger(granted_courses=("B",))),
    ),
    ("NO_RULE", AGREEMENT, "/rules/0", lambda: decide(completion(), agreement(rule(NOf(0, (leaf("A"),)))))),
    (
        "AMBIGUOUS_RULES",
        AGREEMENT,
        "/rules/0",
        lambda: decide(completion(), agreement(rule("A", line("M1", 20)), rule("A", line("M2", 20)))),
    ),
    ("RULE_NOT_SATISFIED", AGREEMENT, "/rules/0", lambda: decide(completion(), agreement(rule(AB)))),
    (
        "RULE_NOT_SATISFIED",
        AGREEMENT,
        "/rules/0",
        lambda: decide(
            [completion("c1", mark=72), completion("c2", mark=45)],
            agreement(rule(All((leaf("A", 60), leaf("A", None, 50))))),
        ),
    ),
    (
        "SLOT_FILLED",
        AGREEMENT,
        "/rules/0",
        lambda: decide(completion(), agreement(rule("A", line("M1", 20))), ledger=Ledger(slots_filled=("M1",))),
    ),
    (
        "LEVEL_MISMATCH",
        AGREEMENT,
        "/higher_level_may_fill_lower",
        lambda: decide(completion(level=6), agreement(rule("A", line("M1", 10, 5), line("M2", 10, 4)))),
    ),
    (
        "GRANT_EXCEEDS_SOURCE",
        AGREEMENT,
        "/rules/0/grants",
        lambda: decide(completion(), agreement(rule("A", line("M1", 21)))),
    ),
    (
        "GRANT_EXCEEDS_SOURCE",
        AGREEMENT,
        "/rules/0/grants",
        lambda: decide(completion(), agreement(rule("A", line("M1", 9, 5), line("M2", 2, 6)))),
    ),
    (
        "EXCESS_NOT_USED",
        AGREEMENT,
        "/excess_credit",
        lambda: decide(completion(), agreement(rule("A", line("M1", 15)))),
    ),
    (
        "EXCESS_NOT_USED",
        AWARD,
        "/import_cap",
        lambda: decide(completion(), agreement(rule("A", line("M1", 15)), excess_credit="general"), award(17)),
    ),
    (
        "ROUNDED_DOWN",
        AGREEMENT,
        "/credit_step",
        lambda: decide(completion(credits_="20.5"), agreement(credit_step=Fraction(1))),
    ),
    (
        "ROUNDED_TO_NOTHING",
        AGREEMENT,
        "/credit_step",
        lambda: decide(completion(credits_="0.5"), agreement(credit_step=Fraction(1))),
    ),
    (
        "BELOW_MIN_CLAIM",
        AGREEMENT,
        "/minimum_claim",
        lambda: decide(completion(), agreement(minimum_claim=Fraction(30))),
    ),
    ("CAP_REACHED", AWARD, "/import_cap", lambda: decide(completion(), agreement(), award(0))),
    ("CAP_EXCEEDED", AWARD, "/import_cap", lambda: decide(completion(), agreement(), award(10))),
    (
        "LEVEL_CAP_REACHED",
        AWARD,
        "/import_cap_by_level/5",
        lambda: decide(completion(), agreement(), award(None, {5: 0})),
    ),
    (
        "LEVEL_CAP_EXCEEDED",
        AWARD,
        "/import_cap_by_level/5",
        lambda: decide(completion(), agreement(), award(None, {5: 9})),
    ),
    (
        "SAME_LEVEL_CAP_REACHED",
        AWARD,
        "/same_level_cap",
        lambda: decide(
            completion(already_used_for=(Use(False, False),)),
            agreement(double_counting=("same_level_up_to_cap",)),
            award(same_level_cap=Fraction(0)),
        ),
    ),
    (
        "SAME_LEVEL_CAP_EXCEEDED",
        AWARD,
        "/same_level_cap",
        lambda: decide(
            completion(already_used_for=(Use(False, False),)),
            agreement(double_counting=("same_level_up_to_cap",)),
            award(same_level_cap=Fraction(9)),
        ),
    ),
    (
        "CHOICE_REQUIRED",
        AWARD,
        "/import_cap",
        lambda: decide([completion("c1", "A"), completion("c2", "B")], agreement(), award(30)),
    ),
]

VERSIONS = {AGREEMENT: 3, AWARD: 7, CONSORTIUM: None}


def ground_in(code: str, outcome: Outcome) -> Ground:
    return next(ground for decision in outcome.decisions for ground in decision.grounds if ground.code == code)


@pytest.mark.parametrize(
    ("code", "document", "clause", "situation"),
    SITUATIONS,
    ids=[f"{number}-{situation[0]}" for number, situation in enumerate(SITUATIONS)],
)
def test_a_ground_names_its_document_its_clause_and_both_sides(
    code: str, document: str, clause: str, situation: Situation
) -> None:
    ground = ground_in(code, situation())
    assert (ground.document, ground.version, ground.clause) == (document, VERSIONS[document], clause)
    assert len(ground.compared) >= 2
    assert all(value for name, value in ground.compared if name != "reason")
    named = [value for _, value in ground.compared if value in ground.sentence]
    assert len(named) >= 2
    assert re.fullmatch(r"[A-Z0-9][^{}]*\.", ground.sentence)


def test_every_sentence_is_reached_by_a_situation() -> None:
    """The fixed part of each sentence, up to its first blank, begins some ground's sentence."""
    said = [ground_in(code, situation()).sentence for code, _, _, situation in SITUATIONS]
    for key, sentence in SENTENCES.items():
        pattern = "".join(re.escape(text) + (".*" if name else "") for text, name, _, _ in Formatter().parse(sentence))
        assert any(re.fullmatch(pattern, one) for one in said), key


def test_the_sentences_are_those_that_people_have_read() -> None:
    """sentences.txt holds, in the order of the situations, what a learner reads; who changes one reads it there."""
    read = (Path(__file__).parent / "sentences.txt").read_text(encoding="utf-8").splitlines()
    assert [f"{code}: {ground_in(code, situation()).sentence}" for code, _, _, situation in SITUATIONS] == read


def test_what_no_sentence_repeats_is_compared_too() -> None:
    used = decide(completion(already_used_for=(Use(True, False, "BA"),)), agreement())
    assert dict(ground_in("ALREADY_USED", used).compared) == {
        "award": "BA",
        "same_ladder": "yes",
        "new_award_is_higher": "no",
        "permitted": "no second use",
    }
    used = decide(completion(already_used_for=(Use(False, True),)), agreement(double_counting=("within_ladder",)))
    assert dict(ground_in("ALREADY_USED", used).compared) == {
        "award": "another award",
        "same_ladder": "no",
        "new_award_is_higher": "yes",
        "permitted": "a second use only within one ladder of awards",
    }
    denied = decide(completion(), agreement(denied_courses=(Denial("A", None),)))
    assert dict(ground_in("EXPLICITLY_DENIED", denied).compared) == {"course": "A", "denied": "A", "reason": ""}
    denied = decide(completion(), agreement(denied_courses=(Denial("A", "Too short."),)))
    assert dict(ground_in("EXPLICITLY_DENIED", denied).compared) == {
        "course": "A",
        "denied": "A",
        "reason": "Too short.",
    }
    excluded = decide(completion(), agreement(excluded_components=("A",)))
    assert dict(ground_in("EXCLUDED_COMPONENT", excluded).compared) == {"course": "A", "excluded": "A"}


def test_a_number_that_fails_its_check_is_not_repeated() -> None:
    ground = ground_in("ULN_CHECK", decide(completion(uln="9276308687"), None))
    assert "9276308687" not in repr(ground)


@pytest.mark.parametrize(
    ("suspended", "said"),
    [
        ((True, False), "The provider is suspended"),
        ((False, True), "The receiver is suspended"),
        ((True, True), "The provider and the receiver are suspended"),
    ],
)
def test_it_says_which_member_is_suspended(suspended: tuple[bool, bool], said: str) -> None:
    provider, receiver = suspended
    outcome = decide(completion(), agreement(provider_suspended=provider, receiver_suspended=receiver))
    assert ground_in("MEMBER_SUSPENDED", outcome).sentence.startswith(f"{said}, ")


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        (
            {"in_force_from": date(2024, 7, 1)},
            "The agreement covers what was completed from 2024-07-01, and this was completed on 2024-06-30.",
        ),
        (
            {"in_force_until": date(2024, 6, 29)},
            "The agreement covers what was completed until 2024-06-29, and this was completed on 2024-06-30.",
        ),
    ],
)
def test_the_day_that_is_judged_is_named(terms: dict[str, date], sentence: str) -> None:
    outcome = decide(completion(), agreement(in_force_basis="completion", **terms))
    assert ground_in("AGREEMENT_NOT_IN_FORCE", outcome).sentence == sentence


def test_covers_since_is_named_only_where_it_is_earlier() -> None:
    for since in (date(2026, 1, 1), date(2026, 1, 2)):
        outcome = decide(completion(), agreement(in_force_from=date(2026, 1, 1), covers_since=since))
        assert ground_in("AGREEMENT_NOT_IN_FORCE", outcome).clause == "/in_force_from"


def test_a_minimum_that_a_leaf_leaves_to_the_agreement_is_the_agreements() -> None:
    outcome = decide(completion(mark=39), agreement(rule("A")))
    assert ground_in("GRADE_BELOW_MIN", outcome).clause == "/minimum_mark"


def test_each_limit_to_age_is_named_where_it_is_the_smallest() -> None:
    for name in ("currency_years", "provider_currency_years", "scheme_currency_years"):
        years = {"currency_years": 9, "provider_currency_years": 9, "scheme_currency_years": 9, name: 1}
        assert ground_in("CURRENCY", decide(completion(), agreement(**years))).clause == f"/{name}"


def test_the_smallest_limit_is_named() -> None:
    outcome = decide(completion(), agreement(currency_years=9, scheme_currency_years=1))
    ground = ground_in("CURRENCY", outcome)
    assert dict(ground.compared) == {
        "completed_on": "2024-06-30",
        "years": "1",
        "current_until": "2025-06-30",
        "claimed_on": "2025-10-01",
    }
    assert ground.clause == "/scheme_currency_years"


@pytest.mark.parametrize(
    ("bounds", "bands"),
    [
        ([(None, 50), (60, None)], "40 to 50; 60 or more"),
        ([(1, 20), (1, 20), (2, 30)], "1 to 20; 2 to 30"),
    ],
)
def test_the_bands_of_marks_are_named_once_each(bounds: list[tuple[int | None, int | None]], bands: str) -> None:
    outcome = decide(completion(), agreement(*(rule(leaf("A", low, high)) for low, high in bounds)))
    assert dict(ground_in("NO_RULE", outcome).compared)["bands"] == bands


@pytest.mark.parametrize(
    ("bounds", "bands"),
    [
        ([(None, 50)], "50 or less"),
        ([(None, 50), (60, None)], "50 or less; 60 or more"),
    ],
)
def test_without_a_minimum_a_band_is_open_below(bounds: list[tuple[int | None, int | None]], bands: str) -> None:
    terms = agreement(*(rule(leaf("A", low, high)) for low, high in bounds), minimum_mark=None)
    assert dict(ground_in("NO_RULE", decide(completion(), terms)).compared)["bands"] == bands
