"""The ledger of an enrolment as the engine takes it, and what of it is given back (decision.md, "What is open")."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from services.recognition.domain.learner import Decision, Grant
from services.recognition.engine import model
from services.recognition.engine.grounds import permission_for
from services.recognition.engine.requirements import leaves_in

CAP: Final = "/import_cap"
LEVEL_CAP: Final = "/import_cap_by_level/"
SAME_LEVEL_CAP: Final = "/same_level_cap"
_IN_THE_WAY: Final = ("CAP_REACHED", "CAP_EXCEEDED")


def ledger_of(grants: Iterable[Grant]) -> model.Ledger:
    """Balances over these grants, with the courses and slots that have one; a frozen grant keeps its room."""
    imported = same_level = Fraction(0)
    by_level: dict[int, Fraction] = {}
    courses: set[str] = set()
    slots: set[str] = set()
    for grant in grants:
        for line in grant.lines:
            imported += line.credits
            by_level[line.level] = by_level.get(line.level, Fraction(0)) + line.credits
            if grant.counts_at_same_level:
                same_level += line.credits
        courses.update(grant.courses)
        slots.update(grant.fills)
    return model.Ledger(
        imported, same_level, dict(sorted(by_level.items())), tuple(sorted(courses)), tuple(sorted(slots))
    )


def slots_filled_by(lines: Iterable[model.Line], terms: model.Agreement) -> tuple[str, ...]:
    """The slots of rules that these lines fill; the slot of a line like for like is only a name."""
    named = {line.slot for rule in terms.rules or () for line in rule.grants or ()}
    return tuple(sorted({line.slot for line in lines if line.kind == "specific" and line.slot in named}))


def counts_at_same_level(completions: Iterable[model.Completion], case: model.Case) -> bool:
    """Whether a grant uses a completion whose reuse only `same_level_up_to_cap` permits."""
    return case.agreement is not None and any(
        permission_for(use, case.agreement, case.award) == "same_level_up_to_cap"
        for completion in completions
        for use in completion.already_used_for
    )


def cap_clauses(grounds: Iterable[model.Ground]) -> frozenset[str]:
    """The caps that stand in the way of a claim, as clauses of the award definition."""
    return frozenset(ground.clause for ground in grounds if ground.code.endswith(_IN_THE_WAY))


def is_under_a_cap(grant: Grant, award: model.Award) -> bool:
    """Whether a line of the grant counts against a cap that the award sets."""
    return (
        award.import_cap is not None
        or any(line.level in award.import_cap_by_level for line in grant.lines)
        or (award.same_level_cap is not None and grant.counts_at_same_level)
    )


def widened(before: model.Award, after: model.Award) -> frozenset[str]:
    """The caps of an award that let more in than before; what is not set never runs out."""
    caps_before, caps_after = _limits(before), _limits(after)
    return frozenset(
        clause for clause, limit in caps_before.items() if clause not in caps_after or caps_after[clause] > limit
    )


def _limits(award: model.Award) -> dict[str, Fraction]:
    limits = {f"{LEVEL_CAP}{level}": limit for level, limit in award.import_cap_by_level.items()}
    if award.import_cap is not None:
        limits[CAP] = award.import_cap
    if award.same_level_cap is not None:
        limits[SAME_LEVEL_CAP] = award.same_level_cap
    return limits


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Rooms (clauses of caps), courses and slots of which more is free than there was before."""

    rooms: frozenset[str]
    courses: frozenset[str]
    slots: frozenset[str]

    def opens(self, decision: Decision, course: str, terms: model.Agreement | None) -> bool:
        """Whether a decision waited for any of it: a ground for that cap, that course, or a slot it could fill.

        `terms` are those of the agreement that the decision pins.
        """
        for ground in decision.grounds:
            if ground.code == "DUPLICATE_CLAIM" and course in self.courses:
                return True
            if ground.code == "SLOT_FILLED" and terms is not None and self._is_a_slot_for(course, terms):
                return True
        return not self.rooms.isdisjoint(cap_clauses(decision.grounds))

    def _is_a_slot_for(self, course: str, terms: model.Agreement) -> bool:
        return any(
            line.slot in self.slots
            for rule in terms.rules or ()
            if any(leaf.course == course for leaf in leaves_in(rule.requires))
            for line in rule.grants or ()
        )


def given_back(before: model.Ledger, after: model.Ledger) -> GivenBack:
    """What of the ledger is free now and was not before."""
    rooms = {
        f"{LEVEL_CAP}{level}"
        for level, balance in before.imported_by_level.items()
        if after.imported_by_level.get(level, 0) < balance
    }
    if after.imported < before.imported:
        rooms.add(CAP)
    if after.imported_same_level < before.imported_same_level:
        rooms.add(SAME_LEVEL_CAP)
    return GivenBack(
        frozenset(rooms),
        frozenset(before.granted_courses) - frozenset(after.granted_courses),
        frozenset(before.slots_filled) - frozenset(after.slots_filled),
    )
