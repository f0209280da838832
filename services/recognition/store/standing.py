"""The standing query: claims whose parties have a newer catalogue number than the claims were stamped with.

It starts from the subjects, of which there are few, and finds their claims by index; a claim that is neither open nor
under a cap is in none of these indexes. Whoever decided on an older catalogue stamped its number, and is found.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from chassis.database import Connection, columns

FIND: Final = """
WITH found AS (
    (SELECT c.learner_id, c.enrolment_id, s.number, s.cause, s.event_id, s.traceparent
     FROM subject AS s JOIN claim AS c ON c.provider = s.id AND c.receiver = s.receiver AND c.stamped < s.number
     WHERE s.kind = 'direction' AND c.is_open AND c.learner_id <> ALL ($2::uuid[]) LIMIT $1)
    UNION ALL
    (SELECT c.learner_id, c.enrolment_id, s.number, s.cause, s.event_id, s.traceparent
     FROM subject AS s JOIN claim AS c ON c.award = s.id AND c.stamped < s.number
     WHERE s.kind = 'award' AND (c.is_open OR c.has_cap_ground) AND c.learner_id <> ALL ($2::uuid[]) LIMIT $1)
    UNION ALL
    (SELECT c.learner_id, c.enrolment_id, s.number, s.cause, s.event_id, s.traceparent
     FROM subject AS s JOIN claim AS c ON c.receiver = s.id AND c.stamped < s.number
     WHERE s.kind = 'member' AND c.is_open AND c.learner_id <> ALL ($2::uuid[]) LIMIT $1)
    UNION ALL
    (SELECT c.learner_id, c.enrolment_id, s.number, s.cause, s.event_id, s.traceparent
     FROM subject AS s JOIN claim AS c ON c.provider = s.id AND c.stamped < s.number
     WHERE s.kind = 'member' AND c.is_open AND c.learner_id <> ALL ($2::uuid[]) LIMIT $1)
)
SELECT DISTINCT ON (learner_id, enrolment_id) learner_id, enrolment_id, cause, event_id, traceparent
FROM found ORDER BY learner_id, enrolment_id, number DESC LIMIT $1
"""

COUNT: Final = """
SELECT count(*) FROM (
    SELECT c.completion_id, c.enrolment_id
    FROM subject AS s JOIN claim AS c ON c.provider = s.id AND c.receiver = s.receiver AND c.stamped < s.number
    WHERE s.kind = 'direction' AND c.is_open AND ($1::text IS NULL OR c.receiver = $1)
    UNION
    SELECT c.completion_id, c.enrolment_id
    FROM subject AS s JOIN claim AS c ON c.award = s.id AND c.stamped < s.number
    WHERE s.kind = 'award' AND (c.is_open OR c.has_cap_ground) AND ($1::text IS NULL OR c.receiver = $1)
    UNION
    SELECT c.completion_id, c.enrolment_id
    FROM subject AS s JOIN claim AS c ON c.receiver = s.id AND c.stamped < s.number
    WHERE s.kind = 'member' AND c.is_open AND ($1::text IS NULL OR c.receiver = $1)
    UNION
    SELECT c.completion_id, c.enrolment_id
    FROM subject AS s JOIN claim AS c ON c.provider = s.id AND c.stamped < s.number
    WHERE s.kind = 'member' AND c.is_open AND ($1::text IS NULL OR c.receiver = $1)
) AS found
"""

COUNT_IN: Final = """
SELECT count(*)
FROM unnest($1::text[], $2::text[]) AS direction (provider, receiver)
JOIN subject AS s ON s.kind = 'direction' AND s.id = direction.provider AND s.receiver = direction.receiver
JOIN claim AS c ON c.provider = s.id AND c.receiver = s.receiver AND c.stamped < s.number
WHERE c.is_open
"""

COUNT_FOR: Final = """
SELECT count(*) FROM subject AS s JOIN claim AS c ON c.award = s.id AND c.stamped < s.number
WHERE s.kind = 'award' AND s.id = $1 AND (c.is_open OR c.has_cap_ground)
"""

WAITING: Final = "SELECT count(*) FROM claim WHERE waits_for IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Found:
    """An enrolment with claims to look at again, and the newest change that concerns one of them."""

    learner_id: UUID
    enrolment_id: UUID
    cause: str
    event_id: UUID
    traceparent: str | None


async def find(connection: Connection, limit: int, but_not: Iterable[UUID]) -> list[Found]:
    """At most so many enrolments with claims that were looked at before something that concerns them changed."""
    return [Found(*row) for row in await connection.fetch(FIND, limit, list(but_not))]


async def count(connection: Connection, at_receiver: str | None) -> int:
    """How many claims are still to be looked at again; at one receiver where it is named."""
    return int(await connection.fetchval(COUNT, at_receiver))


async def count_in(connection: Connection, directions: Sequence[tuple[str, str]]) -> int:
    """How many claims in these directions (provider, receiver) are still to be looked at in view of an agreement."""
    return int(await connection.fetchval(COUNT_IN, *columns(list(directions), 2)))


async def count_for(connection: Connection, award_id: str) -> int:
    """How many claims for an award are still to be looked at in view of its newest version."""
    return int(await connection.fetchval(COUNT_FOR, award_id))


async def waiting(connection: Connection) -> int:
    """How many claims wait for an award or a member that is not known."""
    return int(await connection.fetchval(WAITING))
