"""Instants in requests: RFC 3339, and nothing that merely could be one."""

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from chassis.documents import Instant

INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["2026-01-31T12:00:00Z", "2026-01-31t12:00:00.000z", "2026-01-31T13:30:00+01:30", "2026-01-31T12:00:00-00:00"],
)
def test_an_instant_is_taken_in_any_zone(text: str) -> None:
    assert INSTANT.validate_json(f'"{text}"', strict=True) == NOON
    taken = INSTANT.validate_python(text)
    assert (taken, taken.tzinfo) == (NOON, UTC)


@pytest.mark.parametrize(
    "value",
    [
        0.5, 1769860800, "0.5", "1769860800", True, None, "", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31T12:00Z",
        "2026-01-31 12:00:00Z", "20260131T120000Z", "2026-W05-6T12:00:00Z", "2026-02-30T12:00:00Z",
        "2026-01-31T12:00:00,5Z", "2026-01-31T12:00:00+24:00", "٢٠٢٦-01-31T12:00:00Z",
        # Before the first instant of UTC, and after the last.
        "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00",
        datetime(2026, 1, 31, 12),  # noqa: DTZ001 - it has no zone
    ],
)  # fmt: skip
def test_what_is_no_instant_is_refused(value: object) -> None:
    with pytest.raises(ValidationError, match="an instant with its zone"):
        INSTANT.validate_python(value)
