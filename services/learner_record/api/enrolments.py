"""Enrolments: opened, changed and closed by a member's systems, one by one or in bulk."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from chassis.bulk import DryRun, accept_lines, answer_one, answered_by_line, bulk_body
from chassis.database import Pool, transaction
from chassis.http import Page, as_json, body, cursor, encode_cursor, page_size, problems
from chassis.identity import Principal, Role, member_of, require
from chassis.problems import not_found
from contracts.event import Reference
from services.learner_record.application.enrolling import RecordEnrolments, answer_of
from services.learner_record.documents import EnrolmentDocument, EnrolmentLine
from services.learner_record.store import enrolments as store
from services.learner_record.views import BulkAnswer, EnrolmentAnswer

Publisher = Annotated[Principal, Depends(require(Role.PUBLISHER))]


def routes(pool: Pool, record: RecordEnrolments) -> APIRouter:
    """The routes under /enrolments."""
    router = APIRouter(tags=["enrolments"])

    @router.put(
        "/enrolments/{reference:path}",
        response_model=EnrolmentAnswer,
        responses={**problems(409), 201: {"model": EnrolmentAnswer}},
    )
    async def put_enrolment(
        principal: Publisher,
        reference: Reference,
        document: Annotated[EnrolmentDocument, Depends(body(EnrolmentDocument))],
    ) -> Response:
        """Open, change or close an enrolment: 201 where the revision is new, 200 where it is stored already.

        409 where the revision is stored with another body, is lower than one that is stored, or would change the
        learner or the award; `stored` says what is.
        """
        return await answer_one(record, member_of(principal), reference, document)

    @router.post("/enrolments:bulk", response_class=Response, responses=answered_by_line(BulkAnswer, dry_run=True))
    async def post_enrolments(
        principal: Publisher, content: Annotated[bytes, Depends(bulk_body(EnrolmentLine))], dry_run: DryRun = False
    ) -> Response:
        """Record up to 1,000 enrolments: one JSON document a line, each with its `reference`; 4 MiB at most.

        All are stored in one transaction, in their order; the answer has one line for each, in the same order. A line
        that is refused is a problem with its own status, and the others stand. With `dry_run` nothing is stored.
        """
        return await accept_lines(record, member_of(principal), EnrolmentLine, content, dry_run=dry_run)

    @router.get("/enrolments", response_model=Page[EnrolmentAnswer])
    async def get_enrolments(
        principal: Publisher, after: Annotated[tuple[str] | None, Depends(cursor(str))], limit: page_size = 50
    ) -> Response:
        """Your own enrolments by reference, each at its newest revision."""
        member = member_of(principal)
        async with transaction(pool) as connection:
            found = await store.enrolments_of(connection, member, after=after[0] if after else "", limit=limit + 1)
        following = encode_cursor(found[limit - 1].reference) if len(found) > limit else None
        return as_json({"items": [answer_of(one) for one in found[:limit]], "next": following})

    @router.get("/enrolments/{reference:path}", response_model=EnrolmentAnswer, responses=problems(404))
    async def get_enrolment(principal: Publisher, reference: Reference) -> Response:
        """One of your own enrolments at its newest revision."""
        async with transaction(pool) as connection:
            found = await store.enrolment_of(connection, member_of(principal), reference)
        if found is None:
            raise not_found("You have no enrolment of this reference.")
        return as_json(answer_of(found))

    return router
