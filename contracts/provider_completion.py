"""Topic provider.completion: what learners completed (documents.md, Completion; domain.md on what it must carry)."""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.event import (
    Credit,
    Event,
    Framework,
    Hours,
    Instant,
    LearningOpportunityId,
    Level,
    Mark,
    MemberId,
    Part,
    Reference,
    Revision,
    Text,
)

Result = Literal["pass", "compensated", "fail", "not_assessed", "pending"]
Element = Literal[
    "title",
    "awarding_body",
    "issued_on",
    "learning_outcomes",
    "workload",
    "assessment_type",
    "participation_form",
    "quality_assurance",
]


class LearningOpportunityVersion(Part):
    """Which learning opportunity, in which version."""

    id: LearningOpportunityId
    version: Annotated[int, Field(ge=1)]


class MarkScale(Part):
    """The scale a mark is on; a higher mark is better."""

    lowest: Mark
    pass_: Annotated[Mark, Field(alias="pass", serialization_alias="pass")]
    highest: Mark


class Use(Part):
    """A conferred award outside Concord that already counts this credit."""

    awarding_member: MemberId | None = None
    title: Text
    framework: Framework
    level: Level
    ladder: Text | None = None


class CompletionPublished(Event):
    """A provider published, corrected or revoked a completion: its whole state at this revision.

    What the completion left to its learning opportunity is filled in; what neither stated is named in
    `missing_elements` (workload and mark aside).
    """

    TYPE: ClassVar[str] = "provider.completion.published.v1"
    TOPIC: ClassVar[str] = "provider.completion"
    KEY: ClassVar[str] = "learner_id"

    completion_id: UUID
    revision: Revision
    provider: MemberId
    reference: Reference
    learner_id: Annotated[UUID, Field(description="Pseudonym; no event carries a name or an address.")]
    learner_reference: Annotated[Reference, Field(description="The provider's own id of the learner.")]
    learner_is_matchable: Annotated[
        bool, Field(description="False for a placeholder identifier: nobody can match this learner elsewhere.")
    ] = True
    learning_opportunity: LearningOpportunityVersion
    title: Text | None = None
    awarding_body: Text | None = None
    credits: Credit
    framework: Framework
    level: Level | None = None
    result: Result
    mark: Mark | None = None
    mark_scale: MarkScale | None = None
    completed_on: date
    issued_on: date | None = None
    workload_hours: Hours | None = None
    identity_verified_at_assessment: bool
    learning_outcomes: list[Text] | None = None
    assessment_type: Text | None = None
    participation_form: Text | None = None
    quality_assurance: Text | None = None
    used_for: Use | None = None
    revoked: bool = False
    revocation_reason: Text | None = None
    missing_elements: list[Element] = []
    body_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the accepted body.")]
    accepted_at: Instant
    claimable_from: Annotated[
        Instant, Field(description="Acceptance of the first revision, or of the latest with another result or date.")
    ]

    @property
    def natural_key(self) -> tuple[str, ...]:
        """The completion."""
        return (str(self.completion_id),)

    @property
    def happened_at(self) -> datetime:
        """When the revision was accepted."""
        return self.accepted_at
