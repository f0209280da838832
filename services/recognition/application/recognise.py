"""RecogniseCompletions: a learner's events are folded in, one by one, and what is decided becomes rows and events."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

from prometheus_client import Counter

from chassis import outbox
from chassis.clock import day_of
from chassis.database import Connection
from chassis.outbox import Outgoing
from contracts import recognition_decision as contract
from contracts.ids import decision_id
from contracts.learner_record_appeal_request import AppealRequestLodged
from contracts.learner_record_award_progress import AwardProgressChanged
from contracts.learner_record_choice import ChoiceMade
from contracts.learner_record_enrolment import EnrolmentRecorded
from contracts.provider_completion import CompletionPublished
from contracts.recognition_appeal import AppealChanged
from contracts.recognition_decision import DecisionMade
from services.recognition.domain.appeals import Appeal, Request, requested
from services.recognition.domain.business_days import WITHOUT_HOLIDAYS, Calendar
from services.recognition.domain.catalogue import Catalogue, Member
from services.recognition.domain.deciding import (
    Change,
    award_conferred,
    catalogue_changed,
    choice_made,
    completion_published,
    enrolment_recorded,
)
from services.recognition.domain.declines import Decline
from services.recognition.domain.learner import (
    Cause,
    Choice,
    Completion,
    Conferral,
    Decision,
    DocumentVersion,
    Enrolment,
    Grant,
    Learner,
    Made,
    Use,
)
from services.recognition.domain.rulings import Ruling, officer_decided
from services.recognition.engine.model import Ground, State
from services.recognition.store import appeals
from services.recognition.store import learners as store

DECISIONS = Counter("concord_decisions_total", "Decisions written; those of a batch that was given up too.", ["state"])


@dataclass(slots=True)
class Recognising:
    """One learner's events folded into decisions; what is to be written is gathered in the order it came about."""

    learner: Learner
    catalogue: Catalogue
    zone: ZoneInfo
    completions: list[tuple[CompletionPublished, UUID]] = field(default_factory=list)
    enrolments: list[tuple[EnrolmentRecorded, UUID]] = field(default_factory=list)
    choices: list[tuple[ChoiceMade, UUID]] = field(default_factory=list)
    conferrals: list[tuple[AwardProgressChanged, UUID]] = field(default_factory=list)
    sources: list[tuple[UUID | None, str | None]] = field(default_factory=list)
    """For each decision made, the event that caused it and the trace that it belongs to."""
    calendar: Calendar = WITHOUT_HOLIDAYS
    appeals: dict[UUID, Appeal] = field(default_factory=dict)
    appealed: list[tuple[Appeal, str | None]] = field(default_factory=list)
    """Appeals that came to stand otherwise, in order, each with its trace."""

    def publish_completion(
        self, event: CompletionPublished, event_id: UUID, happened_at: datetime, traceparent: str | None
    ) -> bool:
        """Fold in a completion; False where its revision is older than what is known, or known."""
        known = self.learner.completions.get(event.completion_id)
        if known is not None and known.revision >= event.revision:
            return False
        kind = "completion" if known is None else "revision"
        if known is not None and event.revoked and not known.revoked:
            kind = "revocation"
        change = Change(Cause(kind, event_id), day_of(happened_at, self.zone))
        completion_published(self.learner, completion_of(event, self.zone), self.catalogue, change)
        self.completions.append((event, event_id))
        self._came_of(event_id, traceparent)
        return True

    def record_enrolment(
        self, event: EnrolmentRecorded, event_id: UUID, happened_at: datetime, traceparent: str | None
    ) -> bool:
        """Fold in an enrolment; False where its revision is older than what is known, or known."""
        known = self.learner.enrolments.get(event.enrolment_id)
        if known is not None and known.revision >= event.revision:
            return False
        change = Change(Cause("enrolment", event_id), day_of(happened_at, self.zone))
        enrolment_recorded(self.learner, enrolment_of(event), self.catalogue, change)
        self.enrolments.append((event, event_id))
        self._came_of(event_id, traceparent)
        return True

    def make_choice(self, event: ChoiceMade, event_id: UUID, happened_at: datetime, traceparent: str | None) -> bool:
        """Fold in a learner's choice; False where its revision is older than what is known, or known."""
        known = self.learner.choices.get(event.enrolment_id)
        if known is not None and known.revision >= event.revision:
            return False
        change = Change(Cause("choice", event_id), day_of(happened_at, self.zone))
        choice = Choice(event.enrolment_id, event.revision, tuple(event.completions))
        choice_made(self.learner, choice, self.catalogue, change)
        self.choices.append((event, event_id))
        self._came_of(event_id, traceparent)
        return True

    def confer(
        self, event: AwardProgressChanged, event_id: UUID, happened_at: datetime, traceparent: str | None
    ) -> bool:
        """Fold in a conferral; False where there is none, or it is known: nothing else of the progress matters here."""
        conferral = event.conferral
        if conferral is None or event.enrolment_id in self.learner.conferrals:
            return False
        change = Change(Cause("conferral", event_id), day_of(happened_at, self.zone))
        conferred = Conferral(
            conferral_id=conferral.id,
            enrolment_id=event.enrolment_id,
            award=DocumentVersion(conferral.award.id, conferral.award.version),
            conferred_on=conferral.conferred_on,
            completions=frozenset(conferral.completions),
        )
        award_conferred(self.learner, conferred, self.catalogue, change)
        self.conferrals.append((event, event_id))
        self._came_of(event_id, traceparent)
        return True

    def take_up_appeal(
        self, event: AppealRequestLodged, event_id: UUID, happened_at: datetime, traceparent: str | None
    ) -> bool:
        """Fold in what a learner asks for in an appeal; False where it is known, older, or too late to withdraw."""
        today = day_of(happened_at, self.zone)
        request = Request(
            appeal_id=event.appeal_id,
            revision=event.revision,
            event_id=event_id,
            learner_id=event.learner_id,
            receiver=event.receiver,
            completion_id=event.completion_id,
            enrolment_id=event.enrolment_id,
            decision_id=event.decision_id,
            stage=event.stage,
            withdrawn=event.withdrawn,
            day=today,
        )
        receiver = self.catalogue.members.get(event.receiver)
        route = receiver.appeals if receiver is not None else None
        appeal = requested(self.appeals.get(event.appeal_id), request, route, self.calendar.due_on(today))
        if appeal is None:
            return False
        self.stand(appeal, traceparent)
        return True

    def rule(self, ruling: Ruling, cause: Cause, today: date, traceparent: str | None) -> Decision:
        """Make an officer's ruling the claim's decision. Raises CannotRule, and then nothing of it may be written."""
        decision = officer_decided(self.learner, ruling, self.catalogue, Change(cause, today))
        self._came_of(cause.event_id, traceparent)
        return decision

    def stand(self, appeal: Appeal, traceparent: str | None) -> None:
        """Note how an appeal stands now."""
        self.appeals[appeal.request.appeal_id] = appeal
        self.appealed.append((appeal, traceparent))

    def look_again(self, enrolment_id: UUID, cause: Cause, today: date, traceparent: str | None) -> None:
        """Evaluate what is open in an enrolment in view of a newer catalogue."""
        catalogue_changed(self.learner, enrolment_id, self.catalogue, Change(cause, today))
        self._came_of(cause.event_id, traceparent)

    def _came_of(self, event_id: UUID | None, traceparent: str | None) -> None:
        self.sources += [(event_id, traceparent)] * (len(self.learner.made) - len(self.sources))

    def outgoing(self, now: datetime) -> Iterable[Outgoing]:
        """The events of what was decided, in order, then those of appeals."""
        for made, (event_id, traceparent) in zip(self.learner.made, self.sources, strict=True):
            yield Outgoing(decision_made(self.learner, made, now, self.catalogue), event_id, traceparent)
        for appeal, traceparent in self.appealed:
            yield Outgoing(appeal_changed(appeal, now), appeal.request.event_id, traceparent)


