"""Exact numbers as text: an integer, a terminating decimal, or `n/d` in lowest terms (decision.md, State)."""

import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

_NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d+|/\d+)?", re.ASCII)


def number_from_text(text: str) -> Fraction:
    """Read an integer, a decimal or a fraction, exactly.

    Raises ValueError where the text is none of these (an exponent and a denominator of 0 included).
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"not an exact number: {text!r}")
    try:
        return Fraction(text)
    except ZeroDivisionError:
        raise ValueError(f"not an exact number: {text!r}") from None


def text_of_number(number: Fraction | int) -> str:
    """Write a number so that equal numbers are equal text, and the text reads back as the same number."""
    numerator, denominator = number.numerator, number.denominator
    if denominator == 1:
        return str(numerator)
    places = _decimal_places(denominator)
    if places is None:
        return f"{numerator}/{denominator}"
    digits = str(abs(numerator) * 10**places // denominator).rjust(places + 1, "0")
    sign = "-" if numerator < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}"


def total(numbers: Iterable[Fraction]) -> Fraction:
    """The sum; of one number, that number (which is most of the sums there are, and adding rationals is slow)."""
    so_far: Fraction | None = None
    for number in numbers:
        so_far = number if so_far is None else so_far + number
    return Fraction(0) if so_far is None else so_far


def floored(number: Fraction, step: Fraction | None) -> Fraction:
    """The greatest multiple of the step (above 0) that is not above the number; without a step, the number."""
    if step is None:
        return number
    steps, loss = divmod(number.numerator * step.denominator, number.denominator * step.numerator)
    return Fraction(steps * step.numerator, step.denominator) if loss else number


def _decimal_places(denominator: int) -> int | None:
    """How many decimals a fraction in lowest terms with this denominator has; None where they never end."""
    twos = fives = 0
    while denominator % 2 == 0:
        denominator, twos = denominator // 2, twos + 1
    while denominator % 5 == 0:
        denominator, fives = denominator // 5, fives + 1
    return max(twos, fives) if denominator == 1 else None
