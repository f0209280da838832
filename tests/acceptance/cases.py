"""The case files, and how a case is compared with what the engine makes of it."""

import json
import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from services.recognition.engine.codec import case_from_json
from services.recognition.engine.evaluate import evaluate
from services.recognition.engine.model import Outcome
from services.recognition.engine.numbers import number_from_text, text_of_number

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = Path("tests/acceptance/recognition-cases.json")


@dataclass(frozen=True)
class Difference:
    """Something that a case expects otherwise than the engine decides."""

    case: str
    what: str
    expected: str
    found: str


def load() -> list[dict[str, Any]]:
    """The cases of the file that RECOGNITION_CASES names (relative to the project, or absolute), else the project's."""
    path = ROOT / os.environ.get("RECOGNITION_CASES", DEFAULT)
    cases: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return cases


def differences(case: dict[str, Any]) -> list[Difference]:
    """Run one case through the engine; empty if every decision and every grant is as expected."""
    outcome = evaluate(case_from_json(case))
    expected = case["expect"]
    pairs = [(what, expected_, found) for what, expected_, found in _decisions(expected["decisions"], outcome)]
    pairs.append(("grants", _grants_expected(expected["grants"]), _grants_found(outcome)))
    return [Difference(case["id"], what, str(wanted), str(found)) for what, wanted, found in pairs if wanted != found]


def _decisions(expected: dict[str, Any], outcome: Outcome) -> list[tuple[str, Any, Any]]:
    found = {decision.completion: decision for decision in outcome.decisions}
    pairs: list[tuple[str, Any, Any]] = [("completions", sorted(expected), sorted(found))]
    for id_ in sorted(expected.keys() & found.keys()):
        wanted, decision = expected[id_], found[id_]
        pairs.append((f"{id_} state", wanted["state"], decision.state.value))
        codes = sorted({ground.code for ground in decision.grounds})
        pairs.append((f"{id_} grounds", sorted(set(wanted["grounds"])), codes))
        grade = None if decision.grade is None else text_of_number(decision.grade)
        pairs.append((f"{id_} grade", None if wanted["grade"] is None else _canonical(wanted["grade"]), grade))
    return pairs


def _canonical(number: str | int) -> str:
    return text_of_number(number_from_text(number) if isinstance(number, str) else Fraction(number))


def _grants_expected(grants: list[dict[str, Any]]) -> list[Any]:
    return sorted(
        (
            sorted(grant["completions"]),
            sorted((line["slot"], _canonical(line["credits"]), line["level"], line["kind"]) for line in grant["lines"]),
        )
        for grant in grants
    )


def _grants_found(outcome: Outcome) -> list[Any]:
    return sorted(
        (
            sorted(grant.completions),
            sorted((line.slot, text_of_number(line.credits), line.level, line.kind) for line in grant.lines),
        )
        for grant in outcome.grants
    )
