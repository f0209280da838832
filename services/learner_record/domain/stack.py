"""How a learner's credit adds up for one enrolment: own and imported, specific and general, level by level.

Credit is in hundredths, and decimals add up exactly. What is frozen counts in no total and is shown apart (decision.md,
"What is open").
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import UUID

COUNTED_RESULTS = ("pass", "compensated")


@dataclass(frozen=True, slots=True)
class Line:
    """Credit that a grant gives, in the receiver's unit."""

    slot: str
    credits: Decimal
    level: int
    kind: Literal["specific", "general"]


@dataclass(frozen=True, slots=True)
class Grant:
    """What is granted on the strength of these completions together."""

    grant_id: UUID
    completions: frozenset[UUID]
    lines: tuple[Line, ...]
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """A completion at the awarding member itself, as far as it is own credit (documents.md, "Own credit")."""

    completion_id: UUID
    learning_opportunity: str
    credits: Decimal
    framework: str
    level: int | None
    result: str
    mark: Decimal | None
    completed_on: date
    revoked: bool = False

    def counts_in(self, framework: str) -> bool:
        """Whether it can count towards an award in a framework: passed, not revoked, its level known and comparable."""
        return (
            self.result in COUNTED_RESULTS
            and not self.revoked
            and self.level is not None
            and self.framework == framework
        )


def grants_that_stand(claims: Mapping[UUID, Grant | None]) -> list[Grant]:
    """The grants of one enrolment, each once, from the current decision of each completion.

    One that rests on several completions stands only while the decision of *each* names it: when one of them was
    decided anew, the grant is gone, whatever the decisions say that have not come yet. It is frozen while any of
    them says so.
    """
    naming: dict[UUID, dict[UUID, Grant]] = {}
    for completion_id, grant in claims.items():
        if grant is not None:
            naming.setdefault(grant.grant_id, {})[completion_id] = grant
    standing = []
    for _, by_completion in sorted(naming.items()):
        first = by_completion[min(by_completion)]
        if first.completions <= by_completion.keys():
            frozen = any(grant.frozen for grant in by_completion.values())
            standing.append(Grant(first.grant_id, first.completions, first.lines, frozen))
    return standing


def own_credit_that_counts(attempts: Iterable[Attempt], framework: str) -> list[Attempt]:
    """Of several attempts at one learning opportunity the best: highest mark (none is lowest), then the earliest."""
    best: dict[str, Attempt] = {}
    for attempt in attempts:
        if attempt.counts_in(framework):
            known = best.get(attempt.learning_opportunity)
            if known is None or _rank(attempt) < _rank(known):
                best[attempt.learning_opportunity] = attempt
    return [best[name] for name in sorted(best)]


def _rank(attempt: Attempt) -> tuple[bool, Decimal, date, str]:
    return (
        attempt.mark is None,
        -(attempt.mark or Decimal(0)),
        attempt.completed_on,
        str(attempt.completion_id),
    )


@dataclass(slots=True)
class LevelSum:
    """Credit at one level."""

    own: Decimal = Decimal(0)
    specific: Decimal = Decimal(0)
    general: Decimal = Decimal(0)

    @property
    def imported(self) -> Decimal:
        """Credit recognised from other members."""
        return self.specific + self.general

    @property
    def total(self) -> Decimal:
        """All of it."""
        return self.own + self.imported


@dataclass(slots=True)
class Sums:
    """Credit by level."""

    by_level: dict[int, LevelSum] = field(default_factory=dict)

    def at(self, level: int) -> LevelSum:
        """The sum at a level, which may still be nothing."""
        return self.by_level.setdefault(level, LevelSum())

    def post(self, grant: Grant) -> None:
        """Add what a grant gives."""
        for line in grant.lines:
            at = self.at(line.level)
            if line.kind == "specific":
                at.specific += line.credits
            else:
                at.general += line.credits

    @property
    def whole(self) -> LevelSum:
        """The sum over all levels."""
        return LevelSum(
            sum((at.own for at in self.by_level.values()), Decimal(0)),
            sum((at.specific for at in self.by_level.values()), Decimal(0)),
            sum((at.general for at in self.by_level.values()), Decimal(0)),
        )


@dataclass(slots=True)
class Stack:
    """What counts for an enrolment, and what is frozen beside it."""

    counted: Sums = field(default_factory=Sums)
    frozen: Sums = field(default_factory=Sums)
    grants: dict[UUID, Grant] = field(default_factory=dict)
    own: frozenset[UUID] = frozenset()


def stack(claims: Mapping[UUID, Grant | None], attempts: Iterable[Attempt], framework: str | None) -> Stack:
    """Add up an enrolment: its claims' grants by completion, and the learner's attempts at the awarding member.

    Without a known framework (neither the award nor its member has come yet) own credit waits.
    """
    result = Stack()
    for grant in grants_that_stand(claims):
        result.grants[grant.grant_id] = grant
        (result.frozen if grant.frozen else result.counted).post(grant)
    if framework is not None:
        counted = own_credit_that_counts(attempts, framework)
        result.own = frozenset(attempt.completion_id for attempt in counted)
        for attempt in counted:
            if attempt.level is not None:
                result.counted.at(attempt.level).own += attempt.credits
    return result
