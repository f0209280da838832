"""One evaluation, from beginning to end (decision.md, What is decided)."""

from collections.abc import Mapping, Sequence

from services.recognition.engine.caps import Settled, settle
from services.recognition.engine.clauses import by_agreement
from services.recognition.engine.conversion import Converted, convert, converted_credits, minimum_claim_is_reached
from services.recognition.engine.grounds import LeavesByCourse, duplicate_claim, grounds_of
from services.recognition.engine.leaves import leaves_by_course
from services.recognition.engine.levels import level_of
from services.recognition.engine.matching import (
    Dispute,
    Eligible,
    Match,
    match_by_rules,
    match_like_for_like,
)
from services.recognition.engine.model import (
    Agreement,
    Case,
    Completion,
    Decision,
    Grant,
    Ground,
    Outcome,
    State,
)
from services.recognition.engine.waiting import ground_of_free, outlook


def evaluate(case: Case) -> Outcome:
    """Decide every completion of the case; the order in which they are given never matters.

    Decisions stand in the order of their completions' ids, grants in the order of theirs.
    """
    agreement = case.agreement
    leaves = None if agreement is None or agreement.rules is None else leaves_by_course(agreement.rules)
    grounds = {completion.id: grounds_of(completion, case, leaves) for completion in case.completions}
    settled: list[Settled] = []
    offers: list[list[Match]] = []
    if agreement is not None:
        eligible = _eligible(case.completions, grounds, agreement)
        settled, offers, further = _use(eligible, agreement, case, leaves)
        grounds.update(further)

    decisions = [_decision(completion, grounds[completion.id], agreement) for completion in case.completions]
    grants = [Grant(_ids(one.match), one.lines) for one in settled if one.lines]
    return Outcome(
        decisions=tuple(sorted(decisions, key=lambda decision: decision.completion)),
        grants=tuple(sorted(grants, key=lambda grant: grant.completions)),
        offers=tuple(tuple(sorted(id_ for match in offer for id_ in _ids(match))) for offer in offers),
    )


def _eligible(
    completions: Sequence[Completion], grounds: Mapping[str, Sequence[Ground]], agreement: Agreement
) -> list[Eligible]:
    """The completions without any ground; each of them has exactly one level."""
    return [
        Eligible(completion, level, converted_credits(completion, agreement))
        for completion in completions
        if not grounds[completion.id] and (level := level_of(completion, agreement)) is not None
    ]


def _use(
    eligible: Sequence[Eligible], agreement: Agreement, case: Case, leaves: LeavesByCourse | None
) -> tuple[list[Settled], list[list[Match]], dict[str, tuple[Ground, ...]]]:
    """Steps 2 to 5: every match as it ends, what may be chosen from, and the grounds that follow, by completion."""
    if agreement.rules is None:
        matching = match_like_for_like(eligible)
    else:
        matching = match_by_rules(eligible, agreement.rules, agreement, case.ledger)

    settled, offers = _settle([convert(match, agreement) for match in matching.matches], agreement, case)

    grounds: dict[str, tuple[Ground, ...]] = {}
    for one in settled:
        grounds.update((used.id, one.grounds) for used in one.match.used)
        grounds.update((shared.id, _shared_fate(shared, one)) for shared in one.match.sharing)
    for dispute in matching.disputes:
        grounds.update(
            (involved.id, (_one_rule_claims(involved, dispute, agreement),)) for involved in dispute.involved
        )
    if matching.free and leaves is not None and agreement.rules is not None:
        granted = [one for one in settled if one.lines]
        view = outlook(
            agreement,
            case.ledger,
            (
                line.slot
                for one in granted
                if one.match.grants is not None
                for line in one.lines
                if line.kind == "specific"
            ),
            (used.course for one in granted for used in one.match.used),
            matching.free,
        )
        for free in matching.free:
            grounds[free.id] = (ground_of_free(free, leaves[free.course], agreement.rules, agreement, view),)
    return settled, offers, grounds


def _settle(
    converted: Sequence[Converted], agreement: Agreement, case: Case
) -> tuple[list[Settled], list[list[Match]]]:
    """Steps 3 to 5: what step 3 refuses takes no further part, and nothing is granted below the minimum claim."""
    refused = [Settled(one.match, (), one.grounds) for one in converted if one.is_refused]
    remaining = [one for one in converted if not one.is_refused]
    below_minimum = minimum_claim_is_reached(remaining, agreement, case.ledger)
    if below_minimum is not None:
        return [*refused, *(Settled(one.match, (), (*one.grounds, below_minimum)) for one in remaining)], []
    settled, offers = settle(remaining, agreement, case)
    return [*refused, *settled], offers


def _shared_fate(shared: Eligible, settled: Settled) -> tuple[Ground, ...]:
    """Of a course that a match uses: DUPLICATE_CLAIM if the match is granted something, else its grounds."""
    if settled.lines:
        return (duplicate_claim(shared.course, granted="is granted by a better attempt"),)
    return settled.grounds


def _one_rule_claims(involved: Eligible, dispute: Dispute, agreement: Agreement) -> Ground:
    """AMBIGUOUS_RULES (REFERRED): rules compete for a course or a slot; what is disputed goes to a person."""
    return by_agreement(
        agreement,
        f"/rules/{dispute.rules[0]}",
        "AMBIGUOUS_RULES",
        State.REFERRED,
        course=involved.course,
        rules=" and ".join(str(position + 1) for position in dispute.rules),
        allowed="one",
    )


def _decision(completion: Completion, grounds: tuple[Ground, ...], agreement: Agreement | None) -> Decision:
    """The worst of all grounds; the mark travels along if something is granted and the agreement carries grades."""
    state = State.RECOGNISED
    for ground in grounds:
        if ground.state.severity > state.severity:
            state = ground.state
    carries = agreement is not None and agreement.grade_policy == "carry"
    grade = completion.mark if carries and state in (State.RECOGNISED, State.PARTIAL) else None
    return Decision(completion.id, state, grounds, grade)


def _ids(match: Match) -> tuple[str, ...]:
    return tuple([used.id for used in match.used])
