"""Hops in PostgreSQL: added, never changed. Every statement works on sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from chassis.database import Connection, columns
from chassis.record import Received
from chassis.telemetry import is_sampled
from services.operations.domain.journey import ENTRY_UPDATED, Hop

COMPLETION_PUBLISHED: Final = "provider.completion.published.v1"
DECISION_MADE: Final = "recognition.decision.made.v1"

KNOWN: Final = "SELECT event_id FROM hop WHERE event_id = ANY ($1::uuid[])"

INSERT: Final = """
INSERT INTO hop (
    event_id, event_type, caused_by, happened_at, topic, partition, log_offset, recorded_at, seen_at, trace_id,
    trace_sampled, completion_id, facts
)
SELECT event_id, event_type, caused_by, happened_at, topic, partition, log_offset, recorded_at, seen_at, trace_id,
       trace_sampled, completion_id, facts::jsonb
FROM unnest(
    $1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[], $5::text[], $6::integer[], $7::bigint[], $8::timestamptz[],
    $9::timestamptz[], $10::text[], $11::boolean[], $12::uuid[], $13::text[]
) AS new (
    event_id, event_type, caused_by, happened_at, topic, partition, log_offset, recorded_at, seen_at, trace_id,
    trace_sampled, completion_id, facts
)
ON CONFLICT DO NOTHING
"""

# What is about the completion, and what led to it and is about something else: an enrolment, an agreement.
JOURNEY: Final = """
WITH about AS MATERIALIZED (SELECT * FROM hop WHERE completion_id = $1)
SELECT * FROM about
UNION ALL
SELECT * FROM hop
WHERE event_id IN (SELECT caused_by FROM about) AND completion_id IS DISTINCT FROM $1
"""

# Newest publications, and when the last of what each led to, directly or by its decisions, was visible on a record;
# at no time yet where an entry says that it is being decided and no later one of its enrolment says otherwise.
NEWEST: Final = f"""
SELECT published.completion_id, published.event_id, published.happened_at, published.facts, visible.visible_at
FROM (
    SELECT * FROM hop WHERE event_type = '{COMPLETION_PUBLISHED}' ORDER BY happened_at DESC LIMIT $1
) AS published
CROSS JOIN LATERAL (
    SELECT CASE WHEN bool_or(entry.facts->>'state' = 'RECEIVED' AND NOT EXISTS (
        SELECT FROM hop AS later
        WHERE later.completion_id = published.completion_id AND later.event_type = '{ENTRY_UPDATED}'
          AND later.facts->>'enrolment_id' = entry.facts->>'enrolment_id' AND later.facts->>'state' <> 'RECEIVED'
    )) THEN NULL ELSE max(entry.happened_at) END AS visible_at
    FROM hop AS entry
    WHERE entry.event_type = '{ENTRY_UPDATED}'
      AND (
          entry.caused_by = published.event_id
          OR entry.caused_by IN (SELECT decision.event_id FROM hop AS decision
                                 WHERE decision.caused_by = published.event_id)
      )
      AND entry.completion_id = published.completion_id
) AS visible
ORDER BY published.happened_at DESC
"""  # noqa: S608 - constants of this module

DECISIONS: Final = f"""
SELECT facts->>'state' AS state, count(*) AS decisions
FROM (SELECT facts FROM hop WHERE event_type = '{DECISION_MADE}' ORDER BY happened_at DESC LIMIT $1) AS newest
GROUP BY 1
"""  # noqa: S608 - constants of this module

# The fences count for us: each distinct event was applied once, and what came again was ignored.
TOPICS: Final = """
SELECT topic, sum(applied)::bigint AS events, sum(ignored)::bigint AS repeats, sum(set_aside)::bigint AS set_aside
FROM fence GROUP BY topic ORDER BY topic
"""

_FACTS: Final = (
    "revision",
    "version",
    "number",
    "state",
    "provider",
    "receiver",
    "member",
    "member_id",
    "reference",
    "completion_reference",
    "completion_revision",
    "enrolment_id",
    "enrolment_reference",
    "agreement_id",
    "award_id",
    "learning_opportunity_id",
    "revoked",
    "stage",
    "withdrawn",
    "eligible",
)
"""Fields kept of an event of whatever type, where it has them: what a sentence about it names, and nothing personal."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A revision of a completion on the console: whose it is, and when it was visible on the last record."""

    completion_id: UUID
    provider: str
    reference: str
    revision: int
    accepted_at: datetime
    visible_at: datetime | None

    @property
    def visible_after(self) -> float | None:
        """Seconds from acceptance to visibility; None while it is not visible."""
        return (self.visible_at - self.accepted_at).total_seconds() if self.visible_at else None


