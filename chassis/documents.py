"""What documents and requests have in common: strict shapes, days and instants, learners, revisions (documents.md)."""

import hashlib
import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from contracts.event import Reference, Revision

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT: Final = re.compile(
    rf"{_DAY.pattern}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(\.[0-9]+)?(Z|[+-][0-9]{{2}}:[0-9]{{2}})"
)


def _day(value: object) -> date:
    if isinstance(value, date):
        return value
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise PydanticCustomError("day", "a day of the calendar as YYYY-MM-DD, such as 2026-06-30")


Day = Annotated[
    date,
    PlainValidator(_day),
    PlainSerializer(date.isoformat, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date"}),
]


def _instant(value: object) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    if isinstance(value, str) and _INSTANT.fullmatch(value.upper()):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):  # no such day, or before the first or after the last in UTC
            pass
    raise PydanticCustomError("instant", "an instant with its zone, such as 2026-01-31T12:00:00Z")


Instant = Annotated[datetime, PlainValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
"""An instant as RFC 3339 writes it, in UTC; pydantic's own would take a number, also as text: seconds since 1970."""


class Document(BaseModel):
    """A document, or a part of one: strict, unchangeable, without fields that nobody knows."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        validate_by_name=False,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the document's values: other white space, order or spelling of a number is no other body."""
        return self._hash(self.model_dump(mode="json", exclude_none=True))

    @staticmethod
    def _hash(body: dict[str, Any]) -> str:
        # Fields that state nothing are left out, so that a field added one day changes no stored body.
        return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


class LearnerDocument(Document):
    """Who the learner is: the identifier that other members know, and the member's own id of the learner.

    A missing scheme or identifier is refused where the consortium's scheme is known and can be named.
    """

    scheme: Annotated[
        str | None, Field(max_length=40, description="The consortium's one identifier scheme; required.")
    ] = None
    identifier: Annotated[
        str | None, Field(max_length=300, description="The learner's identifier in that scheme; required.")
    ] = None
    reference: Reference


class LearnersDocument(Document):
    """Something about a learner at one revision; its reference is in the address, or in its bulk line."""

    revision: Revision
    learner: LearnerDocument

    def body_hash(self, learner_id: str) -> str:
        """The fingerprint, with the learner's pseudonym in the identifier's place.

        The hash is in events, and an identifier of ten digits would be found from it by trying them all. The
        reference names the thing and is no part of its body, however it was sent.
        """
        body = self.model_dump(mode="json", exclude_none=True, exclude={"reference"})
        body["learner"] = {"learner_id": learner_id, "reference": self.learner.reference}
        return self._hash(body)


class Line(LearnersDocument):
    """A line of a bulk request: the document with its reference."""

    reference: Reference
