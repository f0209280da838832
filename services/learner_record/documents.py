"""What members send: enrolments, strict and without unknown fields (documents.md, Enrolment)."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from chassis.documents import Day, Document, LearnersDocument, Line
from chassis.problems import Fault
from contracts.learner_record_enrolment import AwardId


class EnrolmentDocument(LearnersDocument):
    """An enrolment at one revision; its reference is in the address, or in its bulk line."""

    EXAMPLE: ClassVar[Mapping[str, object]] = {
        "revision": 1,
        "learner": {
            "scheme": "ESI",
            "identifier": "urn:schac:personalUniqueCode:int:esi:northbridge.example:4711",
            "reference": "G-0815",
        },
        "award": "glenmore:pgcert-data",
        "opened_on": "2026-09-01",
    }

    award: AwardId
    opened_on: Day
    closed_on: Day | None = None

    def faults(self, member: str) -> Iterator[Fault]:
        """What is wrong with it where no field is wrong by itself, sent by this member."""
        if not self.award.startswith(f"{member}:"):
            yield Fault("award", self.award, f"an award of your own: `{member}:` and its code")
        if self.closed_on is not None and self.closed_on < self.opened_on:
            yield Fault("closed_on", self.closed_on, f"no day before opened_on, {self.opened_on}")


class ConferralDocument(Document):
    """What a registry confers: the credit that it counts (all that counts, where none is named), and when."""

    EXAMPLE: ClassVar[Mapping[str, object]] = {"conferred_on": "2026-07-20"}

    completions: Annotated[
        tuple[UUID, ...] | None, Field(min_length=1, max_length=500, description="Default: all that counts.")
    ] = None
    conferred_on: Annotated[Day | None, Field(description="Default: today.")] = None


class ChoiceDocument(Document):
    """What a learner wants to count first in an enrolment."""

    EXAMPLE: ClassVar[Mapping[str, object]] = {"completions": ["0e3c237e-fa69-5d58-8178-fb6d849d9580"]}

    completions: Annotated[
        tuple[UUID, ...], Field(max_length=200, description="The first comes first; empty: the choice is taken back.")
    ]


class AppealDocument(Document):
    """An appeal against a decision, at one of the receiver's stages."""

    EXAMPLE: ClassVar[Mapping[str, object]] = {
        "stage": 1,
        "statement": "My resit was not taken into account.",
    }

    stage: Annotated[int, Field(ge=1, le=20, description="1 is the first.")] = 1
    statement: Annotated[
        str, Field(min_length=1, max_length=10_000, pattern=r"^[^\x00]*$", description="Why; officers read it.")
    ]
    withdrawn: bool = False


class ErasureDocument(Document):
    """Who is to be forgotten, by the one thing of the two that is known, and why."""

    EXAMPLE: ClassVar[Mapping[str, object]] = {
        "identifier": "urn:schac:personalUniqueCode:int:esi:northbridge.example:4711",
        "why": "Asked for by the learner",
    }

    learner_id: Annotated[UUID | None, Field(description="The pseudonym, as the learner's export states it.")] = None
    identifier: Annotated[
        str | None, Field(min_length=1, max_length=255, description="In the consortium's scheme.")
    ] = None
    why: Annotated[
        str,
        Field(min_length=1, max_length=1_000, pattern=r"^[^\x00]*$", description="It stays: name nobody in it."),
    ]

    def faults(self) -> Iterator[Fault]:
        """Exactly one of the two."""
        if (self.learner_id is None) == (self.identifier is None):
            yield Fault("learner_id", self.learner_id, "either learner_id or identifier, and not both")


class EnrolmentLine(EnrolmentDocument, Line):
    """A line of a bulk request: an enrolment with its reference."""

    EXAMPLE: ClassVar[Mapping[str, object]] = {"reference": "E-2026-0001", **EnrolmentDocument.EXAMPLE}
