"""Topic recognition.agreement: what members agreed, as published (documents.md, Agreement)."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import Field

from contracts.event import Event, Instant


class AgreementPublished(Event):
    """A version of an agreement was published; published versions never change."""

    TYPE: ClassVar[str] = "recognition.agreement.published.v1"
    TOPIC: ClassVar[str] = "recognition.agreement"
    KEY: ClassVar[str] = "agreement_id"

    agreement_id: Annotated[str, Field(min_length=1, max_length=100)]
    version: Annotated[int, Field(ge=1)]
    catalogue_number: Annotated[int, Field(ge=1, description="The number this publication took in the catalogue.")]
    document: Annotated[dict[str, Any], Field(description="The agreement as contracts/schemas/agreement.schema.json.")]
    document_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the document's JSON.")]
    published_at: Instant

    @property
    def natural_key(self) -> tuple[str, ...]:
        """The agreement."""
        return (self.agreement_id,)

    @property
    def sequence(self) -> int:
        """The version."""
        return self.version

    @property
    def happened_at(self) -> datetime:
        """When it was published."""
        return self.published_at
