"""What recognition knows of one learner: completions, enrolments, current decisions and grants that stand."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from fractions import Fraction
from typing import Final
from uuid import UUID

from services.recognition.engine.model import Case, Ground, Line, Result, State

OFFICER: Final = "OFFICER"
"""The ground of a decision that an officer made."""

Claim = tuple[UUID, UUID]
"""A completion and an enrolment for which it may count, by their ids."""


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """A version of an agreement or of an award definition."""

    id: str
    version: int


@dataclass(frozen=True, slots=True)
class Use:
    """An award conferred outside Concord that already counts the credit (documents.md, `used_for`)."""

    title: str
    framework: str
    level: int
    ladder: str | None


@dataclass(frozen=True, slots=True)
class Completion:
    """A completion at its newest revision; credits, level and mark are the provider's own.

    `claimable_from` is an instant; `claimable_on` is its day in the consortium's time zone.
    """

    completion_id: UUID
    revision: int
    provider: str
    reference: str
    learner_reference: str
    is_matchable: bool
    course: str
    course_version: int
    credits: Fraction
    framework: str
    level: int | None
    result: Result
    mark: Fraction | None
    completed_on: date
    workload_hours: Fraction | None
    identity_verified_at_assessment: bool
    used_for: Use | None
    revoked: bool
    missing_elements: tuple[str, ...]
    claimable_from: datetime
    claimable_on: date


@dataclass(frozen=True, slots=True)
class Enrolment:
    """An enrolment at its newest revision."""

    enrolment_id: UUID
    revision: int
    receiver: str
    reference: str
    learner_reference: str
    award: str
    opened_on: date
    closed_on: date | None
    conferred_on: date | None = None

    @property
    def ends_on(self) -> date | None:
        """The first day on which it is closed: its receiver closed it, or its award was conferred."""
        return min((day for day in (self.closed_on, self.conferred_on) if day is not None), default=None)

    def is_closed(self, today: date) -> bool:
        """Whether it is closed on this day."""
        return self.ends_on is not None and self.ends_on <= today


@dataclass(frozen=True, slots=True)
class Choice:
    """What the learner wants to count first in an enrolment, in this order; empty where the choice was taken back."""

    enrolment_id: UUID
    revision: int
    completions: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Conferral:
    """An award conferred for an enrolment, and the completions that it counted: they are used from then on."""

    conferral_id: UUID
    enrolment_id: UUID
    award: DocumentVersion
    conferred_on: date
    completions: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Grant:
    """Credit posted to the ledger for an enrolment on the strength of these completions together.

    `ordinal` says how many grants the enrolment had before it, and with the enrolment identifies it.
    `courses` are the completions' when it was posted, `fills` the slots that its lines fill. `counts_at_same_level`
    says whether it stands under the award's `same_level_cap`; `refers_revocation` is its pinned agreement's
    `on_revocation: refer`. `agreement` is None where an officer granted what no agreement covers.
    """

    enrolment_id: UUID
    ordinal: int
    completions: tuple[UUID, ...]
    courses: tuple[str, ...]
    lines: tuple[Line, ...]
    fills: tuple[str, ...]
    counts_at_same_level: bool
    refers_revocation: bool
    agreement: DocumentVersion | None
    award: DocumentVersion

    @property
    def content(self) -> tuple[object, ...]:
        """Completions and lines: grants with the same are one and the same grant."""
        return tuple(sorted(self.completions)), tuple(sorted(_key(line) for line in self.lines))

    @property
    def credits(self) -> Fraction:
        """All lines together, in the receiver's unit."""
        return sum((line.credits for line in self.lines), Fraction(0))


def _key(line: Line) -> tuple[str, Fraction, int, str]:
    return line.slot, line.credits, line.level, line.kind


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a decision is made: the kind of change, and the event that brought it, where there is one."""

    kind: str
    event_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A claim's current decision: number n of it.

    `claimable_from` is the instant its claim date rests on; `conferrals` are those that counted the completion in
    another enrolment and that the decision knew.
    """

    completion_id: UUID
    enrolment_id: UUID
    number: int
    completion_revision: int
    state: State
    grounds: tuple[Ground, ...]
    grade: Fraction | None
    agreement: DocumentVersion | None
    award: DocumentVersion
    claimed_on: date
    claimable_from: datetime
    grant: Grant | None
    is_frozen: bool = False
    conferrals: tuple[UUID, ...] = ()

    @property
    def outcome(self) -> tuple[object, ...]:
        """What makes one decision another: state, ground codes, grade, grant and known conferrals.

        Versions, clauses and sentences do not count.
        """
        codes = tuple(sorted(ground.code for ground in self.grounds))
        content = self.grant.content if self.grant else None
        return self.state, codes, self.grade, content, self.is_frozen, self.conferrals

    @property
    def is_an_officers(self) -> bool:
        """Whether an officer settled the claim with it."""
        return any(ground.code == OFFICER for ground in self.grounds)


