"""A learner's record as the learner-record service answers it: what the pages show of it, and no more.

What the service adds later is ignored, so that it and the portal need not be deployed together.
"""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Completion(_Part):
    """A completion as awarded, in the provider's own terms."""

    completion_id: UUID
    provider: str
    provider_name: str | None
    title: str | None
    awarding_body: str | None
    credits: Decimal
    framework: str
    level: int | None
    result: str
    mark: Decimal | None
    completed_on: date
    revocation_reason: str | None


class Line(_Part):
    """Credit that counts, in the receiver's unit."""

    slot: str
    credits: Decimal
    level: int
    kind: str


class CountsAs(_Part):
    """What a completion counts as, alone or together with others."""

    completions: list[UUID]
    lines: list[Line]
    frozen: bool
    counts: bool


class Ground(_Part):
    """One reason, with the clause that it rests on."""

    code: str
    document: str
    version: int | None
    clause: str
    sentence: str


class Appeals(_Part):
    """How to appeal."""

    route: str
    days: int
    stages: list[str]


class Version(_Part):
    """A version of a document."""

    id: str
    version: int


class Entry(_Part):
    """What stands on the record for one completion."""

    entry_id: UUID
    state: str
    completion: Completion
    is_being_decided: bool = False
    counts_as: CountsAs | None = None
    grade: Decimal | None = None
    grounds: list[Ground] = []
    agreement: Version | None = None
    decision_number: int | None = None
    decided_at: datetime | None = None
    appeals: Appeals | None = None

    @property
    def title(self) -> str:
        """What the completion is called."""
        return self.completion.title or "A completion without a title"


def newest_first(entries: list[Entry]) -> list[Entry]:
    """Entries in the order in which a learner looks for them: completed last comes first."""
    by_title = sorted(entries, key=lambda entry: entry.title.casefold())
    return sorted(by_title, key=lambda entry: entry.completion.completed_on, reverse=True)


class LevelTotals(_Part):
    """Credit at one level."""

    level: int
    own: Decimal
    specific: Decimal
    general: Decimal
    total: Decimal


class Totals(_Part):
    """Credit for an enrolment, in the receiver's unit."""

    own: Decimal
    specific: Decimal
    general: Decimal
    imported: Decimal
    total: Decimal
    by_level: list[LevelTotals]


class Award(_Part):
    """The award an enrolment is for; only its id where it has not been published yet."""

    id: str
    title: str | None = None
    framework: str | None = None
    level: int | None = None
    credits_required: Decimal | None = None


class Enrolment(_Part):
    """An enrolment with everything that was claimed for it."""

    enrolment_id: UUID
    reference: str
    award: Award
    opened_on: date
    closed_on: date | None
    entries: list[Entry]
    totals: Totals
    frozen: Totals

    @property
    def title(self) -> str:
        """What the learner studies for."""
        return self.award.title or self.award.id

    @property
    def share(self) -> float | None:
        """How much of the award's credit is there, from 0 to 1; None where the award does not say how much it takes."""
        required = self.award.credits_required
        return min(float(self.totals.total / required), 1.0) if required else None


class AtMember(_Part):
    """What stands at one member."""

    member: str
    name: str | None
    framework: str | None
    own_credit: list[Entry]
    enrolments: list[Enrolment]


class Record(_Part):
    """The whole record at one version."""

    version: int
    members: list[AtMember]

    def at(self, member: str) -> AtMember | None:
        """What stands at a member; None where nothing does."""
        return next((one for one in self.members if one.member == member), None)

    def together_with(self, entry: Entry) -> list[str]:
        """What else the credit of an entry rests on, by title: a rule may take several completions together."""
        if entry.counts_as is None:
            return []
        titles = {
            other.completion.completion_id: other.title
            for one in self.members
            for other in [*one.own_credit, *(claim for enrolment in one.enrolments for claim in enrolment.entries)]
        }
        partners = [one for one in entry.counts_as.completions if one != entry.completion.completion_id]
        return sorted(titles.get(one, "another completion") for one in partners)
