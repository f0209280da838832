"""Forgetting a learner: identifiers go, what was decided stays under the pseudonym (docs/privacy.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from chassis.batch import lock_learners
from chassis.clock import instant
from chassis.database import Connection, Pool, in_transaction
from chassis.documents import Document, Instant
from chassis.http import as_json, body
from chassis.identity import Principal, Role, require

INSERT_ERASED: Final = """
INSERT INTO erased_learner (learner_id, erased_at, erased_by, why) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
ERASED: Final = "SELECT learner_id, erased_at, erased_by, why FROM erased_learner WHERE learner_id = $1"
IS_ERASED: Final = "SELECT EXISTS (SELECT FROM erased_learner WHERE learner_id = $1)"
DELETE_IDENTIFIERS: Final = "DELETE FROM learner_identifier WHERE learner_id = $1"


@dataclass(frozen=True, slots=True)
class Erasure:
    """That a learner is erased: since when, by whom, and why."""

    learner_id: UUID
    erased_at: datetime
    erased_by: str
    why: str


class ErasureDocument(Document):
    """An erasure as one service passes it on to another."""

    learner_id: UUID
    erased_at: Instant
    erased_by: Annotated[str, Field(min_length=1, max_length=255)]
    why: Annotated[str, Field(min_length=1, max_length=1_000)]


class ErasureAnswer(BaseModel):
    """An erasure that is done."""

    learner_id: UUID
    erased_at: datetime
    erased_by: str
    why: str


async def erase(connection: Connection, wanted: Erasure, also: Sequence[str] = ()) -> tuple[Erasure, bool]:
    """Erase a learner: gives the erasure that stands, which is the first, and whether it is this one.

    `also` are further statements that delete what names a learner, by the learner's id. Under the learner's lock: what
    came before is erased with the rest, and what comes after finds the mark.
    """
    await lock_learners(connection, [wanted.learner_id])
    done = await connection.execute(INSERT_ERASED, wanted.learner_id, wanted.erased_at, wanted.erased_by, wanted.why)
    for statement in (DELETE_IDENTIFIERS, *also):
        await connection.execute(statement, wanted.learner_id)
    row = await connection.fetchrow(ERASED, wanted.learner_id)
    assert row is not None  # noqa: S101 - it was inserted, or was there
    return Erasure(**dict(row)), done.endswith(" 1")


async def is_erased(connection: Connection, learner_id: UUID) -> bool:
    """Whether a learner is erased; read it under the learner's lock."""
    return bool(await connection.fetchval(IS_ERASED, learner_id))


def answer_of(erasure: Erasure) -> dict[str, object]:
    """An erasure as answers show it."""
    return {
        "learner_id": erasure.learner_id,
        "erased_at": instant(erasure.erased_at),
        "erased_by": erasure.erased_by,
        "why": erasure.why,
    }


def routes(pool: Pool) -> APIRouter:
    """The route by which another service has a learner erased here."""
    router = APIRouter(tags=["between services"])

    @router.post("/learners:erase", response_model=ErasureAnswer, responses={201: {"model": ErasureAnswer}})
    async def post_erasure(
        _: Annotated[Principal, Depends(require(Role.SERVICE))],
        document: Annotated[ErasureDocument, Depends(body(ErasureDocument))],
    ) -> Response:
        """Forget who a learner is. 201, or 200 where that was done already."""
        wanted = Erasure(document.learner_id, document.erased_at, document.erased_by, document.why)
        standing, is_new = await in_transaction(pool, lambda connection: erase(connection, wanted))
        return as_json(answer_of(standing), 201 if is_new else 200)

    return router
