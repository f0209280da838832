"""What learners ask for: choices, and appeals with how they stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from chassis.database import Connection, columns
from chassis.record import Received
from contracts.learner_record_appeal_request import AppealRequestLodged
from contracts.learner_record_choice import ChoiceMade
from contracts.recognition_appeal import AppealChanged

CHOICE: Final = (
    "SELECT revision, completions, made_at FROM choice WHERE enrolment_id = $1 ORDER BY revision DESC LIMIT 1"
)

INSERT_CHOICE: Final = """
INSERT INTO choice (enrolment_id, revision, learner_id, completions, made_at) VALUES ($1, $2, $3, $4, $5)
"""

DECISION: Final = """
SELECT d.learner_id, d.event, m.event AS receiver,
    d.number = (SELECT max(number) FROM decision AS newer
                WHERE (newer.completion_id, newer.enrolment_id) = (d.completion_id, d.enrolment_id)) AS is_current
FROM decision AS d LEFT JOIN member AS m ON m.member_id = d.event ->> 'receiver'
WHERE d.learner_id = $1 AND d.decision_id = $2
"""

APPEAL_REQUEST: Final = """
SELECT revision, stage, withdrawn, lodged_at FROM appeal_request WHERE appeal_id = $1 ORDER BY revision DESC LIMIT 1
"""

STATEMENTS: Final = "SELECT stage, statement FROM appeal_statement WHERE appeal_id = $1 ORDER BY stage"

APPEAL: Final = "SELECT event FROM appeal WHERE appeal_id = $1 ORDER BY revision DESC LIMIT 1"

LODGED_AT: Final = """
SELECT e.member, r.learner_id FROM appeal_request AS r JOIN enrolment AS e USING (enrolment_id)
WHERE r.appeal_id = $1 LIMIT 1
"""

KNOWN_APPEALS: Final = """
SELECT appeal_id, max(revision) AS revision FROM appeal WHERE learner_id = ANY ($1::uuid[]) GROUP BY appeal_id
"""

INSERT_APPEAL_REQUEST: Final = """
INSERT INTO appeal_request (appeal_id, revision, learner_id, completion_id, enrolment_id, decision_id, decision_number,
    stage, withdrawn, lodged_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

INSERT_STATEMENT: Final = """
INSERT INTO appeal_statement (appeal_id, stage, learner_id, statement) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""

INSERT_APPEALS: Final = """
INSERT INTO appeal (appeal_id, revision, learner_id, event_id, event)
SELECT appeal_id, revision, learner_id, event_id, event::jsonb
FROM unnest($1::uuid[], $2::integer[], $3::uuid[], $4::uuid[], $5::text[])
    AS new (appeal_id, revision, learner_id, event_id, event)
"""


@dataclass(frozen=True, slots=True)
class StoredChoice:
    """A learner's choice for an enrolment; none was made at revision 0."""

    revision: int = 0
    completions: tuple[UUID, ...] = ()
    made_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """An appeal as the learner lodged it last."""

    revision: int
    stage: int
    withdrawn: bool
    lodged_at: datetime


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision on a learner's claim, as its event states it, and how one appeals at its receiver."""

    event: dict[str, Any]
    receiver: dict[str, Any] | None
    is_current: bool


async def choice(connection: Connection, enrolment_id: UUID) -> StoredChoice:
    """The choice that stands for an enrolment."""
    row = await connection.fetchrow(CHOICE, enrolment_id)
    return StoredChoice() if row is None else StoredChoice(row["revision"], tuple(row["completions"]), row["made_at"])


async def add_choice(connection: Connection, event: ChoiceMade) -> None:
    """Store a choice."""
    await connection.execute(
        INSERT_CHOICE, event.enrolment_id, event.revision, event.learner_id, event.completions, event.made_at
    )


async def decided(connection: Connection, learner_id: UUID, decision_id: UUID) -> Decided | None:
    """A decision about this learner; None where it is somebody else's, or not known."""
    row = await connection.fetchrow(DECISION, learner_id, decision_id)
    return None if row is None else Decided(row["event"], row["receiver"], row["is_current"])


async def request(connection: Connection, appeal_id: UUID) -> StoredRequest | None:
    """An appeal as it was lodged last."""
    row = await connection.fetchrow(APPEAL_REQUEST, appeal_id)
    return None if row is None else StoredRequest(**dict(row))


async def statements(connection: Connection, appeal_id: UUID) -> dict[int, str]:
    """What the learner wrote, by stage."""
    return {row["stage"]: row["statement"] for row in await connection.fetch(STATEMENTS, appeal_id)}


async def lodged_at(connection: Connection, appeal_id: UUID) -> tuple[str, UUID] | None:
    """At which member an appeal was lodged, and whose it is."""
    row = await connection.fetchrow(LODGED_AT, appeal_id)
    return None if row is None else (row["member"], row["learner_id"])


async def appeal(connection: Connection, appeal_id: UUID) -> dict[str, Any] | None:
    """How an appeal stands at its receiver; None until that is known."""
    event: dict[str, Any] | None = await connection.fetchval(APPEAL, appeal_id)
    return event


async def add_request(connection: Connection, event: AppealRequestLodged, statement: str) -> None:
    """Store an appeal, and what the learner wrote."""
    await connection.execute(
        INSERT_APPEAL_REQUEST,
        event.appeal_id,
        event.revision,
        event.learner_id,
        event.completion_id,
        event.enrolment_id,
        event.decision_id,
        event.decision_number,
        event.stage,
        event.withdrawn,
        event.lodged_at,
    )
    await connection.execute(INSERT_STATEMENT, event.appeal_id, event.stage, event.learner_id, statement)


async def known_appeals(connection: Connection, learner_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The revision at which each appeal of these learners is known."""
    return {row["appeal_id"]: row["revision"] for row in await connection.fetch(KNOWN_APPEALS, learner_ids)}


async def add_appeals(connection: Connection, received: Sequence[Received]) -> None:
    """Store how appeals stand, as it came."""
    rows = [
        (event.appeal_id, event.revision, event.learner_id, one.event_id, event.to_bytes().decode())
        for one in received
        if isinstance(event := one.event, AppealChanged)
    ]
    if rows:
        await connection.execute(INSERT_APPEALS, *columns(rows, 5))


def day(event: dict[str, Any], name: str) -> date | None:
    """A day of an event, where it states one."""
    return date.fromisoformat(event[name]) if event.get(name) else None
