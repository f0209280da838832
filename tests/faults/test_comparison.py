"""The comparison of two runs' states: it tells apart what was lost, what was doubled and what never was."""

import pytest

from tests.faults.state import Difference, State

UNDISTURBED: State = {"grants": [("a", "1"), ("b", "1"), ("b", "1")], "entries": [("x",)]}


@pytest.mark.parametrize(
    ("here", "said"),
    [
        (UNDISTURBED, "lost 0 doubled 0 phantom 0; final state equal to undisturbed run: yes"),
        (
            UNDISTURBED | {"grants": [("b", "1")]},
            "lost 2 doubled 0 phantom 0; final state equal to undisturbed run: no",
        ),
        (
            UNDISTURBED | {"entries": [("x",), ("x",), ("x",)]},
            "lost 0 doubled 2 phantom 0; final state equal to undisturbed run: no",
        ),
        (
            UNDISTURBED | {"entries": [("x",), ("y",)]},
            "lost 0 doubled 0 phantom 1; final state equal to undisturbed run: no",
        ),
        (
            UNDISTURBED | {"entries": [("y",)]},
            "lost 1 doubled 0 phantom 1; final state equal to undisturbed run: no",
        ),
        ({"grants": UNDISTURBED["grants"]}, "lost 1 doubled 0 phantom 0; final state equal to undisturbed run: no"),
    ],
)
def test_what_differs_is_lost_doubled_or_a_phantom(here: State, said: str) -> None:
    difference = Difference.between(UNDISTURBED, here)
    assert str(difference) == said
    assert difference.is_none == said.endswith("yes")
