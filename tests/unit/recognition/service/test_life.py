"""In which state a draft and a published version are."""

from datetime import date

import pytest

from services.recognition.domain.life import state_of_agreement, state_of_award, state_of_draft
from services.recognition.hashing import document_hash

END = date(2028, 2, 29)


@pytest.mark.parametrize(
    ("findings", "missing", "is_published", "state"),
    [
        (2, ["northbridge"], False, "draft"),
        (1, [], False, "draft"),
        (0, ["northbridge"], False, "linted"),
        (0, [], False, "approved"),
        (0, [], True, "published"),
    ],
)
def test_a_draft_on_its_way(findings: int, missing: list[str], is_published: bool, state: str) -> None:
    assert state_of_draft(findings=findings, not_approved_by=missing, is_published=is_published) == state


@pytest.mark.parametrize(
    ("version", "run_off", "today", "state"),
    [
        (1, 0, date(2026, 1, 1), "superseded"),
        (1, 9, date(2029, 1, 1), "superseded"),
        (2, 0, END, "published"),
        (2, 0, date(2028, 3, 1), "ended"),
        (2, 1, date(2028, 3, 1), "run-off"),
        (2, 1, date(2029, 2, 28), "run-off"),
        (2, 1, date(2029, 3, 1), "ended"),
    ],
)
def test_an_agreement_by_version_and_day(version: int, run_off: int, today: date, state: str) -> None:
    assert state_of_agreement(version, 2, END, run_off, today) == state


def test_an_award_definition_by_version() -> None:
    assert [state_of_award(version, 2) for version in (1, 2)] == ["superseded", "published"]


def test_the_hash_is_over_canonical_bytes() -> None:
    """RFC 8785 sorts names by UTF-16 units: the emoji before the last character of the basic plane."""
    document = {"\uffff": 1, "\U0001f600": "\u20ac", "a": [True, None]}
    assert document_hash(document) == document_hash(dict(reversed(document.items())))
    # Of {"a":[true,null],"😀":"€","￿":1} in UTF-8.
    assert document_hash(document) == "c05b16d953bb8222d343669685e1919fab1e5b746f0887318a0e5f74b9d07a6d"
