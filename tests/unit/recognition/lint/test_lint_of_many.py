"""A thousand sound documents of every kind without a finding; a thousand faults for each rule, every one found."""

import json
import pickle
from collections.abc import Callable
from functools import cache
from math import ceil
from random import Random
from typing import Any

import pytest

from contracts.documents.loading import agreement_from, award_from
from services.recognition.lint.catalogue import catalogue_from
from services.recognition.lint.documents import AGREEMENT_RULES, AWARD_RULES, lint_agreement, lint_award
from services.recognition.lint.rule import Report
from tests.unit.recognition.lint.faults import FAULTS, Fault
from tests.unit.recognition.lint.sound import Sound, sound_award, sound_bilateral, sound_multilateral

MANY = 1000
MAKERS: dict[str, Callable[[int], Sound]] = {
    "bilateral": sound_bilateral,
    "multilateral": sound_multilateral,
    "award": sound_award,
}


@cache
def pickled(kind: str, seed: int) -> bytes:
    return pickle.dumps(MAKERS[kind](seed))


def sound(kind: str, seed: int) -> Sound:
    """A copy of its own, which a fault may change."""
    made = pickle.loads(pickled(kind, seed))  # noqa: S301 - written by this module
    assert isinstance(made, Sound)
    return made


def report_on(kind: str, document: Any, catalogue: Any) -> Report:
    context = catalogue_from(json.dumps(catalogue))
    if kind == "award":
        return lint_award(award_from(document), context)
    return lint_agreement(agreement_from(document), context)


@pytest.mark.parametrize("kind", MAKERS)
def test_nothing_is_found_in_a_thousand_sound_documents(kind: str) -> None:
    for seed in range(MANY):
        made = sound(kind, seed)
        report = report_on(kind, made.document, made.catalogue)
        assert report.findings == (), f"{kind} {seed}"
        assert report.not_checked == ()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found_wherever_it_is_planted(fault: Fault) -> None:
    ways = sum(other.rule == fault.rule for other in FAULTS)
    wanted = ceil(MANY / ways)
    for seed in range(40 * MANY):
        made = sound(fault.kind, seed % (2 * MANY))
        if not fault.plant(made, Random(f"{fault.name} {seed}")):
            continue
        found = {finding.rule for finding in report_on(fault.kind, made.document, made.catalogue).findings}
        assert {fault.rule} <= found <= {fault.rule} | fault.also, f"{seed}: {json.dumps(made.document)}"
        wanted -= 1
        if wanted == 0:
            return
    pytest.fail("too few documents have a place for the fault")


def test_every_rule_has_a_fault_that_it_finds() -> None:
    assert {rule.id for rule in AGREEMENT_RULES} == {fault.rule for fault in FAULTS if fault.kind != "award"}
    assert {rule.id for rule in AWARD_RULES} == {fault.rule for fault in FAULTS if fault.kind == "award"}
