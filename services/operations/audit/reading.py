"""Reading every service's database at one moment each, and copying it into one scratch session."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg

from services.operations.audit.sources import SERVICES, SOURCES, Source

if TYPE_CHECKING:
    Session: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:  # asyncpg's classes take no parameters at run time
    Session = asyncpg.Connection

CONNECT_SECONDS: Final = 10.0
AT_A_TIME: Final = 16
"""Pieces of a copy on their way from one database to the other, so that memory stays flat."""


@asynccontextmanager
async def scratch(urls: Mapping[str, str]) -> AsyncIterator[tuple[Session, datetime]]:
    """A session with a copy of everything in SOURCES, and the moment of its oldest part; all is gone when it ends.

    Each statement commits by itself: a long transaction that writes would hold up recognition's feed.
    """
    async with AsyncExitStack() as stack:
        session = await _session(stack, urls["operations"])
        taken: list[datetime] = []
        snapshots = {}
        for service in SERVICES:
            snapshots[service] = reader = await _session(stack, urls[service])
            await reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            # The first statement takes the snapshot.
            taken.append(await reader.fetchval("SELECT clock_timestamp()"))
        for source in SOURCES:
            await session.execute(f"CREATE TEMPORARY TABLE {source.name} ({source.columns})")
            await _copy(snapshots[source.service], source, session)
        yield session, min(taken)


async def _session(stack: AsyncExitStack, url: str) -> Session:
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS, server_settings={"application_name": "auditor"})
    stack.callback(connection.terminate)
    return connection


async def _copy(reader: Session, source: Source, session: Session) -> None:
    pieces: asyncio.Queue[bytes | None] = asyncio.Queue(AT_A_TIME)

    async def read() -> None:
        try:
            await reader.copy_from_query(source.query, output=pieces.put, format="binary")
        finally:
            await pieces.put(None)

    async def received() -> AsyncIterator[bytes]:
        while (piece := await pieces.get()) is not None:
            yield piece
        await reading  # where it failed, that is the error, and not what came of the copy's being cut off

    reading = asyncio.create_task(read())
    try:
        await session.copy_to_table(source.name, source=received(), format="binary")
    except BaseException:
        reading.cancel()
        raise
