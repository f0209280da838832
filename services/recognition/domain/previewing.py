"""Where a completion would count: the later decision, made on a copy of the learner that is thrown away.

It is the very code that decides when the completion is published, so a preview is not another reading of the rules.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Final
from uuid import UUID, uuid5

from services.recognition.domain.catalogue import AwardVersion, Catalogue
from services.recognition.domain.deciding import Change, completion_published, enrolment_recorded
from services.recognition.domain.learner import Cause, Completion, Decision, Enrolment, Learner

_SPACE: Final = UUID("5b8b2a51-9b5c-4a3e-8a67-0d6e7d0f2c11")
_CHANGE: Final = "preview"


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be decided on the completion for an enrolment.

    `is_enrolled` is False where the enrolment is only thought of. Without a decision, `waits_for` says what is not
    known. `besides` are the new decisions on other completions there, in the order made.
    """

    enrolment: Enrolment
    is_enrolled: bool
    decision: Decision | None
    waits_for: str | None
    besides: tuple[Decision, ...]


def preview_enrolled(
    learner: Learner, completion: Completion, catalogue: Catalogue, today: date, enrolments: Iterable[UUID]
) -> list[Preview]:
    """What would be decided for these enrolments of the learner if the completion were published on that day."""
    published = learner.begun()
    completion_published(published, completion, catalogue, Change(Cause(_CHANGE), today))
    return [_preview(published, completion, published.enrolments[one], is_enrolled=True) for one in enrolments]


def preview_award(
    learner: Learner, completion: Completion, award: AwardVersion, catalogue: Catalogue, today: date
) -> Preview:
    """What would be decided if the learner enrolled for this award on that day, with all else that is completed."""
    # Other enrolments have no say in this one, but what was conferred has, and stays.
    enrolled = replace(learner.begun(), enrolments={})
    enrolment = Enrolment(
        enrolment_id=uuid5(_SPACE, award.id),
        revision=1,
        receiver=award.member,
        reference="",
        learner_reference="",
        award=award.id,
        opened_on=today,
        closed_on=None,
    )
    change = Change(Cause(_CHANGE), today)
    enrolment_recorded(enrolled, enrolment, catalogue, change)
    return replace(
        preview_enrolled(enrolled, completion, catalogue, today, [enrolment.enrolment_id])[0], is_enrolled=False
    )


def awards_in_reach(provider: str, catalogue: Catalogue) -> list[AwardVersion]:
    """The newest version of every award of a member with which this provider has an agreement, by id."""
    if provider not in catalogue.members:
        return []
    reached = {
        receiver for receiver in catalogue.members if receiver != provider and catalogue.candidates(provider, receiver)
    }
    newest = (catalogue.award(award_id) for award_id in sorted(catalogue.awards))
    return [award for award in newest if award is not None and award.member in reached]


def completion_id_of(course: str) -> UUID:
    """The id of a completion that nobody published yet."""
    return uuid5(_SPACE, course)


def _preview(learner: Learner, completion: Completion, enrolment: Enrolment, *, is_enrolled: bool) -> Preview:
    claim = (completion.completion_id, enrolment.enrolment_id)
    standing = learner.standings.get(claim)
    besides = {
        one.decision.completion_id: one.decision
        for one in learner.made
        if one.decision.enrolment_id == enrolment.enrolment_id
        and one.decision.completion_id != completion.completion_id
    }
    decision = learner.current.get(claim)
    waits_for = standing.waits_for if standing is not None and decision is None else None
    return Preview(enrolment, is_enrolled, decision, waits_for, tuple(besides.values()))
