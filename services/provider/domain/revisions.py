"""From when what a learner achieved can be claimed elsewhere (decision.md, Claim date)."""

from dataclasses import dataclass
from datetime import date, datetime


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
