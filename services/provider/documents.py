"""What members send: strict documents, whose unknown fields and malformed values are refused (documents.md).

Credit, hours and marks are text, so that no binary fraction comes between two systems. What needs two fields to be
judged is in `faults`, which every document has besides the shape that pydantic checks.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from chassis.documents import Day, Document, LearnersDocument, Line
from chassis.learners import Malformed, ukprn
from chassis.problems import Fault
from contracts.event import Framework, LearningOpportunityId, MemberId, Revision, Text, plain
from contracts.provider_completion import Result
from contracts.provider_learning_opportunity import Kind
from services.provider.domain.description import Description
from services.provider.domain.frameworks import level_is_of_framework, levels_in_words
from services.provider.domain.marks import Scale

_CREDIT: Final = re.compile(r"[0-9]{1,6}(\.[0-9]{1,2})?")
_MARK: Final = re.compile(r"-?[0-9]{1,4}(\.[0-9]{1,4})?")


def _credit(value: object) -> Decimal:
    if isinstance(value, str) and _CREDIT.fullmatch(value) and (number := Decimal(value)) > 0:
        return number
    raise PydanticCustomError("credit", 'text of a number above 0 with at most two decimals, such as "15" or "7.5"')


def _hours(value: object) -> Decimal:
    if isinstance(value, str) and _CREDIT.fullmatch(value):
        return Decimal(value)
    raise PydanticCustomError("hours", 'text of a number, 0 or more, with at most two decimals, such as "150"')


def _mark(value: object) -> Decimal:
    if isinstance(value, str) and _MARK.fullmatch(value):
        return Decimal(value)
    raise PydanticCustomError("mark", 'text of a number with at most four decimals, such as "62" or "62.5"')


_PLAIN: Final = PlainSerializer(plain, return_type=str, when_used="json")
Credit = Annotated[
    Decimal, PlainValidator(_credit), _PLAIN, WithJsonSchema({"type": "string", "pattern": f"^{_CREDIT.pattern}$"})
]
Hours = Annotated[
    Decimal, PlainValidator(_hours), _PLAIN, WithJsonSchema({"type": "string", "pattern": f"^{_CREDIT.pattern}$"})
]
Mark = Annotated[
    Decimal, PlainValidator(_mark), _PLAIN, WithJsonSchema({"type": "string", "pattern": f"^{_MARK.pattern}$"})
]
Level = Annotated[int, Field(ge=1, le=12, description="A level of the framework named beside it.")]
Version = Annotated[int, Field(ge=1, le=2**31 - 1)]
Address = Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\x00-\x20\x7f\"<>]+$")]
Outcomes = Annotated[list[Text], Field(max_length=100)]


class Colours(Document):
    """A member's colours on the portal's pages, as CSS hexadecimal colours."""

    primary: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
    accent: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class Suspension(Document):
    """A period in which agreements with a member decide nothing; both days included, open where `until` is null."""

    since: Annotated[Day, Field(alias="from")]
    until: Day | None = None
    reason: Text


class Appeals(Document):
    """How a learner appeals against a member's decision; shown with every decline."""

    route: Text
    days: Annotated[int, Field(ge=1, le=365, description="Days within which an appeal is lodged.")]
    stages: Annotated[list[Text], Field(min_length=1, max_length=20)]


class MemberDocument(Document):
    """A member as the consortium's registry states it (documents.md, Member); the service numbers revisions."""

    EXAMPLE: ClassVar[Mapping[str, object]] = {
        "name": "University of Northbridge",
        "colours": {"primary": "#1d3f72", "accent": "#e0a526"},
        "country": "GB",
        "framework": "FHEQ",
        "joined_on": "2024-09-01",
        "referrals_to": "recognition@northbridge.example",
        "appeals": {
            "route": "appeals@northbridge.example",
            "days": 20,
            "stages": ["Head of registry", "Appeals board"],
        },
    }

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
    colours: Colours
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2.")]
    ukprn: Annotated[str | None, Field(description="UK Provider Reference Number: it identifies, no more.")] = None
    framework: Framework
    suspensions: Annotated[list[Suspension], Field(max_length=200)] = []
    joined_on: Day
    left_on: Day | None = None
    public_keys: Annotated[list[Text], Field(max_length=20)] = []
    referrals_to: Text
    appeals: Appeals

    def faults(self) -> Iterator[Fault]:
        """A UKPRN that is none, and periods that end before they begin."""
        if self.ukprn is not None:
            try:
                ukprn(self.ukprn)
            except Malformed as malformed:
                yield malformed.fault
        if self.left_on is not None and self.left_on < self.joined_on:
            yield Fault("left_on", self.left_on, f"no day before joined_on, {self.joined_on}")
        for nth, suspension in enumerate(self.suspensions):
            if suspension.until is not None and suspension.until < suspension.since:
                yield Fault(f"suspensions.{nth}.until", suspension.until, f"no day before its from, {suspension.since}")


