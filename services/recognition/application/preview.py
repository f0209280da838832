"""PreviewOpportunity: where a learning opportunity would count, for a learner or for anyone; nothing is written."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from fractions import Fraction
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from chassis.clock import day_of
from chassis.database import Connection
from contracts import preview as contract
from contracts.preview import PreviewAnswer, Question, WouldCount
from contracts.recognition_decision import Ground, Line, Version
from services.recognition.application.catalogue import CatalogueReader
from services.recognition.application.explaining import Receiver, explain_decision
from services.recognition.domain.explaining import explain_undecided
from services.recognition.domain.learner import Completion, Decision, DocumentVersion, Grant, Learner
from services.recognition.domain.previewing import (
    Preview,
    awards_in_reach,
    completion_id_of,
    preview_award,
    preview_enrolled,
)
from services.recognition.engine.codec import ground_to_json
from services.recognition.engine.model import State
from services.recognition.store import learners
from services.recognition.store import opportunities as store
from services.recognition.store.opportunities import Opportunity

MOST_AWARDS: Final = 200
"""Awards for which one answer says what would become of it."""
NOBODY: Final = UUID(int=0)


class NotOffered(Exception):
    """Nobody offers this learning opportunity, or not in this version."""


class NotEnrolled(Exception):
    """The learner is not enrolled with the member that asks."""


class TooManyAwards(Exception):
    """More awards are in reach than one answer holds."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, about a learner or about anyone (None), and where it may look: at one member, or (None) at all."""

    question: Question
    learner_id: UUID | None
    at: str | None

    def concerns(self, receiver: str, award: str, completion: Completion) -> bool:
        """Whether the answer is to say what becomes of the completion for this award of this receiver."""
        question = self.question
        return (
            receiver != completion.provider
            and self.at in (None, receiver)
            and question.receiver in (None, receiver)
            and question.award in (None, award)
        )


