"""The catalogue: references, published documents, and the number that every publication takes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from chassis.database import Connection, columns
from contracts.provider_learning_opportunity import LearningOpportunityPublished
from contracts.provider_member import MemberRegistered

# One statement, hence one snapshot: the number, and what it stands for. Nothing but the number where the caller knows
# the catalogue of this mark already.
READ: Final = """
SELECT now.number, now.mark, part.kind, part.id, part.version, part.member, part.hash, part.taken
FROM catalogue AS now
LEFT JOIN LATERAL (
    SELECT 'member' AS kind, member_id AS id, revision AS version,
        jsonb_build_object('framework', framework, 'suspensions', suspensions, 'left_on', left_on, 'appeals', appeals)
            AS member,
        NULL AS hash, 0::bigint AS taken
    FROM member WHERE now.mark IS DISTINCT FROM $1::uuid
    UNION ALL
    SELECT 'agreement', agreement_id, version, NULL, document_hash, catalogue_number
    FROM agreement WHERE now.mark IS DISTINCT FROM $1::uuid
    UNION ALL
    SELECT 'award', award_id, version, NULL, document_hash, catalogue_number
    FROM award WHERE now.mark IS DISTINCT FROM $1::uuid
) AS part ON true
"""

AGREEMENT_DOCUMENTS: Final = """
SELECT agreement_id, version, document FROM agreement
JOIN unnest($1::text[], $2::integer[]) AS wanted (agreement_id, version) USING (agreement_id, version)
"""

AWARD_DOCUMENTS: Final = """
SELECT award_id, version, document FROM award
JOIN unnest($1::text[], $2::integer[]) AS wanted (award_id, version) USING (award_id, version)
"""

LOCK: Final = "SELECT FROM catalogue FOR UPDATE"

RENEW: Final = "UPDATE catalogue SET mark = gen_random_uuid()"

TAKE_NUMBER: Final = "UPDATE catalogue SET number = number + 1, mark = gen_random_uuid() RETURNING number"

CONCERN: Final = """
INSERT INTO subject (kind, id, receiver, event_id, traceparent, number, cause)
SELECT kind, id, receiver, event_id, traceparent, $6::bigint, $7::text
FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::text[])
    AS new (kind, id, receiver, event_id, traceparent)
ON CONFLICT (kind, id, receiver) DO UPDATE
SET number = excluded.number, cause = excluded.cause, event_id = excluded.event_id, traceparent = excluded.traceparent
"""

Key = tuple[str, int]
"""A document's id and version."""
Change = tuple[UUID, str | None]
"""The event that states a change, and the trace that it belongs to."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What the catalogue lists at a number; `mark` tells it from any other catalogue, and None means: as known."""

    number: int
    mark: UUID
    is_as_known: bool
    members: Mapping[str, Mapping[str, Any]]
    agreements: Mapping[Key, str]
    """With the hash of each document."""
    awards: Mapping[Key, tuple[str, int]]
    """With the hash of each document, and the number that its publication took."""


async def listed(connection: Connection, known: UUID | None) -> Listed:
    """What the catalogue lists now, in one statement; nothing but its number where it is the one `known` by mark."""
    rows = await connection.fetch(READ, known)
    mine: dict[str, list[Any]] = {"member": [], "agreement": [], "award": []}
    for row in rows:
        if row["kind"] is not None:
            mine[row["kind"]].append(row)
    number, mark = rows[0]["number"], rows[0]["mark"]
    return Listed(
        number,
        mark,
        mark == known,
        {row["id"]: row["member"] for row in mine["member"]},
        {(row["id"], row["version"]): row["hash"] for row in mine["agreement"]},
        {(row["id"], row["version"]): (row["hash"], row["taken"]) for row in mine["award"]},
    )


async def agreement_documents(connection: Connection, wanted: Iterable[Key]) -> dict[Key, dict[str, Any]]:
    """The documents of these published versions, which never change."""
    return await _documents(connection, AGREEMENT_DOCUMENTS, wanted)


async def award_documents(connection: Connection, wanted: Iterable[Key]) -> dict[Key, dict[str, Any]]:
    """The documents of these published versions, which never change."""
    return await _documents(connection, AWARD_DOCUMENTS, wanted)


