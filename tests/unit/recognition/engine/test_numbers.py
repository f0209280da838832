from fractions import Fraction

import pytest

from services.recognition.engine.numbers import floored, number_from_text, text_of_number, total


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Fraction(20), "20"),
        (Fraction(0), "0"),
        (Fraction(100), "100"),
        (Fraction(15, 2), "7.5"),
        (Fraction(-1, 4), "-0.25"),
        (Fraction(1, 8), "0.125"),
        (Fraction(1, 25), "0.04"),
        (Fraction(333, 100), "3.33"),
        (Fraction(2001, 1000), "2.001"),
        (Fraction(10, 3), "10/3"),
        (Fraction(-7, 6), "-7/6"),
        (Fraction(1, 15), "1/15"),
        (Fraction(1, 5**30), "0.000000000000000000001073741824"),  # 2 to the power of 30
        (Fraction(1, 2 * 5**30), "0.000000000000000000000536870912"),
    ],
)
def test_a_number_is_an_integer_a_terminating_decimal_or_a_fraction(number: Fraction, text: str) -> None:
    assert text_of_number(number) == text
    assert number_from_text(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [("20.50", Fraction(41, 2)), ("6/4", Fraction(3, 2)), ("+3", Fraction(3)), ("007", Fraction(7))],
)
def test_a_number_need_not_be_in_its_shortest_form(text: str, number: Fraction) -> None:
    assert number_from_text(text) == number


@pytest.mark.parametrize("text", ["", " 1", "1e3", "1.", ".5", "1/0", "1/2/3", "1_000", "NaN", "٣"])
def test_what_is_no_exact_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an exact number: "):
        number_from_text(text)


def test_a_total_is_exact() -> None:
    assert total([]) == 0
    assert total([Fraction(1, 3), Fraction(1, 6), Fraction(1, 2)]) == 1


@pytest.mark.parametrize(
    ("number", "step", "left"),
    [
        (Fraction(10, 3), Fraction(1, 100), Fraction(333, 100)),
        (Fraction(5, 2), Fraction(1, 2), Fraction(5, 2)),
        (Fraction(7, 10), Fraction(1), Fraction(0)),
        (Fraction(20), Fraction(3, 2), Fraction(39, 2)),
        (Fraction(10, 3), None, Fraction(10, 3)),
    ],
)
def test_a_number_is_floored_to_a_multiple_of_the_step(number: Fraction, step: Fraction | None, left: Fraction) -> None:
    assert floored(number, step) == left
