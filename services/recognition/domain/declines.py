"""A decline is built with its grounds, the clause of each, and how to appeal, or it is not built (domain.md).

Whatever declines – a rule, an award's cap, an officer – passes through here before anybody is told of it: the event of
a decision and the answer that shows one are made of a `Decline`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar


class NoDecline(ValueError):
    """What was to be a decline lacks what a learner is owed with one."""


class HasClause(Protocol):
    """A ground, as far as a decline demands something of it."""

    @property
    def code(self) -> str:
        """What it is called."""
        ...

    @property
    def document(self) -> str:
        """Which document it rests on."""
        ...

    @property
    def clause(self) -> str:
        """Where in that document."""
        ...


GroundOf = TypeVar("GroundOf", bound=HasClause)


@dataclass(frozen=True, slots=True)
class AppealRoute:
    """How one appeals against a member's decisions: where, within how many days, and through which stages.

    Raises NoDecline where one of them is missing.
    """

    route: str
    days: int
    stages: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.route.strip() or self.days < 1 or not self.stages or not all(one.strip() for one in self.stages):
            raise NoDecline("a way to appeal without route, days or stages")

    @classmethod
    def of(cls, stated: Mapping[str, Any] | None) -> Self | None:
        """The route that a member states; None where it states none by which one could appeal."""
        try:
            return cls(str(stated["route"]), int(stated["days"]), tuple(stated["stages"])) if stated else None
        except (NoDecline, KeyError):
            return None


@dataclass(frozen=True, slots=True)
class Decline(Generic[GroundOf]):
    """Why a claim is declined, and how to appeal against that.

    Raises NoDecline without grounds, with a ground that names no clause, and where there is no way to appeal.
    """

    grounds: Sequence[GroundOf]
    appeals: AppealRoute | None

    def __post_init__(self) -> None:
        if not self.grounds:
            raise NoDecline("a decline without a ground")
        for ground in self.grounds:
            if not ground.clause.strip() or not ground.document.strip():
                raise NoDecline(f"a decline whose ground {ground.code} names no clause")
        if self.appeals is None:
            raise NoDecline("a decline at a member without a way to appeal")
