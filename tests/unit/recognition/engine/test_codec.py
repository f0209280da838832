"""Cases and outcomes as JSON: exact both ways, and equal bytes for equal outcomes."""

import json
from dataclasses import asdict, replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

from services.recognition.engine.codec import case_from_json, case_to_json, outcome_to_bytes, outcome_to_json
from services.recognition.engine.model import (
    All,
    Any,
    Award,
    Case,
    Denial,
    Ledger,
    LevelMapping,
    NOf,
    Use,
)
from services.recognition.engine.numbers import number_from_text, text_of_number
from tests.unit.recognition.engine.build import agreement, award, completion, decide, leaf, line, rule
from tests.unit.recognition.engine.strategies import case_of

TREE = All((leaf("A", 40, 69), Any((leaf("B"), NOf(1, (leaf("C"),))))))
FULL = Case(
    completions=(
        completion(
            "c1",
            credits_="10/3",
            mark="64.5",
            workload_hours=Fraction(75, 2),
            missing_elements=("title",),
            already_used_for=(Use(True, False, "PGCert"), Use(False, True)),
            credit_ratio=Fraction(2),
            provider_suspended=False,
            receiver_suspended=True,
        ),
        completion(
            "c2", mark=None, level=None, uln=None, claimed_on=date(2025, 10, 2), already_used_for=(Use(False, False),)
        ),
    ),
    agreement=agreement(
        rule(
            All((leaf("A", 40, 69), Any((leaf("B"), NOf(1, (leaf("C"),)))))), line("M1", "7.5", 5), line("GENERAL", 2)
        ),
        rule("D", priority=7),
        credit_ratio=Fraction(2, 3),
        level_map=(LevelMapping("EQF", 5, 4, "A"), LevelMapping("EQF", 5, 5)),
        covers_since=date(2019, 1, 1),
        in_force_basis="completion",
        run_off_years=2,
        currency_years=5,
        provider_currency_years=4,
        scheme_currency_years=3,
        on_expired="REFERRED",
        accepts_compensated_pass=True,
        grade_policy="carry",
        credit_step=Fraction(1, 100),
        minimum_claim=Fraction(15),
        whole_units_only=False,
        excess_credit="general",
        higher_level_may_fill_lower=True,
        double_counting=("within_ladder",),
        denied_courses=(Denial("X", "Listed."), Denial("Y", None)),
        excluded_components=("CAP",),
        course_versions=(1, 3),
        requires_identity_check=True,
        cmf_sizes_only=True,
        hours_per_credit=(Fraction(25), Fraction(30)),
        provider_suspended=True,
        receiver_suspended=True,
    ),
    award=award("33.5", {6: 120}, same_level_cap=Fraction(90)),
    ledger=Ledger(Fraction(5, 2), Fraction(1, 3), {6: Fraction(5)}, ("X", "Y"), ("M9",)),
    choice=("c2", "c1"),
)
LEAST = Case((completion(),), None, Award())


@pytest.mark.parametrize("case", [FULL, LEAST, replace(LEAST, completions=()), replace(LEAST, choice=())])
def test_a_case_is_read_back_as_it_was_written(case: Case) -> None:
    assert case_from_json(json.loads(json.dumps(case_to_json(case)))) == case


def test_random_cases_are_read_back_as_they_were_written() -> None:
    for seed in range(100):
        case = case_of(Random(seed))
        assert case_from_json(json.loads(json.dumps(case_to_json(case)))) == case


