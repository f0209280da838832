"""When a referral or an appeal is to be decided: in business days, and four months at the very latest (domain.md).

The day on which it was opened does not count. A business day is Monday to Friday but for the consortium's holidays.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

BUSINESS_DAYS: Final = 15
"""Within which what was referred or appealed against is decided."""
MONTHS: Final = 4
"""After which a receiver has broken the law of recognition: domain.md, "four months is the hard limit"."""

_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class Calendar:
    """The consortium's business days: all but weekends and these holidays."""

    holidays: frozenset[date] = frozenset()

    def is_business_day(self, day: date) -> bool:
        """Whether people work on this day."""
        return day.weekday() < _SATURDAY and day not in self.holidays

    def due_on(self, opened_on: date) -> date:
        """The last day on which it is decided in time: the 15th business day after the one on which it was opened."""
        day = opened_on
        for _ in range(BUSINESS_DAYS):
            day += _DAY
            while not self.is_business_day(day):
                day += _DAY
        return day

    def overdue_before(self, today: date) -> date:
        """What was opened before this day, and only that, was due before today: it is escalated."""
        return _first(today, lambda opened_on: self.due_on(opened_on) >= today)


WITHOUT_HOLIDAYS: Final = Calendar()
"""The calendar of a consortium that names no holidays."""


def breach_on(opened_on: date) -> date:
    """The day on which it is a breach that it is not decided: the same day four months later, or that month's last."""
    month = opened_on.month + MONTHS
    year, month = (opened_on.year, month) if month <= 12 else (opened_on.year + 1, month - 12)
    first_of_next = date(year + month // 12, month % 12 + 1, 1)
    return min(date(year, month, 1) + timedelta(days=opened_on.day - 1), first_of_next - _DAY)


def breached_before(today: date) -> date:
    """What was opened before this day, and only that, is a breach today."""
    return _first(today, lambda opened_on: breach_on(opened_on) > today)


def _first(today: date, is_still: Callable[[date], bool]) -> date:
    """The first of the days up to today on which it is still so; once so, it stays so."""
    day = today
    while is_still(day - _DAY):
        day -= _DAY
    return day
