"""Unique Learner Numbers: how one is checked (decision.md, *ULN*)."""

import re
from operator import mul
from typing import Final

PLACEHOLDER: Final = "9999999999"
"""What a provider states for a learner whose number it does not know; it identifies nobody."""

_TEN_DIGITS: Final = re.compile(r"[0-9]{10}")
_WEIGHTS: Final = range(10, 1, -1)
"""11 − i for the digits i = 1…9; the tenth is checked against their sum."""


def fault_of_uln(uln: str) -> str | None:
    """What is wrong with a number that claims to be a ULN, without repeating it; None if nothing is."""
    if not _TEN_DIGITS.fullmatch(uln):
        return "not ten digits"
    if uln[0] == "0":
        return "the first digit is 0"
    remainder = sum(map(mul, map(int, uln), _WEIGHTS)) % 11
    if remainder == 0 or int(uln[9]) != 10 - remainder:
        return "the check digit is wrong"
    return None
