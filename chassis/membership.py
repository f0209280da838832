"""A member that has left the consortium: what is still accepted of it (docs/members.md, "Leaving")."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from chassis.problems import Problem, conflict


def left(member: str, left_on: date | None, now: datetime, zone: ZoneInfo) -> Problem | None:
    """Why nothing new is accepted of a member (409) from the day on which it leaves; None before, and of all others.

    Corrections, revocations and closings of what it sent before are no matter of this.
    """
    if left_on is None or now.astimezone(zone).date() < left_on:
        return None
    return conflict(
        f"{member} left the consortium on {left_on}, so it brings in nothing new;"
        " what it sent before can still be corrected, revoked and closed.",
        name="left",
    )
