"""Live records: who looks at one is told when its version rises (ADR 18).

Every transaction that changes records sends one empty NOTIFY. An API process listens on one connection, and on every
NOTIFY, and whenever it has begun to listen again, asks once which of the records that are being looked at have a higher
version. A stream holds the newest version alone, so however slow its reader is, nothing piles up.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID
from weakref import WeakSet

import asyncpg
import structlog

from chassis.database import COMMAND_TIMEOUT, Connection, Pool, connect, is_passing
from chassis.problems import unavailable
from services.learner_record.store import records

log = structlog.get_logger()

CHANNEL: Final = "record_changed"
MOST_STREAMS: Final = 1000
"""Of one process; whoever comes after that is sent to another, or asked to come again."""
QUIET_SECONDS: Final = 15.0
"""Without a word from the stream, after which it says that it is still there."""
PROBE_SECONDS: Final = 5.0
"""Without a NOTIFY, after which the listening connection is tried: one cut half-way says nothing by itself."""
LONGEST_PAUSE: Final = 2.0


@dataclass(eq=False, slots=True, weakref_slot=True)
class Stream:
    """Somebody who looks at a record: the version they were told last, and the newest that is known."""

    learner_id: UUID
    told: int = -1
    newest: int = -1
    stirred: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, version: int) -> None:
        """Note a version; one that is skipped because a newer one comes first is not missed."""
        if version > self.newest:
            self.newest = version
            self.stirred.set()


class Watch:
    """The streams of a process, and the loop that keeps them up to date."""

    def __init__(self, database_url: str, pool: Pool) -> None:
        self._database_url = database_url
        self._pool = pool
        # Weakly, since a reader may be gone before its stream was ever read, and nobody then says so.
        self._streams: WeakSet[Stream] = WeakSet()
        self._stirred = asyncio.Event()
        self._is_closing = False
        self.is_listening = False

    async def run(self) -> None:
        """Listen until cancelled; a connection that is lost is made again, with backoff."""
        backoff = 0.05
        try:
            while True:
                try:
                    connection = await connect(self._database_url, application_name="record listener")
                    try:
                        backoff = 0.05
                        await self._listen(connection)
                    finally:
                        self.is_listening = False
                        # A connection to a stopped server must not hold up the next try.
                        connection.terminate()
                except Exception as error:
                    if not is_passing(error):
                        log.exception("listening failed")
                    log.warning("listens again", error=type(error).__name__, in_seconds=backoff)
                    await asyncio.sleep(backoff)
                    backoff = min(backoff * 2, LONGEST_PAUSE)
        finally:
            self.close()

    async def _listen(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        connection.add_termination_listener(lambda _: self._stirred.set())
        await connection.add_listener(CHANNEL, lambda *_: self._stirred.set())
        self.is_listening = True
        while True:
            # Cleared before the question, so that what is said meanwhile makes another one. The first question is
            # about what changed while nobody listened.
            self._stirred.clear()
            await self._ask(connection)
            try:
                async with asyncio.timeout(PROBE_SECONDS):
                    await self._stirred.wait()
            except TimeoutError:
                continue

    async def _ask(self, connection: Connection) -> None:
        shown: dict[UUID, int] = {}
        for stream in self._streams:
            shown[stream.learner_id] = min(stream.newest, shown.get(stream.learner_id, stream.newest))
        newer = await records.newer_versions(connection, list(shown.items()))
        for stream in self._streams:
            if stream.learner_id in newer:
                stream.offer(newer[stream.learner_id])

    async def open(self, learner_id: UUID, last_told: int | None) -> Stream:
        """Begin to look at a record; `last_told` is the version that its reader has seen, if any.

        Raises the Problem 503 where there are too many streams, or the process is about to end; database errors.
        """
        if self._is_closing or len(self._streams) >= MOST_STREAMS:
            raise unavailable("No more streams can be served at the moment.", name="too-many-streams")
        stream = Stream(learner_id)
        # Before the version is read, so that no change falls between the two.
        self._streams.add(stream)
        try:
            async with self._pool.acquire(timeout=COMMAND_TIMEOUT) as connection:
                version = await records.version_of(connection, learner_id)
        except BaseException:
            self._streams.discard(stream)
            raise
        if last_told == version:
            stream.told = version
        stream.offer(version)
        return stream

    async def versions(self, stream: Stream) -> AsyncIterator[int | None]:
        """The versions of a record as they come, skipping to the newest; None where nothing was said for a while.

        Ends when the process is about to end.
        """
        try:
            while not self._is_closing:
                stream.stirred.clear()
                if stream.newest > stream.told:
                    stream.told = stream.newest
                    yield stream.told
                    continue
                try:
                    async with asyncio.timeout(QUIET_SECONDS):
                        await stream.stirred.wait()
                except TimeoutError:
                    yield None
        finally:
            self._streams.discard(stream)

    def close(self) -> None:
        """End every stream, and open no other: their readers come again, to another process."""
        self._is_closing = True
        for stream in self._streams:
            stream.stirred.set()

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._streams)
