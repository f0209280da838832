"""Referrals as officers read them: the queue, one with its evidence, precedents, and how many there are.

What is referred since when follows the decisions by a trigger of the database (migration 0005).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from chassis.database import Connection

_LISTED: Final = """
SELECT r.completion_id, r.enrolment_id, r.receiver, r.provider, r.course, r.opened_at, r.closed_at,
    d.decision_id, d.number, d.state, d.grounds, d.is_frozen, d.claimed_on,
    completion.title, completion.reference AS completion_reference,
    completion.learner_reference AS provider_learner_reference,
    completion.credits, completion.framework, completion.level,
    enrolment.reference AS enrolment_reference, enrolment.learner_reference AS receiver_learner_reference,
    enrolment.award, enrolment.closed_on AS enrolment_closed_on
FROM ("""
_BESIDE: Final = """) AS r
CROSS JOIN LATERAL (
    SELECT decision_id, number, state, grounds, is_frozen, claimed_on FROM decision
    WHERE completion_id = r.completion_id AND enrolment_id = r.enrolment_id ORDER BY number DESC LIMIT 1
) AS d
CROSS JOIN LATERAL (
    SELECT * FROM completion_revision WHERE completion_id = r.completion_id ORDER BY revision DESC LIMIT 1
) AS completion
CROSS JOIN LATERAL (
    SELECT * FROM enrolment_revision WHERE enrolment_id = r.enrolment_id ORDER BY revision DESC LIMIT 1
) AS enrolment
ORDER BY r.opened_at, r.completion_id, r.enrolment_id
"""

QUEUE: Final = f"""{_LISTED}
    SELECT * FROM referral
    WHERE receiver = $1 AND closed_at IS NULL AND (opened_at, completion_id, enrolment_id) > ($2, $3, $4)
        AND ($5::timestamptz IS NULL OR opened_at < $5)
        AND ($6::text IS NULL OR provider = $6) AND ($7::text IS NULL OR course = $7)
    ORDER BY opened_at, completion_id, enrolment_id LIMIT $8
{_BESIDE}"""  # noqa: S608 - constants of this module

ONE: Final = f"""{_LISTED}
    SELECT * FROM referral WHERE completion_id = $1 AND enrolment_id = $2
{_BESIDE}"""  # noqa: S608 - constants of this module

# The claim itself, be it referred or not: an appeal is against any decision.
CLAIM: Final = """
SELECT learner_id, receiver, provider FROM decision WHERE completion_id = $1 AND enrolment_id = $2 LIMIT 1
"""

EVIDENCE: Final = """
SELECT completion_id, revision, provider, reference, learner_reference, course, course_version, title, credits,
    framework, level, result, mark, completed_on, workload_hours, identity_verified_at_assessment, used_for, revoked,
    missing_elements, accepted_at, claimable_from
FROM completion_revision WHERE completion_id = $1 ORDER BY revision DESC LIMIT 1
"""

# What an officer decided before what a rule did; referred and unfinished claims are none.
PRECEDENTS: Final = """
SELECT d.state, d.grounds, d.decided_at, d.award_id, d.award_version, d.agreement_id, d.agreement_version,
    d.grounds @> '[{"code": "OFFICER"}]' AS by_officer, c.course_version, c.credits, c.framework, c.level, c.mark,
    coalesce((
        SELECT jsonb_agg(
            jsonb_build_object('slot', slot, 'credits', trim_scale(credits)::text, 'level', level, 'kind', kind)
            ORDER BY line
        )
        FROM ledger WHERE ledger.grant_id = d.grant_id AND NOT is_withdrawal
    ), '[]') AS lines
FROM completion_revision AS c
JOIN decision AS d ON d.completion_id = c.completion_id AND d.completion_revision = c.revision
WHERE c.course = $1 AND d.receiver = $2 AND (d.completion_id, d.enrolment_id) <> ($3, $4)
    AND d.state IN ('RECOGNISED', 'PARTIAL', 'DECLINED') AND NOT d.is_frozen
ORDER BY by_officer DESC, d.decided_at DESC, d.position DESC LIMIT $5
"""

FIGURES: Final = """
SELECT receiver, count(*) AS open, count(*) FILTER (WHERE opened_at < $1) AS overdue,
    count(*) FILTER (WHERE opened_at < $2) AS breached, min(opened_at) AS oldest
FROM referral WHERE closed_at IS NULL AND ($3::text IS NULL OR receiver = $3)
GROUP BY receiver ORDER BY receiver
"""

Place = tuple[datetime, UUID, UUID]
"""A place in the queue: since when a claim is referred, its completion and its enrolment."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose claim it is, and between which members."""

    learner_id: UUID
    receiver: str
    provider: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which referrals of a receiver: opened before an instant, of a provider, of a learning opportunity; None: all."""

    receiver: str
    opened_before: datetime | None = None
    provider: str | None = None
    course: str | None = None


async def queue(connection: Connection, wanted: Wanted, after: Place, limit: int) -> Sequence[Any]:
    """What is referred to a receiver now, after a place, the longest waiting first; rows."""
    return list(
        await connection.fetch(
            QUEUE, wanted.receiver, *after, wanted.opened_before, wanted.provider, wanted.course, limit
        )
    )


async def one(connection: Connection, completion_id: UUID, enrolment_id: UUID) -> Any | None:
    """A claim that is referred, or was; a row as in the queue."""
    return await connection.fetchrow(ONE, completion_id, enrolment_id)


async def claim(connection: Connection, completion_id: UUID, enrolment_id: UUID) -> Claim | None:
    """A claim that has a decision."""
    row = await connection.fetchrow(CLAIM, completion_id, enrolment_id)
    return None if row is None else Claim(*row)


async def evidence(connection: Connection, completion_id: UUID) -> dict[str, Any]:
    """A completion as it is stored, at its newest revision. Raises LookupError where there is none."""
    row = await connection.fetchrow(EVIDENCE, completion_id)
    if row is None:
        raise LookupError(f"no completion {completion_id}")
    return dict(row)


async def precedents(
    connection: Connection, course: str, receiver: str, but_not: tuple[UUID, UUID], limit: int
) -> Sequence[Any]:
    """What a receiver decided on a learning opportunity before, but for one claim; rows that name no learner."""
    return list(await connection.fetch(PRECEDENTS, course, receiver, *but_not, limit))


async def figures(
    connection: Connection, overdue_before: datetime, breached_before: datetime, at_receiver: str | None
) -> Sequence[Any]:
    """How much is referred to each receiver (or one) now: a row for each that has any."""
    return list(await connection.fetch(FIGURES, overdue_before, breached_before, at_receiver))
