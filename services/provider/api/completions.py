"""Completions: published by a member's systems, one by one or in bulk."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends
from starlette.responses import Response

from chassis import telemetry
from chassis.database import Pool, transaction
from chassis.http import Page, body, cursor, encode_cursor, page_size, parse, problems, raw_body
from chassis.identity import Principal, Role, member_of, require
from chassis.problems import Problem, not_found
from contracts.event import Reference
from services.provider import store
from services.provider.api.answers import (
    BulkAnswer,
    CompletionAnswer,
    CompletionView,
    CompletionWithRevisions,
    as_json,
)
from services.provider.application.completions import Accepted, Answer, PublishCompletions, Row, answer_of
from services.provider.documents import CompletionDocument, CompletionLine

MOST_LINES: Final = 1_000
MOST_BYTES: Final = 4 * 1024 * 1024
LINES_AT_A_STRETCH: Final = 50
NDJSON: Final = "application/x-ndjson"

Publisher = Annotated[Principal, Depends(require(Role.PUBLISHER))]


def routes(pool: Pool, publish: PublishCompletions) -> APIRouter:
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
        rows = [Row(reference, document)]
        (answer,) = await publish(member_of(principal), rows, telemetry.current_traceparent())
        if isinstance(answer, Problem):
            raise answer
        return as_json(answer_of(answer.revision), 201 if answer.is_new else 200)

    @router.post(
        "/completions:bulk",
        response_class=Response,
        responses={
            200: {"content": {NDJSON: {"schema": BulkAnswer.model_json_schema()}}, "description": "Line by line"}
        },
    )
    async def post_completions(
        principal: Publisher,
        content: Annotated[
            bytes, Depends(raw_body(NDJSON, limit=MOST_BYTES, description="Completions with `reference`, one a line."))
        ],
    ) -> Response:
        """Publish up to 1,000 completions: one JSON document a line, each with its `reference`; 4 MiB at most.

        All are stored in one transaction, in their order; the answer has one line for each, in the same order. A line
        that is refused is a problem with its own status, and the others stand.
        """
        answers = await _publish_lines(publish, member_of(principal), _lines(content), telemetry.current_traceparent())
        return Response(b"".join(answers), media_type=NDJSON)

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


def _lines(content: bytes) -> list[bytes]:
    """The lines of a bulk request; blank ones are none."""
    lines = [line for line in content.split(b"\n") if line.strip()]
    if len(lines) > MOST_LINES:
        raise Problem(413, f"A request may have {MOST_LINES} lines at most; this one has {len(lines)}.")
    return lines


async def _publish_lines(
    publish: PublishCompletions, member: str, lines: list[bytes], traceparent: str | None
) -> list[bytes]:
    """Publish what can be read of the lines; the answer to each, in order."""
    read: list[Row | bytes] = []
    rows: list[Row] = []
    for nth, line in enumerate(lines):
        if nth % LINES_AT_A_STRETCH == 0:
            # Whoever publishes a single completion meanwhile does not wait for all of these.
            await asyncio.sleep(0)
        try:
            document = parse(CompletionLine, line)
        except Problem as problem:
            read.append(_answer_line(_reference_in(line), problem))
        else:
            rows.append(Row(document.reference, document))
            read.append(rows[-1])
    answers = iter(await publish(member, rows, traceparent))
    return [one if isinstance(one, bytes) else _answer_line(one.reference, next(answers)) for one in read]


def _answer_line(reference: str | None, answer: Answer) -> bytes:
    if isinstance(answer, Accepted):
        content = {**answer_of(answer.revision), "status": 201 if answer.is_new else 200}
    else:
        content = {"reference": reference, **answer.details()}
    return orjson.dumps(content, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def _reference_in(line: bytes) -> str | None:
    """The reference of a line that is refused, as far as it can be read: who sent the file finds the row by it."""
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    reference = document.get("reference") if isinstance(document, dict) else None
    return reference[:200] if isinstance(reference, str) else None
