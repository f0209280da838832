"""From documents to the engine's terms: nothing is lost, and what depends on a completion is asked by itself."""

from dataclasses import fields
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest

import contracts
from contracts.documents.agreement import Agreement
from contracts.documents.loading import agreement_from, award_from, read_file
from contracts.event import Framework
from services.recognition.domain.catalogue import Member, Period
from services.recognition.engine import model
from services.recognition.terms import agreement_terms, award_terms, credit_ratio

EXAMPLES = Path(contracts.__file__).parent / "examples" / "documents"
NOT_IN_DOCUMENTS = {"receiver_framework", "provider_suspended", "receiver_suspended"}
"""What the service derives (documents.md, Agreement, second table)."""


def agreement(name: str) -> Agreement:
    return agreement_from(read_file(EXAMPLES / f"{name}.yaml"))


def test_every_term_of_the_engine_is_one_of_the_document() -> None:
    document, terms = agreement("northbridge-strathmore"), agreement_terms(agreement("northbridge-strathmore"), "SCQF")
    translated = {"level_map", "denied_courses", "rules"}
    for field in fields(model.Agreement):
        if field.name not in NOT_IN_DOCUMENTS | translated:
            assert getattr(terms, field.name) == getattr(document, field.name), field.name
    assert terms.receiver_framework == "SCQF"
    assert not terms.provider_suspended
    assert not terms.receiver_suspended
    assert terms.level_map == (model.LevelMapping("FHEQ", 6, 10),)
    assert [denial.course for denial in terms.denied_courses] == ["northbridge:study-skills"]
    assert terms.denied_courses[0].reason == document.denied_courses[0].reason


def test_rules_keep_their_tree_their_order_and_their_lines() -> None:
    terms = agreement_terms(agreement("brabant-northbridge"), "FHEQ")
    assert terms.rules is not None
    assert terms.rules[0] == model.Rule(
        1,
        model.Leaf("brabant:statistics", Fraction(14)),
        (model.RuleLine("STAT205", Fraction(10), 5),),
    )
    assert terms.rules[3].requires == model.All(
        (
            model.Leaf("brabant:programming-2"),
            model.Any((model.Leaf("brabant:databases"), model.Leaf("brabant:networks"))),
        )
    )
    like_for_like = agreement_terms(agreement("northbridge-strathmore"), "SCQF")
    assert like_for_like.rules is not None
    assert like_for_like.rules[1].requires == model.NOf(
        2,
        tuple(
            model.Leaf(f"northbridge:{code}")
            for code in ("machine-learning", "bayesian-statistics", "causal-inference")
        ),
    )
    assert like_for_like.rules[4].grants is None
    assert agreement_terms(agreement("consortium-microcredentials"), "EQF").rules is None


@pytest.mark.parametrize(
    ("framework", "receiver", "ratio"),
    [("EQF", "FHEQ", Fraction(2)), ("SCQF", "NFQ", Fraction(1, 2)), ("NFQ", "EQF", Fraction(1))],
)
def test_under_a_multilateral_agreement_the_ratio_is_the_units(
    framework: Framework, receiver: Framework, ratio: Fraction
) -> None:
    document = agreement("consortium-microcredentials")
    assert credit_ratio(document, framework, receiver) == ratio
    assert agreement_terms(document, receiver).credit_ratio == 1


def test_under_a_bilateral_agreement_the_ratio_is_its_own() -> None:
    document = agreement("brabant-northbridge")
    assert credit_ratio(document, "FHEQ", "FHEQ") == 2
    assert agreement_terms(document, "FHEQ").credit_ratio == 2


@pytest.mark.parametrize(
    ("claimed_on", "suspended"),
    [
        (date(2025, 1, 31), False),
        (date(2025, 2, 1), True),
        (date(2025, 2, 28), True),
        (date(2025, 3, 1), False),
        (date(2025, 6, 1), True),
        (date(2030, 1, 1), True),
    ],
)
def test_a_suspension_includes_both_of_its_days(claimed_on: date, suspended: bool) -> None:
    periods = [Period(date(2025, 2, 1), date(2025, 2, 28)), Period(date(2025, 6, 1), None)]
    assert Member("northbridge", "FHEQ", tuple(periods), None).is_suspended(claimed_on) is suspended


def test_a_member_that_has_left_counts_as_suspended() -> None:
    left_on = date(2025, 7, 1)
    left, stays = Member("northbridge", "FHEQ", (), left_on), Member("northbridge", "FHEQ", (), None)
    assert not left.is_suspended(date(2025, 6, 30))
    assert left.is_suspended(date(2025, 7, 1))
    assert not stays.is_suspended(date(2025, 7, 1))


def test_an_award_lets_in_what_its_definition_says() -> None:
    document = award_from(read_file(EXAMPLES / "strathmore-pgcert-data.yaml"))
    assert award_terms(document) == model.Award(
        import_cap=Fraction(40),
        same_level_cap=Fraction(20),
        import_cap_by_level={10: Fraction(20)},
        minimum_level=10,
        id="strathmore:pgcert-data",
        version=1,
    )
