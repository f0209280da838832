"""Whether a revision is new, a repeat, or contradicts what is stored (ADR 3)."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum


class Standing(Enum):
    """How a revision that was sent stands to those that are stored."""

    NEW = "new"
    REPEATED = "repeated"
    OTHER_BODY = "other body"
    TOO_LOW = "too low"


def standing(*, sent: int, sent_hash: str, stored_hash: str | None, newest: int | None) -> Standing:
    """Judge a revision by its number and the hash of its body.

    `stored_hash` is that of the stored revision of the same number (None: there is none), `newest` the highest stored
    number (None: nothing is stored). A repeat is a repeat whatever came later.
    """
    if stored_hash is not None:
        return Standing.REPEATED if stored_hash == sent_hash else Standing.OTHER_BODY
    return Standing.TOO_LOW if newest is not None and sent < newest else Standing.NEW


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a learner achieved and when, and from when it can be claimed elsewhere."""

    result: str
    completed_on: date
    claimable_from: datetime


def claimable_from(before: Outcome | None, result: str, completed_on: date, accepted_at: datetime) -> datetime:
    """The acceptance of the first revision, or of the latest that changed result or day (decision.md, Claim date)."""
    if before is not None and (before.result, before.completed_on) == (result, completed_on):
        return before.claimable_from
    return accepted_at
