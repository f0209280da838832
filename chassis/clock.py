"""Time is handed in, so that nothing but a process's wiring asks the machine for it (ADR 17)."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

Clock = Callable[[], datetime]
"""Gives the present instant, in UTC."""


def system_clock() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


def instant(moment: datetime) -> str:
    """An instant, in UTC, as answers write it."""
    return moment.isoformat().replace("+00:00", "Z")


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """The day of an instant in the consortium's time zone (ADR 17)."""
    return moment.astimezone(zone).date()


async def pause(seconds: float, *until: asyncio.Event) -> None:
    """Wait so long, but no longer than until one of these events is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in until]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
