"""Refused rows in words, safe for a terminal; progress where there is none."""

from typing import Any

import pytest

from client import reporting
from client.publishing import Refused, Summary
from client.reporting import Report, describe, printable


def refused(**changes: Any) -> Refused:
    error = {"field": "credits", "value": "0", "expected": "text of a number above 0"}
    return Refused(**{"line": 7, "reference": "C-9", "detail": "1 value", "errors": (error,), **changes})


def test_a_refused_row_names_file_line_field_value_and_what_is_expected() -> None:
    assert describe("rows.ndjson", refused()) == [
        'rows.ndjson:7: C-9: credits is "0"; expected: text of a number above 0'
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "is missing"), (7, "is 7"), (True, "is true"), ("é", 'is "é"'), ({"a": 1}, 'is {"a":1}')],
)
def test_a_value_is_shown_as_it_would_be_written(value: object, words: str) -> None:
    (line,) = describe("f", refused(errors=({"field": "level", "value": value, "expected": "a number"},)))
    assert line == f"f:7: C-9: level {words}; expected: a number"


def test_every_fault_of_a_row_has_its_line() -> None:
    errors = tuple({"field": name, "value": 1, "expected": "text"} for name in ("a", "b", ""))
    lines = describe("f", refused(errors=errors, reference=None))
    assert lines == ["f:7: a is 1; expected: text", "f:7: b is 1; expected: text", "f:7: the row is 1; expected: text"]


def test_a_row_refused_without_a_field_has_its_reason() -> None:
    assert describe("f", refused(errors=())) == ["f:7: C-9: 1 value"]


def test_a_terminal_is_not_moved_by_what_stands_in_a_file() -> None:
    assert printable("a\x1b[2J\x07\r\x9bé–🙂") == "a\\x1b[2J\\x07\\r\\x9bé–🙂"


def report(size: int | None, every: float, monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.setattr(reporting, "EVERY", every)
    return Report("rows.ndjson", size, Summary())


def test_without_a_terminal_progress_is_a_plain_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with report(200, 0.0, monkeypatch) as shown:
        shown.observer.on_progress(50, Summary(accepted=2_000, refused=1))
    with report(None, 0.0, monkeypatch) as shown:
        shown.observer.on_progress(50, Summary(accepted=1))
    assert capsys.readouterr().err.splitlines() == [
        "rows.ndjson: 25 %, 2,001 rows answered, 1 refused",
        "rows.ndjson: 1 rows answered, 0 refused",
    ]


def test_progress_is_shown_only_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with report(200, 1000.0, monkeypatch) as shown:
        for _ in range(10):
            shown.observer.on_progress(1, Summary(accepted=1))
            shown.observer.on_trouble("nobody answers")
    assert capsys.readouterr().err.splitlines() == ["nobody answers; trying again"]


def test_a_warning_is_shown_once_and_many_are_only_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with report(200, 1000.0, monkeypatch) as shown:
        for number in range(100):
            shown.observer.on_warning(number, "the same")
        assert capsys.readouterr().err.splitlines() == ["rows.ndjson:0: warning: the same"]
        for number in range(100):
            shown.observer.on_warning(number, f"warning {number}")
    assert len(capsys.readouterr().err.splitlines()) == reporting.MOST_WARNINGS


def test_refused_rows_go_to_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with report(200, 1000.0, monkeypatch) as shown:
        shown.observer.on_refused(refused())
    captured = capsys.readouterr()
    assert captured.out.startswith("rows.ndjson:7: C-9: credits")
    assert captured.err == ""
