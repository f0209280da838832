"""Lint against the engine: what lint lets through is never disputed, and what it refuses the engine would refer."""

import json
import re
from dataclasses import replace
from datetime import date
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from contracts.documents.loading import agreement_from
from services.recognition.engine.evaluate import evaluate
from services.recognition.engine.model import Agreement, Award, Case, Completion, Ledger
from services.recognition.lint.catalogue import catalogue_from
from services.recognition.lint.documents import lint_agreement
from services.recognition.terms import agreement_terms
from tests.unit.recognition.lint.faults import FAULTS, Fault
from tests.unit.recognition.lint.sound import Sound, sound_bilateral

REFERRED_BY_LINT = {"AMBIGUOUS_RULES", "GRANT_EXCEEDS_SOURCE"}
MARKS = [Fraction(mark) for mark in ("30", "40", "45", "50", "55", "59.99", "60", "65", "70", "75", "95")]


def terms_of(made: Sound) -> Agreement:
    return agreement_terms(agreement_from(made.document), made.catalogue["members"][1]["framework"])


def completion(made: Sound, course: str, mark: Fraction | None, *, compensated: bool = False) -> Completion:
    """A faultless completion of the newest version of the course, as the catalogue has it."""
    offered = [each for each in made.catalogue["learning_opportunities"] if each["id"] == course]
    newest: Any = max(offered, key=lambda each: each["version"])
    carried = Fraction(newest["credits"])
    hours = made.document["hours_per_credit"]
    first_day = date.fromisoformat(made.document["in_force_from"])
    return Completion(
        id=course,
        course=course,
        course_version=newest["version"],
        credits=carried,
        framework=newest["framework"],
        level=newest["level"],
        mark=mark,
        result="compensated" if compensated else "pass",
        completed_on=first_day,
        workload_hours=None if hours is None else carried * Fraction(hours[0]),
        identity_verified_at_assessment=True,
        signature_valid=True,
        revoked=False,
        missing_elements=(),
        uln=None,
        already_used_for=(),
        claimed_on=first_day,
    )


def grounds(completions: list[Completion], agreement: Agreement, slots_filled: tuple[str, ...] = ()) -> set[str]:
    outcome = evaluate(Case(tuple(completions), agreement, Award(), Ledger(slots_filled=slots_filled)))
    return {ground.code for decision in outcome.decisions for ground in decision.grounds}


def test_no_learner_of_a_sound_agreement_is_referred_for_what_lint_would_have_found() -> None:
    granted = 0
    for seed in range(2, 200):
        made, random = sound_bilateral(seed), Random(seed)
        terms = terms_of(made)
        courses = sorted({each["id"] for each in made.catalogue["learning_opportunities"]})
        slots = sorted({line.slot for rule in terms.rules or () for line in rule.grants or ()} - {"GENERAL"})
        for _ in range(5):
            held = random.sample(courses, random.randint(1, len(courses)))
            filled = tuple(random.sample(slots, random.randint(0, len(slots) // 2)))
            completions = [completion(made, course, random.choice(MARKS)) for course in held]
            found = grounds(completions, terms, filled)
            assert not found & REFERRED_BY_LINT, f"{seed} {held}"
            granted += not found
    assert granted > 0


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if fault.rule == "overlapping-rules"], ids=lambda fault: fault.name
)
def test_the_completions_that_lint_shows_put_both_rules_in_dispute(fault: Fault) -> None:
    shown = 0
    for seed in range(2, 400):
        made = sound_bilateral(seed)
        if not fault.plant(made, Random(seed)):
            continue
        report = lint_agreement(agreement_from(made.document), catalogue_from(json.dumps(made.catalogue)))
        terms = terms_of(made)
        for finding in report.findings:
            first, second = (int(pointer.rpartition("/")[2]) for pointer in (finding.related[0], finding.pointer))
            completions = []
            for witness in finding.related[1:]:
                course, mark = re.fullmatch(r"(\S+)(?: \(mark (\S+)\))?", witness).groups()  # type: ignore[union-attr]
                taken = None if mark is None else Fraction(mark)
                compensated = terms.accepts_compensated_pass
                completions.append(completion(made, course, taken, compensated=compensated))
            assert terms.rules is not None
            both = replace(terms, rules=(terms.rules[first], terms.rules[second]))
            assert "AMBIGUOUS_RULES" in grounds(completions, both), f"{seed} {finding.message}"
            shown += 1
    assert shown > 10


def test_the_courses_that_lint_shows_do_not_carry_what_the_rule_grants() -> None:
    plant = next(fault.plant for fault in FAULTS if fault.plant.__name__ == "a_hundredth_more_than_the_least")
    shown = 0
    for seed in range(2, 200):
        made = sound_bilateral(seed)
        if not plant(made, Random(seed)):
            continue
        report = lint_agreement(agreement_from(made.document), catalogue_from(json.dumps(made.catalogue)))
        terms = terms_of(made)
        for finding in report.findings:
            if finding.rule != "grants-above-source":
                continue
            assert terms.rules is not None
            alone = replace(terms, rules=(terms.rules[int(finding.pointer.split("/")[2])],))
            courses = [part.partition(" ")[0] for part in finding.related]
            found = [grounds([completion(made, course, mark) for course in courses], alone) for mark in MARKS]
            assert any("GRANT_EXCEEDS_SOURCE" in each for each in found), f"{seed} {finding.message}"
            shown += 1
    assert shown > 10
