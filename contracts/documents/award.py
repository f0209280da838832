"""The award definition: what an award requires, and how much credit from elsewhere it takes (documents.md)."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from contracts.documents.values import Amount, Part, Slot, VersionNumber
from contracts.event import Framework, LearningOpportunityId, Level, MemberId, Text
from contracts.learner_record_enrolment import AwardId

CourseOrSlot = Annotated[
    str,
    Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", description="The id of a learning opportunity, or a slot."),
]
LevelKey = Annotated[int, Field(ge=1, le=12)]


class Category(Part):
    """A minimum of credit from some learning opportunities or slots."""

    name: Text
    minimum: Amount
    of: Annotated[tuple[CourseOrSlot, ...], Field(min_length=1)]


class Award(Part):
    """A version of an award definition; all credit in it is whole, and lint says where it is not."""

    EXAMPLE: ClassVar[Mapping[str, object]] = {
        "id": "glenmore:pgcert-data",
        "version": 1,
        "member": "glenmore",
        "title": "PGCert Data",
        "framework": "SCQF",
        "level": 11,
        "credits_required": "60",
        "minimum_by_level": {"11": "40"},
        "capstone": "glenmore:data-capstone",
        "import_cap": "40",
        "minimum_level": 10,
    }

    id: AwardId
    version: VersionNumber
    member: MemberId
    title: Text
    framework: Framework
    level: Level
    ladder: Annotated[Text | None, Field(description="Shared by awards that build on each other.")] = None
    credits_required: Amount
    minimum_by_level: Annotated[dict[LevelKey, Amount], Field(description="Credit at or above each level.")] = {}
    categories: tuple[Category, ...] = ()
    capstone: Annotated[LearningOpportunityId | None, Field(description="Studied at the awarding member.")] = None
    slots: Annotated[tuple[Slot, ...], Field(description="What specific credit may fill.")] = ()
    import_cap: Amount | None = None
    import_cap_by_level: dict[LevelKey, Amount] = {}
    same_level_cap: Amount | None = None
    minimum_level: Level

    @model_validator(mode="after")
    def _is_its_members(self) -> Self:
        for field, value in (("id", self.id), ("capstone", self.capstone)):
            if value is not None and not value.startswith(f"{self.member}:"):
                raise PydanticCustomError(
                    "not_its_members", 'should begin with "{member}:"', {"member": self.member, "field": field}
                )
        return self