class LearningOpportunityDocument(Document):
    """A learning opportunity in one version (documents.md); elements of Annex I may be absent."""

    EXAMPLE: ClassVar[Mapping[str, object]] = {
        "version": 1,
        "revision": 1,
        "kind": "stackable",
        "title": "Data Ethics",
        "awarding_body": "University of Northbridge",
        "credits": "15",
        "framework": "FHEQ",
        "level": 7,
        "workload_hours": "150",
        "learning_outcomes": ["Weigh the interests of those whose data is used"],
        "assessment_type": "Coursework, individually assessed",
        "participation_form": "Online",
        "quality_assurance": "Reviewed by the university every three years",
        "subject": "0612",
        "language": "en",
    }

    version: Version
    revision: Revision
    kind: Kind
    title: Text | None = None
    awarding_body: Text | None = None
    credits: Credit
    framework: Framework
    level: Level | None = None
    workload_hours: Hours | None = None
    learning_outcomes: Outcomes | None = None
    assessment_type: Text | None = None
    participation_form: Text | None = None
    quality_assurance: Text | None = None
    subject: Annotated[str, Field(pattern=r"^[0-9]{2,4}$", description="ISCED-F code.")] | None = None
    skills: Annotated[list[Address], Field(max_length=200, description="ESCO URIs.")] = []
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$")] | None = None
    starts_on: Day | None = None
    url: Address | None = None

    @property
    def body(self) -> dict[str, Any]:
        """What it states, in JSON; the id names the thing and is no part of it, however it was sent."""
        return self.model_dump(mode="json", exclude={"id"})

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what it states."""
        return self._hash({name: value for name, value in self.body.items() if value is not None})

    def faults(self) -> Iterator[Fault]:
        """A level that its framework does not have."""
        if self.level is not None and not level_is_of_framework(self.framework, self.level):
            yield Fault("level", self.level, levels_in_words(self.framework))

    @property
    def description(self) -> Description:
        """What a completion may leave to this learning opportunity."""
        return _description(self)


class LearningOpportunityLine(LearningOpportunityDocument):
    """A line of a bulk request: a learning opportunity with its id."""

    EXAMPLE: ClassVar[Mapping[str, object]] = {
        "id": "northbridge:data-ethics",
        **LearningOpportunityDocument.EXAMPLE,
    }

    id: LearningOpportunityId


class LearningOpportunityVersion(Document):
    """Which learning opportunity, in which version."""

    id: LearningOpportunityId
    version: Version


class MarkScale(Document):
    """The scale a mark is on; a higher mark is better."""

    lowest: Mark
    passing: Annotated[Mark, Field(alias="pass")]
    highest: Mark

    @property
    def scale(self) -> Scale:
        """The scale, to judge a mark by."""
        return Scale(self.lowest, self.passing, self.highest)


class Use(Document):
    """A conferred award outside Concord that already counts this credit."""

    awarding_member: MemberId | None = None
    title: Text
    framework: Framework
    level: Level
    ladder: Text | None = None


class CompletionDocument(LearnersDocument):
    """A completion at one revision (documents.md, Completion); its reference is in the address, or in its bulk line."""

    EXAMPLE: ClassVar[Mapping[str, object]] = {
        "revision": 1,
        "learner": {
            "scheme": "ESI",
            "identifier": "urn:schac:personalUniqueCode:int:esi:northbridge.example:4711",
            "reference": "S-4711",
        },
        "learning_opportunity": {"id": "northbridge:data-ethics", "version": 1},
        "credits": "15",
        "framework": "FHEQ",
        "level": 7,
        "result": "pass",
        "mark": "62.5",
        "mark_scale": {"lowest": "0", "pass": "40", "highest": "100"},
        "completed_on": "2026-06-30",
        "issued_on": "2026-07-15",
        "identity_verified_at_assessment": True,
    }

    learning_opportunity: LearningOpportunityVersion
    credits: Credit
    framework: Framework
    level: Level | None = None
    result: Result
    mark: Mark | None = None
    mark_scale: MarkScale | None = None
    completed_on: Day
    issued_on: Day | None = None
    workload_hours: Hours | None = None
    identity_verified_at_assessment: bool
    used_for: Use | None = None
    title: Text | None = None
    awarding_body: Text | None = None
    learning_outcomes: Outcomes | None = None
    assessment_type: Text | None = None
    participation_form: Text | None = None
    quality_assurance: Text | None = None
    revoked: bool = False
    revocation_reason: Text | None = None

    def faults(self) -> Iterator[Fault]:
        """A level that its framework does not have, a scale in disorder, a mark that is not on it."""
        if self.level is not None and not level_is_of_framework(self.framework, self.level):
            yield Fault("level", self.level, levels_in_words(self.framework))
        used_for = self.used_for
        if used_for is not None and not level_is_of_framework(used_for.framework, used_for.level):
            yield Fault("used_for.level", used_for.level, levels_in_words(used_for.framework))
        if self.mark_scale is not None:
            scale = self.mark_scale.scale
            if not scale.is_in_order():
                stated = self.mark_scale.model_dump(mode="json")
                yield Fault("mark_scale", stated, "lowest below highest, and pass from lowest to highest")
            elif self.mark is not None and not scale.holds(self.mark):
                on_it = f"a mark from {plain(scale.lowest)} to {plain(scale.highest)}, as mark_scale says"
                yield Fault("mark", plain(self.mark), on_it)

    @property
    def description(self) -> Description:
        """What the completion states itself of what it may leave to its learning opportunity."""
        return _description(self)


class CompletionLine(CompletionDocument, Line):
    """A line of a bulk request: a completion with its reference."""

    EXAMPLE: ClassVar[Mapping[str, object]] = {"reference": "C-2026-0001", **CompletionDocument.EXAMPLE}


def _description(document: LearningOpportunityDocument | CompletionDocument) -> Description:
    outcomes = document.learning_outcomes
    return Description(
        document.title,
        document.awarding_body,
        tuple(outcomes) if outcomes else None,
        document.assessment_type,
        document.participation_form,
        document.quality_assurance,
        document.workload_hours,
    )