@dataclass(frozen=True, slots=True)
class TopicCount:
    """What was seen of a topic: events, repeats of them, and records that could not be read."""

    topic: str
    events: int
    repeats: int
    set_aside: int


def _facts(received: Received) -> dict[str, Any]:
    # Not by `getattr`: pydantic takes long to say that an event has no such field, and most have few of these.
    stated = received.event.__dict__ | (received.event.__pydantic_extra__ or {})
    found = {name: value for name in _FACTS if (value := stated.get(name)) is not None}
    cause = getattr(stated.get("cause"), "kind", None)
    if cause is not None:
        found["cause"] = cause
    return found


def _row(received: Received, seen_at: datetime) -> tuple[object, ...]:
    traceparent = received.traceparent
    return (
        received.event_id,
        received.event.TYPE,
        received.caused_by,
        received.happened_at,
        received.topic,
        received.partition,
        received.offset,
        datetime.fromtimestamp(received.record_timestamp / 1000, UTC),
        seen_at,
        traceparent[3:35] if traceparent and len(traceparent) == 55 else None,
        is_sampled(traceparent),
        getattr(received.event, "completion_id", None),
        orjson.dumps(_facts(received), default=str).decode(),
    )


def _hop(row: asyncpg.Record) -> Hop:
    return Hop(
        event_id=row["event_id"],
        event_type=row["event_type"],
        caused_by=row["caused_by"],
        happened_at=row["happened_at"],
        topic=row["topic"],
        partition=row["partition"],
        offset=row["log_offset"],
        recorded_at=row["recorded_at"],
        seen_at=row["seen_at"],
        trace_id=row["trace_id"],
        is_sampled=row["trace_sampled"],
        facts=row["facts"],
    )


async def known(connection: Connection, event_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the events that were seen before."""
    return {row["event_id"] for row in await connection.fetch(KNOWN, event_ids)}


async def add(connection: Connection, received: Sequence[Received], seen_at: datetime) -> None:
    """Add events as they were seen."""
    await connection.execute(INSERT, *columns([_row(one, seen_at) for one in received], 13))


async def journey(connection: Connection, completion_id: UUID) -> list[Hop]:
    """Everything that was seen about a completion, with what led to it; empty where nothing was."""
    return [_hop(row) for row in await connection.fetch(JOURNEY, completion_id)]


async def newest(connection: Connection, limit: int) -> list[Publication]:
    """The newest publications of completions."""
    return [
        Publication(
            row["completion_id"],
            row["facts"]["provider"],
            row["facts"]["reference"],
            row["facts"]["revision"],
            row["happened_at"],
            row["visible_at"],
        )
        for row in await connection.fetch(NEWEST, limit)
    ]


async def decisions(connection: Connection, limit: int) -> dict[str, int]:
    """How many of the newest decisions are in each state."""
    return {row["state"]: row["decisions"] for row in await connection.fetch(DECISIONS, limit)}


async def topic_counts(connection: Connection) -> list[TopicCount]:
    """What was seen, by topic."""
    return [TopicCount(*row) for row in await connection.fetch(TOPICS)]
