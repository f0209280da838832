"""The synthetic credit's row: whose turn it is, and what the console shows of it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from chassis.database import Pool, transaction
from services.operations.application import read_overview
from services.operations.synthetic import store
from tests.integration.operations.conftest import Operations
from tests.integration.portal.people import OWEN, browser, sign_in

pytestmark = pytest.mark.servers

NOW = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
MINUTE = timedelta(seconds=60)


async def claims(pool: Pool, now: datetime) -> bool:
    async with transaction(pool) as connection:
        return await store.claim(connection, now, MINUTE)


async def test_processes_take_turns(pool: Pool) -> None:
    assert (await read_overview(pool)).synthetic is None
    assert sum(await asyncio.gather(*(claims(pool, NOW) for _ in range(4)))) == 1
    assert not await claims(pool, NOW + timedelta(seconds=59))
    assert sum(await asyncio.gather(*(claims(pool, NOW + MINUTE) for _ in range(4)))) == 1


async def test_the_console_shows_the_last_that_was_seen_and_what_went_wrong_since(
    operations: Operations, pool: Pool
) -> None:
    await claims(pool, NOW)
    async with transaction(pool) as connection:
        await store.visible(connection, NOW, 0.25)
        await store.failed(connection, "not visible: revision 2")
    assert (await read_overview(pool)).synthetic == store.Last(NOW, NOW, 0.25, "not visible: revision 2")
    async with browser() as client:
        page = await sign_in(client, operations.url, OWEN)
    assert "250 ms" in page.text
    assert "not visible: revision 2" in page.text
    async with transaction(pool) as connection:
        await store.visible(connection, NOW + MINUTE, 0.5)
    assert (await read_overview(pool)).synthetic == store.Last(NOW, NOW + MINUTE, 0.5, None)
