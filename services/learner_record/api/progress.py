"""How far a member's learners are towards its awards, and the conferral of an award, for the member's registry."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from chassis import telemetry
from chassis.database import Pool, transaction
from chassis.http import Page, as_json, body, cursor, encode_cursor, etag, expected_revision, page_size, problems
from chassis.identity import Principal, Role, member_of, require
from contracts.event import Reference
from services.learner_record.application.conferring import ConferAward, conferral_answer
from services.learner_record.documents import ConferralDocument
from services.learner_record.store import progress as store
from services.learner_record.views import ConferralView, ProgressView, Version

Registry = Annotated[Principal, Depends(require(Role.REGISTRY))]


class ProgressAnswer(ProgressView):
    """How far an enrolment is towards its award."""

    enrolment_id: UUID
    reference: str
    award: Version | None = Field(description="Null where the award is not published yet.")
    counted: list[UUID] = Field(description="The completions that count now: recognised, and own credit.")


class ToldAnswer(BaseModel):
    """The progress of an enrolment as it was told last."""

    enrolment_id: UUID
    reference: str
    revision: int
    award: Version
    eligible: bool
    capstone: Literal["none", "closed", "open", "passed"]
    conferred: bool
    lost: list[UUID] = Field(description="What the conferral counted and what counts no more; a person must look.")


def routes(pool: Pool, confer: ConferAward) -> APIRouter:
    """The routes under /progress and /conferrals."""
    router = APIRouter(tags=["awards"])

    @router.get("/progress", response_model=Page[ToldAnswer])
    async def get_all_progress(
        principal: Registry,
        after: Annotated[tuple[str] | None, Depends(cursor(str))],
        limit: page_size = 50,
        only: Annotated[
            Literal["eligible", "lost", "conferred"] | None,
            Query(description="eligible and not conferred yet; conferred on credit that was lost since; conferred."),
        ] = None,
    ) -> Response:
        """Your enrolments of which there is progress to tell, by reference."""
        async with transaction(pool) as connection:
            found = await store.told(
                connection, member_of(principal), after=after[0] if after else "", limit=limit + 1, only=only
            )
        following = encode_cursor(found[limit - 1]["reference"]) if len(found) > limit else None
        return as_json({"items": found[:limit], "next": following})

    @router.get("/progress/{reference:path}", response_model=ProgressAnswer, responses=problems(404))
    async def get_progress(principal: Registry, reference: Reference) -> Response:
        """One of your enrolments: every condition of its award, and what counts. A conferral names its ETag."""
        standing = await confer.read(member_of(principal), reference)
        return as_json(standing.answer(), headers={"ETag": etag(standing.enrolment.told.revision)})

    @router.put(
        "/conferrals/{reference:path}",
        response_model=ConferralView,
        responses={**problems(404, 409), 201: {"model": ConferralView}},
    )
    async def put_conferral(
        principal: Registry,
        reference: Reference,
        expected: Annotated[int, Depends(expected_revision)],
        document: Annotated[ConferralDocument, Depends(body(ConferralDocument))],
    ) -> Response:
        """Confer the award of an enrolment, on the progress that was read (`If-Match`).

        201, or 200 where it is conferred so already. The credit that it counts is used from then on, and the enrolment
        is closed. 409 where a condition does not hold or credit is used; retryable where another award was conferred
        on it and recognition has not judged yet whether it may count twice.
        """
        conferral, is_new = await confer(
            member_of(principal),
            reference,
            document,
            by=principal.subject,
            expected=expected,
            traceparent=telemetry.current_traceparent(),
        )
        return as_json(conferral_answer(conferral), 201 if is_new else 200)

    return router