async def _documents(connection: Connection, statement: str, wanted: Iterable[Key]) -> dict[Key, dict[str, Any]]:
    keys = list(wanted)
    if not keys:
        return {}
    return {(row[0], row[1]): row[2] for row in await connection.fetch(statement, *columns(keys, 2))}


async def lock(connection: Connection) -> None:
    """Let one publication in at a time, to the end of the transaction; what is read after this is as it will be."""
    await connection.execute(LOCK)


async def take_number(connection: Connection) -> int:
    """The next catalogue number; whoever else wants one waits until this transaction has ended."""
    return int(await connection.fetchval(TAKE_NUMBER))


async def renew(connection: Connection) -> None:
    """Have everybody read the catalogue anew: something changed in it that no decision depends on."""
    await connection.execute(RENEW)


async def concern_directions(
    connection: Connection, directions: Iterable[tuple[str, str]], number: int, change: Change
) -> None:
    """An agreement took this number: claims in these directions (provider, receiver) with an older stamp are found."""
    rows = [("direction", provider, receiver, *change) for provider, receiver in sorted(directions)]
    await connection.execute(CONCERN, *columns(rows, 5), number, "agreement")


async def concern_award(connection: Connection, award_id: str, number: int, change: Change) -> None:
    """An award definition took this number: claims for it with an older stamp are found."""
    await connection.execute(CONCERN, *columns([("award", award_id, "", *change)], 5), number, "award")


async def concern_members(connection: Connection, changes: Mapping[str, Change], number: int) -> None:
    """Members changed: claims at or from them with an older stamp are found."""
    rows = [("member", member_id, "", *change) for member_id, change in sorted(changes.items())]
    await connection.execute(CONCERN, *columns(rows, 5), number, "member")


# --- published documents ---------------------------------------------------------------------------------------------

