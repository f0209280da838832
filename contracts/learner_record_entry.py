"""Topic learner_record.entry: what stands on a learner's record, and since when everybody can see it."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.event import Event, Instant, MemberId, Revision

EntryState = Literal[
    "EARNED", "REVOKED", "RECEIVED", "RECOGNISED", "PARTIAL", "INCOMPLETE", "REFERRED", "DECLINED", "INVALID"
]


class EntryUpdated(Event):
    """An entry of a learner's record changed: own credit (EARNED, REVOKED), or what became of it for an enrolment."""

    TYPE: ClassVar[str] = "learner_record.entry.updated.v1"
    TOPIC: ClassVar[str] = "learner_record.entry"
    KEY: ClassVar[str] = "learner_id"

    entry_id: UUID
    revision: Revision
    learner_id: Annotated[UUID, Field(description="Pseudonym; no event carries a name or an address.")]
    member: Annotated[MemberId, Field(description="At whose portal the entry stands: the provider, or the receiver.")]
    completion_id: UUID
    completion_revision: Revision
    enrolment_id: UUID | None = None
    decision_id: UUID | None = None
    decision_number: Annotated[int, Field(ge=1)] | None = None
    state: EntryState
    updated_at: Instant

    @property
    def natural_key(self) -> tuple[str, ...]:
        """The entry."""
        return (str(self.entry_id),)

    @property
    def happened_at(self) -> datetime:
        """When the entry was committed, and so visible."""
        return self.updated_at