@dataclass(frozen=True, slots=True)
class Made:
    """A decision just made, why, in view of which catalogue, and from which case.

    There is no case where a grant was frozen, or an officer decided.
    """

    decision: Decision
    cause: Cause
    catalogue_number: int
    case: Case | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a claim stands towards the catalogue: a work row, which the standing query looks through.

    `stamped` is the catalogue number at which the claim was last looked at. `waits_for` names what an undecided claim
    waits for: `award`, `receiver` or `provider`.
    """

    stamped: int
    is_open: bool
    has_cap_ground: bool
    waits_for: str | None


SETTLED: Final = Standing(0, is_open=False, has_cap_ground=False, waits_for=None)
"""Neither open nor under a cap; a claim without a row is so."""


@dataclass(slots=True)
class Learner:
    """All that recognition knows of a learner, and, as events are folded in, all that is to be written.

    `grants` are those that stand in the ledger; `grants_made` counts for each enrolment those that ever did.
    """

    learner_id: UUID
    completions: dict[UUID, Completion] = field(default_factory=dict)
    enrolments: dict[UUID, Enrolment] = field(default_factory=dict)
    current: dict[Claim, Decision] = field(default_factory=dict)
    grants: dict[tuple[UUID, int], Grant] = field(default_factory=dict)
    grants_made: dict[UUID, int] = field(default_factory=dict)
    standings: dict[Claim, Standing] = field(default_factory=dict)
    choices: dict[UUID, Choice] = field(default_factory=dict)
    conferrals: dict[UUID, Conferral] = field(default_factory=dict)
    made: list[Made] = field(default_factory=list)
    posted: list[Grant] = field(default_factory=list)
    withdrawn: list[Grant] = field(default_factory=list)
    moved: set[Claim] = field(default_factory=set)

    def begun(self) -> "Learner":
        """A copy to work on; what is in it never changes, so the containers alone are copied."""
        return Learner(
            self.learner_id,
            dict(self.completions),
            dict(self.enrolments),
            dict(self.current),
            dict(self.grants),
            dict(self.grants_made),
            dict(self.standings),
            dict(self.choices),
            dict(self.conferrals),
        )

    def enrol(self, enrolment: Enrolment) -> None:
        """Note an enrolment; where its award was conferred already, it is closed from that day."""
        conferral = self.conferrals.get(enrolment.enrolment_id)
        conferred_on = conferral.conferred_on if conferral else None
        self.enrolments[enrolment.enrolment_id] = replace(enrolment, conferred_on=conferred_on)

    def confer(self, conferral: Conferral) -> None:
        """Note a conferral, which closes its enrolment, be that known already or not."""
        self.conferrals[conferral.enrolment_id] = conferral
        if (enrolment := self.enrolments.get(conferral.enrolment_id)) is not None:
            self.enrol(enrolment)

    def conferrals_elsewhere(self, completion_id: UUID, enrolment: Enrolment) -> list[Conferral]:
        """The conferrals that counted a completion in other enrolments."""
        return [
            one
            for enrolment_id, one in sorted(self.conferrals.items())
            if completion_id in one.completions and enrolment_id != enrolment.enrolment_id
        ]

    def claims_of(self, enrolment: Enrolment) -> Iterator[Completion]:
        """What may count for an enrolment: every completion that another member provided."""
        return (one for one in self.completions.values() if one.provider != enrolment.receiver)

    def grants_of(self, enrolment: Enrolment) -> Iterator[Grant]:
        """The grants that stand for an enrolment, frozen ones too."""
        return (grant for grant in self.grants.values() if grant.enrolment_id == enrolment.enrolment_id)

    def decision_on(self, completion_id: UUID, enrolment: Enrolment) -> Decision | None:
        """The current decision on a completion for an enrolment."""
        return self.current.get((completion_id, enrolment.enrolment_id))

    def make(self, made: Iterable[Made]) -> None:
        """Decisions become the current ones, and are to be written in this order."""
        for one in made:
            self.current[one.decision.completion_id, one.decision.enrolment_id] = one.decision
            self.made.append(one)

    def post(self, grant: Grant) -> None:
        """A grant goes into the ledger. Raises ValueError where its credit is not in hundredths (ADR 7)."""
        if any((line.credits * 100).denominator != 1 for line in grant.lines):
            raise ValueError(f"a grant of {grant.credits} credits is not in hundredths")
        self.grants[grant.enrolment_id, grant.ordinal] = grant
        self.grants_made[grant.enrolment_id] = grant.ordinal + 1
        self.posted.append(grant)

    def withdraw(self, grant: Grant) -> None:
        """A grant is taken out of the ledger, whole."""
        del self.grants[grant.enrolment_id, grant.ordinal]
        self.withdrawn.append(grant)

    def stand(self, claim: Claim, standing: Standing) -> None:
        """Note how a claim stands; nothing is written where it stood so already, or is and was settled."""
        before = self.standings.get(claim, SETTLED)
        is_settled = not standing.is_open and not standing.has_cap_ground
        if before == standing or (is_settled and not before.is_open and not before.has_cap_ground):
            return
        self.standings[claim] = standing
        self.moved.add(claim)
