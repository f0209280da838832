"""The last synthetic credit in PostgreSQL: one row, by which the processes of operations also take turns."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chassis.database import Connection

CLAIM: Final = """
UPDATE synthetic_credit SET tried_at = $1
WHERE tried_at IS NULL OR tried_at <= $1::timestamptz - $2::interval
RETURNING true
"""
VISIBLE: Final = "UPDATE synthetic_credit SET visible_at = $1, seconds = $2, trouble = NULL"
FAILED: Final = "UPDATE synthetic_credit SET trouble = $1"
LAST: Final = "SELECT tried_at, visible_at, seconds, trouble FROM synthetic_credit WHERE tried_at IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Last:
    """How the last synthetic credits went."""

    tried_at: datetime
    """When the last one was begun."""
    visible_at: datetime | None
    """When one was last seen on the record."""
    seconds: float | None
    """From that one's acceptance until it was seen there."""
    trouble: str | None
    """What the last one failed of; None where it became visible, or is under way after one that did."""


async def claim(connection: Connection, now: datetime, every: timedelta) -> bool:
    """Take the next turn; False where it is not due yet, or another process has it."""
    return bool(await connection.fetchval(CLAIM, now, every))


async def visible(connection: Connection, at: datetime, seconds: float) -> None:
    """Note that it was seen on the record."""
    await connection.execute(VISIBLE, at, seconds)


async def failed(connection: Connection, trouble: str) -> None:
    """Note that it was not."""
    await connection.execute(FAILED, trouble)


async def last(connection: Connection) -> Last | None:
    """How the last ones went; None where there was none."""
    row = await connection.fetchrow(LAST)
    return Last(*row) if row is not None else None
