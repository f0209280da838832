"""The synthetic credit: published by operations, seen on its record and measured; one that is not seen is told."""

import re
import signal
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from tests.eventually import eventually
from tests.whole import Whole

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

WITHIN = "4"
SEEN = "concord_synthetic_visibility_seconds_count"
AT = "concord_synthetic_last_visible_timestamp_seconds"
DECIDED = "SELECT number, completion_revision FROM decision WHERE provider = 'synthetic'"
NOT_VISIBLE = 'concord_synthetic_failed_total{why="not visible"}'


@pytest.fixture
async def synthetic(whole: Whole) -> AsyncIterator[Whole]:
    """The whole system, with a synthetic credit every second; at the end it sends none again."""
    whole.system.set_environment("operations", {"SYNTHETIC_EVERY": "1", "SYNTHETIC_WITHIN": WITHIN})
    whole.system.restart("operations", seconds=120)
    yield whole
    whole.system.set_environment("operations", {})
    whole.system.restart("operations", seconds=120)


async def measured(whole: Whole) -> dict[str, float]:
    """Operations' metrics about it."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"{whole.system.addresses['operations metrics']}/metrics")).text
    return {name: float(value) for name, value in re.findall(r"^(concord_synthetic.*) (\S+)$", text, re.M)}


async def told(whole: Whole) -> asyncpg.Record:
    """What operations' console is told."""
    connection = await asyncpg.connect(whole.system.environment("operations")["SERVICE_DATABASE_URL"])
    try:
        row = await connection.fetchrow("SELECT visible_at, seconds, trouble FROM synthetic_credit")
        assert row is not None
        return row
    finally:
        await connection.close()


async def test_it_is_published_and_measured_and_one_that_is_not_seen_is_told(synthetic: Whole) -> None:
    whole = synthetic

    async def seen() -> float:
        return (await measured(whole)).get(SEEN, 0.0)

    async def more_seen_than(before: float) -> bool:
        return await seen() > before

    # The first ones may be refused: the members are new, and recognition hears of them over a topic.
    await eventually(lambda: more_seen_than(0), within=120, what="a synthetic credit is seen on the record")
    one = await seen()
    await eventually(lambda: more_seen_than(one), within=120, what="and another one")
    now, row = await measured(whole), await told(whole)
    assert now[AT] == pytest.approx(row["visible_at"].timestamp(), abs=60)
    assert 0 < row["seconds"] < float(WITHIN) + 1
    assert row["trouble"] is None
    # A decision of its own for every revision, between two members of its own.
    decided = await whole.fetch("recognition", DECIDED)
    assert len(decided) >= 2
    assert all(one["number"] == one["completion_revision"] for one in decided)

    whole.system.kill("recognition-worker", signal.SIGSTOP)
    try:
        failed = now[NOT_VISIBLE]

        async def one_failed() -> bool:
            return (await measured(whole))[NOT_VISIBLE] > failed

        await eventually(one_failed, within=120, what="a credit that is not seen counts as failed")
        trouble = (await told(whole))["trouble"]
        stood_still = await measured(whole)
        assert "not visible" in trouble
        assert stood_still[AT] == (await told(whole))["visible_at"].timestamp()
    finally:
        whole.system.kill("recognition-worker", signal.SIGCONT)
    await eventually(lambda: more_seen_than(stood_still[SEEN]), within=120, what="it goes on by itself")
    assert (await measured(whole))[AT] > stood_still[AT]

    async def is_well() -> bool:
        return (await told(whole))["trouble"] is None

    await eventually(is_well, within=60)
