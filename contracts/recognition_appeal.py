"""Topic recognition.appeal: how an appeal stands at the receiver, and how it ended."""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.event import Event, Instant, MemberId, Revision, Text

AppealState = Literal["open", "upheld", "dismissed", "withdrawn"]


class AppealChanged(Event):
    """An appeal was taken up, decided by an officer, or withdrawn: its whole state at this revision."""

    TYPE: ClassVar[str] = "recognition.appeal.changed.v1"
    TOPIC: ClassVar[str] = "recognition.appeal"
    KEY: ClassVar[str] = "learner_id"

    appeal_id: UUID
    revision: Revision
    learner_id: Annotated[UUID, Field(description="Pseudonym; no event carries a name or an address.")]
    receiver: MemberId
    completion_id: UUID
    enrolment_id: UUID
    decision_id: Annotated[UUID, Field(description="The decision that is appealed against.")]
    stage: Annotated[int, Field(ge=1)]
    stages: Annotated[int, Field(ge=1, description="How many stages the receiver has; after the last there is none.")]
    state: AppealState
    due_on: Annotated[date, Field(description="The day by which this stage is to be decided.")]
    next_stage_until: Annotated[
        date | None, Field(description="Until when a dismissed appeal can be taken to the next stage.")
    ] = None
    outcome_decision_id: Annotated[UUID | None, Field(description="The decision that an upheld appeal led to.")] = None
    reasons: Annotated[Text | None, Field(description="Why it ended so, for the learner.")] = None
    decided_by: Annotated[str | None, Field(max_length=200, description="The officer's subject at the issuer.")] = None
    changed_at: Instant

    @property
    def natural_key(self) -> tuple[str, ...]:
        """The appeal."""
        return (str(self.appeal_id),)

    @property
    def happened_at(self) -> datetime:
        """When this revision was committed."""
        return self.changed_at
