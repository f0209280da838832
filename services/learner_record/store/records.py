"""A learner's whole record, read in two statements: the facts of one instant, and the names for them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from chassis.database import Connection

# One statement, so that the version and everything else are of one instant.
RECORD: Final = """
SELECT
    coalesce((SELECT version FROM learner WHERE learner_id = $1), 0) AS version,
    coalesce((SELECT jsonb_agg(event) FROM (
        SELECT DISTINCT ON (completion_id) event FROM completion_revision
        WHERE learner_id = $1 ORDER BY completion_id, revision DESC
    ) AS newest), '[]') AS completions,
    coalesce((SELECT jsonb_agg(event) FROM (
        SELECT DISTINCT ON (completion_id, enrolment_id) event FROM decision
        WHERE learner_id = $1 ORDER BY completion_id, enrolment_id, number DESC
    ) AS newest), '[]') AS decisions,
    coalesce((SELECT jsonb_agg(r.event) FROM enrolment AS e CROSS JOIN LATERAL (
        SELECT event FROM enrolment_revision WHERE enrolment_id = e.enrolment_id ORDER BY revision DESC LIMIT 1
    ) AS r WHERE e.learner_id = $1), '[]') AS enrolments,
    coalesce((SELECT jsonb_agg(jsonb_build_object(
        'completion_id', completion_id, 'enrolment_id', enrolment_id, 'entry_id', entry_id, 'revision', revision,
        'updated_at', updated_at
    )) FROM (
        SELECT DISTINCT ON (entry_id) * FROM entry WHERE learner_id = $1 ORDER BY entry_id, revision DESC
    ) AS newest), '[]') AS entries,
    coalesce((SELECT jsonb_object_agg(enrolment_id, to_jsonb(c)) FROM conferral AS c WHERE learner_id = $1), '{}')
        AS conferrals,
    coalesce((SELECT jsonb_object_agg(enrolment_id, lost) FROM (
        SELECT DISTINCT ON (enrolment_id) enrolment_id, lost FROM award_progress
        WHERE learner_id = $1 ORDER BY enrolment_id, revision DESC
    ) AS newest), '{}') AS lost,
    coalesce((SELECT jsonb_object_agg(enrolment_id, completions) FROM (
        SELECT DISTINCT ON (enrolment_id) enrolment_id, completions FROM choice
        WHERE learner_id = $1 ORDER BY enrolment_id, revision DESC
    ) AS newest), '{}') AS choices,
    coalesce((SELECT jsonb_agg(to_jsonb(lodged) || jsonb_build_object('standing', (
        SELECT event FROM appeal WHERE appeal.appeal_id = lodged.appeal_id ORDER BY revision DESC LIMIT 1
    ))) FROM (
        SELECT DISTINCT ON (appeal_id) * FROM appeal_request WHERE learner_id = $1 ORDER BY appeal_id, revision DESC
    ) AS lodged), '[]') AS appeals
"""

NAMES: Final = """
SELECT
    coalesce((SELECT jsonb_object_agg(member_id, event) FROM member WHERE member_id = ANY ($1::text[])), '{}')
        AS members,
    coalesce((SELECT jsonb_object_agg(award_id, document) FROM award WHERE award_id = ANY ($2::text[])), '{}')
        AS awards,
    coalesce((SELECT jsonb_agg(jsonb_build_array(o.learning_opportunity_id, o.version, o.event -> 'title'))
        FROM learning_opportunity AS o
        JOIN unnest($3::text[], $4::integer[]) AS asked (id, version)
            ON o.learning_opportunity_id = asked.id AND o.version = asked.version), '[]') AS titles,
    coalesce((SELECT jsonb_object_agg(id, credit) FROM (
        SELECT DISTINCT ON (learning_opportunity_id) learning_opportunity_id AS id,
            jsonb_build_object('credits', event -> 'credits', 'level', event -> 'level') AS credit
        FROM learning_opportunity WHERE learning_opportunity_id IN (
            SELECT document ->> 'capstone' FROM award WHERE award_id = ANY ($2::text[])
        ) ORDER BY learning_opportunity_id, version DESC
    ) AS newest), '{}') AS capstones
"""

# Whom a member means by its own reference: by an enrolment, or by a completion of its own. A learner under an
# identifier goes before the stranger that a placeholder made of the same person; who is erased is found no more.
LEARNER_OF_REFERENCE: Final = """
SELECT learner_id FROM (
    SELECT learner_id, is_placeholder FROM learner_identifier WHERE member = $1 AND reference = $2
    UNION
    SELECT learner_id, NOT is_matchable FROM completion_revision WHERE provider = $1 AND learner_reference = $2
) AS named
WHERE NOT EXISTS (SELECT FROM erased_learner WHERE erased_learner.learner_id = named.learner_id)
ORDER BY is_placeholder, learner_id LIMIT 1
"""

VERSION: Final = "SELECT coalesce((SELECT version FROM learner WHERE learner_id = $1), 0)"

NEWER_VERSIONS: Final = """
SELECT learner_id, learner.version FROM learner
JOIN unnest($1::uuid[], $2::bigint[]) AS shown (learner_id, version) USING (learner_id)
WHERE learner.version > shown.version
"""


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """What is stored of a learner at one instant: events of the newest of each thing, and where entries stand."""

    version: int
    completions: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    enrolments: list[dict[str, Any]]
    entries: list[dict[str, Any]]
    conferrals: dict[str, dict[str, Any]]
    """By enrolment, as those that follow."""
    lost: dict[str, list[str]]
    choices: dict[str, list[str]]
    appeals: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Names:
    """What members, awards and learning opportunities are called; those that have not come yet are absent."""

    members: dict[str, dict[str, Any]]
    awards: dict[str, dict[str, Any]]
    titles: dict[tuple[str, int], str | None]
    capstones: dict[str, dict[str, Any]]
    """Credits and level of the learning opportunities that are capstones of the awards."""


async def record(connection: Connection, learner_id: UUID) -> StoredRecord:
    """Everything about a learner; of one of whom nothing is known an empty record at version 0."""
    row = await connection.fetchrow(RECORD, learner_id)
    assert row is not None  # noqa: S101 - it selects without FROM
    return StoredRecord(**dict(row))


async def names(
    connection: Connection, members: Iterable[str], awards: Iterable[str], opportunities: Sequence[tuple[str, int]]
) -> Names:
    """The names for a record."""
    ids, versions = [one[0] for one in opportunities], [one[1] for one in opportunities]
    row = await connection.fetchrow(NAMES, list(members), list(awards), ids, versions)
    assert row is not None  # noqa: S101 - it selects without FROM
    titles = {(id_, version): title for id_, version, title in row["titles"]}
    return Names(row["members"], row["awards"], titles, row["capstones"])


async def learner_of_reference(connection: Connection, member: str, reference: str) -> UUID | None:
    """The learner whom a member means by its own reference; None where it never used it."""
    found: UUID | None = await connection.fetchval(LEARNER_OF_REFERENCE, member, reference)
    return found


async def version_of(connection: Connection, learner_id: UUID) -> int:
    """The version of a learner's record; 0 where nothing was ever on it."""
    return int(await connection.fetchval(VERSION, learner_id))


async def newer_versions(connection: Connection, shown: Sequence[tuple[UUID, int]]) -> dict[UUID, int]:
    """Of learners and the versions that are shown of them, those that have a higher one now."""
    rows = await connection.fetch(NEWER_VERSIONS, [one[0] for one in shown], [one[1] for one in shown])
    return {row["learner_id"]: row["version"] for row in rows}