def shortest(value: object) -> object:
    if isinstance(value, dict):
        return {name: shortest(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shortest(part) for part in value]
    return text_of_number(number_from_text(value)) if isinstance(value, str) and "/" in value else value


def test_the_projects_cases_are_written_as_they_stand() -> None:
    """Whatever a case of the file states is written again; numbers in their shortest form, ids and versions added."""
    path = Path(__file__).parents[3] / "acceptance" / "recognition-cases.json"
    for stated in json.loads(path.read_text(encoding="utf-8")):
        written = case_to_json(case_from_json(stated))
        for document in ("agreement", "award"):
            for added in ("id", "version"):
                if written[document]:
                    del written[document][added]
        assert written == shortest({name: stated[name] for name in written})


def test_numbers_may_be_integers_but_never_binary_floats() -> None:
    written = case_to_json(LEAST)
    written["completions"][0]["credits"] = 20
    assert case_from_json(written) == LEAST
    for wrong in (20.0, True):
        written["completions"][0]["credits"] = wrong
        with pytest.raises(TypeError, match="an exact number is text or an integer"):
            case_from_json(written)


def test_what_an_agreement_leaves_out_has_the_value_of_the_table_of_fields() -> None:
    """The defaults of docs/decision.md, Fields; an agreement and an award that are not named are the only ones."""
    written = case_to_json(LEAST)
    written["agreement"] = {
        "receiver_framework": "FHEQ",
        "credit_ratio": "1",
        "in_force_from": "2020-01-01",
        "in_force_until": "2099-01-01",
        "in_force_basis": "claim",
        "on_expired": "DECLINED",
        "grade_policy": "ungraded",
        "excess_credit": "drop",
    }
    written["award"] = {name: value for name, value in written["award"].items() if name not in ("id", "version")}
    read = case_from_json(written)
    assert read.agreement is not None
    left_out = {name: value for name, value in asdict(read.agreement).items() if name not in written["agreement"]}
    assert left_out == {
        "level_map": None,
        "covers_since": None,
        "run_off_years": 0,
        "currency_years": None,
        "provider_currency_years": None,
        "scheme_currency_years": None,
        "minimum_mark": None,
        "accepts_compensated_pass": False,
        "credit_step": None,
        "minimum_claim": 0,
        "whole_units_only": True,
        "higher_level_may_fill_lower": False,
        "double_counting": (),
        "denied_courses": (),
        "excluded_components": (),
        "course_versions": None,
        "requires_identity_check": False,
        "cmf_sizes_only": False,
        "hours_per_credit": None,
        "provider_suspended": False,
        "receiver_suspended": False,
        "rules": None,
        "id": "agreement",
        "version": 1,
    }
    assert (read.award.id, read.award.version) == ("award", 1)


def test_a_completions_own_claim_date_goes_before_the_cases() -> None:
    written = case_to_json(LEAST)
    written["completions"][0]["claimed_on"] = "2024-12-24"
    assert case_from_json(written).completions[0].claimed_on == date(2024, 12, 24)


def test_an_outcome_says_everything_and_numbers_are_text() -> None:
    outcome = decide(
        completion(credits_="10/3", mark="64.5"), agreement(whole_units_only=False, grade_policy="carry"), award(1)
    )
    assert outcome_to_json(outcome) == {
        "decisions": {
            "c1": {
                "state": "PARTIAL",
                "grounds": [
                    {
                        "code": "CAP_EXCEEDED",
                        "state": "PARTIAL",
                        "clause": "/import_cap",
                        "document": "ba",
                        "version": 7,
                        "compared": {"cap": "1", "room": "1", "credits": "10/3"},
                        "sentence": "The award takes 1 credits from elsewhere; "
                        "these are 10/3, and there is room for 1.",
                    }
                ],
                "grade": "64.5",
            }
        },
        "grants": [{"completions": ["c1"], "lines": [{"slot": "A", "credits": "1", "level": 5, "kind": "specific"}]}],
        "offers": [],
    }


def test_offers_are_written() -> None:
    outcome = decide([completion("c1", "A"), completion("c2", "B")], agreement(), award(20))
    assert outcome_to_json(outcome)["offers"] == [["c1"], ["c2"]]


def test_bytes_are_canonical() -> None:
    outcome = decide(completion("Ä", revoked=True), agreement())
    text = outcome_to_bytes(outcome).decode()
    assert "Ä" in text
    assert json.loads(text) == outcome_to_json(outcome)
    assert text == json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
