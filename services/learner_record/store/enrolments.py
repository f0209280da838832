"""Enrolments as members sent them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from chassis.database import Connection, columns

_REVISION: Final = """
r.revision, r.body_hash, r.opened_on, r.closed_on, r.accepted_at, r.is_matchable, r.warnings
"""

# Of each enrolment that is asked for: the revision asked for, and the newest.
ENROLMENTS: Final = f"""
SELECT e.enrolment_id, e.reference, e.learner_id, e.learner_reference, e.award, {_REVISION}
FROM unnest($1::uuid[], $2::integer[]) AS asked (enrolment_id, revision)
JOIN enrolment AS e ON e.enrolment_id = asked.enrolment_id
CROSS JOIN LATERAL (
    (SELECT * FROM enrolment_revision WHERE enrolment_id = asked.enrolment_id ORDER BY revision DESC LIMIT 1)
    UNION ALL
    (SELECT * FROM enrolment_revision WHERE enrolment_id = asked.enrolment_id AND revision = asked.revision)
) AS r
"""  # noqa: S608 - names of columns, from above

INSERT_ENROLMENTS: Final = """
INSERT INTO enrolment (enrolment_id, member, reference, learner_id, learner_reference, award)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[])
"""

INSERT_REVISIONS: Final = """
INSERT INTO enrolment_revision (
    enrolment_id, revision, body_hash, opened_on, closed_on, accepted_at, is_matchable, warnings, event
)
SELECT enrolment_id, revision, body_hash, opened_on, closed_on, accepted_at, is_matchable, warnings::jsonb, event::jsonb
FROM unnest(
    $1::uuid[], $2::integer[], $3::text[], $4::date[], $5::date[], $6::timestamptz[], $7::boolean[], $8::text[],
    $9::text[]
) AS new (
    enrolment_id, revision, body_hash, opened_on, closed_on, accepted_at, is_matchable, warnings, event
)
"""

_STORED: Final = f"""
SELECT e.enrolment_id, e.reference, e.learner_id, e.learner_reference, e.award, {_REVISION}
FROM enrolment AS e
CROSS JOIN LATERAL (
    SELECT * FROM enrolment_revision WHERE enrolment_id = e.enrolment_id ORDER BY revision DESC LIMIT 1
) AS r
"""  # noqa: S608 - names of columns, from above

ONE_ENROLMENT: Final = f"{_STORED} WHERE e.member = $1 AND e.reference = $2"

LEARNER_OF: Final = "SELECT learner_id FROM enrolment WHERE member = $1 AND reference = $2"

ENROLMENTS_OF_MEMBER: Final = f"{_STORED} WHERE e.member = $1 AND e.reference > $2 ORDER BY e.reference LIMIT $3"


@dataclass(frozen=True, slots=True)
class StoredRevision:
    """An accepted revision of an enrolment: all that its answer says."""

    enrolment_id: UUID
    reference: str
    revision: int
    body_hash: str
    learner_reference: str
    award: str
    opened_on: date
    closed_on: date | None
    accepted_at: datetime
    is_matchable: bool
    warnings: Sequence[str]


@dataclass(slots=True)
class StoredEnrolment:
    """An enrolment as far as it is needed: whose it is, for which award, its newest revision and those asked for."""

    learner_id: UUID
    learner_reference: str
    award: str
    revisions: dict[int, StoredRevision] = field(default_factory=dict)

    @property
    def newest(self) -> StoredRevision:
        """The revision with the highest number."""
        return self.revisions[max(self.revisions)]


@dataclass(frozen=True, slots=True)
class NewEnrolment:
    """An enrolment that nobody has sent before."""

    enrolment_id: UUID
    member: str
    reference: str
    learner_id: UUID
    learner_reference: str
    award: str


async def enrolments(connection: Connection, asked: Iterable[tuple[UUID, int]]) -> dict[UUID, StoredEnrolment]:
    """The enrolments that are known of those asked for, each with its newest revision and the one asked for."""
    known: dict[UUID, StoredEnrolment] = {}
    for row in await connection.fetch(ENROLMENTS, *columns(list(asked), 2)):
        enrolment = known.setdefault(
            row["enrolment_id"], StoredEnrolment(row["learner_id"], row["learner_reference"], row["award"])
        )
        enrolment.revisions[row["revision"]] = _stored(row)
    return known


def _stored(row: asyncpg.Record) -> StoredRevision:
    return StoredRevision(
        row["enrolment_id"],
        row["reference"],
        row["revision"],
        row["body_hash"],
        row["learner_reference"],
        row["award"],
        row["opened_on"],
        row["closed_on"],
        row["accepted_at"],
        row["is_matchable"],
        row["warnings"],
    )


async def add_enrolments(connection: Connection, new: Sequence[NewEnrolment]) -> None:
    """Store enrolments. Raises asyncpg.UniqueViolationError where somebody else stored one first."""
    if new:
        rows: list[tuple[Any, ...]] = [
            (one.enrolment_id, one.member, one.reference, one.learner_id, one.learner_reference, one.award)
            for one in new
        ]
        await connection.execute(INSERT_ENROLMENTS, *columns(rows, 6))


async def add_revisions(connection: Connection, new: Sequence[tuple[StoredRevision, str, str]]) -> None:
    """Store revisions, each with its warnings and its event as JSON text."""
    if new:
        rows: list[tuple[Any, ...]] = [
            (
                one.enrolment_id,
                one.revision,
                one.body_hash,
                one.opened_on,
                one.closed_on,
                one.accepted_at,
                one.is_matchable,
                warnings,
                event,
            )
            for one, warnings, event in new
        ]
        await connection.execute(INSERT_REVISIONS, *columns(rows, 9))


async def enrolment_of(connection: Connection, member: str, reference: str) -> StoredRevision | None:
    """A member's enrolment at its newest revision."""
    row = await connection.fetchrow(ONE_ENROLMENT, member, reference)
    return _stored(row) if row else None


async def learner_of(connection: Connection, member: str, reference: str) -> UUID | None:
    """Whose a member's enrolment is."""
    learner_id: UUID | None = await connection.fetchval(LEARNER_OF, member, reference)
    return learner_id


async def enrolments_of(connection: Connection, member: str, *, after: str, limit: int) -> list[StoredRevision]:
    """A member's enrolments whose references follow `after`, by reference, each at its newest revision."""
    return [_stored(row) for row in await connection.fetch(ENROLMENTS_OF_MEMBER, member, after, limit)]
