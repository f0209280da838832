"""Decisions as others read them: one by one, and as a feed that no decision is missing from.

Numbers of rows are taken before their transaction commits, so whoever asks for what follows the last number seen
misses a row that took a lower one and committed later. The feed is ordered by the id of the transaction that wrote a
row, then by the row's place; and it shows only what was written by transactions below the oldest one that is still
under way: among those nothing can be added any more. What it costs is that the feed waits for the oldest transaction of
the server that writes; a session that leaves one open loses it after ten seconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

from chassis.database import Connection
from contracts.recognition_decision import Cause, DecisionMade, Grant, Ground, Line, Version

Position = tuple[int, int]
"""A place in the feed: the writing transaction's id, and the row's own position."""

_SELECT: Final = """
SELECT d.decision_id, d.number, d.completion_id, d.completion_revision, d.enrolment_id, d.learner_id, d.provider,
    d.receiver, d.state, d.grounds, d.grade, d.cause, d.cause_event_id, d.agreement_id, d.agreement_version, d.award_id,
    d.award_version, d.claimed_on, d.grant_id, d.is_frozen, d.conferrals, d.decided_at,
    completion.reference AS completion_reference, completion.learner_reference AS provider_learner_reference,
    enrolment.reference AS enrolment_reference, enrolment.learner_reference AS receiver_learner_reference,
    granted.completions, granted.lines, d.written_by::text AS written_by, d.position
"""
# References of a completion and of an enrolment never change, so any revision has them.
_JOINS: Final = """
CROSS JOIN LATERAL (
    SELECT reference, learner_reference FROM completion_revision
    WHERE completion_id = d.completion_id AND revision = d.completion_revision
) AS completion
CROSS JOIN LATERAL (
    SELECT reference, learner_reference FROM enrolment_revision WHERE enrolment_id = d.enrolment_id LIMIT 1
) AS enrolment
LEFT JOIN LATERAL (
    SELECT g.completions, (
        SELECT jsonb_agg(jsonb_build_object('slot', slot, 'credits', credits::text, 'level', level, 'kind', kind)
            ORDER BY line)
        FROM ledger WHERE ledger.grant_id = g.grant_id AND NOT is_withdrawal
    ) AS lines
    FROM credit_grant AS g WHERE g.grant_id = d.grant_id
) AS granted ON true
"""

_SIDE: Final = """
(SELECT * FROM decision
 WHERE {side} = $1 AND (written_by, position) > ($2::text::xid8, $3)
    AND written_by < pg_snapshot_xmin(pg_current_snapshot())
 ORDER BY written_by, position LIMIT $4)
"""


def _feed(*sides: str) -> str:
    # A decision's provider and receiver are two members, so no row comes from both sides.
    rows = " UNION ALL ".join(_SIDE.format(side=side) for side in sides)
    return f"{_SELECT} FROM ({rows}) AS d {_JOINS} ORDER BY d.written_by, d.position LIMIT $4"


FEED: Final = {
    "provider": _feed("provider"),
    "receiver": _feed("receiver"),
    "both": _feed("provider", "receiver"),
}

NOW: Final = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"

DECISION: Final = f"{_SELECT} FROM decision AS d {_JOINS} WHERE d.decision_id = $1"

NEWEST: Final = """
SELECT decision_id FROM decision WHERE completion_id = $1 AND enrolment_id = $2 ORDER BY number DESC LIMIT 1
"""

RECEIVER: Final = "SELECT referrals_to, appeals FROM member WHERE member_id = $1"

WAITING: Final = """
SELECT receiver, award, provider, waits_for, count(*) AS claims, min(since) AS since
FROM claim WHERE waits_for IS NOT NULL AND ($1::text IS NULL OR receiver = $1)
GROUP BY receiver, award, provider, waits_for
ORDER BY receiver, award, provider
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Claims that wait for the same thing: the definition of their award, or a member that is not known yet."""

    receiver: str
    award: str
    provider: str
    waits_for: Literal["award", "receiver", "provider"]
    claims: int
    since: datetime


async def feed(
    connection: Connection, member: str, side: str, after: Position, limit: int
) -> list[tuple[DecisionMade, Position]]:
    """Decisions that concern a member as `provider`, `receiver` or `both`, after a position, each with its own."""
    rows = await connection.fetch(FEED[side], member, str(after[0]), after[1], limit)
    return [(_decision(row), (int(row["written_by"]), row["position"])) for row in rows]


async def now(connection: Connection) -> Position:
    """The place before all that the feed does not show yet: what is under way at this moment follows it."""
    return int(await connection.fetchval(NOW)) - 1, 2**63 - 1


async def decision(connection: Connection, decision_id: UUID) -> DecisionMade | None:
    """One decision, as its event states it."""
    row = await connection.fetchrow(DECISION, decision_id)
    return None if row is None else _decision(row)


async def newest(connection: Connection, completion_id: UUID, enrolment_id: UUID) -> UUID:
    """The current decision on a claim that has one."""
    return UUID(str(await connection.fetchval(NEWEST, completion_id, enrolment_id)))


async def receiver(connection: Connection, member_id: str) -> tuple[str, dict[str, Any]]:
    """Who takes a member's referrals, and how one appeals against its decisions."""
    row = await connection.fetchrow(RECEIVER, member_id)
    if row is None:
        raise LookupError(f"{member_id} decided and is not known")
    return row["referrals_to"], row["appeals"]


async def waiting(connection: Connection, at_receiver: str | None) -> list[Waiting]:
    """What waits, counted by what it waits for; at one receiver where it is named."""
    return [Waiting(*row) for row in await connection.fetch(WAITING, at_receiver)]


def _decision(row: Any) -> DecisionMade:
    agreement_id = row["agreement_id"]
    return DecisionMade(
        decision_id=row["decision_id"],
        number=row["number"],
        completion_id=row["completion_id"],
        completion_revision=row["completion_revision"],
        enrolment_id=row["enrolment_id"],
        learner_id=row["learner_id"],
        provider=row["provider"],
        completion_reference=row["completion_reference"],
        provider_learner_reference=row["provider_learner_reference"],
        receiver=row["receiver"],
        enrolment_reference=row["enrolment_reference"],
        receiver_learner_reference=row["receiver_learner_reference"],
        state=row["state"],
        grounds=[Ground(**ground) for ground in row["grounds"]],
        grade=row["grade"],
        cause=Cause(kind=row["cause"], event_id=row["cause_event_id"]),
        agreement=None if agreement_id is None else Version(id=agreement_id, version=row["agreement_version"]),
        award=Version(id=row["award_id"], version=row["award_version"]),
        claimed_on=row["claimed_on"],
        conferrals=row["conferrals"],
        grant=None if row["grant_id"] is None else _grant(row),
        decided_at=row["decided_at"],
    )


def _grant(row: Any) -> Grant:
    lines: Iterable[dict[str, Any]] = row["lines"]
    return Grant(
        id=row["grant_id"],
        completions=row["completions"],
        lines=[Line(**{**line, "credits": Decimal(line["credits"])}) for line in lines],
        frozen=row["is_frozen"],
    )
