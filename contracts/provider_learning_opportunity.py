"""Topic provider.learning_opportunity: what members offer (documents.md, Learning opportunity)."""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from contracts.event import (
    Credit,
    Event,
    Framework,
    Hours,
    Instant,
    LearningOpportunityId,
    Level,
    MemberId,
    Revision,
    Text,
)

Kind = Literal["standalone", "stackable", "capstone"]


class LearningOpportunityPublished(Event):
    """A member published or changed a version of a learning opportunity: its whole state at this revision."""

    TYPE: ClassVar[str] = "provider.learning_opportunity.published.v1"
    TOPIC: ClassVar[str] = "provider.learning_opportunity"
    KEY: ClassVar[str] = "learning_opportunity_id"

    learning_opportunity_id: LearningOpportunityId
    version: Annotated[int, Field(ge=1)]
    revision: Revision
    member: MemberId
    kind: Kind
    title: Text | None = None
    awarding_body: Text | None = None
    credits: Credit
    framework: Framework
    level: Level | None = None
    workload_hours: Hours | None = None
    learning_outcomes: list[Text] | None = None
    assessment_type: Text | None = None
    participation_form: Text | None = None
    quality_assurance: Text | None = None
    subject: Text | None = None
    skills: list[Text] = []
    language: Text | None = None
    starts_on: date | None = None
    url: Text | None = None
    accepted_at: Instant

    @property
    def natural_key(self) -> tuple[str, ...]:
        """Id and version: one thing."""
        return (self.learning_opportunity_id, str(self.version))

    @property
    def happened_at(self) -> datetime:
        """When the revision was accepted."""
        return self.accepted_at
