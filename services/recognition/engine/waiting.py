"""What is still free in the end: a rule waits for more, its slot is filled, or none is met (decision.md, Step 2)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.recognition.engine.clauses import by_agreement
from services.recognition.engine.leaves import PlacedLeaf, accepts
from services.recognition.engine.matching import Eligible, slots_of
from services.recognition.engine.model import Agreement, Ground, Leaf, Ledger, Requirement, Rule, State
from services.recognition.engine.requirements import branches_wanted, leaves_in


@dataclass(frozen=True, slots=True)
class Outlook:
    """How things stand after step 5: slots filled and courses used up, and what the learner still has free."""

    filled: frozenset[str]
    unobtainable: frozenset[str]
    held: frozenset[str]


def outlook(
    agreement: Agreement,
    ledger: Ledger,
    granted_slots: Iterable[str],
    granted_courses: Iterable[str],
    free: Iterable[Eligible],
) -> Outlook:
    """Every course is taken as obtainable but what is granted, used by a grant of now, denied, or excluded."""
    return Outlook(
        filled=frozenset(ledger.slots_filled).union(granted_slots),
        unobtainable=frozenset(ledger.granted_courses).union(
            granted_courses, (denial.course for denial in agreement.denied_courses), agreement.excluded_components
        ),
        held=frozenset(candidate.course for candidate in free),
    )


def ground_of_free(
    candidate: Eligible, leaves: Iterable[PlacedLeaf], rules: Sequence[Rule], agreement: Agreement, view: Outlook
) -> Ground:
    """Why an eligible completion is used by no match, judged by the rules with a leaf that accepts it.

    RULE_NOT_SATISFIED (INCOMPLETE) if one of them has no filled slot and could still be met; else SLOT_FILLED
    (DECLINED) if one of them has a filled slot; else NO_RULE (REFERRED).
    """
    accepting = sorted(
        {
            placed.rule
            for placed in leaves
            if placed.rule is not None
            and accepts(placed.leaf, placed.lowest_level, candidate.completion, candidate.level, agreement)
        },
        key=lambda position: (rules[position].priority, position),
    )
    filled = [position for position in accepting if not slots_of(rules[position]).isdisjoint(view.filled)]
    open_still = [
        (missing, position)
        for position in accepting
        if position not in filled and (missing := missing_courses(rules[position].requires, view)) is not None
    ]
    if open_still:
        missing, position = min(open_still, key=lambda one: len(one[0]))
        return _rule_is_satisfied(candidate, missing, position, rules[position], agreement, view)
    if filled:
        slots = sorted(slots_of(rules[filled[0]]) & view.filled)
        return by_agreement(
            agreement,
            f"/rules/{filled[0]}",
            "SLOT_FILLED",
            State.DECLINED,
            slot=" and ".join(slots),
            filled="already",
            allowed="once",
        )
    in_the_way = sorted(
        {leaf.course for position in accepting for leaf in leaves_in(rules[position].requires)} & view.unobtainable
    )
    return by_agreement(
        agreement,
        f"/rules/{accepting[0]}",
        "NO_RULE",
        State.REFERRED,
        variant="never",
        course=candidate.course,
        in_the_way=f"{', '.join(in_the_way)} cannot count for it any more" if in_the_way else "nothing meets it",
    )


def _rule_is_satisfied(
    candidate: Eligible, missing: frozenset[str], position: int, rule: Rule, agreement: Agreement, view: Outlook
) -> Ground:
    held = sorted({leaf.course for leaf in leaves_in(rule.requires)} & view.held)
    if missing:
        return by_agreement(
            agreement,
            f"/rules/{position}",
            "RULE_NOT_SATISFIED",
            State.INCOMPLETE,
            held=", ".join(held),
            missing=", ".join(sorted(missing)),
        )
    return by_agreement(
        agreement,
        f"/rules/{position}",
        "RULE_NOT_SATISFIED",
        State.INCOMPLETE,
        variant="waiting",
        held=candidate.course,
        waits_for="what stands before it to be settled",
    )


def missing_courses(requirement: Requirement, view: Outlook) -> frozenset[str] | None:
    """The fewest courses that have to be obtained for the tree to be met; None if it cannot be met any more."""
    if isinstance(requirement, Leaf):
        if requirement.course in view.unobtainable:
            return None
        return frozenset() if requirement.course in view.held else frozenset({requirement.course})
    wanted = branches_wanted(requirement)
    obtainable = [missing for branch in requirement.branches if (missing := missing_courses(branch, view)) is not None]
    if not 1 <= wanted <= len(obtainable):
        return None
    return frozenset().union(*sorted(obtainable, key=len)[:wanted])
