"""Appeals, revision by revision: only ever added to."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from chassis.database import Connection, columns
from services.recognition.domain.appeals import Appeal, Request

NEWEST: Final = """
SELECT DISTINCT ON (appeal_id) * FROM appeal WHERE appeal_id = ANY ($1::uuid[])
ORDER BY appeal_id, revision DESC
"""

REVISION: Final = "SELECT * FROM appeal WHERE appeal_id = $1 AND revision = $2"

INSERT: Final = """
INSERT INTO appeal (appeal_id, revision, learner_id, receiver, completion_id, enrolment_id, decision_id,
    request_revision, request_event_id, stage, stages, state, lodged_on, due_on, next_stage_until, outcome_decision_id,
    reasons, decided_by, changed_at)
SELECT * FROM unnest(
    $1::uuid[], $2::integer[], $3::uuid[], $4::text[], $5::uuid[], $6::uuid[], $7::uuid[], $8::integer[], $9::uuid[],
    $10::integer[], $11::integer[], $12::text[], $13::date[], $14::date[], $15::date[], $16::uuid[], $17::text[],
    $18::text[], $19::timestamptz[]
)
"""

QUEUE: Final = """
SELECT * FROM appeal AS a
WHERE receiver = $1 AND (due_on, appeal_id) > ($2, $3) AND ($4::text IS NULL OR state = $4)
    AND NOT EXISTS (SELECT FROM appeal AS newer WHERE newer.appeal_id = a.appeal_id AND newer.revision > a.revision)
ORDER BY due_on, appeal_id LIMIT $5
"""

Stored = tuple[Appeal, datetime]
"""An appeal, and when it came to stand so."""


async def newest(connection: Connection, appeal_ids: Iterable[UUID]) -> dict[UUID, Stored]:
    """How these appeals stand; those that nobody knows are left out."""
    return {row["appeal_id"]: _stored(row) for row in await connection.fetch(NEWEST, list(appeal_ids))}


async def at_revision(connection: Connection, appeal_id: UUID, revision: int) -> Stored | None:
    """How an appeal stood at a revision."""
    row = await connection.fetchrow(REVISION, appeal_id, revision)
    return None if row is None else _stored(row)


async def queue(
    connection: Connection, receiver: str, after: tuple[date, UUID], state: str | None, limit: int
) -> list[Stored]:
    """Appeals at a member after a place in the queue, what is due first before others; in this state, where named."""
    return [_stored(row) for row in await connection.fetch(QUEUE, receiver, *after, state, limit)]


async def add(connection: Connection, appeals: Sequence[Appeal], now: datetime) -> None:
    """Add revisions of appeals."""
    if appeals:
        await connection.execute(INSERT, *columns([_row(appeal, now) for appeal in appeals], 19))


def _stored(row: Any) -> Stored:
    request = Request(
        appeal_id=row["appeal_id"],
        revision=row["request_revision"],
        event_id=row["request_event_id"],
        learner_id=row["learner_id"],
        receiver=row["receiver"],
        completion_id=row["completion_id"],
        enrolment_id=row["enrolment_id"],
        decision_id=row["decision_id"],
        stage=row["stage"],
        withdrawn=row["state"] == "withdrawn",
        day=row["lodged_on"],
    )
    appeal = Appeal(
        request,
        row["revision"],
        row["stages"],
        row["state"],
        row["due_on"],
        row["next_stage_until"],
        row["outcome_decision_id"],
        row["reasons"],
        row["decided_by"],
    )
    return appeal, row["changed_at"]


def _row(appeal: Appeal, now: datetime) -> tuple[Any, ...]:
    request = appeal.request
    return (
        request.appeal_id,
        appeal.revision,
        request.learner_id,
        request.receiver,
        request.completion_id,
        request.enrolment_id,
        request.decision_id,
        request.revision,
        request.event_id,
        request.stage,
        appeal.stages,
        appeal.state,
        request.day,
        appeal.due_on,
        appeal.next_stage_until,
        appeal.outcome_decision_id,
        appeal.reasons,
        appeal.decided_by,
        now,
    )
