"""Referrals: what officers are to decide, with all they need for it, and what they decide."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, ClassVar, Final, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from chassis import accesses, telemetry
from chassis.clock import Clock, day_of, instant
from chassis.database import Pool, transaction
from chassis.documents import Document
from chassis.http import Page, as_json, body, cursor, encode_cursor, etag, expected_revision, page_size, problems
from chassis.identity import Principal, Role, member_of, require
from chassis.problems import Fault, invalid, not_found
from contracts.documents.values import GENERAL, Course, Credit, Slot
from contracts.event import Level, MemberId, Text
from contracts.recognition_decision import Ground, Line, State, Version
from services.recognition.api.decisions import DecisionAnswer, decision_answer
from services.recognition.application.catalogue import CatalogueReader
from services.recognition.application.evidence import Evidence
from services.recognition.application.officers import Decided, Officer, Officers, claim_at
from services.recognition.application.proposing import propose
from services.recognition.domain.business_days import Calendar, breach_on, breached_before
from services.recognition.engine import model
from services.recognition.store import referrals as store

OfficerOfToken = Annotated[Principal, Depends(require(Role.OFFICER))]
Reader = Annotated[Principal, Depends(require(Role.OFFICER, Role.REGISTRY))]
Watcher = Annotated[Principal, Depends(require(Role.OFFICER, Role.REGISTRY, Role.OPERATIONS, Role.CONSORTIUM))]
JSON = dict[str, Any]
BEGIN: Final = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0), UUID(int=0))


def _said(reasons: str) -> str:
    if not reasons.strip():
        raise PydanticCustomError("reasons", "reasons in words")
    return reasons


Reasons = Annotated[Text, AfterValidator(_said), Field(description="Why; the learner reads it.")]


class RecognisedLine(Document):
    """Credit that is recognised: for a slot of the award, or GENERAL, which counts towards volume only."""

    slot: Slot
    credits: Credit
    level: Level


class RulingDocument(Document):
    """What an officer decides: lines of credit that are recognised, or that nothing is; and the reasons."""

    EXAMPLE: ClassVar[Mapping[str, object]] = {
        "recognise": [{"slot": "GENERAL", "credits": "15", "level": 7}],
        "reasons": "The syllabus covers what the module asks for.",
    }

    recognise: Annotated[tuple[RecognisedLine, ...], Field(max_length=50)] = ()
    decline: bool = False
    reasons: Reasons

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        if self.decline == bool(self.recognise):
            raise PydanticCustomError("one_of", "either lines to recognise, or decline: true")
        return self


def lines_of(recognised: Iterable[RecognisedLine]) -> tuple[model.Line, ...]:
    """The lines as they are posted."""
    return tuple(
        model.Line(one.slot, one.credits, one.level, "general" if one.slot == GENERAL else "specific")
        for one in recognised
    )


class ReferralAnswer(BaseModel):
    """A claim that is, or was, referred to a person; and until when it is to be decided."""

    completion_id: UUID
    enrolment_id: UUID
    receiver: str
    provider: str
    course: str
    title: str | None
    credits: str
    framework: str
    level: int | None
    completion_reference: str
    provider_learner_reference: str
    enrolment_reference: str
    receiver_learner_reference: str
    award: str
    enrolment_closed_on: date | None
    decision_id: UUID
    number: int = Field(description="The current decision's number, which is the ETag of a referral.")
    state: State
    grounds: list[Ground]
    frozen: bool = Field(description="Whether credit that was granted waits for the decision.")
    claimed_on: date
    opened_at: datetime = Field(description="When it became referred.")
    due_on: date = Field(description="The last day on which it is decided in time: 15 business days.")
    breach_on: date = Field(description="The day from which on it is a breach: four months.")
    escalated: bool = Field(description="It is open, and was due before today.")
    breached: bool = Field(description="It is open, and the four months are over.")
    closed_at: datetime | None


class Completion(BaseModel):
    """The completion as it is stored, at its newest revision."""

    completion_id: UUID
    revision: int
    provider: str
    reference: str
    learner_reference: str
    course: str
    course_version: int
    title: str | None
    credits: str
    framework: str
    level: int | None
    result: str
    mark: str | None
    completed_on: date
    workload_hours: str | None
    identity_verified_at_assessment: bool
    used_for: dict[str, Any] | None
    revoked: bool
    missing_elements: list[str]
    accepted_at: datetime
    claimable_from: datetime


class EnrolmentOfClaim(BaseModel):
    """What it is claimed for."""

    enrolment_id: UUID
    reference: str
    learner_reference: str
    award: str
    opened_on: date
    ends_on: date | None


class AwardOfClaim(BaseModel):
    """The newest version of the award's definition."""

    id: str
    version: int
    framework: str
    level: int
    credits_required: str
    slots: list[str]


