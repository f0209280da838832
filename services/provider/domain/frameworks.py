"""Qualification frameworks and their levels (domain.md, Units and levels)."""

from collections.abc import Mapping
from typing import Final

LEVELS: Final[Mapping[str, range]] = {
    "FHEQ": range(3, 9),
    "SCQF": range(1, 13),
    "EQF": range(1, 9),
    "NFQ": range(1, 11),
}
"""The levels of each framework; FHEQ from 3, which is below higher education but is what feeds into it."""


def level_is_of_framework(framework: str, level: int) -> bool:
    """Whether a framework has such a level."""
    return level in LEVELS[framework]


def levels_in_words(framework: str) -> str:
    """The levels that a framework has, for whoever named another one."""
    levels = LEVELS[framework]
    return f"a level of {framework}: {levels.start} to {levels.stop - 1}"
