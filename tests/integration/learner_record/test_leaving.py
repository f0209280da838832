"""A member that has left opens no enrolments, and closes those that it has (docs/members.md)."""

from datetime import date

import pytest

from tests.integration.learner_record.ground import Ground, member

pytestmark = pytest.mark.servers


async def test_a_member_that_left_opens_nothing_and_closes_what_is_open(ground: Ground) -> None:
    await ground.receive(member("strathmore"))
    assert (await ground.enrol("strathmore", "E-1")).status_code == 201
    await ground.receive(member("strathmore", revision=2, left_on=date(2026, 9, 1)), member("northbridge"))
    answer = await ground.enrol("strathmore", "E-2")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:concord:problem:left")
    assert (await ground.enrol("northbridge", "E-1")).status_code == 201, "others go on"
    assert (await ground.enrol("strathmore", "E-1")).status_code == 200, "a repeat is a repeat"
    closed = await ground.enrol("strathmore", "E-1", revision=2, closed_on="2026-09-01")
    assert closed.status_code == 201


async def test_a_member_leaves_when_its_day_has_come(ground: Ground) -> None:
    await ground.receive(member("strathmore", left_on=date(2026, 9, 2)))
    assert (await ground.enrol("strathmore", "E-1")).status_code == 201
