"""The provider's tables: what is accepted is added, and nothing is changed or removed.

Every statement works on sets, so a request of a thousand rows takes as many round trips as one of a single row.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from chassis.database import Connection, columns
from services.provider.domain.description import Description
from services.provider.domain.revisions import Outcome

# --- members ---------------------------------------------------------------------------------------------------------

MEMBER: Final = """
SELECT member_id, revision, document, accepted_at FROM member_revision
WHERE member_id = $1 ORDER BY revision DESC LIMIT 1
"""

MEMBERS: Final = """
SELECT DISTINCT ON (member_id) member_id, revision, document, accepted_at FROM member_revision
WHERE member_id > $1 ORDER BY member_id, revision DESC LIMIT $2
"""

KNOWN_MEMBERS: Final = "SELECT DISTINCT member_id FROM member_revision WHERE member_id = ANY($1::text[])"

INSERT_MEMBER: Final = """
INSERT INTO member_revision (member_id, revision, document, accepted_at) VALUES ($1, $2, $3, $4)
"""


@dataclass(frozen=True, slots=True)
class Member:
    """A member at its newest revision; `document` is what the registry sent."""

    member_id: str
    revision: int
    document: dict[str, Any]
    accepted_at: datetime


async def member(connection: Connection, member_id: str) -> Member | None:
    """A member at its newest revision."""
    row = await connection.fetchrow(MEMBER, member_id)
    return Member(**dict(row)) if row else None


async def members(connection: Connection, *, after: str, limit: int) -> list[Member]:
    """The members whose ids follow `after`, by id."""
    return [Member(**dict(row)) for row in await connection.fetch(MEMBERS, after, limit)]


async def known_members(connection: Connection, asked: Iterable[str]) -> set[str]:
    """Which of these are ids of members."""
    return {row["member_id"] for row in await connection.fetch(KNOWN_MEMBERS, list(asked))}


async def add_member(connection: Connection, revision: Member) -> None:
    """Store a revision. Raises asyncpg.UniqueViolationError where somebody else stored this number first."""
    await connection.execute(
        INSERT_MEMBER, revision.member_id, revision.revision, revision.document, revision.accepted_at
    )


# --- learning opportunities ------------------------------------------------------------------------------------------

# In one order, so that two requests for the same ones do not wait for each other.
LOCK_LEARNING_OPPORTUNITIES: Final = """
SELECT pg_advisory_xact_lock(key)
FROM (SELECT DISTINCT hashtextextended(id, 0) AS key FROM unnest($1::text[]) AS id ORDER BY key) AS ordered
"""

_OPPORTUNITY: Final = (
    "learning_opportunity_id, version, revision, member, body_hash, document, missing_elements, accepted_at"
)

# Of each version that is asked for: the revision asked for, and the newest.
OPPORTUNITY_REVISIONS: Final = f"""
SELECT r.* FROM unnest($1::text[], $2::integer[], $3::integer[]) AS asked (id, number, sent)
CROSS JOIN LATERAL (
    (SELECT {_OPPORTUNITY} FROM learning_opportunity_revision
     WHERE learning_opportunity_id = asked.id AND version = asked.number ORDER BY revision DESC LIMIT 1)
    UNION ALL
    (SELECT {_OPPORTUNITY} FROM learning_opportunity_revision
     WHERE learning_opportunity_id = asked.id AND version = asked.number AND revision = asked.sent)
) AS r
"""  # noqa: S608 - names of columns, from above

OPPORTUNITY_VERSIONS: Final = f"""
SELECT DISTINCT ON (version) {_OPPORTUNITY} FROM learning_opportunity_revision
WHERE learning_opportunity_id = $1 ORDER BY version DESC, revision DESC
"""  # noqa: S608 - names of columns, from above

OPPORTUNITIES: Final = f"""
SELECT DISTINCT ON (learning_opportunity_id, version) {_OPPORTUNITY} FROM learning_opportunity_revision
WHERE (learning_opportunity_id, version) > ($1, $2) AND ($4::text IS NULL OR member = $4)
ORDER BY learning_opportunity_id, version, revision DESC LIMIT $3
"""  # noqa: S608 - names of columns, from above

INSERT_OPPORTUNITIES: Final = f"""
INSERT INTO learning_opportunity_revision ({_OPPORTUNITY})
SELECT learning_opportunity_id, version, revision, member, body_hash, document::jsonb, missing_elements::jsonb,
       accepted_at