class Ledger(BaseModel):
    """What the enrolment's ledger holds now."""

    imported: str
    imported_by_level: dict[str, str]
    granted_courses: list[str]
    slots_filled: list[str]


class Rooms(BaseModel):
    """What may be given on this claim, in the receiver's unit, its own grant set aside; null never runs out."""

    credits: str = Field(description="The completion's own credit.")
    total: str | None
    by_level: dict[str, str]
    slots: list[str] = Field(description="Slots of the award that are free.")
    course_has_a_grant: bool = Field(description="Another completion of the course counts already: no more can.")


class EvidenceAnswer(BaseModel):
    """What is claimed, for what, and what there is room for."""

    completion: Completion
    enrolment: EnrolmentOfClaim
    award: AwardOfClaim
    ledger: Ledger
    rooms: Rooms


class NamedRule(BaseModel):
    """A rule that names the course, and where it stands."""

    clause: str
    rule: dict[str, Any]


class AgreementOfClaim(BaseModel):
    """What of the agreement speaks of the course."""

    id: str
    version: int
    title: str
    in_force_from: date
    in_force_until: date
    like_for_like: bool
    rules: list[NamedRule]
    denied: str | None = Field(description="Why the agreement refuses the course, where it does.")


class RuleTrace(BaseModel):
    """By which rules it came to be as it is; the grounds are the referral's own."""

    pinned: bool = Field(description="Whether the decision rests on the agreement; else it is that of the direction.")
    agreement: AgreementOfClaim | None


class Precedent(BaseModel):
    """An earlier decision of this receiver on the same learning opportunity; it names no learner."""

    state: State
    by_officer: bool
    grounds: list[Ground]
    lines: list[Line]
    decided_at: datetime
    award: Version
    agreement: Version | None
    course_version: int
    credits: str
    framework: str
    level: int | None
    mark: str | None


class ReferralWithEvidence(ReferralAnswer):
    """Evidence, rule trace and precedents side by side."""

    evidence: EvidenceAnswer
    rule_trace: RuleTrace
    precedents: list[Precedent]


class ProposedRule(BaseModel):
    """The agreement's next version with one rule more, as a draft of it is sent; nothing is stored or published."""

    agreement_id: str
    version: int
    rule: dict[str, Any]
    document: dict[str, Any]


class Figures(BaseModel):
    """How much is referred now."""

    open: int
    overdue: int
    breached: int
    oldest: datetime | None = Field(description="Since when the longest waiting is referred.")


class FiguresOfReceiver(Figures):
    """The same at one receiver."""

    receiver: str


class FiguresAnswer(Figures):
    """All together, and by receiver."""

    receivers: list[FiguresOfReceiver]


@dataclass(frozen=True, slots=True)
class Days:
    """Today's place in the calendar."""

    clock: Clock
    zone: ZoneInfo
    calendar: Calendar

    def today(self) -> date:
        """Which day it is."""
        return day_of(self.clock(), self.zone)

    def overdue_before(self) -> datetime:
        """What was opened before this instant was due before today."""
        return self._begin(self.calendar.overdue_before(self.today()))

    def breached_before(self) -> datetime:
        """What was opened before this instant is a breach today."""
        return self._begin(breached_before(self.today()))

    def _begin(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone)

    def shown(self, row: Mapping[str, Any]) -> JSON:
        """A referral as it is answered."""
        opened_on = day_of(row["opened_at"], self.zone)
        due_on, breach = self.calendar.due_on(opened_on), breach_on(opened_on)
        is_open = row["closed_at"] is None
        shown = dict(row)
        return {
            **shown,
            "frozen": shown.pop("is_frozen"),
            "credits": f"{row['credits'].normalize():f}",
            "opened_at": instant(row["opened_at"]),
            "closed_at": None if is_open else instant(row["closed_at"]),
            "due_on": due_on,
            "breach_on": breach,
            "escalated": is_open and due_on < self.today(),
            "breached": is_open and breach <= self.today(),
        }


