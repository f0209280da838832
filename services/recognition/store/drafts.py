"""Drafts of agreements and award definitions, revision by revision, and approvals of their bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from chassis.database import Connection

Kind = Literal["agreement", "award"]

DRAFT: Final = """
SELECT id, version, revision, members, document, document_hash, drafted_by, drafted_at
FROM document_draft WHERE kind = $1 AND id = $2 AND version = $3 ORDER BY revision DESC LIMIT 1
"""
DRAFTS: Final = """
SELECT DISTINCT ON (version) id, version, revision, members, document, document_hash, drafted_by, drafted_at
FROM document_draft WHERE kind = $1 AND id = $2 AND version > $3 ORDER BY version, revision DESC LIMIT $4
"""
INSERT_DRAFT: Final = """
INSERT INTO document_draft (kind, id, version, revision, members, document, document_hash, drafted_by, drafted_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING RETURNING revision
"""
APPROVALS: Final = """
SELECT member, document_hash, approved_by, approved_at
FROM approval WHERE kind = $1 AND id = $2 AND version = $3 ORDER BY approved_at, member, document_hash
"""
INSERT_APPROVAL: Final = """
INSERT INTO approval (kind, id, version, document_hash, member, approved_by, approved_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft at one revision; `members` are those whose registries must approve it."""

    id: str
    version: int
    revision: int
    members: Sequence[str]
    document: dict[str, Any]
    document_hash: str
    drafted_by: str
    drafted_at: datetime


@dataclass(frozen=True, slots=True)
class Approval:
    """A member's registry approved a version's content, as its hash says it."""

    member: str
    document_hash: str
    approved_by: str
    approved_at: datetime


async def draft(connection: Connection, kind: Kind, id_: str, version: int) -> Draft | None:
    """The draft of a version as it is now."""
    row = await connection.fetchrow(DRAFT, kind, id_, version)
    return None if row is None else Draft(*row)


async def drafts(connection: Connection, kind: Kind, id_: str, *, after: int, limit: int) -> list[Draft]:
    """The drafts of a document as they are now, of the versions above `after`, in their order."""
    return [Draft(*row) for row in await connection.fetch(DRAFTS, kind, id_, after, limit)]


async def add(connection: Connection, kind: Kind, new: Draft) -> bool:
    """Store a draft's next revision; False where another one has taken its number meanwhile."""
    values = (new.members, new.document, new.document_hash, new.drafted_by, new.drafted_at)
    taken = await connection.fetchval(INSERT_DRAFT, kind, new.id, new.version, new.revision, *values)
    return taken is not None


async def approvals(connection: Connection, kind: Kind, id_: str, version: int) -> list[Approval]:
    """Every approval of a version, of whatever content, in their order."""
    return [Approval(*row) for row in await connection.fetch(APPROVALS, kind, id_, version)]


async def approve(connection: Connection, kind: Kind, id_: str, version: int, new: Approval) -> None:
    """Store an approval; the first one of the same content stays."""
    values = (new.document_hash, new.member, new.approved_by, new.approved_at)
    await connection.execute(INSERT_APPROVAL, kind, id_, version, *values)