class PreviewOpportunity:
    """Answers questions on one connection, whose transaction is read-only and sees one moment."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._catalogues = CatalogueReader()
        self._zone = zone

    async def __call__(self, connection: Connection, asked: Asked, now: datetime) -> PreviewAnswer:
        """The answer. Raises NotOffered, NotEnrolled and TooManyAwards."""
        offered = asked.question.learning_opportunity
        opportunity = await store.opportunity(connection, offered.id, offered.version)
        if opportunity is None:
            raise NotOffered
        learner = Learner(asked.learner_id or NOBODY)
        if asked.learner_id is not None:
            learner = (await learners.read(connection, [asked.learner_id], self._zone))[asked.learner_id]
            if asked.at is not None and all(one.receiver != asked.at for one in learner.enrolments.values()):
                raise NotEnrolled
        catalogue = await self._catalogues.read(connection)
        completion = self._completion(asked.question, opportunity, now)
        day = completion.claimable_on
        enrolled = [
            one
            for one in learner.enrolments.values()
            if asked.concerns(one.receiver, one.award, completion) and not one.is_closed(day)
        ]
        awards = [
            one
            for one in awards_in_reach(completion.provider, catalogue)
            if asked.concerns(one.member, one.id, completion) and all(one.id != has.award for has in enrolled)
        ]
        if len(awards) > MOST_AWARDS:
            raise TooManyAwards
        told = await store.receivers(connection, {one.receiver for one in enrolled} | {one.member for one in awards})

        def previews() -> list[Preview]:
            known = preview_enrolled(learner, completion, catalogue, day, [one.enrolment_id for one in enrolled])
            return known + [preview_award(learner, completion, award, catalogue, day) for award in awards]

        # Many awards take a while, and other requests must not wait for it.
        found = await asyncio.to_thread(previews)
        telling = Telling(completion, learner, {member: Receiver.of(*stated) for member, stated in told.items()})
        return PreviewAnswer(
            learning_opportunity=_offered(opportunity),
            assumed=contract.Assumed(
                result=completion.result,
                mark=_decimal(completion.mark),
                completed_on=completion.completed_on,
                claimed_on=day,
            ),
            would_count=[telling.would_count(one) for one in sorted(found, key=_place)],
        )

    def _completion(self, question: Question, opportunity: Opportunity, now: datetime) -> Completion:
        """The completion that is not there yet; one that lies ahead is claimed on the day on which it is completed."""
        today = day_of(now, self._zone)
        completed_on = question.completed_on or today
        ahead = completed_on > today
        return Completion(
            completion_id=completion_id_of(opportunity.id),
            revision=1,
            provider=opportunity.member,
            reference="",
            learner_reference="",
            is_matchable=True,
            course=opportunity.id,
            course_version=opportunity.version,
            credits=Fraction(opportunity.credits),
            framework=opportunity.framework,
            level=opportunity.level,
            result=question.result,
            mark=question.mark,
            completed_on=completed_on,
            workload_hours=question.workload_hours,
            identity_verified_at_assessment=True,
            used_for=None,
            revoked=False,
            missing_elements=(),
            claimable_from=datetime.combine(completed_on, time(), self._zone) if ahead else now,
            claimable_on=completed_on if ahead else today,
        )


def _place(preview: Preview) -> tuple[bool, int, str, str]:
    """Enrolments first, then awards; each from the best state to the worst, and what cannot be said last."""
    severity = len(State) if preview.decision is None else preview.decision.state.severity
    return not preview.is_enrolled, severity, preview.enrolment.award, preview.enrolment.reference


@dataclass(frozen=True, slots=True)
class Telling:
    """How previews of a completion are told: with the learner's other completions, and what the receivers state."""

    completion: Completion
    learner: Learner
    receivers: Mapping[str, Receiver]

    def would_count(self, preview: Preview) -> WouldCount:
        """One preview as it is answered."""
        enrolment, decision, is_enrolled = preview.enrolment, preview.decision, preview.is_enrolled
        known = decision is not None
        return WouldCount(
            receiver=enrolment.receiver,
            award=enrolment.award,
            award_version=decision.award.version if decision else None,
            enrolment_id=enrolment.enrolment_id if is_enrolled else None,
            enrolment_reference=enrolment.reference if is_enrolled else None,
            state=decision.state.value if decision else None,
            waits_for=preview.waits_for,
            agreement=_version(decision.agreement) if decision else None,
            grade=_decimal(decision.grade) if decision else None,
            grounds=[Ground(**ground_to_json(ground)) for ground in decision.grounds] if decision else [],
            lines=_lines(decision.grant) if decision else [],
            explanation=self._explained(preview),
            # Where nobody is enrolled yet, all else there is only thought of too.
            besides=[self._beside(one, enrolment.receiver) for one in preview.besides] if known and is_enrolled else [],
        )

    def _explained(self, preview: Preview) -> str:
        enrolment, decision, provider = preview.enrolment, preview.decision, self.completion.provider
        if decision is None:
            return explain_undecided(preview.waits_for, enrolment.award, provider, enrolment.receiver)
        told = explain_decision(decision, provider, enrolment.receiver, self.receivers[enrolment.receiver])
        return f"If it were completed as assumed, this would be decided. {told}"

    def _beside(self, decision: Decision, receiver: str) -> contract.Besides:
        other = self.learner.completions[decision.completion_id]
        return contract.Besides(
            completion_id=other.completion_id,
            completion_reference=other.reference,
            state=decision.state.value,
            explanation=explain_decision(decision, other.provider, receiver, self.receivers[receiver]),
        )


def _offered(opportunity: Opportunity) -> contract.Opportunity:
    return contract.Opportunity(
        id=opportunity.id,
        version=opportunity.version,
        title=opportunity.title,
        provider=opportunity.member,
        credits=opportunity.credits,
        framework=opportunity.framework,
        level=opportunity.level,
    )


def _lines(grant: Grant | None) -> list[Line]:
    if grant is None:
        return []
    return [
        Line(slot=line.slot, credits=learners.exactly(line.credits), level=line.level, kind=line.kind)
        for line in grant.lines
    ]


def _version(document: DocumentVersion | None) -> Version | None:
    return None if document is None else Version(id=document.id, version=document.version)


def _decimal(number: Fraction | None) -> Decimal | None:
    return None if number is None else Decimal(number.numerator) / Decimal(number.denominator)