FROM unnest(
    $1::text[], $2::integer[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[]
) AS new ({_OPPORTUNITY})
"""  # noqa: S608 - names of columns, from above

DESCRIPTIONS: Final = """
SELECT asked.id, asked.version, newest.document
FROM unnest($1::text[], $2::integer[]) AS asked (id, version)
CROSS JOIN LATERAL (
    SELECT document FROM learning_opportunity_revision
    WHERE learning_opportunity_id = asked.id AND version = asked.version ORDER BY revision DESC LIMIT 1
) AS newest
UNION ALL
(SELECT NULL, NULL, document FROM member_revision WHERE member_id = $3 ORDER BY revision DESC LIMIT 1)
"""


@dataclass(frozen=True, slots=True)
class LearningOpportunity:
    """A version of a learning opportunity at one revision; `document` is what its member sent."""

    learning_opportunity_id: str
    version: int
    revision: int
    member: str
    body_hash: str
    document: dict[str, Any]
    missing_elements: list[str]
    accepted_at: datetime


async def lock_learning_opportunities(connection: Connection, ids: Iterable[str]) -> None:
    """Let one revision of a learning opportunity in at a time, to the end of the transaction."""
    await connection.execute(LOCK_LEARNING_OPPORTUNITIES, list(ids))


async def opportunity_revisions(
    connection: Connection, asked: Iterable[tuple[str, int, int]]
) -> dict[tuple[str, int], dict[int, LearningOpportunity]]:
    """By id and version: the newest revision, and the one asked for, by number; `asked` are id, version, revision."""
    known: dict[tuple[str, int], dict[int, LearningOpportunity]] = {}
    for row in await connection.fetch(OPPORTUNITY_REVISIONS, *columns(list(asked), 3)):
        stored = LearningOpportunity(**dict(row))
        known.setdefault((stored.learning_opportunity_id, stored.version), {})[stored.revision] = stored
    return known


async def opportunity_versions(connection: Connection, learning_opportunity_id: str) -> list[LearningOpportunity]:
    """Every version at its newest revision, the newest version first."""
    rows = await connection.fetch(OPPORTUNITY_VERSIONS, learning_opportunity_id)
    return [LearningOpportunity(**dict(row)) for row in rows]


async def opportunities(
    connection: Connection, *, after: tuple[str, int], limit: int, of_member: str | None
) -> list[LearningOpportunity]:
    """The versions that follow `after`, by id and version, each at its newest revision."""
    rows = await connection.fetch(OPPORTUNITIES, *after, limit, of_member)
    return [LearningOpportunity(**dict(row)) for row in rows]


async def add_learning_opportunities(connection: Connection, revisions: Sequence[LearningOpportunity]) -> None:
    """Store revisions."""
    rows: list[tuple[Any, ...]] = [
        (
            one.learning_opportunity_id,
            one.version,
            one.revision,
            one.member,
            one.body_hash,
            orjson.dumps(one.document).decode(),
            orjson.dumps(one.missing_elements).decode(),
            one.accepted_at,
        )
        for one in revisions
    ]
    if rows:
        await connection.execute(INSERT_OPPORTUNITIES, *columns(rows, 8))


@dataclass(frozen=True, slots=True)
class Offered:
    """What a member's completions are read with: its learning opportunities, and until when it belongs here."""

    descriptions: Mapping[tuple[str, int], Description]
    """What the newest revisions of versions state of Annex I; those that nobody published are absent."""
    left_on: date | None


async def offered(connection: Connection, member_id: str, wanted: Iterable[tuple[str, int]]) -> Offered:
    """A member, and these versions of learning opportunities, in one statement."""
    rows = await connection.fetch(DESCRIPTIONS, *columns(list(wanted), 2), member_id)
    left_on = next((row["document"].get("left_on") for row in rows if row["id"] is None), None)
    return Offered(
        {(row["id"], row["version"]): _description(row["document"]) for row in rows if row["id"] is not None},
        date.fromisoformat(left_on) if left_on else None,
    )


def _description(document: dict[str, Any]) -> Description:
    outcomes, hours = document.get("learning_outcomes"), document.get("workload_hours")
    return Description(
        document.get("title"),
        document.get("awarding_body"),
        tuple(outcomes) if outcomes else None,
        document.get("assessment_type"),
        document.get("participation_form"),
        document.get("quality_assurance"),
        Decimal(hours) if hours is not None else None,
    )


# --- completions -----------------------------------------------------------------------------------------------------

_REVISION: Final = """
r.revision, r.body_hash, r.result, r.completed_on, r.accepted_at, r.claimable_from, r.warnings,
r.event -> 'missing_elements' AS missing_elements, (r.event ->> 'learner_is_matchable')::boolean AS is_matchable
"""

# Of each completion that is asked for: the revision asked for, and the newest.
COMPLETIONS: Final = f"""
SELECT c.completion_id, c.learner_id, c.learner_reference, c.reference, {_REVISION}
FROM unnest($1::uuid[], $2::integer[]) AS asked (completion_id, revision)
JOIN completion AS c ON c.completion_id = asked.completion_id
CROSS JOIN LATERAL (
    (SELECT * FROM completion_revision WHERE completion_id = asked.completion_id ORDER BY revision DESC LIMIT 1)
    UNION ALL
    (SELECT * FROM completion_revision WHERE completion_id = asked.completion_id AND revision = asked.revision)
) AS r
"""  # noqa: S608 - names of columns, from above

NEWEST: Final = """
SELECT asked.completion_id, newest.revision, newest.body_hash, newest.accepted_at
FROM unnest($1::uuid[]) AS asked (completion_id)
CROSS JOIN LATERAL (
    SELECT revision, body_hash, accepted_at FROM completion_revision
    WHERE completion_id = asked.completion_id ORDER BY revision DESC LIMIT 1
) AS newest
"""

INSERT_COMPLETIONS: Final = """
INSERT INTO completion (completion_id, member, reference, learner_id, learner_reference)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[])
"""

INSERT_REVISIONS: Final = """
INSERT INTO completion_revision (
    completion_id, revision, body_hash, result, completed_on, accepted_at, claimable_from, warnings, event
)
SELECT completion_id, revision, body_hash, result, completed_on, accepted_at, claimable_from,
       warnings::jsonb, event::jsonb
FROM unnest(
    $1::uuid[], $2::integer[], $3::text[], $4::text[], $5::date[], $6::timestamptz[], $7::timestamptz[], $8::text[],
    $9::text[]
) AS new (
    completion_id, revision, body_hash, result, completed_on, accepted_at, claimable_from, warnings, event
)
"""

ONE_COMPLETION: Final = """
SELECT r.event, r.warnings, array(
    SELECT jsonb_build_object('revision', every.revision, 'accepted_at', every.event -> 'accepted_at')
    FROM completion_revision AS every WHERE every.completion_id = c.completion_id ORDER BY every.revision
) AS revisions
FROM completion AS c
CROSS JOIN LATERAL (
    SELECT event, warnings FROM completion_revision WHERE completion_id = c.completion_id
    ORDER BY revision DESC LIMIT 1
) AS r
WHERE c.member = $1 AND c.reference = $2
"""

COMPLETIONS_OF_MEMBER: Final = """
SELECT r.event, r.warnings
FROM (SELECT completion_id, reference FROM completion WHERE member = $1 AND reference > $2
      ORDER BY reference LIMIT $3) AS c
CROSS JOIN LATERAL (
    SELECT event, warnings FROM completion_revision WHERE completion_id = c.completion_id
    ORDER BY revision DESC LIMIT 1
) AS r
ORDER BY c.reference
"""


@dataclass(frozen=True, slots=True)
class StoredRevision:
    """An accepted revision of a completion: what its answer says, and what the next revision is compared with."""

    completion_id: UUID
    reference: str
    revision: int
    body_hash: str
    outcome: Outcome
    accepted_at: datetime
    is_matchable: bool
    missing_elements: Sequence[str]
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class Newest:
    """Which revision of a completion is the newest, and the hash of its body."""

    revision: int
    body_hash: str
    accepted_at: datetime


@dataclass(slots=True)
class Completion:
    """A completion as far as it is needed: whose it is, its newest revision, and those that were asked for."""

    learner_id: UUID
    learner_reference: str
    revisions: dict[int, StoredRevision] = field(default_factory=dict)

    @property
    def newest(self) -> StoredRevision:
        """The revision with the highest number."""
        return self.revisions[max(self.revisions)]


@dataclass(frozen=True, slots=True)
class NewCompletion:
    """A completion that nobody has published before."""

    completion_id: UUID
    member: str
    reference: str
    learner_id: UUID
    learner_reference: str


@dataclass(frozen=True, slots=True)
class NewRevision:
    """A revision to be stored, with its event as JSON text."""

    stored: StoredRevision
    event: str
    warnings: str


async def completions(connection: Connection, asked: Iterable[tuple[UUID, int]]) -> dict[UUID, Completion]:
    """The completions that are known of those asked for, each with its newest revision and the one asked for."""
    known: dict[UUID, Completion] = {}
    for row in await connection.fetch(COMPLETIONS, *columns(list(asked), 2)):
        completion = known.setdefault(row["completion_id"], Completion(row["learner_id"], row["learner_reference"]))
        completion.revisions[row["revision"]] = _stored(row)
    return known


async def newest_of(connection: Connection, completion_ids: Iterable[UUID]) -> dict[UUID, Newest]:
    """Of the completions that are known of those asked for, the newest revision."""
    rows = await connection.fetch(NEWEST, list(completion_ids))
    return {row["completion_id"]: Newest(row["revision"], row["body_hash"], row["accepted_at"]) for row in rows}


def _stored(row: asyncpg.Record) -> StoredRevision:
    return StoredRevision(
        completion_id=row["completion_id"],
        reference=row["reference"],
        revision=row["revision"],
        body_hash=row["body_hash"],
        outcome=Outcome(row["result"], row["completed_on"], row["claimable_from"]),
        accepted_at=row["accepted_at"],
        is_matchable=row["is_matchable"],
        missing_elements=row["missing_elements"],
        warnings=row["warnings"],
    )


async def add_completions(
    connection: Connection, new: Sequence[NewCompletion], revisions: Sequence[NewRevision]
) -> None:
    """Store completions and revisions. Raises asyncpg.UniqueViolationError where somebody else stored one first."""
    if new:
        rows: list[tuple[Any, ...]] = [
            (one.completion_id, one.member, one.reference, one.learner_id, one.learner_reference) for one in new
        ]
        await connection.execute(INSERT_COMPLETIONS, *columns(rows, 5))
    if revisions:
        await connection.execute(INSERT_REVISIONS, *columns([_revision_row(one) for one in revisions], 9))


def _revision_row(new: NewRevision) -> tuple[UUID, int, str, str, date, datetime, datetime, str, str]:
    stored, outcome = new.stored, new.stored.outcome
    return (
        stored.completion_id,
        stored.revision,
        stored.body_hash,
        outcome.result,
        outcome.completed_on,
        stored.accepted_at,
        outcome.claimable_from,
        new.warnings,
        new.event,
    )


async def completion_of(connection: Connection, member_id: str, reference: str) -> Mapping[str, Any] | None:
    """A member's completion: the event of its newest revision, its warnings, and what revisions there are."""
    row = await connection.fetchrow(ONE_COMPLETION, member_id, reference)
    return dict(row) if row else None


async def completions_of(connection: Connection, member_id: str, *, after: str, limit: int) -> list[Mapping[str, Any]]:
    """A member's completions whose references follow `after`, by reference, each at its newest revision."""
    return [dict(row) for row in await connection.fetch(COMPLETIONS_OF_MEMBER, member_id, after, limit)]
