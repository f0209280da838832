"""Topic recognition.decision: what was decided on a completion for an enrolment, with every ground (decision.md)."""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.event import Event, Instant, Mark, MemberId, Part, Quantity, Reference, Revision

State = Literal["RECOGNISED", "PARTIAL", "INCOMPLETE", "REFERRED", "DECLINED", "INVALID"]
CauseKind = Annotated[
    str,
    Field(
        description="completion, revision, revocation, enrolment, agreement, award, member, choice, officer, appeal, "
        "given_back, conferral; open: a reader shows what it does not know."
    ),
]


class Version(Part):
    """A version of a document that a decision rests on."""

    id: str
    version: Annotated[int, Field(ge=1)]


class Ground(Part):
    """One reason: its code (open), what it rests on, what was compared with what, and one plain sentence."""

    code: str
    state: State
    document: Annotated[str, Field(description="Id of the agreement or award, or `consortium`.")]
    version: int | None
    clause: Annotated[str, Field(description="JSON pointer into the document, or the consortium rule's name.")]
    compared: dict[str, str]
    sentence: str


class Line(Part):
    """Credit that a grant gives: specific credit fills a slot, general credit counts towards volume only."""

    slot: str
    credits: Annotated[Quantity, Field(gt=0, description="In the receiver's unit; a whole number of hundredths.")]
    level: int
    kind: Literal["specific", "general"]


class Grant(Part):
    """What is granted on the strength of these completions together; frozen, it counts in no total."""

    id: UUID
    completions: list[UUID]
    lines: list[Line]
    frozen: bool = False


class Cause(Part):
    """Why this decision was made: the kind of change, and the event that brought it where there is one."""

    kind: CauseKind
    event_id: UUID | None = None


class DecisionMade(Event):
    """Recognition decided a completion for an enrolment, for the number-th time: the current state of that claim."""

    TYPE: ClassVar[str] = "recognition.decision.made.v1"
    TOPIC: ClassVar[str] = "recognition.decision"
    KEY: ClassVar[str] = "learner_id"

    decision_id: UUID
    number: Annotated[int, Field(ge=1)]
    completion_id: UUID
    completion_revision: Revision
    enrolment_id: UUID
    learner_id: Annotated[UUID, Field(description="Pseudonym; no event carries a name or an address.")]
    provider: MemberId
    completion_reference: Reference
    provider_learner_reference: Reference
    receiver: MemberId
    enrolment_reference: Reference
    receiver_learner_reference: Reference
    state: State
    grounds: list[Ground]
    grade: Mark | None = None
    cause: Cause
    agreement: Version | None
    award: Version
    claimed_on: Annotated[date, Field(description="The day on which the claim is judged.")]
    conferrals: Annotated[list[UUID], Field(description="The conferrals that this decision knew of.")] = []
    grant: Grant | None = None
    decided_at: Instant

    @property
    def natural_key(self) -> tuple[str, ...]:
        """The claim: completion and enrolment."""
        return (str(self.completion_id), str(self.enrolment_id))

    @property
    def sequence(self) -> int:
        """The decision's number."""
        return self.number

    @property
    def happened_at(self) -> datetime:
        """When the decision was committed."""
        return self.decided_at
