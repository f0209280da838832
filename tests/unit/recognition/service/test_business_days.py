"""When what people decide is due: every expectation is read off a calendar."""

from datetime import date, timedelta

import pytest

from services.recognition.domain.business_days import Calendar, breach_on, breached_before


@pytest.mark.parametrize(
    ("opened_on", "due_on"),
    [
        (date(2025, 10, 1), date(2025, 10, 22)),  # a Wednesday: three weeks later
        (date(2025, 10, 3), date(2025, 10, 24)),  # a Friday
        (date(2025, 10, 4), date(2025, 10, 24)),  # a Saturday: counted from the Monday on
        (date(2025, 10, 5), date(2025, 10, 24)),  # a Sunday
        (date(2025, 12, 22), date(2026, 1, 12)),  # over the turn of the year
    ],
)
def test_it_is_due_on_the_fifteenth_business_day_after_the_day_it_was_opened(opened_on: date, due_on: date) -> None:
    assert Calendar().due_on(opened_on) == due_on


def test_holidays_are_no_business_days() -> None:
    holidays = frozenset({date(2025, 12, 25), date(2025, 12, 26), date(2026, 1, 1), date(2026, 1, 3)})
    # Three of them are days on which people would work; 3 January is a Saturday.
    assert Calendar(holidays).due_on(date(2025, 12, 22)) == date(2026, 1, 15)
    assert Calendar(frozenset({date(2025, 10, 22)})).due_on(date(2025, 10, 1)) == date(2025, 10, 23)


@pytest.mark.parametrize(
    ("opened_on", "breach"),
    [
        (date(2025, 10, 1), date(2026, 2, 1)),
        (date(2025, 10, 31), date(2026, 2, 28)),
        (date(2027, 10, 31), date(2028, 2, 29)),
        (date(2025, 8, 31), date(2025, 12, 31)),
        (date(2025, 12, 30), date(2026, 4, 30)),
        (date(2025, 7, 31), date(2025, 11, 30)),
    ],
)
def test_it_is_a_breach_four_months_later(opened_on: date, breach: date) -> None:
    assert breach_on(opened_on) == breach


@pytest.mark.parametrize("calendar", [Calendar(), Calendar(frozenset({date(2026, 5, 4), date(2026, 5, 25)}))])
def test_what_is_overdue_or_a_breach_is_what_was_opened_before_one_day(calendar: Calendar) -> None:
    for today in (date(2026, 5, 1) + timedelta(days=n) for n in range(40)):
        days = [today - timedelta(days=n) for n in range(200)]
        overdue = {day for day in days if calendar.due_on(day) < today}
        assert overdue == {day for day in days if day < calendar.overdue_before(today)}
        breached = {day for day in days if breach_on(day) <= today}
        assert breached == {day for day in days if day < breached_before(today)}
        assert breached < overdue
