"""How credit adds up: shared grants once, frozen ones apart, own credit by its best attempt, exactly."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.learner_record.domain.stack import (
    Attempt,
    Grant,
    Line,
    grants_that_stand,
    own_credit_that_counts,
    stack,
)

A, B, C = (UUID(int=n) for n in (1, 2, 3))


def line(credits_: str = "15", level: int = 7, kind: Literal["specific", "general"] = "general") -> Line:
    return Line("GENERAL" if kind == "general" else "STAT205", Decimal(credits_), level, kind)


def grant(*completions: UUID, nth: int = 1, lines: tuple[Line, ...] = (line(),), frozen: bool = False) -> Grant:
    return Grant(UUID(int=100 + nth), frozenset(completions), lines, frozen)


def attempt(completion_id: UUID = A, mark: str | None = "62", completed_on: date = date(2026, 6, 30)) -> Attempt:
    exact = Decimal(mark) if mark else None
    return Attempt(completion_id, "northbridge:ethics", Decimal(15), "FHEQ", 7, "pass", exact, completed_on)


def test_a_grant_on_two_completions_counts_once() -> None:
    shared = grant(A, B, lines=(line("30"),))
    assert stack({A: shared, B: shared}, [], None).counted.whole.total == 30


def test_it_counts_only_while_the_decision_of_each_names_it() -> None:
    shared = grant(A, B)
    assert grants_that_stand({A: shared}) == []
    assert grants_that_stand({A: shared, B: None}) == []
    assert grants_that_stand({A: shared, B: grant(B, nth=2)}) == [grant(B, nth=2)]


def test_it_is_frozen_while_any_decision_says_so() -> None:
    shared = grant(A, B)
    for claims in ({A: replace(shared, frozen=True), B: shared}, {A: shared, B: replace(shared, frozen=True)}):
        summed = stack(claims, [], None)
        assert (summed.counted.whole.total, summed.frozen.whole.total) == (0, 15)


def test_specific_and_general_credit_are_told_apart_at_each_level() -> None:
    granted = grant(A, lines=(line("10", 7, "specific"), line("5.25", 7), line("4.75", 6)))
    summed = stack({A: granted}, [], None).counted
    assert {level: (at.specific, at.general, at.imported) for level, at in summed.by_level.items()} == {
        7: (Decimal(10), Decimal("5.25"), Decimal("15.25")),
        6: (Decimal(0), Decimal("4.75"), Decimal("4.75")),
    }
    assert (summed.whole.specific, summed.whole.general, summed.whole.total) == (10, 10, 20)


def test_own_credit_is_added_to_what_is_imported_and_told_apart() -> None:
    summed = stack({B: grant(B)}, [attempt(A)], "FHEQ")
    assert (summed.counted.whole.own, summed.counted.whole.imported, summed.counted.whole.total) == (15, 15, 30)
    assert summed.own == {A}


@pytest.mark.parametrize(
    ("attempts", "best"),
    [
        ([attempt(A, "50"), attempt(B, "70"), attempt(C, "60")], B),
        ([attempt(A, None), attempt(B, "0")], B),
        ([attempt(A, "50", date(2026, 7, 1)), attempt(B, "50", date(2026, 6, 1))], B),
        ([attempt(B, "50"), attempt(A, "50")], A),
        ([attempt(A, "50"), replace(attempt(B, "90"), result="fail")], A),
        ([attempt(A, "50"), replace(attempt(B, "90"), revoked=True)], A),
        ([attempt(A, "50"), replace(attempt(B, "90"), level=None)], A),
        ([attempt(A, "50"), replace(attempt(B, "90"), framework="SCQF")], A),
        ([attempt(A, "50"), replace(attempt(B, "90"), result="compensated")], B),
    ],
)
def test_of_several_attempts_the_best_counts(attempts: list[Attempt], best: UUID) -> None:
    for order in (attempts, attempts[::-1]):
        assert [one.completion_id for one in own_credit_that_counts(order, "FHEQ")] == [best]


@pytest.mark.parametrize("result", ["fail", "not_assessed", "pending"])
def test_what_was_not_passed_counts_nowhere(result: str) -> None:
    assert own_credit_that_counts([replace(attempt(), result=result)], "FHEQ") == []


def test_own_credit_waits_until_the_framework_is_known() -> None:
    assert stack({}, [attempt()], None).counted.whole.total == 0


lines = st.builds(
    Line,
    st.just("GENERAL"),
    st.decimals("0.01", "999999.99", places=2),
    st.integers(1, 12),
    st.sampled_from(["specific", "general"]),
)


@given(st.dictionaries(st.uuids(version=4), st.lists(lines, max_size=4), max_size=8))
def test_sums_are_exact(given_lines: dict[UUID, list[Line]]) -> None:
    claims: dict[UUID, Grant | None] = {
        completion: Grant(completion, frozenset({completion}), tuple(each)) for completion, each in given_lines.items()
    }
    summed = stack(claims, [], None).counted
    exact = sum((Fraction(one.credits) for each in given_lines.values() for one in each), Fraction(0))
    assert Fraction(summed.whole.total) == exact
    assert sum(Fraction(at.total) for at in summed.by_level.values()) == exact


@given(st.data())
def test_the_order_of_the_claims_never_matters(data: st.DataObject) -> None:
    granted = data.draw(
        st.lists(
            st.builds(
                lambda completions, nth, frozen: grant(*completions, nth=nth, frozen=frozen),
                st.sets(st.sampled_from([A, B, C]), min_size=1),
                st.just(1),
                st.booleans(),
            ),
            min_size=3,
            max_size=3,
        )
    )
    items = list(zip((A, B, C), (replace(granted[0], frozen=one.frozen) for one in granted), strict=True))
    assert stack(dict(items), [], None) == stack(dict(items[::-1]), [], None)
