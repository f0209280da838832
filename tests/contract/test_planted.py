"""Planted bugs can be planted: every patch applies to the tree as it is. `make planted` sees that they are caught."""

import pytest

from tests.faults.planted import Planted, planted
from tests.faults.planted.__main__ import ROOT, apply


def test_there_are_at_least_ten() -> None:
    assert len({bug.bug for bug in planted()}) >= 10


@pytest.mark.parametrize("bug", planted(), ids=lambda bug: bug.name)
def test_it_still_applies(bug: Planted) -> None:
    assert apply(bug.patch, ROOT, only_check=True) is None
    assert bug.caught
