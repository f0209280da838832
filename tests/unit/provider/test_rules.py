"""The rules of the domain, one table each."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from services.provider.domain.description import (
    NOTHING_STATED,
    Description,
    missing_from_catalogue,
    missing_from_completion,
)
from services.provider.domain.frameworks import level_is_of_framework, levels_in_words
from services.provider.domain.marks import Scale
from services.provider.domain.revisions import Outcome, claimable_from

DAY = date(2026, 6, 30)
EARLY = datetime(2026, 7, 1, 9, tzinfo=UTC)
LATE = datetime(2026, 8, 1, 9, tzinfo=UTC)
FULL = Description("Data Ethics", "Northbridge", ("Weighs",), "Essay", "Online", "Review", Decimal(150))


@pytest.mark.parametrize(
    ("framework", "lowest", "highest"), [("FHEQ", 3, 8), ("SCQF", 1, 12), ("EQF", 1, 8), ("NFQ", 1, 10)]
)
def test_a_framework_has_its_own_levels(framework: str, lowest: int, highest: int) -> None:
    levels = [level for level in range(-1, 15) if level_is_of_framework(framework, level)]
    assert levels == list(range(lowest, highest + 1))
    assert levels_in_words(framework) == f"a level of {framework}: {lowest} to {highest}"


@pytest.mark.parametrize(
    ("before", "result", "completed_on", "expected"),
    [
        (None, "pass", DAY, LATE),
        (Outcome("pass", DAY, EARLY), "pass", DAY, EARLY),
        (Outcome("fail", DAY, EARLY), "pass", DAY, LATE),
        (Outcome("pass", DAY, EARLY), "pass", date(2026, 6, 29), LATE),
    ],
)
def test_a_claim_begins_anew_only_with_another_result_or_day(
    before: Outcome | None, result: str, completed_on: date, expected: datetime
) -> None:
    assert claimable_from(before, result, completed_on, LATE) == expected


def test_a_completion_keeps_what_it_states_and_takes_the_rest_from_its_learning_opportunity() -> None:
    own = Description(title="My title", workload_hours=Decimal(0))
    assert own.filled_in_from(FULL) == Description(
        "My title", "Northbridge", ("Weighs",), "Essay", "Online", "Review", Decimal(0)
    )
    assert FULL.filled_in_from(NOTHING_STATED) == FULL


def test_what_neither_states_is_missing_but_never_the_workload() -> None:
    assert missing_from_completion(NOTHING_STATED, None) == (
        "title",
        "awarding_body",
        "issued_on",
        "learning_outcomes",
        "assessment_type",
        "participation_form",
        "quality_assurance",
    )
    assert missing_from_completion(FULL, DAY) == ()
    assert missing_from_completion(Description(learning_outcomes=()).filled_in_from(FULL), DAY) == ()


def test_the_catalogue_says_what_a_learning_opportunity_leaves_out() -> None:
    assert missing_from_catalogue(FULL, 7) == ()
    assert missing_from_catalogue(FULL, None) == ("level",)
    assert missing_from_catalogue(Description(title="Data Ethics"), 7) == (
        "awarding_body",
        "learning_outcomes",
        "assessment_type",
        "participation_form",
        "quality_assurance",
        "workload",
    )


@pytest.mark.parametrize(
    ("lowest", "passing", "highest", "in_order"),
    [
        (0, 40, 100, True),
        (0, 0, 100, True),
        (0, 100, 100, True),
        (0, 0, 0, False),
        (0, 101, 100, False),
        (1, 0, 100, False),
        (100, 50, 0, False),
    ],
)
def test_a_scale_has_an_extent_and_its_pass_mark_on_it(lowest: int, passing: int, highest: int, in_order: bool) -> None:
    assert Scale(Decimal(lowest), Decimal(passing), Decimal(highest)).is_in_order() is in_order


def test_both_ends_belong_to_a_scale() -> None:
    scale = Scale(Decimal(0), Decimal(40), Decimal(100))
    marks = ["-0.01", "0", "40", "100", "100.01"]
    assert [scale.holds(Decimal(mark)) for mark in marks] == [False, True, True, True, False]
