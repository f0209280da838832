"""Topic recognition.award: what members award, as published (documents.md, Award definition)."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import Field

from contracts.event import Event, Instant


class AwardPublished(Event):
    """A version of an award definition was published; published versions never change."""

    TYPE: ClassVar[str] = "recognition.award.published.v1"
    TOPIC: ClassVar[str] = "recognition.award"
    KEY: ClassVar[str] = "award_id"

    award_id: Annotated[str, Field(min_length=1, max_length=100)]
    version: Annotated[int, Field(ge=1)]
    catalogue_number: Annotated[int, Field(ge=1, description="The number this publication took in the catalogue.")]
    document: Annotated[dict[str, Any], Field(description="The definition as contracts/schemas/award.schema.json.")]
    document_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the document's JSON.")]
    published_at: Instant

    @property
    def natural_key(self) -> tuple[str, ...]:
        """The award."""
        return (self.award_id,)

    @property
    def sequence(self) -> int:
        """The version."""
        return self.version

    @property
    def happened_at(self) -> datetime:
        """When it was published."""
        return self.published_at
