"""What the API answers: a learner's record, and members' enrolments."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.event import Quantity
from contracts.provider_completion import Result
from services.learner_record.domain.record import EntryState


class View(BaseModel):
    """A part of an answer. Credit and marks are decimal texts."""

    model_config = ConfigDict(frozen=True)


class EnrolmentAnswer(View):
    """An accepted revision of an enrolment; the same for ever."""

    reference: str
    enrolment_id: UUID
    revision: int
    body_hash: Annotated[str, Field(description="SHA-256 of the values that were sent, without the identifier.")]
    learner_reference: str
    award: str
    opened_on: date
    closed_on: date | None
    accepted_at: datetime
    learner_is_matchable: Annotated[bool, Field(description="False: nobody's credit can be matched to this learner.")]
    warnings: list[str]


class BulkAnswer(EnrolmentAnswer):
    """A line's answer where it was accepted; where it was not, the line is a problem with the `reference`."""

    status: Annotated[int, Field(description="201 new, 200 known already.")]


class Version(View):
    """A version of a document or of a learning opportunity."""

    id: str
    version: int


class CompletionView(View):
    """A completion at its newest revision, as awarded, in the provider's own terms."""

    completion_id: UUID
    revision: int
    reference: str
    provider: str
    provider_name: str | None
    title: str | None
    awarding_body: str | None
    learning_opportunity: Version
    credits: Quantity
    framework: str
    level: int | None
    result: str
    mark: Quantity | None
    completed_on: date
    issued_on: date | None
    revoked: bool
    revocation_reason: str | None
    accepted_at: datetime


class LineView(View):
    """Credit here, in this member's unit: specific credit fills a slot, general credit counts towards volume."""

    slot: str
    credits: Quantity
    level: int
    kind: Literal["specific", "general"]


class CountsAs(View):
    """What a completion counts as at this member, alone or together with others."""

    grant_id: UUID
    completions: list[UUID]
    lines: list[LineView]
    frozen: Annotated[bool, Field(description="It keeps its room and counts in no total until somebody decides.")]
    counts: Annotated[bool, Field(description="Whether it counts in the totals now.")]


class GroundView(View):
    """One reason, with the clause that it rests on."""

    code: str
    state: str
    document: str
    version: int | None
    clause: str
    compared: dict[str, str]
    sentence: str


class Appeals(View):
    """How to appeal."""

    route: str
    days: int
    stages: list[str]


class AppealView(View):
    """An appeal against a decision: as it was lodged, and how it stands at the receiver."""

    appeal_id: UUID
    decision_id: UUID
    stage: int
    withdrawn: bool
    lodged_at: datetime
    state: Annotated[
        Literal["lodged", "open", "upheld", "dismissed", "withdrawn"],
        Field(description="lodged: the receiver has not taken it up yet, which takes a moment."),
    ]
    due_on: Annotated[date | None, Field(description="By when this stage is to be decided.")]
    next_stage_until: Annotated[date | None, Field(description="Until when a dismissed one can be taken further.")]
    reasons: str | None
    outcome_decision_id: UUID | None


class EntryView(View):
    """What stands on the record for one completion: own credit, or what became of it for an enrolment."""

    entry_id: UUID
    revision: int
    updated_at: datetime | None
    state: EntryState
    completion: CompletionView
    counts: Annotated[bool, Field(description="Whether it counts in a total of an enrolment at this member.")]
    decision_id: UUID | None = None
    decision_number: int | None = None
    completion_revision: Annotated[int, Field(description="The revision of the completion that the state is about.")]
    is_being_decided: Annotated[
        bool, Field(description="Whether a decision on the newest revision of the completion is still to come.")
    ] = False
    counts_as: CountsAs | None = None
    grade: Quantity | None = None
    grounds: list[GroundView] = []
    agreement: Version | None = None
    award: Version | None = None
    cause: Annotated[str | None, Field(description="What the decision was made on: a kind of change; open.")] = None
    claimed_on: date | None = None
    decided_at: datetime | None = None
    appeals: Annotated[Appeals | None, Field(description="Shown with every decline.")] = None
    appeal: Annotated[AppealView | None, Field(description="The newest appeal against a decision on this claim.")] = (
        None
    )


