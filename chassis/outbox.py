"""Events leave a service through rows written in the transaction of the fact that they state (ADR 2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from chassis.database import Connection, columns
from contracts.event import Event

LARGEST_EVENT: Final = 256 * 1024
"""Bytes; a larger event is refused before its fact is committed, since the topic would refuse it for ever."""

INSERT: Final = """
INSERT INTO outbox (topic, key, event_id, event_type, happened_at, caused_by, traceparent, payload)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::uuid[], $4::text[], $5::timestamptz[], $6::uuid[], $7::text[], $8::bytea[]
)
"""


class EventTooLarge(ValueError):
    """An event above 256 KiB, which no topic takes."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event on its way out: with the event that caused it, and the trace context of the work that made it."""

    event: Event
    caused_by: UUID | None = None
    traceparent: str | None = None


def _row(outgoing: Outgoing) -> tuple[object, ...]:
    event = outgoing.event
    payload = event.to_bytes()
    if len(payload) > LARGEST_EVENT:
        raise EventTooLarge(f"an event of {len(payload)} bytes; at most {LARGEST_EVENT} can be sent")
    return (
        event.TOPIC,
        event.key,
        event.event_id,
        event.TYPE,
        event.happened_at,
        outgoing.caused_by,
        outgoing.traceparent,
        payload,
    )


async def put(connection: Connection, events: Sequence[Outgoing]) -> None:
    """Write events into the outbox, in order, in the caller's transaction. Raises EventTooLarge."""
    if events:
        await connection.execute(INSERT, *columns([_row(event) for event in events], 8))
