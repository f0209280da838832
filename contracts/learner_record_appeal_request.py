"""Topic learner_record.appeal_request: a learner appeals (domain.md, "Life after the first decision").

What the learner writes stays with learner_record, since it may name people; officers read it there.
"""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from contracts.event import Event, Instant, MemberId, Revision


class AppealRequestLodged(Event):
    """A learner lodged an appeal against a decision, took it to its next stage, or withdrew it."""

    TYPE: ClassVar[str] = "learner_record.appeal_request.lodged.v1"
    TOPIC: ClassVar[str] = "learner_record.appeal_request"
    KEY: ClassVar[str] = "learner_id"

    appeal_id: Annotated[UUID, Field(description="One for each decision that is appealed against.")]
    revision: Revision
    learner_id: Annotated[UUID, Field(description="Pseudonym; no event carries a name or an address.")]
    receiver: MemberId
    completion_id: UUID
    enrolment_id: UUID
    decision_id: UUID
    decision_number: Annotated[int, Field(ge=1)]
    stage: Annotated[int, Field(ge=1, description="Which of the receiver's stages of appeal is asked for.")]
    withdrawn: bool = False
    lodged_at: Instant

    @property
    def natural_key(self) -> tuple[str, ...]:
        """The appeal."""
        return (str(self.appeal_id),)

    @property
    def happened_at(self) -> datetime:
        """When this revision was committed."""
        return self.lodged_at
