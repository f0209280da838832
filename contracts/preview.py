"""Where a learning opportunity would count: the question that services pass on, and recognition's answer (REST)."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from contracts.documents.values import Amount, Day, Part
from contracts.event import Framework, LearningOpportunityId, Level, MemberId, Quantity
from contracts.learner_record_enrolment import AwardId
from contracts.provider_completion import Result
from contracts.recognition_decision import Ground, Line, State, Version


class Offered(Part):
    """A learning opportunity, in a version or in its newest."""

    id: LearningOpportunityId
    version: Annotated[int | None, Field(ge=1, le=2**31 - 1, description="Default: the newest.")] = None


class Question(Part):
    """Where would this learning opportunity count? What is left out is assumed as it says."""

    EXAMPLE: ClassVar[Mapping[str, object]] = {"learning_opportunity": {"id": "northbridge:data-ethics"}, "mark": "62"}

    learning_opportunity: Offered
    result: Result = "pass"
    mark: Annotated[Amount | None, Field(description="Default: none is stated, which some agreements refuse.")] = None
    completed_on: Annotated[Day | None, Field(description="Default: today.")] = None
    workload_hours: Annotated[Amount | None, Field(description="Default: none are stated.")] = None
    receiver: Annotated[MemberId | None, Field(description="Only at this member.")] = None
    award: Annotated[AwardId | None, Field(description="Only for this award.")] = None


class Opportunity(BaseModel):
    """The learning opportunity that is asked about, as its provider offers it."""

    id: LearningOpportunityId
    version: int
    title: str | None
    provider: MemberId
    credits: Quantity
    framework: Framework
    level: Level | None


class Assumed(BaseModel):
    """What was assumed of the completion that is not there yet; the claim is judged on `claimed_on`.

    Besides, that nothing is missing in it, and that the learner's identity was verified.
    """

    result: Result
    mark: Quantity | None
    completed_on: date
    claimed_on: date


class Besides(BaseModel):
    """What would change for another completion of the learner's in the same enrolment."""

    completion_id: UUID
    completion_reference: str
    state: State
    explanation: str


class WouldCount(BaseModel):
    """What would be decided in one enrolment, or for somebody who enrols for the award on that day.

    Without a `state`, `waits_for` says what is not known yet.
    """

    receiver: MemberId
    award: str
    award_version: int | None
    enrolment_id: Annotated[UUID | None, Field(description="Null for an award for which one would enrol.")]
    enrolment_reference: str | None
    state: State | None
    waits_for: Literal["award", "receiver", "provider"] | None
    agreement: Version | None
    grade: Quantity | None
    grounds: list[Ground]
    lines: Annotated[list[Line], Field(description="Credit that would be granted, in the receiver's unit.")]
    explanation: Annotated[str, Field(description="The same as one plain English paragraph.")]
    besides: list[Besides]


class PreviewAnswer(BaseModel):
    """Where it would count: enrolments first, then awards, each from the best state to the worst; nothing is kept."""

    learning_opportunity: Opportunity
    assumed: Assumed
    would_count: list[WouldCount]