def routes(pool: Pool, officers: Officers, evidence: Evidence, catalogues: CatalogueReader, days: Days) -> APIRouter:
    """The routes under /referrals."""
    router = APIRouter(tags=["referrals"])

    @router.get("/referrals", response_model=Page[ReferralAnswer])
    async def get_referrals(
        caller: Reader,
        after: Annotated[tuple[str, str, str] | None, Depends(cursor(str, str, str))],
        limit: page_size = 50,
        state: Annotated[
            Literal["open", "overdue", "breach"],
            Query(description="All that are open, those that were due before today, or those beyond four months."),
        ] = "open",
        provider: Annotated[MemberId | None, Query(description="Only what this member provided.")] = None,
        learning_opportunity: Annotated[Course | None, Query(description="Only this learning opportunity.")] = None,
    ) -> Response:
        """What is referred to your member and not decided yet, what is due first before others."""
        before = {"open": lambda: None, "overdue": days.overdue_before, "breach": days.breached_before}[state]()
        wanted = store.Wanted(member_of(caller), before, provider, learning_opportunity)
        async with transaction(pool) as connection:
            found = await store.queue(connection, wanted, _place(after), limit)
        last = found[-1] if len(found) == limit else None
        following = None
        if last is not None:
            opened_at = last["opened_at"].isoformat()
            following = encode_cursor(opened_at, str(last["completion_id"]), str(last["enrolment_id"]))
        return as_json({"items": [days.shown(row) for row in found], "next": following})

    @router.get("/referrals/figures", response_model=FiguresAnswer)
    async def get_figures(caller: Watcher) -> Response:
        """How much is referred, overdue and in breach: at your member, or (operations, consortium) at every one."""
        everywhere = caller.has(Role.OPERATIONS, Role.CONSORTIUM)
        at_receiver = None if everywhere else member_of(caller)
        async with transaction(pool) as connection:
            rows = await store.figures(connection, days.overdue_before(), days.breached_before(), at_receiver)
        counts = {name: sum(row[name] for row in rows) for name in ("open", "overdue", "breached")}
        oldest = min((row["oldest"] for row in rows), default=None)
        receivers = [{**dict(row), "oldest": instant(row["oldest"])} for row in rows]
        return as_json({**counts, "oldest": instant(oldest) if oldest else None, "receivers": receivers})

    @router.get(
        "/referrals/{completion_id}/{enrolment_id}", response_model=ReferralWithEvidence, responses=problems(404)
    )
    async def get_referral(caller: Reader, completion_id: UUID, enrolment_id: UUID) -> Response:
        """A claim that is, or was, referred to your member: evidence, rule trace and precedents side by side.

        That it was read is shown to the learner.
        """
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            claim = await claim_at(connection, member_of(caller), completion_id, enrolment_id)
            row = await store.one(connection, completion_id, enrolment_id)
            if row is None:
                raise not_found("This claim was never referred.")
            beside = await evidence.of(connection, claim, completion_id, enrolment_id)
            await accesses.note(connection, caller, "referral", days.clock(), learner_id=claim.learner_id)
        return as_json({**days.shown(row), **beside}, headers={"ETag": etag(row["number"])})

    @router.put(
        "/referrals/{completion_id}/{enrolment_id}/decision",
        response_model=DecisionAnswer,
        responses=problems(404, 409, 412, 428),
    )
    async def put_decision(
        caller: OfficerOfToken,
        completion_id: UUID,
        enrolment_id: UUID,
        expected: Annotated[int, Depends(expected_revision)],
        document: Annotated[RulingDocument, Depends(body(RulingDocument))],
    ) -> DecisionAnswer:
        """Decide a claim that is referred to your member; the ETag is the number of the decision that you read.

        The credit is posted under the same caps as any other: 409 says everything that stands in the way. The same
        decision again, on the same ETag, is answered with what it led to.
        """
        officer = Officer(caller.subject, member_of(caller))
        decided = Decided(lines_of(document.recognise), document.reasons)
        traceparent = telemetry.current_traceparent()
        made = await officers.decide_referral(officer, completion_id, enrolment_id, expected, decided, traceparent)
        async with transaction(pool) as connection:
            return await decision_answer(connection, made)

    @router.post(
        "/referrals/{completion_id}/{enrolment_id}/proposed-rule",
        response_model=ProposedRule,
        responses=problems(404, 409),
    )
    async def propose_rule(
        caller: OfficerOfToken,
        completion_id: UUID,
        enrolment_id: UUID,
        minimum_mark: Annotated[bool, Query(description="Whether the rule asks for the completion's mark.")] = True,
    ) -> Response:
        """The agreement's next version with a rule that would decide as you did; send it as a draft to go on with it.

        409 where no officer recognised credit here, where there is no agreement in this direction, and where the
        agreement recognises every course like for like, which one rule would end.
        """
        async with transaction(pool) as connection:
            claim = await claim_at(connection, member_of(caller), completion_id, enrolment_id)
            proposed = await propose(
                connection, catalogues, claim, completion_id, enrolment_id, with_minimum_mark=minimum_mark
            )
        return as_json(proposed)

    return router


def _place(after: tuple[str, str, str] | None) -> store.Place:
    if after is None:
        return BEGIN
    try:
        opened_at = datetime.fromisoformat(after[0])
        return opened_at.astimezone(UTC), UUID(after[1]), UUID(after[2])
    except (ValueError, OverflowError):
        raise invalid([Fault("after", encode_cursor(*after), "the `next` of a page of this list")]) from None
