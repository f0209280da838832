"""What would have changed, had a version of an agreement been in force over completions that are decided already."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from functools import partial
from uuid import UUID

from services.recognition.domain.catalogue import AgreementVersion, Catalogue
from services.recognition.domain.deciding import Change, Deciding, Opened, look_at
from services.recognition.domain.learner import Claim, Completion, Decision, Enrolment, Learner, Made

GIVEN_BACK = "given_back"
"""The cause of a decision for which room came back: it may be on credit of any provider."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A claim that would be decided otherwise: now, and then. Where `before` is None it is undecided."""

    completion: Completion
    enrolment: Enrolment
    before: Decision | None
    after: Decision


@dataclass(slots=True)
class Tested:
    """What would have changed for one learner: of so many claims these, and credit in the receivers' units."""

    claims: int = 0
    changes: list[Changed] = field(default_factory=list)
    gained: Fraction = Fraction(0)
    lost: Fraction = Fraction(0)


def had_it_been_in_force(version: AgreementVersion, catalogue: Catalogue) -> Catalogue:
    """The catalogue as if this version were the agreement's newest, and in force on every day.

    Everything else stays, older versions too. Whether it applies is found as ever: a bilateral agreement comes before
    a multilateral one.
    """
    always = {
        framework: replace(terms, in_force_from=date.min, in_force_until=date.max)
        for framework, terms in version.terms.items()
    }
    older = [one for one in catalogue.agreements if one.id != version.id or one.version < version.version]
    return replace(catalogue, agreements=[*older, replace(version, terms=always)])


def backtested(
    known: Learner,
    directions: Collection[tuple[str, str]],
    catalogue: Catalogue,
    change: Change,
    is_chosen: Callable[[Completion], bool],
) -> Tested:
    """Decide a learner's claims in these directions (provider, receiver) anew, on a copy, under a catalogue.

    Those of closed enrolments too; not what an officer settled, nor what is frozen for an officer. What else of the
    enrolment gets room by it, or waits in the same direction, is decided with it, as it would be.
    """
    learner = known.begun()
    tested = Tested()
    for enrolment in sorted(learner.enrolments.values(), key=lambda one: one.enrolment_id):
        chosen = {
            completion.completion_id
            for completion in learner.claims_of(enrolment)
            if (completion.provider, enrolment.receiver) in directions and is_chosen(completion)
        }
        if chosen:
            tested.claims += len(chosen)
            before, since = _credit(learner, enrolment), len(learner.made)
            look_at(learner, enrolment, catalogue, change, partial(_opened, chosen))
            difference = _credit(learner, enrolment) - before
            tested.gained += max(difference, Fraction(0))
            tested.lost += max(-difference, Fraction(0))
            tested.changes += _changes(known, learner, enrolment, learner.made[since:], chosen)
    return tested


def _opened(chosen: Collection[UUID], deciding: Deciding) -> Opened:
    opened = {}
    for completion in deciding.learner.claims_of(deciding.enrolment):
        current = deciding.learner.decision_on(completion.completion_id, deciding.enrolment)
        if completion.completion_id in chosen and current and not current.is_frozen and not current.is_an_officers:
            opened[completion.completion_id] = deciding.change.cause
    return opened


def _changes(
    known: Learner, learner: Learner, enrolment: Enrolment, made: Collection[Made], chosen: Collection[UUID]
) -> list[Changed]:
    """The claims whose last decision is another than the one that is known, each once, in their order."""
    last: Mapping[Claim, Made] = {(one.decision.completion_id, one.decision.enrolment_id): one for one in made}
    changes = []
    for claim, one in sorted(last.items()):
        before = known.current.get(claim)
        concerns = claim[0] in chosen or one.cause.kind == GIVEN_BACK
        if concerns and (before is None or before.outcome != one.decision.outcome):
            changes.append(Changed(learner.completions[claim[0]], enrolment, before, one.decision))
    return changes


def _credit(learner: Learner, enrolment: Enrolment) -> Fraction:
    return sum((grant.credits for grant in learner.grants_of(enrolment)), Fraction(0))