AGREEMENT_VERSIONS: Final = """
SELECT agreement_id AS id, version, document, document_hash, catalogue_number, published_at, published_by
FROM agreement WHERE agreement_id = $1 ORDER BY version DESC
"""
AWARD_VERSIONS: Final = """
SELECT award_id AS id, version, document, document_hash, catalogue_number, published_at, published_by
FROM award WHERE award_id = $1 ORDER BY version DESC
"""
AGREEMENTS: Final = """
SELECT DISTINCT ON (agreement_id) agreement_id AS id, version, document, document_hash, catalogue_number,
    published_at, published_by
FROM agreement WHERE agreement_id > $1 AND ($3::text IS NULL OR $3 = ANY (parties))
ORDER BY agreement_id, version DESC LIMIT $2
"""
AWARDS: Final = """
SELECT DISTINCT ON (award_id) award_id AS id, version, document, document_hash, catalogue_number,
    published_at, published_by
FROM award WHERE award_id > $1 AND ($3::text IS NULL OR member = $3)
ORDER BY award_id, version DESC LIMIT $2
"""
INSERT_AGREEMENT: Final = """
INSERT INTO agreement (agreement_id, version, parties, document, document_hash, catalogue_number, published_at,
    published_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
INSERT_AWARD: Final = """
INSERT INTO award (award_id, version, member, document, document_hash, catalogue_number, published_at, published_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


@dataclass(frozen=True, slots=True)
class Published:
    """A published version of a document."""

    id: str
    version: int
    document: dict[str, Any]
    document_hash: str
    catalogue_number: int
    published_at: datetime
    published_by: str


async def agreement_versions(connection: Connection, agreement_id: str) -> list[Published]:
    """Every published version of an agreement, the newest first."""
    return [Published(*row) for row in await connection.fetch(AGREEMENT_VERSIONS, agreement_id)]


async def award_versions(connection: Connection, award_id: str) -> list[Published]:
    """Every published version of an award definition, the newest first."""
    return [Published(*row) for row in await connection.fetch(AWARD_VERSIONS, award_id)]


async def agreements(connection: Connection, *, after: str, limit: int, of_member: str | None) -> list[Published]:
    """The newest version of the agreements whose ids follow `after`; of one party where a member is named."""
    return [Published(*row) for row in await connection.fetch(AGREEMENTS, after, limit, of_member)]


async def awards(connection: Connection, *, after: str, limit: int, of_member: str | None) -> list[Published]:
    """The newest version of the awards whose ids follow `after`; of one member where it is named."""
    return [Published(*row) for row in await connection.fetch(AWARDS, after, limit, of_member)]


async def add_agreement(connection: Connection, published: Published, parties: Sequence[str]) -> None:
    """Store a published version."""
    await connection.execute(
        INSERT_AGREEMENT,
        published.id,
        published.version,
        list(parties),
        published.document,
        published.document_hash,
        published.catalogue_number,
        published.published_at,
        published.published_by,
    )


async def add_award(connection: Connection, published: Published, member: str) -> None:
    """Store a published version."""
    await connection.execute(
        INSERT_AWARD,
        published.id,
        published.version,
        member,
        published.document,
        published.document_hash,
        published.catalogue_number,
        published.published_at,
        published.published_by,
    )


# --- references ------------------------------------------------------------------------------------------------------

MEMBERS: Final = """
SELECT member_id, revision, framework, suspensions, left_on, appeals FROM member WHERE member_id = ANY ($1::text[])
"""

UPSERT_MEMBERS: Final = """
INSERT INTO member (member_id, revision, name, framework, suspensions, left_on, referrals_to, appeals)
SELECT member_id, revision, name, framework, suspensions::jsonb, left_on, referrals_to, appeals::jsonb
FROM unnest(
    $1::text[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::date[], $7::text[], $8::text[]
) AS new (member_id, revision, name, framework, suspensions, left_on, referrals_to, appeals)
ON CONFLICT (member_id) DO UPDATE
SET revision = excluded.revision, name = excluded.name, framework = excluded.framework,
    suspensions = excluded.suspensions, left_on = excluded.left_on, referrals_to = excluded.referrals_to,
    appeals = excluded.appeals
"""

LEARNING_OPPORTUNITIES: Final = """
SELECT learning_opportunity_id, version, revision FROM learning_opportunity
JOIN unnest($1::text[], $2::integer[]) AS wanted (learning_opportunity_id, version)
    USING (learning_opportunity_id, version)
"""

UPSERT_LEARNING_OPPORTUNITIES: Final = """
INSERT INTO learning_opportunity (learning_opportunity_id, version, revision, member, title, credits, framework, level)
SELECT * FROM unnest(
    $1::text[], $2::integer[], $3::integer[], $4::text[], $5::text[], $6::numeric[], $7::text[], $8::integer[]
)
ON CONFLICT (learning_opportunity_id, version) DO UPDATE
SET revision = excluded.revision, member = excluded.member, title = excluded.title, credits = excluded.credits,
    framework = excluded.framework, level = excluded.level
"""


async def known_members(
    connection: Connection, member_ids: Iterable[str]
) -> dict[str, tuple[int, tuple[Any, ...], dict[str, Any]]]:
    """The revision of each known member, what of it decisions depend on, and how one appeals there."""
    rows = await connection.fetch(MEMBERS, list(member_ids))
    return {
        row["member_id"]: (row["revision"], (row["framework"], row["suspensions"], row["left_on"]), row["appeals"])
        for row in rows
    }


async def keep_members(connection: Connection, members: Iterable[MemberRegistered]) -> None:
    """Store members at newer revisions, one revision of each."""
    rows = [
        (
            member.member_id,
            member.revision,
            member.name,
            member.framework,
            _json([period.model_dump(mode="json") for period in member.suspensions]),
            member.left_on,
            member.referrals_to,
            _json(member.appeals.model_dump(mode="json")),
        )
        for member in members
    ]
    await connection.execute(UPSERT_MEMBERS, *columns(rows, 8))


async def known_opportunities(connection: Connection, wanted: Iterable[Key]) -> dict[Key, int]:
    """The revision of each known version of a learning opportunity."""
    rows = await connection.fetch(LEARNING_OPPORTUNITIES, *columns(list(wanted), 2))
    return {(row["learning_opportunity_id"], row["version"]): row["revision"] for row in rows}


async def keep_opportunities(connection: Connection, opportunities: Iterable[LearningOpportunityPublished]) -> None:
    """Store versions of learning opportunities at newer revisions, one revision of each."""
    rows = [
        (
            one.learning_opportunity_id,
            one.version,
            one.revision,
            one.member,
            one.title,
            one.credits,
            one.framework,
            one.level,
        )
        for one in opportunities
    ]
    await connection.execute(UPSERT_LEARNING_OPPORTUNITIES, *columns(rows, 8))


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
