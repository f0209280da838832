"""Random cases that reach rules, caps, split, choice and excess: few courses, slots, levels, numbers, often equal."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from random import Random
from typing import TypeVar

from hypothesis import strategies as st

from services.recognition.engine.model import (
    GENERAL,
    Agreement,
    All,
    Any,
    Award,
    Case,
    Completion,
    Denial,
    Leaf,
    Ledger,
    LevelMapping,
    NOf,
    Requirement,
    Rule,
    RuleLine,
    Use,
)

T = TypeVar("T")

COURSES = ("A", "B", "C", "D", "E")
SLOTS = ("M1", "M2", "M3", GENERAL, GENERAL)
LEVELS = (4, 5, 5, 6)
EARNED = tuple(Fraction(text) for text in ("10", "20", "20", "20", "30", "40", "0.4", "7.5", "10/3"))
GRANTED = tuple(Fraction(text) for text in ("5", "10", "10", "10", "15", "20", "0.4", "10/3", "0"))
MARKS = tuple(Fraction(text) for text in ("0", "35", "40", "50", "55", "55", "60", "72"))
ROOMS = tuple(Fraction(text) for text in ("0", "5", "10", "15", "20", "25", "40", "40", "10/3", "60", "60"))
DAYS = (date(2020, 2, 29), date(2023, 6, 30), date(2024, 6, 30), date(2025, 6, 30))


class Draw:
    """Draws the parts of a case; what is said of a chance is the share of True."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def one(self, of: Sequence[T]) -> T:
        return of[self.random.randrange(len(of))]

    def maybe(self, percent: int, of: Sequence[T]) -> T | None:
        return self.one(of) if self.chance(percent) else None

    def completion(self, position: int) -> Completion:
        """Mostly in order, now and then with one of the faults of step 1."""
        return Completion(
            id=f"c{position}",
            course=self.one(COURSES),
            course_version=1,
            credits=self.one(EARNED),
            framework="EQF" if self.chance(10) else "FHEQ",
            level=self.one((4, 5, 5, 5, 6, 6)),
            mark=self.maybe(85, MARKS),
            result=self.one(
                ("pass", "pass", "pass", "pass", "pass", "pass", "compensated", "compensated", "fail", "pending")
            ),
            completed_on=self.one(DAYS),
            workload_hours=None,
            identity_verified_at_assessment=True,
            signature_valid=not self.chance(3),
            revoked=self.chance(3),
            missing_elements=("title",) if self.chance(3) else (),
            uln="9276308686",
            already_used_for=tuple(
                Use(self.chance(25), self.chance(25)) for _ in range(self.random.randrange(1, 3)) if self.chance(30)
            ),
            claimed_on=date(2025, 10, 1),
            credit_ratio=self.maybe(25, (Fraction(2), Fraction(1, 2))),
            provider_suspended=self.maybe(20, (False, False, False, True)),
        )

    def tree(self, depth: int = 0) -> Requirement:
        if depth == 2 or self.chance(55):
            return Leaf(self.one(COURSES), self.maybe(25, MARKS), self.maybe(20, MARKS))
        branches = tuple(self.tree(depth + 1) for _ in range(self.one((0, 1, 2, 2, 2, 2, 3, 3, 3))))
        kind = self.random.randrange(3)
        if kind == 0:
            return All(branches)
        return Any(branches) if kind == 1 else NOf(self.one((0, 1, 2, 2, 3)), branches)

    def rule(self) -> Rule:
        lines = tuple(
            RuleLine(self.one(SLOTS), self.one(GRANTED), self.maybe(30, LEVELS))
            for _ in range(self.one((0, 1, 1, 1, 2, 3)))
        )
        return Rule(self.one((1, 1, 2)), self.tree(), None if self.chance(25) else lines)

    def agreement(self) -> Agreement:
        """Every term of steps 2 to 5, with and without rules."""
        return Agreement(
            receiver_framework="FHEQ",
            credit_ratio=self.one((Fraction(1), Fraction(1), Fraction(2, 3), Fraction(2))),
            in_force_from=date(2020, 1, 1),
            in_force_until=date(2099, 1, 1),
            in_force_basis="claim",
            on_expired="DECLINED",
            grade_policy=self.one(("carry", "ungraded")),
            excess_credit=self.one(("general", "general", "drop")),
            level_map=self.one((None, (LevelMapping("EQF", 5, 5), LevelMapping("EQF", 5, 4, "A")))),
            currency_years=self.maybe(30, (5,)),
            minimum_mark=self.maybe(50, (Fraction(40),)),
            accepts_compensated_pass=self.chance(60),
            credit_step=self.maybe(40, (Fraction(1, 100), Fraction(1, 2), Fraction(1), Fraction(4))),
            minimum_claim=self.maybe(10, (Fraction(20), Fraction(45))) or Fraction(0),
            whole_units_only=self.chance(50),
            higher_level_may_fill_lower=self.chance(60),
            double_counting=("within_ladder", "towards_higher_award", "same_level_up_to_cap"),
            denied_courses=(Denial("E", "Listed."),) if self.chance(20) else (),
            excluded_components=("D",) if self.chance(20) else (),
            rules=None if self.chance(35) else tuple(self.rule() for _ in range(self.random.randrange(1, 7))),
        )

    def by_level(self, percent: int) -> dict[int, Fraction]:
        return {level: self.one(ROOMS) for level in (4, 5, 6) if self.chance(percent)}

    def case(self) -> Case:
        """An evaluation of up to seven completions, most often short of room."""
        given = tuple(self.completion(position) for position in range(self.random.randrange(1, 8)))
        names = [*(completion.id for completion in given), "elsewhere"]
        return Case(
            completions=given,
            agreement=None if self.chance(2) else self.agreement(),
            award=Award(
                import_cap=self.maybe(60, ROOMS),
                same_level_cap=self.maybe(60, ROOMS),
                import_cap_by_level=self.by_level(25),
                minimum_level=4,
            ),
            ledger=Ledger(
                imported=self.maybe(30, (Fraction(5), Fraction(25))) or Fraction(0),
                imported_same_level=self.maybe(30, (Fraction(5),)) or Fraction(0),
                imported_by_level=self.by_level(15),
                granted_courses=(self.one(COURSES),) if self.chance(25) else (),
                slots_filled=self.maybe(25, (("M1",), ("M2", "M3"), (GENERAL,))) or (),
            ),
            choice=tuple(self.one(names) for _ in range(self.random.randrange(4))) if self.chance(35) else None,
        )


def case_of(random: Random) -> Case:
    return Draw(random).case()


CASES = st.randoms(use_true_random=False).map(case_of)
