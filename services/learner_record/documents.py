"""What members send: enrolments, strict and without unknown fields (documents.md, Enrolment)."""

import hashlib
import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from chassis.problems import Fault
from contracts.event import Reference, Revision
from contracts.learner_record_enrolment import AwardId

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


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


class Document(BaseModel):
    """A document, or a part of one: strict, unchangeable, without fields that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class LearnerDocument(Document):
    """Who is enrolled: the identifier that other members know, and the member's own id of the learner."""

    scheme: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f]+$")]
    identifier: Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]
    reference: Reference


class EnrolmentDocument(Document):
    """An enrolment at one revision; its reference is in the address, or in its bulk line."""

    revision: Revision
    learner: LearnerDocument
    award: AwardId
    opened_on: Day
    closed_on: Day | None = None

    def faults(self, member: str) -> Iterator[Fault]:
        """What is wrong with it where no field is wrong by itself, sent by this member."""
        if not self.award.startswith(f"{member}:"):
            yield Fault("award", self.award, f"an award of your own: `{member}:` and its code")
        if self.closed_on is not None and self.closed_on < self.opened_on:
            yield Fault("closed_on", self.closed_on, f"no day before opened_on, {self.opened_on}")

    def body_hash(self, learner_id: str) -> str:
        """SHA-256 of the document's values, with the learner's pseudonym in the identifier's place.

        Other white space, order or way in (a bulk line has its reference) is no other body; and an identifier of ten
        digits would be found from its hash.
        """
        body: dict[str, Any] = self.model_dump(mode="json", exclude_none=True, exclude={"learner", "reference"})
        body["learner"] = {"learner_id": learner_id, "reference": self.learner.reference}
        return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


class EnrolmentLine(EnrolmentDocument):
    """A line of a bulk request: an enrolment with its reference."""

    reference: Reference
