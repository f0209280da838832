"""Unique Learner Numbers: how one is checked (decision.md, *ULN*)."""

import re
from typing import Final

PLACEHOLDER: Final = "9999999999"
"""What a provider states for a learner whose number it does not know; it identifies nobody."""

_TEN_DIGITS: Final = re.compile(r"[0-9]{10}")


def fault_of_uln(uln: str) -> str | None:
    """What is wrong with a number that claims to be a ULN, without repeating it; None if nothing is."""
    if not _TEN_DIGITS.fullmatch(uln):
        return "not ten digits"
    digits = [int(digit) for digit in uln]
    if digits[0] == 0:
        return "the first digit is 0"
    remainder = sum(digit * (11 - place) for place, digit in enumerate(digits[:9], start=1)) % 11
    if remainder == 0 or digits[9] != 10 - remainder:
        return "the check digit is wrong"
    return None