class LevelTotals(View):
    """Credit at one level."""

    level: int
    own: Quantity
    specific: Quantity
    general: Quantity
    imported: Quantity
    total: Quantity


class Totals(View):
    """Credit for an enrolment, in the receiver's unit: own and imported, and that specific or general."""

    own: Quantity
    specific: Quantity
    general: Quantity
    imported: Quantity
    total: Quantity
    by_level: list[LevelTotals]


class AwardView(View):
    """The award an enrolment is for; only its id where it has not been published yet."""

    id: str
    version: int | None = None
    title: str | None = None
    framework: str | None = None
    level: int | None = None
    credits_required: Quantity | None = None
    minimum_by_level: dict[str, str] = {}


class ConditionView(View):
    """One condition of an award: what it requires, what is there, and what is missing, in words."""

    name: Annotated[str, Field(description="credits, level:<level>, category:<name>, or capstone.")]
    holds: bool
    required: Quantity | None
    has: Quantity | None
    sentence: str


class ConferralView(View):
    """A conferral: the award, by whom and when, and the completions that it counted."""

    conferral_id: UUID
    award: Version
    conferred_on: date
    conferred_by: str
    completions: list[UUID]


class ProgressView(View):
    """How far the learner is towards the award."""

    eligible: Annotated[bool, Field(description="Whether every condition holds.")]
    capstone: Annotated[
        Literal["none", "closed", "open", "passed"],
        Field(description="open: every condition would hold with the capstone passed."),
    ]
    conditions: list[ConditionView]
    conferral: ConferralView | None = None
    lost: Annotated[list[UUID], Field(description="Completions the conferral counted and that count no more.")] = []


class EnrolmentView(View):
    """An enrolment at a member with everything that was claimed for it."""

    enrolment_id: UUID
    reference: str
    revision: int
    award: AwardView
    opened_on: date
    closed_on: date | None
    entries: list[EntryView]
    totals: Totals
    frozen: Annotated[Totals, Field(description="What is frozen, and in no total.")]
    progress: Annotated[ProgressView | None, Field(description="Null while the award is not published.")] = None
    choice: Annotated[list[UUID], Field(description="What the learner chose to count first.")] = []


class MemberView(View):
    """What stands at one member."""

    member: str
    name: str | None
    framework: str | None
    learner_references: Annotated[list[str], Field(description="The member's own ids of the learner.")]
    appeals: Appeals | None
    own_credit: list[EntryView]
    enrolments: list[EnrolmentView]


class RecordView(View):
    """A learner's record at one version."""

    learner_id: UUID
    version: Annotated[int, Field(description="Rises with every change; the stream sends it.")]
    members: list[MemberView]


class PublishedLearner(View):
    """Who the learner is to the provider."""

    scheme: str
    identifier: Annotated[str, Field(description="Your identifier in the consortium, in its canonical form.")]
    reference: str


class PublishedScale(BaseModel):
    """The scale that a mark is on."""

    model_config = ConfigDict(frozen=True, serialize_by_alias=True)

    lowest: str
    passing: Annotated[str, Field(alias="pass")]
    highest: str


class PublishedUse(View):
    """A conferred award outside Concord that already counts this credit."""

    awarding_member: str | None = None
    title: str
    framework: str
    level: int
    ladder: str | None = None


class PublishedCompletion(View):
    """A completion as its member published it (documents.md); what nobody stated is left out."""

    reference: str
    revision: int
    learner: PublishedLearner
    learning_opportunity: Version
    credits: str
    framework: str
    level: int | None = None
    result: Result
    mark: str | None = None
    mark_scale: PublishedScale | None = None
    completed_on: date
    issued_on: date | None = None
    workload_hours: str | None = None
    identity_verified_at_assessment: bool
    used_for: PublishedUse | None = None
    title: str | None = None
    awarding_body: str | None = None
    learning_outcomes: list[str] | None = None
    assessment_type: str | None = None
    participation_form: str | None = None
    quality_assurance: str | None = None
    revoked: bool | None = None
    revocation_reason: str | None = None


class RecordDownload(View):
    """A learner's record to take along."""

    generated_at: datetime
    record: RecordView
    completions: Annotated[list[PublishedCompletion], Field(description="At their newest revision.")]
