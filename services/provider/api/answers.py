"""What the interface answers; the models describe it, the bytes come from what is stored."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.event import Framework
from contracts.provider_completion import Element, Result
from services.provider.application.comparing import Outcome
from services.provider.documents import (
    Colours,
    LearningOpportunityDocument,
    LearningOpportunityVersion,
    MarkScale,
    MemberDocument,
    Use,
)


class MemberAnswer(MemberDocument):
    """A member at its newest revision."""

    member_id: str
    revision: int
    accepted_at: datetime


class FaceAnswer(BaseModel):
    """What everybody may see of a member."""

    member_id: str
    name: str
    colours: Colours


class LearningOpportunityAnswer(LearningOpportunityDocument):
    """A version of a learning opportunity at one revision."""

    learning_opportunity_id: str
    member: str
    missing_elements: list[str] = Field(description="What Annex I asks for and the member did not state.")
    body_hash: str
    accepted_at: datetime


class LearningOpportunityReceipt(BaseModel):
    """A line's answer where it was accepted; where it was not, the line is a problem with the `id`."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "northbridge:data-ethics",
                "version": 1,
                "revision": 1,
                "body_hash": "17af" + 60 * "0",
                "missing_elements": ["quality_assurance"],
                "accepted_at": "2026-07-15T08:30:00.000000Z",
                "status": 201,
            }
        }
    )

    id: str
    version: int
    revision: int
    body_hash: str = Field(description="SHA-256 of the accepted values.")
    missing_elements: list[str] = Field(description="What Annex I asks for and the member did not state.")
    accepted_at: datetime
    status: int = Field(description="201 new, 200 known already.")


class VersionNumbers(BaseModel):
    """A version there is, and its newest revision."""

    version: int
    revision: int


class LearningOpportunityWithVersions(LearningOpportunityAnswer):
    """The version asked for, or the newest, and which others there are."""

    versions: list[VersionNumbers]


class CompletionAnswer(BaseModel):
    """What became of a revision; the same whenever it is sent again."""

    reference: str
    completion_id: UUID
    revision: int
    body_hash: str = Field(description="SHA-256 of the accepted values; the event of this revision carries it too.")
    accepted_at: datetime
    claimable_from: datetime
    learner_is_matchable: bool = Field(description="False for a placeholder identifier.")
    missing_elements: list[Element] = Field(
        description="What neither the completion nor its learning opportunity stated; others refer it for that."
    )
    warnings: list[str]


class BulkAnswer(CompletionAnswer):
    """A line's answer where it was accepted; where it was not, the line is a problem with the `reference`."""

    status: int = Field(description="201 new, 200 known already.")


class StoredRevision(BaseModel):
    """The newest revision that is stored."""

    revision: int
    body_hash: str
    accepted_at: datetime


class Comparison(BaseModel):
    """How what is stored stands to a line that was sent; a line that could not be published is a problem instead."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "reference": "C-2026-0001",
                "status": 200,
                "outcome": "older",
                "revision": 2,
                "body_hash": "c94b" + 60 * "0",
                "stored": {"revision": 1, "body_hash": "17af" + 60 * "0", "accepted_at": "2026-07-15T08:30:00.000000Z"},
            }
        }
    )

    reference: str
    status: int = Field(description="200; a problem states its own.")
    outcome: Outcome = Field(
        description="What is stored is `same` (revision and hash), `missing`, `older` or `newer` (by revision), or"
        " `different` (the same revision with another hash)."
    )
    revision: int = Field(description="The revision that was sent.")
    body_hash: str = Field(description="SHA-256 of the values that were sent, as their publication would state it.")
    stored: StoredRevision | None = Field(description="Null where it is missing.")


class CompletionView(BaseModel):
    """A completion at its newest revision, as other members see it."""

    completion_id: UUID
    reference: str
    revision: int
    provider: str
    learner_reference: str
    learner_is_matchable: bool
    learning_opportunity: LearningOpportunityVersion
    title: str | None
    awarding_body: str | None
    credits: str
    framework: Framework
    level: int | None
    result: Result
    mark: str | None
    mark_scale: MarkScale | None
    completed_on: date
    issued_on: date | None
    workload_hours: str | None
    identity_verified_at_assessment: bool
    learning_outcomes: list[str] | None
    assessment_type: str | None
    participation_form: str | None
    quality_assurance: str | None
    used_for: Use | None
    revoked: bool
    revocation_reason: str | None
    missing_elements: list[Element]
    body_hash: str
    accepted_at: datetime
    claimable_from: datetime
    warnings: list[str]


class RevisionNumber(BaseModel):
    """A revision there is."""

    revision: int
    accepted_at: datetime


class CompletionWithRevisions(CompletionView):
    """A completion at its newest revision, and which others there are."""

    revisions: list[RevisionNumber]
