"""Lint of an agreement's rules against each other: which of them would dispute a learner's credit (documents.md)."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, islice, product
from typing import Final

from contracts.documents.agreement import Agreement, Rule
from contracts.documents.findings import Finding
from contracts.documents.values import GENERAL, plain
from services.recognition.lint.catalogue import Catalogue
from services.recognition.lint.trees import (
    BoundsOf,
    Way,
    courses_of,
    held,
    is_bearable,
    marks_taken,
    merged,
    ways_to_meet,
)

_TRIED: Final = 256
"""Pairs of ways that are looked at for two rules, those with most courses in common first."""


def no_two_rules_dispute(agreement: Agreement, _: Catalogue) -> Iterator[Finding]:
    """Two rules of one priority overlap where one learner's completions would put both in dispute.

    That is, by decision.md, Step 2.2 and 2.3: there are completions, one of each course, that meet both rules at
    once; each uses as many of them as the other (else the larger wins); both or neither fill a slot or are like for
    like (else the one that does wins); they share a course that both use, or a slot other than GENERAL; and their
    targets differ, that is, their lines as a multiset, or, where both are like for like, the courses they use.

    So bands of marks do not overlap, nor do a part and its whole, nor a slot and the general credit it falls back
    on. That a third rule may go before both is no excuse: it does so only until its own slot is filled.
    """
    bounds_of = marks_taken(agreement)
    candidates = {
        at: _Candidate(rule, courses_of(rule.requires), _slots(rule))
        for at, rule in enumerate(agreement.rules or ())
        if is_bearable(rule.requires)
    }
    for first, second in _sharing(candidates):
        one, other = candidates[first], candidates[second]
        if one.is_specific != other.is_specific or _same_lines(one.rule, other.rule):
            continue
        slots = one.slots & other.slots
        witness = _dispute(one.rule, other.rule, bounds_of, one.courses & other.courses, shares_a_slot=bool(slots))
        if witness is not None:
            yield _finding(first, one.rule, second, other.rule, witness, slots)


@dataclass(frozen=True)
class _Candidate:
    """A rule with what it may share with others."""

    rule: Rule
    courses: frozenset[str]
    slots: frozenset[str]

    @property
    def is_specific(self) -> bool:
        """Whether it fills a slot or is like for like, and so goes before general credit."""
        return self.rule.grants is None or bool(self.slots)


def _sharing(candidates: Mapping[int, _Candidate]) -> list[tuple[int, int]]:
    """The pairs of one priority that name a course or a slot in common, in order."""
    meeting: dict[tuple[int, str, str], list[int]] = defaultdict(list)
    for at, candidate in candidates.items():
        for course in candidate.courses:
            meeting[(candidate.rule.priority, "course", course)].append(at)
        for slot in candidate.slots:
            meeting[(candidate.rule.priority, "slot", slot)].append(at)
    return sorted({pair for group in meeting.values() for pair in combinations(group, 2)})


def _dispute(
    one: Rule, other: Rule, bounds_of: BoundsOf, common: frozenset[str], *, shares_a_slot: bool
) -> dict[str, str] | None:
    """Completions that put the two in dispute: the mark of each course, empty for any; null where none were found."""

    def apart(way: Way) -> Fraction:
        return Fraction(len(way.keys() - common)) + Fraction(len(way), 1000)

    ways = [ways_to_meet(rule.requires, bounds_of, apart).ways for rule in (one, other)]
    for first, second in islice(product(*ways), _TRIED):
        completions = merged(first, second)
        if completions is None:
            continue
        for position in range(3):
            marks = {course: _nth(bounds.some_marks(), position) for course, bounds in completions.items()}
            used, also_used = held(one.requires, bounds_of, marks), held(other.requires, bounds_of, marks)
            if used is None or also_used is None or len(used) != len(also_used):
                continue
            if one.grants is None and other.grants is None and used == also_used:
                continue
            if shares_a_slot or used & also_used:
                return {
                    course: str(completions[course]) and f"mark {plain(marks[course])}"
                    for course in sorted(used | also_used)
                }
    return None


def _nth(marks: tuple[Fraction, ...], position: int) -> Fraction:
    return marks[min(position, len(marks) - 1)]


def _finding(
    first: int, one: Rule, second: int, other: Rule, witness: dict[str, str], slots: frozenset[str]
) -> Finding:
    completions = tuple(course + (f" ({mark})" if mark else "") for course, mark in witness.items())
    shared = f"; both fill {', '.join(sorted(slots))}" if slots else ""
    return Finding(
        "overlapping-rules",
        f"/rules/{second}",
        f"priority {other.priority}",
        f"/rules/{first} and /rules/{second} should differ in priority or in what meets them: "
        f"who holds {', '.join(completions)} meets both; "
        f"/rules/{first} grants {_target(one)}, /rules/{second} grants {_target(other)}{shared}",
        (f"/rules/{first}", *completions),
    )


def _slots(rule: Rule) -> frozenset[str]:
    return frozenset(line.slot for line in rule.grants or () if line.slot != GENERAL)


def _same_lines(one: Rule, other: Rule) -> bool:
    if one.grants is None or other.grants is None:
        return False
    return Counter(one.grants) == Counter(other.grants)


def _target(rule: Rule) -> str:
    if rule.grants is None:
        return "like for like"
    return " and ".join(
        f"{plain(line.credits)} {line.slot}" + (f" at level {line.level}" if line.level is not None else "")
        for line in rule.grants
    )
