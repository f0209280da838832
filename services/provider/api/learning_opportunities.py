"""The catalogue: published by each member for itself, read by everybody with a token."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from chassis import telemetry
from chassis.accepting import Row
from chassis.bulk import DryRun, accept_lines, answered_by_line, bulk_body
from chassis.database import Pool, transaction
from chassis.http import Page, as_json, body, cursor, encode_cursor, page_size, problems
from chassis.identity import Principal, Role, member_of, require
from chassis.problems import Problem, not_found
from contracts.event import LearningOpportunityId, MemberId
from services.provider import store
from services.provider.api.answers import (
    LearningOpportunityAnswer,
    LearningOpportunityReceipt,
    LearningOpportunityWithVersions,
)
from services.provider.application.learning_opportunities import PublishLearningOpportunities, as_answer
from services.provider.documents import LearningOpportunityDocument, LearningOpportunityLine, Version

Anybody = Annotated[Principal, Depends(require())]
Publisher = Annotated[Principal, Depends(require(Role.PUBLISHER))]


def routes(pool: Pool, publish: PublishLearningOpportunities) -> APIRouter:
    """The routes under /learning-opportunities."""
    router = APIRouter(tags=["learning opportunities"])

    @router.put(
        "/learning-opportunities/{learning_opportunity_id:path}",
        response_model=LearningOpportunityAnswer,
        responses={**problems(409), 201: {"model": LearningOpportunityAnswer}},
    )
    async def put_learning_opportunity(
        principal: Publisher,
        learning_opportunity_id: LearningOpportunityId,
        document: Annotated[LearningOpportunityDocument, Depends(body(LearningOpportunityDocument))],
    ) -> Response:
        """Publish a revision of a version: 201 where it is new, 200 where it is stored, 409 where it contradicts.

        The id begins with your own member id and a colon.
        """
        rows = [Row(learning_opportunity_id, document)]
        (answer,) = await publish(member_of(principal), rows, telemetry.current_traceparent())
        if isinstance(answer, Problem):
            raise answer
        return as_json(as_answer(answer.revision), 201 if answer.is_new else 200)

    @router.post(
        "/learning-opportunities:bulk",
        response_class=Response,
        responses=answered_by_line(LearningOpportunityReceipt, dry_run=True),
    )
    async def post_learning_opportunities(
        principal: Publisher,
        content: Annotated[bytes, Depends(bulk_body(LearningOpportunityLine))],
        dry_run: DryRun = False,
    ) -> Response:
        """Publish up to 1,000 learning opportunities: one JSON document a line, each with its `id`; 4 MiB at most.

        All are stored in one transaction, in their order; the answer has one line for each, in the same order. A line
        that is refused is a problem with its own status, and the others stand. With `dry_run` nothing is stored.
        """
        member = member_of(principal)
        return await accept_lines(publish, member, LearningOpportunityLine, content, name="id", dry_run=dry_run)

    @router.get("/learning-opportunities", response_model=Page[LearningOpportunityAnswer])
    async def get_learning_opportunities(
        _: Anybody,
        after: Annotated[tuple[str, int] | None, Depends(cursor(str, int))],
        limit: page_size = 50,
        member: Annotated[MemberId | None, Query(description="Only this member's.")] = None,
    ) -> Response:
        """Every version at its newest revision, by id and version."""
        async with transaction(pool) as connection:
            found = await store.opportunities(connection, after=after or ("", 0), limit=limit + 1, of_member=member)
        last = found[min(limit, len(found)) - 1] if found else None
        following = encode_cursor(last.learning_opportunity_id, last.version) if last and len(found) > limit else None
        return as_json({"items": [as_answer(one) for one in found[:limit]], "next": following})

    @router.get(
        "/learning-opportunities/{learning_opportunity_id:path}",
        response_model=LearningOpportunityWithVersions,
        responses=problems(404),
    )
    async def get_learning_opportunity(
        _: Anybody,
        learning_opportunity_id: LearningOpportunityId,
        version: Annotated[Version | None, Query(description="Default: the newest.")] = None,
    ) -> Response:
        """A version at its newest revision."""
        async with transaction(pool) as connection:
            versions = await store.opportunity_versions(connection, learning_opportunity_id)
        wanted = next((one for one in versions if version in (None, one.version)), None)
        if wanted is None:
            raise not_found("There is no such learning opportunity, or not in this version.")
        numbers = [{"version": one.version, "revision": one.revision} for one in versions]
        return as_json({**as_answer(wanted), "versions": numbers})

    return router
