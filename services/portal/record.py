"""A learner's record as the learner-record service answers it: what the pages show of it, and no more.

What the service adds later is ignored, so that it and the portal need not be deployed together.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

MAY_BE_APPEALED: Final = frozenset({"PARTIAL", "REFERRED", "DECLINED", "INVALID"})
"""States in which a decision gives less than was claimed; what is INCOMPLETE is decided again by itself."""


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


class Appeal(_Part):
    """An appeal: as the learner lodged it last, and how it stands at the receiver."""

    decision_id: UUID
    stage: int
    withdrawn: bool
    state: str
    due_on: date | None = None
    next_stage_until: date | None = None
    reasons: str | None = None
    outcome_decision_id: UUID | None = None

    @property
    def standing(self) -> str:
        """Its state; withdrawn from the moment the learner says so, before the receiver has taken note of it."""
        return "withdrawn" if self.withdrawn and self.state in ("lodged", "open") else self.state

    @property
    def can_be_withdrawn(self) -> bool:
        """Whether nothing has been decided on it yet."""
        return self.standing in ("lodged", "open")

    def goes_further(self, today: date) -> bool:
        """Whether it can be taken to the next stage."""
        return self.standing == "dismissed" and self.next_stage_until is not None and today <= self.next_stage_until


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
    decision_id: UUID | None = None
    decision_number: int | None = None
    decided_at: datetime | None = None
    appeals: Appeals | None = None
    appeal: Appeal | None = None

    @property
    def title(self) -> str:
        """What the completion is called."""
        return self.completion.title or "A completion without a title"

    @property
    def can_be_appealed(self) -> bool:
        """Whether there is something to appeal against that was not appealed against yet."""
        is_new = self.appeal is None or self.appeal.decision_id != self.decision_id
        return self.decision_id is not None and self.state in MAY_BE_APPEALED and is_new

    def appeal_until(self, appeals: Appeals | None, zone: ZoneInfo) -> date | None:
        """The last day for an appeal; None where the member does not say how many there are."""
        if appeals is None or self.decided_at is None:
            return None
        return self.decided_at.astimezone(zone).date() + timedelta(days=appeals.days)

    @property
    def waits_for_choice(self) -> bool:
        """Whether the learner has to say what is to count."""
        return any(ground.code == "CHOICE_REQUIRED" for ground in self.grounds)

    @property
    def lacks_room(self) -> bool:
        """Whether it would count if other credit took less of what the award takes from elsewhere."""
        return self.waits_for_choice or any(
            ground.code.endswith(("CAP_REACHED", "CAP_EXCEEDED")) for ground in self.grounds
        )


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


class Condition(_Part):
    """One condition of an award, in words."""

    name: str
    holds: bool
    sentence: str


class Conferral(_Part):
    """The award as it was conferred, and the completions that it counted."""

    award: Version
    conferred_on: date
    completions: list[UUID]


class Progress(_Part):
    """How far the learner is towards the award."""

    eligible: bool
    capstone: str
    conditions: list[Condition]
    conferral: Conferral | None = None
    lost: list[UUID] = []


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
    progress: Progress | None = None
    choice: list[UUID] = []

    @property
    def title(self) -> str:
        """What the learner studies for."""
        return self.award.title or self.award.id

    @property
    def share(self) -> float | None:
        """How much of the award's credit is there, from 0 to 1; None where the award does not say how much it takes."""
        required = self.award.credits_required
        return min(float(self.totals.total / required), 1.0) if required else None

    @property
    def conferral(self) -> Conferral | None:
        """The conferral of its award."""
        return self.progress.conferral if self.progress else None

    def takes_a_choice(self, today: date) -> bool:
        """Whether the learner may say what is to count first: not everything fits, or there is a choice to change."""
        is_open = self.conferral is None and (self.closed_on is None or today < self.closed_on)
        return is_open and (bool(self.choice) or any(entry.lacks_room for entry in self.entries))


class AtMember(_Part):
    """What stands at one member."""

    member: str
    name: str | None
    framework: str | None
    appeals: Appeals | None = None
    own_credit: list[Entry]
    enrolments: list[Enrolment]


class Record(_Part):
    """The whole record at one version."""

    version: int
    members: list[AtMember]

    def at(self, member: str) -> AtMember | None:
        """What stands at a member; None where nothing does."""
        return next((one for one in self.members if one.member == member), None)

    @property
    def is_enrolled_nowhere(self) -> bool:
        """Whether something was completed, and there is no enrolment for which it could count."""
        return any(one.own_credit for one in self.members) and not any(one.enrolments for one in self.members)

    def earned_elsewhere(self, member: str) -> list[Entry]:
        """What was completed at the other members."""
        return [entry for one in self.members if one.member != member for entry in one.own_credit]

    def _entries(self) -> Iterator[Entry]:
        for one in self.members:
            yield from one.own_credit
            for enrolment in one.enrolments:
                yield from enrolment.entries

    def titles(self, completions: list[UUID]) -> list[str]:
        """What completions are called."""
        known = {entry.completion.completion_id: entry.title for entry in self._entries()}
        return [known.get(one, "another completion") for one in completions]

    def together_with(self, entry: Entry) -> list[str]:
        """What else the credit of an entry rests on, by title: a rule may take several completions together."""
        if entry.counts_as is None:
            return []
        return sorted(
            self.titles([one for one in entry.counts_as.completions if one != entry.completion.completion_id])
        )

    def to_choose_from(self, enrolment: Enrolment) -> list[Entry]:
        """What takes of an award's room, or would: the claims that a choice may name, in the order of their titles.

        Not what an award counted that was conferred: that is settled.
        """
        enrolments = [one for at in self.members for one in at.enrolments]
        settled = {id_ for one in enrolments if one.conferral for id_ in one.conferral.completions}
        return [
            entry
            for entry in sorted(enrolment.entries, key=lambda entry: entry.title.casefold())
            if entry.completion.completion_id not in settled
            and (
                entry.lacks_room
                or entry.completion.completion_id in enrolment.choice
                or (entry.counts_as is not None and entry.counts_as.lines and not entry.counts_as.frozen)
            )
        ]
