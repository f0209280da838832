"""Everything a service holds about a learner, as one JSON object: by table, its rows (docs/privacy.md, "Export").

Each service lists its own tables; tests/integration/test_held.py walks the schemas and fails where one is missing. All
of it is one statement, so it is of one instant, and PostgreSQL writes the JSON, so that numbers keep their digits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from chassis.database import COMMAND_TIMEOUT, Connection, Pool
from chassis.documents import Document
from chassis.http import body
from chassis.identity import Principal, Role, require

ACCESSES: Final = "record_access"


@dataclass(frozen=True, slots=True)
class About:
    """Whose data is asked for. A service that knows no learners finds it by completions and enrolments."""

    learner_id: UUID
    completions: tuple[UUID, ...] = ()
    enrolments: tuple[UUID, ...] = ()


class ExportDocument(Document):
    """Whose data another service asks for."""

    learner_id: UUID
    completions: tuple[UUID, ...] = ()
    enrolments: tuple[UUID, ...] = ()
    only_accesses: Annotated[bool, Field(description="Only the log of who read it.")] = False


class ExportAnswer(BaseModel):
    """Rows by table; each service has its own tables."""

    model_config = ConfigDict(extra="allow")

    record_access: list[dict[str, object]] | None = None


Held = Mapping[str, str]
"""By name of a table, the SELECT of its rows about a learner; `about` has learner_id, completions and enrolments."""

BY_LEARNER: Final = "SELECT * FROM {table} WHERE learner_id = about.learner_id"
BY_COMPLETION: Final = "SELECT * FROM {table} WHERE completion_id = ANY (about.completions)"
OF_EVERY_SERVICE: Final[Held] = {
    "learner": BY_LEARNER.format(table="learner"),
    # Events that could not be processed, as they came; they queue by learner.
    "set_aside": "SELECT * FROM set_aside WHERE queue = 'learner:' || about.learner_id",
}
"""The chassis's own tables."""


def tables(*names: str) -> dict[str, str]:
    """Tables that say by `learner_id` whose each row is."""
    return {name: BY_LEARNER.format(table=name) for name in names}


def statement(held: Held) -> str:
    """The statement that reads all of it."""
    parts = ", ".join(
        f"'{name}', (SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY to_jsonb(t)), '[]') FROM ({rows}) AS t)"  # noqa: S608
        for name, rows in held.items()
    )
    return (
        f"SELECT jsonb_build_object({parts})::text"  # noqa: S608 - from the lists of the services
        " FROM (SELECT $1::uuid AS learner_id, $2::uuid[] AS completions, $3::uuid[] AS enrolments) AS about"
    )


async def read(connection: Connection, held: Held, about: About) -> bytes:
    """What is held, as JSON."""
    text = await connection.fetchval(statement(held), about.learner_id, about.completions, about.enrolments)
    return str(text).encode()


def routes(pool: Pool, held: Held) -> APIRouter:
    """The route by which the learner's record gathers what this service holds."""
    router = APIRouter(tags=["between services"])

    # POST, since its ids belong in no log of addresses.
    @router.post("/learners:export", response_model=ExportAnswer)
    async def post_export(
        _: Annotated[Principal, Depends(require(Role.SERVICE))],
        document: Annotated[ExportDocument, Depends(body(ExportDocument))],
    ) -> Response:
        """Everything held about a learner: by table, its rows."""
        about = About(document.learner_id, document.completions, document.enrolments)
        wanted = {name: rows for name, rows in held.items() if name == ACCESSES} if document.only_accesses else held
        async with pool.acquire(timeout=COMMAND_TIMEOUT) as connection:
            content = await read(connection, wanted, about)
        return Response(content, media_type="application/json", headers={"Cache-Control": "no-store"})

    return router
