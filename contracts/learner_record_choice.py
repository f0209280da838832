"""Topic learner_record.choice: what a learner wants to count first, where not everything fits (decision.md, Step 5)."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from contracts.event import Event, Instant, MemberId, Revision


class ChoiceMade(Event):
    """A learner chose, for one enrolment, which completions come first: the whole choice at this revision."""

    TYPE: ClassVar[str] = "learner_record.choice.made.v1"
    TOPIC: ClassVar[str] = "learner_record.choice"
    KEY: ClassVar[str] = "learner_id"

    enrolment_id: UUID
    revision: Revision
    learner_id: Annotated[UUID, Field(description="Pseudonym; no event carries a name or an address.")]
    receiver: MemberId
    completions: Annotated[
        list[UUID], Field(max_length=200, description="The first is granted first; empty: the choice is taken back.")
    ]
    made_at: Instant

    @property
    def natural_key(self) -> tuple[str, ...]:
        """The enrolment: it has one choice."""
        return (str(self.enrolment_id),)

    @property
    def happened_at(self) -> datetime:
        """When the choice was committed."""
        return self.made_at
