"""What cannot be processed is set aside, never dropped: its raw bytes, its cause, and all that queues behind it.

A learner's later events wait behind the one that failed, in order; so do those of a member, a learning opportunity
or another thing of its own id. A record without a readable key waits alone (ADR 4).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from chassis import telemetry
from chassis.database import Connection, columns
from chassis.record import Record
from contracts.event import Event

WAITING: Final = "SELECT DISTINCT queue FROM set_aside WHERE state = 'waiting' AND queue = ANY ($1::text[])"

INSERT: Final = """
INSERT INTO set_aside (
    queue, topic, partition, log_offset, record_timestamp, record_key, headers, value, cause, detail, set_aside_at
)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::integer[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bytea[], $8::bytea[],
    $9::text[], $10::text[], $11::timestamptz[]
)
"""

SHARE_REFERENCES: Final = "SELECT pg_advisory_xact_lock_shared(hashtextextended('set aside', 0))"
HOLD_REFERENCES: Final = "SELECT pg_advisory_xact_lock(hashtextextended('set aside', 0))"

BEHIND: Final = "waits_behind"
"""The cause of a record that is sound, but stands behind one that was set aside."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a record is set aside: the kind of trouble, and what it was, without anything of the record's value."""

    cause: str
    detail: str

    def __str__(self) -> str:
        return f"{self.cause} ({self.detail})"


@dataclass(frozen=True, slots=True)
class SetAside:
    """A record that waits for a person, with the queue it belongs to (None: the record alone)."""

    queue: str | None
    record: Record
    trouble: Trouble


def learner_queue(learner_id: UUID) -> str:
    """The queue of a learner, over all topics of the service."""
    return f"learner:{learner_id}"


def learner_of(queue: str | None) -> UUID | None:
    """The learner whose queue it is; None where it is another's."""
    kind, _, name = (queue or "").partition(":")
    return UUID(name) if kind == "learner" else None


def queue_of(record: Record, contract: type[Event]) -> str | None:
    """The queue a record belongs to by its key; None where the key cannot be read."""
    if record.key is None:
        return None
    try:
        key = record.key.decode()
        if contract.is_about_a_learner():
            return learner_queue(UUID(key))
    except ValueError:
        return None
    return None if "\x00" in key else f"{record.topic}:{key}"


async def share_references(connection: Connection) -> None:
    """Let no queue that is no learner's be replayed until this transaction ends; taken before `waiting` is asked.

    A learner's queue is behind the lock of the learner. The others have this one: batches share it, and whoever
    changes such a queue holds it alone, so that nothing newer overtakes what is being replayed.
    """
    await connection.execute(SHARE_REFERENCES)


async def hold_references(connection: Connection) -> None:
    """Let no batch touch a queue that is no learner's until this transaction ends."""
    await connection.execute(HOLD_REFERENCES)


async def waiting(connection: Connection, queues: Iterable[str]) -> set[str]:
    """Those of the queues in which something waits; what comes for them joins the end."""
    rows = await connection.fetch(WAITING, list(queues))
    return {row["queue"] for row in rows}


async def put(connection: Connection, items: Sequence[SetAside], now: datetime) -> None:
    """Store records as they came, in the batch's transaction."""
    if not items:
        return
    rows = [
        (
            item.queue,
            item.record.topic,
            item.record.partition,
            item.record.offset,
            item.record.timestamp,
            item.record.key,
            # Header values are bytes of any kind; Latin-1 keeps every one of them in JSON.
            orjson.dumps(
                [[name, value.decode("latin-1") if value is not None else None] for name, value in item.record.headers]
            ),
            item.record.value,
            item.trouble.cause,
            item.trouble.detail,
            now,
        )
        for item in items
    ]
    await connection.execute(INSERT, *columns(rows, 11))
    for item in items:
        telemetry.SET_ASIDE.labels(item.trouble.cause).inc()
