"""Dates a number of years later (decision.md, *Years*)."""

from datetime import date


def years_later(day: date, years: int) -> date:
    """The same day that many years later; 29 February becomes 28 February where there is no 29th.

    What lies beyond the last year of the calendar is its last day.
    """
    if day.year + years > date.max.year:
        return date.max
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # only 29 February can be missing
        return day.replace(year=day.year + years, day=28)
