"""What every event is: the whole state of one thing at revision n, under a type, a topic and a key."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from contracts.ids import event_id


def plain(number: Decimal) -> str:
    """Write a decimal without exponent and without trailing zeros, so that equal values are equal text."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


Instant = Annotated[AwareDatetime, Field(description="An instant, in UTC.")]
Framework = Literal["FHEQ", "SCQF", "EQF", "NFQ"]
MemberId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,39}$", description="A member of the consortium.")]
Reference = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", description="The member's own reference.")
]
LearningOpportunityId = Annotated[
    str,
    Field(
        max_length=200,
        pattern=r"^[a-z][a-z0-9-]{1,39}:[^\x00-\x20\x7f]{1,150}$",
        description="Its member's id, a colon, and the member's own code.",
    ),
]
Text = Annotated[str, Field(min_length=1, max_length=4000, pattern=r"^[^\x00]*$")]
Revision = Annotated[int, Field(ge=1, le=2**31 - 1)]
Level = Annotated[int, Field(ge=1, le=12, description="A level of the framework named beside it.")]
Quantity = Annotated[Decimal, PlainSerializer(plain, return_type=str, when_used="json")]
Credit = Annotated[
    Quantity, Field(gt=0, max_digits=8, decimal_places=2, description="Credit, in the unit of the framework named.")
]
Hours = Annotated[Quantity, Field(ge=0, max_digits=8, decimal_places=2, description="Notional hours of learning.")]
Mark = Annotated[Quantity, Field(max_digits=8, decimal_places=4, description="A mark, compared as given.")]


class Part(BaseModel):
    """A structure inside an event; unknown fields of a newer writer are kept and ignored."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, serialize_by_alias=True, validate_by_name=True)


class Event(Part):
    """A fact that a service publishes: JSON in the record's value, the envelope in its headers.

    TYPE is `<service>.<thing>.<past participle>.v<N>`, TOPIC `<service>.<thing>`; KEY names the field whose text
    is the record's key, so that one learner's events stay in order.
    """

    TYPE: ClassVar[str]
    TOPIC: ClassVar[str]
    KEY: ClassVar[str]

    @classmethod
    def is_about_a_learner(cls) -> bool:
        """Whether the key is a learner's pseudonym (otherwise it is the id of a member, an award, …)."""
        return cls.KEY == "learner_id"

    @property
    def key(self) -> str:
        """The text of the record's key."""
        return str(getattr(self, self.KEY))

    @property
    def natural_key(self) -> tuple[str, ...]:
        """What identifies the thing, in text; with `sequence` it makes the event's id."""
        raise NotImplementedError

    @property
    def sequence(self) -> int:
        """The revision (or number, or version) of the thing that this event states."""
        return int(getattr(self, "revision"))  # noqa: B009 - most events have it; those that do not override this

    @property
    def happened_at(self) -> datetime:
        """When the fact was committed, for the envelope's `ce_time`."""
        raise NotImplementedError

    @property
    def event_id(self) -> UUID:
        """UUIDv5 of type, natural key and sequence: the same fact has the same id however often it is sent."""
        return event_id(self.TYPE, self.natural_key, self.sequence)

    def to_bytes(self) -> bytes:
        """The record's value; equal events give equal bytes."""
        return self.model_dump_json().encode()


def json_schema(event: type[Event]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of an event's value."""
    schema = event.model_json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:concord:schema:{event.TYPE}",
        **schema,
    }
