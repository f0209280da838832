"""Topic learner_record.award_progress: how far a learner is towards the award of an enrolment, and its conferral."""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.event import Event, Instant, MemberId, Part, Reference, Revision

Capstone = Literal["none", "closed", "open", "passed"]


class AwardVersion(Part):
    """The version of the award definition by which the progress is told."""

    id: str
    version: Annotated[int, Field(ge=1)]


class Conferral(Part):
    """A registry conferred the award: from then on, what it counted is used, and the enrolment is closed."""

    id: UUID
    award: AwardVersion
    conferred_on: date
    conferred_by: Annotated[str, Field(max_length=200, description="The registry's subject at the issuer.")]
    completions: Annotated[list[UUID], Field(description="What was counted: own credit and recognised.")]


class AwardProgressChanged(Event):
    """The capstone opened or closed, the award became eligible or not, was conferred, or lost what it rests on."""

    TYPE: ClassVar[str] = "learner_record.award_progress.changed.v1"
    TOPIC: ClassVar[str] = "learner_record.award_progress"
    KEY: ClassVar[str] = "learner_id"

    enrolment_id: UUID
    revision: Revision
    learner_id: Annotated[UUID, Field(description="Pseudonym; no event carries a name or an address.")]
    receiver: MemberId
    enrolment_reference: Reference
    award: AwardVersion
    eligible: Annotated[bool, Field(description="Whether every condition of the award holds.")]
    capstone: Annotated[Capstone, Field(description="open: every condition would hold with the capstone passed.")]
    conferral: Conferral | None = None
    lost: Annotated[
        list[UUID],
        Field(description="Completions that the conferral counted and that count no more: the registry looks at them."),
    ] = []
    changed_at: Instant

    @property
    def natural_key(self) -> tuple[str, ...]:
        """The enrolment."""
        return (str(self.enrolment_id),)

    @property
    def happened_at(self) -> datetime:
        """When this revision was committed."""
        return self.changed_at
