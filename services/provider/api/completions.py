"""Completions: published by a member's systems, one by one or in bulk."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from chassis.bulk import DryRun, accept_lines, answer_lines, answer_one, answered_by_line, bulk_body
from chassis.database import Pool, transaction
from chassis.http import Page, as_json, body, cursor, encode_cursor, page_size, problems
from chassis.identity import Principal, Role, member_of, require
from chassis.problems import not_found
from contracts.event import Reference
from services.provider import store
from services.provider.api.answers import (
    BulkAnswer,
    Comparison,
    CompletionAnswer,
    CompletionView,
    CompletionWithRevisions,
)
from services.provider.application.comparing import CompareCompletions
from services.provider.application.completions import PublishCompletions
from services.provider.documents import CompletionDocument, CompletionLine

Publisher = Annotated[Principal, Depends(require(Role.PUBLISHER))]


def routes(pool: Pool, publish: PublishCompletions, compare: CompareCompletions) -> APIRouter:
    """The routes under /completions."""
    router = APIRouter(tags=["completions"])

    @router.put(
        "/completions/{reference:path}",
        response_model=CompletionAnswer,
        responses={**problems(409), 201: {"model": CompletionAnswer}},
    )
    async def put_completion(
        principal: Publisher,
        reference: Reference,
        document: Annotated[CompletionDocument, Depends(body(CompletionDocument))],
    ) -> Response:
        """Publish, correct or revoke a completion: 201 where the revision is new, 200 where it is stored already.

        409 where the revision is stored with another body or is lower than one that is stored; `stored` says what is.
        """
        return await answer_one(publish, member_of(principal), reference, document)

    @router.post("/completions:bulk", response_class=Response, responses=answered_by_line(BulkAnswer, dry_run=True))
    async def post_completions(
        principal: Publisher, content: Annotated[bytes, Depends(bulk_body(CompletionLine))], dry_run: DryRun = False
    ) -> Response:
        """Publish up to 1,000 completions: one JSON document a line, each with its `reference`; 4 MiB at most.

        All are stored in one transaction, in their order; the answer has one line for each, in the same order. A line
        that is refused is a problem with its own status, and the others stand. With `dry_run` nothing is stored.
        """
        return await accept_lines(publish, member_of(principal), CompletionLine, content, dry_run=dry_run)

    @router.post("/completions:compare", response_class=Response, responses=answered_by_line(Comparison))
    async def post_comparison(
        principal: Publisher, content: Annotated[bytes, Depends(bulk_body(CompletionLine))]
    ) -> Response:
        """Compare up to 1,000 completions, as they would be published, with what is stored; nothing is changed.

        The answer has one line for each, in the same order: whether what is stored is the same, missing, older, newer
        or different.
        """
        return await answer_lines(partial(compare, member_of(principal)), CompletionLine, content)

    @router.get("/completions", response_model=Page[CompletionView])
    async def get_completions(
        principal: Publisher, after: Annotated[tuple[str] | None, Depends(cursor(str))], limit: page_size = 50
    ) -> Response:
        """Your own completions by reference, each at its newest revision."""
        member = member_of(principal)
        async with transaction(pool) as connection:
            found = await store.completions_of(connection, member, after=after[0] if after else "", limit=limit + 1)
        items = [_view(one) for one in found[:limit]]
        following = encode_cursor(items[-1]["reference"]) if len(found) > limit else None
        return as_json({"items": items, "next": following})

    @router.get("/completions/{reference:path}", response_model=CompletionWithRevisions, responses=problems(404))
    async def get_completion(principal: Publisher, reference: Reference) -> Response:
        """One of your own completions at its newest revision, and which revisions there are."""
        async with transaction(pool) as connection:
            found = await store.completion_of(connection, member_of(principal), reference)
        if found is None:
            raise not_found("You have no completion of this reference.")
        return as_json({**_view(found), "revisions": found["revisions"]})

    return router


def _view(found: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in found["event"].items() if name != "learner_id"}
    return {**shown, "warnings": found["warnings"]}