async def write(connection: Connection, works: Sequence[Recognising], now: datetime) -> None:
    """Write what came of these learners' events, and the decisions' events with them."""
    consumed = store.Consumed(
        [one for work in works for one in work.completions],
        [one for work in works for one in work.enrolments],
        [one for work in works for one in work.choices],
        [one for work in works for one in work.conferrals],
    )
    await store.write(connection, [work.learner for work in works], consumed, now)
    await appeals.add(connection, [appeal for work in works for appeal, _ in work.appealed], now)
    await outbox.put(connection, [event for work in works for event in work.outgoing(now)])
    for work in works:
        for made in work.learner.made:
            DECISIONS.labels(made.decision.state).inc()


def completion_of(event: CompletionPublished, zone: ZoneInfo) -> Completion:
    """A completion as decisions use it."""
    used_for = event.used_for
    return Completion(
        completion_id=event.completion_id,
        revision=event.revision,
        provider=event.provider,
        reference=event.reference,
        learner_reference=event.learner_reference,
        is_matchable=event.learner_is_matchable,
        course=event.learning_opportunity.id,
        course_version=event.learning_opportunity.version,
        credits=Fraction(event.credits),
        framework=event.framework,
        level=event.level,
        result=event.result,
        mark=None if event.mark is None else Fraction(event.mark),
        completed_on=event.completed_on,
        workload_hours=None if event.workload_hours is None else Fraction(event.workload_hours),
        identity_verified_at_assessment=event.identity_verified_at_assessment,
        used_for=(
            None if used_for is None else Use(used_for.title, used_for.framework, used_for.level, used_for.ladder)
        ),
        revoked=event.revoked,
        missing_elements=tuple(event.missing_elements),
        claimable_from=event.claimable_from,
        claimable_on=day_of(event.claimable_from, zone),
    )


