"""Short ways to write cases and to read outcomes; everything not named is in order."""

from collections.abc import Iterable
from datetime import date
from fractions import Fraction
from typing import Any

from services.recognition.engine.evaluate import evaluate
from services.recognition.engine.model import (
    Agreement,
    Award,
    Case,
    Completion,
    Decision,
    Ground,
    Leaf,
    Ledger,
    Outcome,
    Requirement,
    Rule,
    RuleLine,
)
from services.recognition.engine.numbers import number_from_text, text_of_number

Number = str | int


def number(value: Number | None) -> Fraction | None:
    return None if value is None else exact(value)


def exact(value: Number) -> Fraction:
    return number_from_text(str(value))


def completion(
    id_: str = "c1", course: str = "A", *, credits_: Number = 20, mark: Number | None = 55, **other: Any
) -> Completion:
    """A pass at FHEQ 5, completed on 30 June 2024 and claimed on 1 October 2025."""
    fields: dict[str, Any] = {
        "course_version": 1,
        "framework": "FHEQ",
        "level": 5,
        "result": "pass",
        "completed_on": date(2024, 6, 30),
        "workload_hours": None,
        "identity_verified_at_assessment": True,
        "signature_valid": True,
        "revoked": False,
        "missing_elements": (),
        "uln": "9276308686",
        "already_used_for": (),
        "claimed_on": date(2025, 10, 1),
    }
    return Completion(id=id_, course=course, credits=exact(credits_), mark=number(mark), **fields | other)


def agreement(*rules: Rule, **other: Any) -> Agreement:
    """One FHEQ credit is one, marks from 40, nothing used twice, excess dropped; without rules like for like."""
    fields: dict[str, Any] = {
        "receiver_framework": "FHEQ",
        "credit_ratio": Fraction(1),
        "in_force_from": date(2020, 1, 1),
        "in_force_until": date(2099, 1, 1),
        "in_force_basis": "claim",
        "on_expired": "DECLINED",
        "grade_policy": "ungraded",
        "excess_credit": "drop",
        "minimum_mark": Fraction(40),
        "rules": rules or None,
        "id": "north-to-south",
        "version": 3,
    }
    return Agreement(**fields | other)


def leaf(course: str, lowest: Number | None = None, highest: Number | None = None) -> Leaf:
    return Leaf(course, number(lowest), number(highest))


def line(slot: str, credits_: Number, level: int | None = None) -> RuleLine:
    return RuleLine(slot, exact(credits_), level)


def rule(requires: Requirement | str, *lines: RuleLine, priority: int = 1) -> Rule:
    """A rule that grants the lines, or like for like where none are given; a course stands for a leaf of it."""
    return Rule(priority, Leaf(requires) if isinstance(requires, str) else requires, lines or None)


def award(import_cap: Number | None = None, by_level: dict[int, int] | None = None, **other: Any) -> Award:
    levels = {level: Fraction(cap) for level, cap in (by_level or {}).items()}
    return Award(
        **{
            "import_cap": number(import_cap),
            "import_cap_by_level": levels,
            "minimum_level": 4,
            "id": "ba",
            "version": 7,
        }
        | other
    )


def decide(
    completions: Iterable[Completion] | Completion,
    under: Agreement | None,
    into: Award | None = None,
    ledger: Ledger | None = None,
    choice: tuple[str, ...] | None = None,
) -> Outcome:
    given = (completions,) if isinstance(completions, Completion) else tuple(completions)
    return evaluate(Case(given, under, into or award(), ledger or Ledger(), choice))


def decided(outcome: Outcome) -> dict[str, str]:
    """Every decision in one line: its state, then its codes in order of the alphabet."""
    return {
        decision.completion: " ".join([decision.state.value, *sorted({ground.code for ground in decision.grounds})])
        for decision in outcome.decisions
    }


def granted(outcome: Outcome) -> dict[str, list[str]]:
    """Every grant: its completions, and its lines as `slot credits@level`, general credit in brackets."""
    return {
        "+".join(grant.completions): [
            f"({text})" if line.kind == "general" else text
            for line in grant.lines
            for text in [f"{line.slot} {text_of_number(line.credits)}@{line.level}"]
        ]
        for grant in outcome.grants
    }


def the(outcome: Outcome, id_: str = "c1") -> Decision:
    return next(decision for decision in outcome.decisions if decision.completion == id_)


def ground_of(outcome: Outcome, code: str, id_: str = "c1") -> Ground:
    return next(ground for ground in the(outcome, id_).grounds if ground.code == code)
