"""Every case of the case file, through the engine that the service runs."""

from typing import Any

import pytest

from tests.acceptance.cases import differences, load


@pytest.mark.parametrize("case", load(), ids=lambda case: case["id"])
def test_a_case_is_decided_as_expected(case: dict[str, Any]) -> None:
    assert differences(case) == []
