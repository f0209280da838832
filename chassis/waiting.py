"""What was set aside, as it is stored: found, shown, and marked with what was done about it, by whom and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg
import orjson

from chassis.database import Connection
from chassis.set_aside import Trouble

MATCHES: Final = """
    ($1::bigint[] IS NULL OR id = ANY ($1)) AND ($2::text IS NULL OR cause = $2) AND ($3::text IS NULL OR topic = $3)
    AND ($4::text IS NULL OR queue = $4) AND ($5::timestamptz IS NULL OR set_aside_at >= $5)
"""

COLUMNS: Final = """
    id, queue, topic, partition, log_offset, record_timestamp, cause, detail, state, set_aside_at, acted_at, acted_by,
    because, (
        SELECT count(*) FROM set_aside AS later
        WHERE later.queue = set_aside.queue AND later.state = 'waiting' AND later.id > set_aside.id
    ) AS behind
"""

LIST: Final = f"""
SELECT {COLUMNS} FROM set_aside
WHERE {MATCHES} AND ($6::text IS NULL OR state = $6) AND id > $7
  AND (NOT $8 OR state <> 'waiting' OR NOT EXISTS (
      SELECT FROM set_aside AS earlier
      WHERE earlier.queue = set_aside.queue AND earlier.state = 'waiting' AND earlier.id < set_aside.id
  ))
ORDER BY id LIMIT $9
"""  # noqa: S608 - constants of this module

SHOW: Final = f"SELECT {COLUMNS}, record_key, headers, value FROM set_aside WHERE id = $1"  # noqa: S608

QUEUES: Final = f"""
SELECT queue, min(id) AS first FROM set_aside
WHERE state = 'waiting' AND {MATCHES}
GROUP BY queue, CASE WHEN queue IS NULL THEN id END
HAVING min(id) > $6 ORDER BY first LIMIT $7
"""  # noqa: S608 - constants of this module

NOT_WAITING: Final = """
SELECT wanted.id FROM unnest($1::bigint[]) AS wanted (id)
WHERE NOT EXISTS (SELECT FROM set_aside WHERE set_aside.id = wanted.id AND state = 'waiting') ORDER BY 1
"""

OF_QUEUE: Final = "state = 'waiting' AND CASE WHEN $1::text IS NULL THEN id = $2 ELSE queue = $1 AND id >= $2 END"

TAKE: Final = f"""
SELECT id, topic, partition, log_offset, coalesce(record_timestamp, extract(epoch FROM set_aside_at) * 1000)::bigint
    AS record_timestamp, record_key, headers, value
FROM set_aside WHERE {OF_QUEUE} ORDER BY id LIMIT $3 FOR UPDATE
"""  # noqa: S608 - constants of this module

BEHIND_WAIT: Final = f"SELECT count(*) FROM set_aside WHERE {OF_QUEUE}"  # noqa: S608 - constants of this module

REPLAYED: Final = """
UPDATE set_aside SET state = 'replayed', acted_at = $2, acted_by = $3, because = $4 WHERE id = ANY ($1::bigint[])
"""

WAITS_ON: Final = """
UPDATE set_aside SET cause = $5, detail = $6, acted_at = $2, acted_by = $3, because = $4 WHERE id = $1
"""

DROP: Final = f"""
UPDATE set_aside SET state = 'dropped', acted_at = $8, acted_by = $9, because = $10
WHERE {MATCHES} AND state = 'waiting' AND CASE WHEN $6::text IS NULL THEN id = $7 ELSE queue = $6 END
RETURNING id
"""  # noqa: S608 - constants of this module


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the waiting records are meant: those that meet everything that is stated; all where nothing is."""

    ids: Sequence[int] | None = None
    cause: str | None = None
    topic: str | None = None
    queue: str | None = None
    since: datetime | None = None

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The first five parameters of the statements above."""
        return self.ids, self.cause, self.topic, self.queue, self.since


@dataclass(frozen=True, slots=True)
class Act:
    """Who does something about what is set aside, why, and when."""

    by: str
    because: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Queue:
    """Records that wait in order, beginning with the first that was chosen; without a name it is that one alone."""

    name: str | None
    first: int


@dataclass(slots=True)
class Kept:
    """A record that was set aside, as it came (chassis.record.Record)."""

    id: int
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


def headers_from(stored: bytes) -> list[tuple[str, bytes | None]]:
    """A record's headers as they came; chassis.set_aside stores them as Latin-1 in JSON."""
    return [(name, None if text is None else text.encode("latin-1")) for name, text in orjson.loads(stored)]


async def listed(
    connection: Connection, choice: Choice, *, state: str | None, first_only: bool, after: int, limit: int
) -> list[asyncpg.Record]:
    """Records in the order in which they were set aside; `first_only` leaves out what waits behind another."""
    return list(await connection.fetch(LIST, *choice.arguments, state, after, first_only, limit))


async def shown(connection: Connection, record_id: int) -> asyncpg.Record | None:
    """One record with its bytes."""
    return await connection.fetchrow(SHOW, record_id)


async def queues(connection: Connection, choice: Choice, *, after: int, limit: int) -> list[Queue]:
    """The queues in which a chosen record waits, in the order of the first such record."""
    return [Queue(*row) for row in await connection.fetch(QUEUES, *choice.arguments, after, limit)]


async def not_waiting(connection: Connection, ids: Sequence[int]) -> list[int]:
    """Those of the ids under which nothing waits: resolved before, or never there."""
    return [row["id"] for row in await connection.fetch(NOT_WAITING, ids)]


async def take(connection: Connection, queue: str | None, first: int, limit: int) -> list[Kept]:
    """The records of a queue that wait, in order. The queue is locked."""
    return [
        Kept(
            row["id"],
            row["topic"],
            row["partition"],
            row["log_offset"],
            row["record_timestamp"],
            row["record_key"],
            row["value"],
            headers_from(row["headers"]),
        )
        for row in await connection.fetch(TAKE, queue, first, limit)
    ]


async def count(connection: Connection, queue: str | None, first: int) -> int:
    """How many records wait in a queue from this one on."""
    return int(await connection.fetchval(BEHIND_WAIT, queue, first))


async def mark_replayed(connection: Connection, ids: Sequence[int], act: Act) -> None:
    """Note that records were replayed."""
    await connection.execute(REPLAYED, ids, act.at, act.by, act.because)


async def mark_waiting(connection: Connection, record_id: int, trouble: Trouble, act: Act) -> None:
    """Note that a replay failed, and why; the record waits on."""
    await connection.execute(WAITS_ON, record_id, act.at, act.by, act.because, trouble.cause, trouble.detail)


async def drop(connection: Connection, choice: Choice, queue: Queue, act: Act) -> list[int]:
    """Note that the chosen records of a queue will not be processed; gives their ids."""
    rows = await connection.fetch(DROP, *choice.arguments, queue.name, queue.first, act.at, act.by, act.because)
    return sorted(row["id"] for row in rows)
