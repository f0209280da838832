"""Topic learner_record.enrolment: who studies for which award (documents.md, Enrolment)."""

from datetime import date, datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from contracts.event import Event, Instant, MemberId, Reference, Revision

AwardId = Annotated[str, Field(max_length=100, pattern=r"^[a-z][a-z0-9-]{1,39}:[^\x00-\x20\x7f]{1,59}$")]


class EnrolmentRecorded(Event):
    """A member opened, changed or closed an enrolment: its whole state at this revision."""

    TYPE: ClassVar[str] = "learner_record.enrolment.recorded.v1"
    TOPIC: ClassVar[str] = "learner_record.enrolment"
    KEY: ClassVar[str] = "learner_id"

    enrolment_id: UUID
    revision: Revision
    receiver: MemberId
    reference: Reference
    learner_id: Annotated[UUID, Field(description="Pseudonym; no event carries a name or an address.")]
    learner_reference: Annotated[Reference, Field(description="The receiver's own id of the learner.")]
    award: AwardId
    opened_on: date
    closed_on: date | None = None
    accepted_at: Instant

    @property
    def natural_key(self) -> tuple[str, ...]:
        """The enrolment."""
        return (str(self.enrolment_id),)

    @property
    def happened_at(self) -> datetime:
        """When the revision was accepted."""
        return self.accepted_at
