"""Migrations of a database that a newer version was at before: going back runs the previous set-up too (ADR 24)."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from chassis import migrate
from tests.conftest import Database

pytestmark = pytest.mark.servers


async def test_a_schema_that_a_newer_version_made_is_left_as_it_is(
    database: Callable[[str], Awaitable[Database]],
) -> None:
    url = (await database("portal")).owner_url
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("ALTER TABLE visitor_session ADD COLUMN of_a_newer_version text")
        await connection.execute("UPDATE alembic_version SET version_num = 'portal_9999'")
        await migrate.upgrade("portal", url)
        assert [row[0] for row in await connection.fetch("SELECT version_num FROM alembic_version")] == ["portal_9999"]
        await connection.fetch("SELECT of_a_newer_version FROM visitor_session")
    finally:
        await connection.close()
