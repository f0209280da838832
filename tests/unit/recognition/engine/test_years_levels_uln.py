from datetime import date
from pathlib import Path

import pytest

from services.recognition.engine.levels import level_of, levels_by_comparison, levels_of
from services.recognition.engine.model import LevelMapping
from services.recognition.engine.uln import fault_of_uln
from services.recognition.engine.years import years_later
from tests.unit.recognition.engine.build import agreement, completion


@pytest.mark.parametrize(
    ("day", "years", "later"),
    [
        (date(2020, 6, 30), 5, date(2025, 6, 30)),
        (date(2020, 2, 29), 5, date(2025, 2, 28)),
        (date(2020, 2, 29), 4, date(2024, 2, 29)),
        (date(2096, 2, 29), 4, date(2100, 2, 28)),
        (date(2020, 2, 28), 4, date(2024, 2, 28)),
        (date(2020, 6, 30), 0, date(2020, 6, 30)),
        (date(2020, 6, 30), 7979, date(9999, 6, 30)),
        (date(2020, 6, 30), 7980, date.max),
    ],
)
def test_a_date_some_years_later_is_the_same_day(day: date, years: int, later: date) -> None:
    assert years_later(day, years) == later


@pytest.mark.parametrize(
    ("framework", "level", "receiver", "levels"),
    [
        ("EQF", 5, "FHEQ", (4, 5)),
        ("FHEQ", 6, "SCQF", (9, 10)),
        ("SCQF", 9, "NFQ", (7,)),
        ("SCQF", 10, "NFQ", (8,)),
        ("NFQ", 7, "FHEQ", (6,)),
        ("NFQ", 8, "EQF", (6,)),
        ("NFQ", 6, "SCQF", (7, 8)),
        ("EQF", 6, "NFQ", (7, 8)),
        ("EQF", 4, "FHEQ", (3,)),
        ("FHEQ", 8, "NFQ", (10,)),
        ("FHEQ", 2, "SCQF", ()),
        ("NFQ", 4, "FHEQ", ()),
        ("ISCED", 6, "FHEQ", ()),
        ("FHEQ", 2, "FHEQ", (2,)),
    ],
)
def test_a_level_maps_to_every_level_that_shares_a_row(
    framework: str, level: int, receiver: str, levels: tuple[int, ...]
) -> None:
    assert levels_by_comparison(framework, level, receiver) == levels


def test_the_comparison_is_the_table_of_the_rules() -> None:
    """Every level of every framework, read from docs/decision.md."""
    text = (Path(__file__).parents[4] / "docs" / "decision.md").read_text(encoding="utf-8")
    table = text.split("| FHEQ | SCQF | EQF | NFQ |\n|---|---|---|---|\n")[1].split("\n\n")[0]
    rows = [[int(cell) for cell in row.strip("| ").split("|")] for row in table.splitlines()]
    assert len(rows) == 7
    frameworks = ("FHEQ", "SCQF", "EQF", "NFQ")
    for source, framework in enumerate(frameworks):
        for target, receiver in enumerate(frameworks):
            for level in range(1, 13):
                shared = {row[target] for row in rows if row[source] == level}
                expected = (level,) if source == target else tuple(sorted(shared))
                assert levels_by_comparison(framework, level, receiver) == expected


GENERAL_ENTRY = LevelMapping("EQF", 5, 5)
OF_COURSE_A = LevelMapping("EQF", 5, 4, "A")


@pytest.mark.parametrize(
    ("entries", "course", "levels"),
    [
        ((GENERAL_ENTRY, OF_COURSE_A), "A", (4,)),
        ((OF_COURSE_A, GENERAL_ENTRY), "A", (4,)),
        ((GENERAL_ENTRY, OF_COURSE_A), "B", (5,)),
        ((OF_COURSE_A,), "B", (4, 5)),
        ((GENERAL_ENTRY, LevelMapping("EQF", 5, 6)), "A", (5, 6)),
        ((LevelMapping("SCQF", 5, 6), LevelMapping("EQF", 6, 7)), "A", (4, 5)),
        ((), "A", (4, 5)),
    ],
)
def test_the_level_map_goes_before_the_comparison_and_the_course_before_all_courses(
    entries: tuple[LevelMapping, ...], course: str, levels: tuple[int, ...]
) -> None:
    claimed = completion(course=course, framework="EQF", level=5)
    assert levels_of(claimed, agreement(level_map=entries)) == levels


def test_a_level_map_says_nothing_of_the_receivers_own_framework() -> None:
    assert levels_of(completion(level=5), agreement(level_map=(LevelMapping("FHEQ", 5, 7),))) == (5,)


def test_no_level_maps_to_none() -> None:
    assert levels_of(completion(level=None), agreement(level_map=(GENERAL_ENTRY,))) == ()


@pytest.mark.parametrize(
    ("framework", "level", "stands_at"),
    [("FHEQ", 5, 5), ("EQF", 6, 6), ("EQF", 5, None), ("NFQ", 4, None), ("FHEQ", None, None)],
)
def test_a_completion_stands_at_one_level_or_at_none(framework: str, level: int | None, stands_at: int | None) -> None:
    assert level_of(completion(framework=framework, level=level), agreement()) == stands_at


@pytest.mark.parametrize(
    ("uln", "fault"),
    [
        ("9276308686", None),  # the published example
        ("1000000009", "the check digit is wrong"),  # 10 leaves 10: the tenth digit is 0
        ("1000000000", None),
        ("9276308680", "the check digit is wrong"),
        ("1000000051", None),  # 10 + 5·2 = 20 leaves 9: the tenth digit is 1
        ("1000000050", "the check digit is wrong"),
        ("1000000019", None),  # 10 + 1·2 = 12 leaves 1: the tenth digit is 9
        ("1000000010", "the check digit is wrong"),
        ("0123456789", "the first digit is 0"),
        ("927630868", "not ten digits"),
        ("92763086860", "not ten digits"),
        ("927630868x", "not ten digits"),
        ("", "not ten digits"),
        ("٩٢٧٦٣٠٨٦٨٦", "not ten digits"),
    ],
)
def test_a_uln_is_ten_digits_the_last_a_check_digit(uln: str, fault: str | None) -> None:
    assert fault_of_uln(uln) == fault


def test_a_uln_whose_sum_leaves_nothing_is_invalid_with_every_last_digit() -> None:
    # 1·10 + 4·3 = 22 leaves 0 when divided by 11
    assert {fault_of_uln(f"100000040{last}") for last in range(10)} == {"the check digit is wrong"}