def enrolment_of(event: EnrolmentRecorded) -> Enrolment:
    """An enrolment as decisions use it."""
    return Enrolment(
        enrolment_id=event.enrolment_id,
        revision=event.revision,
        receiver=event.receiver,
        reference=event.reference,
        learner_reference=event.learner_reference,
        award=event.award,
        opened_on=event.opened_on,
        closed_on=event.closed_on,
    )


def decision_made(learner: Learner, made: Made, now: datetime, catalogue: Catalogue) -> DecisionMade:
    """The event that states a decision. Raises NoDecline where it declines and lacks what is owed with that."""
    decision = made.decision
    completion = learner.completions[decision.completion_id]
    enrolment = learner.enrolments[decision.enrolment_id]
    return DecisionMade(
        decision_id=decision_id(decision.completion_id, decision.enrolment_id, decision.number),
        number=decision.number,
        completion_id=decision.completion_id,
        completion_revision=decision.completion_revision,
        enrolment_id=decision.enrolment_id,
        learner_id=learner.learner_id,
        provider=completion.provider,
        completion_reference=completion.reference,
        provider_learner_reference=completion.learner_reference,
        receiver=enrolment.receiver,
        enrolment_reference=enrolment.reference,
        receiver_learner_reference=enrolment.learner_reference,
        state=decision.state.value,
        grounds=[_ground(ground) for ground in _grounds(decision, catalogue.members[enrolment.receiver])],
        grade=None if decision.grade is None else _decimal(decision.grade),
        cause=contract.Cause(kind=made.cause.kind, event_id=made.cause.event_id),
        agreement=_version(decision.agreement),
        award=contract.Version(id=decision.award.id, version=decision.award.version),
        claimed_on=decision.claimed_on,
        conferrals=list(decision.conferrals),
        grant=_grant(decision),
        decided_at=now,
    )


def appeal_changed(appeal: Appeal, now: datetime) -> AppealChanged:
    """The event that states how an appeal stands."""
    request = appeal.request
    return AppealChanged(
        appeal_id=request.appeal_id,
        revision=appeal.revision,
        learner_id=request.learner_id,
        receiver=request.receiver,
        completion_id=request.completion_id,
        enrolment_id=request.enrolment_id,
        decision_id=request.decision_id,
        stage=request.stage,
        stages=appeal.stages,
        state=appeal.state,
        due_on=appeal.due_on,
        next_stage_until=appeal.next_stage_until,
        outcome_decision_id=appeal.outcome_decision_id,
        reasons=appeal.reasons,
        decided_by=appeal.decided_by,
        changed_at=now,
    )


def _grounds(decision: Decision, receiver: Member) -> Sequence[Ground]:
    if decision.state is State.DECLINED:
        return Decline(decision.grounds, receiver.appeals).grounds
    return decision.grounds


def _ground(ground: Ground) -> contract.Ground:
    return contract.Ground(
        code=ground.code,
        state=ground.state.value,
        document=ground.document,
        version=ground.version,
        clause=ground.clause,
        compared=dict(ground.compared),
        sentence=ground.sentence,
    )


def _grant(decision: Decision) -> contract.Grant | None:
    grant: Grant | None = decision.grant
    if grant is None:
        return None
    return contract.Grant(
        id=store.id_of(grant),
        completions=list(grant.completions),
        lines=[
            contract.Line(slot=line.slot, credits=store.exactly(line.credits), level=line.level, kind=line.kind)
            for line in grant.lines
        ],
        frozen=decision.is_frozen,
    )


def _version(document: DocumentVersion | None) -> contract.Version | None:
    return None if document is None else contract.Version(id=document.id, version=document.version)


def _decimal(number: Fraction) -> Decimal:
    return Decimal(number.numerator) / Decimal(number.denominator)
