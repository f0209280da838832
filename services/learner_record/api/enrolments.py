"""Enrolments: opened, changed and closed by a member's systems, one by one or in bulk."""

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
from services.learner_record.application.enrolling import Accepted, Answer, RecordEnrolments, Row, answer_of
from services.learner_record.documents import EnrolmentDocument, EnrolmentLine
from services.learner_record.store import enrolments as store
from services.learner_record.views import BulkAnswer, EnrolmentAnswer

MOST_LINES: Final = 1_000
MOST_BYTES: Final = 4 * 1024 * 1024
NDJSON: Final = "application/x-ndjson"

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
        rows = [Row(reference, document)]
        (answer,) = await record(member_of(principal), rows, telemetry.current_traceparent())
        if isinstance(answer, Problem):
            raise answer
        return _as_json(answer_of(answer.revision), 201 if answer.is_new else 200)

    @router.post(
        "/enrolments:bulk",
        response_class=Response,
        responses={
            200: {"content": {NDJSON: {"schema": BulkAnswer.model_json_schema()}}, "description": "Line by line"}
        },
    )
    async def post_enrolments(
        principal: Publisher,
        content: Annotated[
            bytes, Depends(raw_body(NDJSON, limit=MOST_BYTES, description="Enrolments with `reference`, one a line."))
        ],
    ) -> Response:
        """Record up to 1,000 enrolments: one JSON document a line, each with its `reference`; 4 MiB at most.

        All are stored in one transaction, in their order; the answer has one line for each, in the same order. A line
        that is refused is a problem with its own status, and the others stand.
        """
        answers = await _record_lines(record, member_of(principal), _lines(content), telemetry.current_traceparent())
        return Response(b"".join(answers), media_type=NDJSON)

    @router.get("/enrolments", response_model=Page[EnrolmentAnswer])
    async def get_enrolments(
        principal: Publisher, after: Annotated[tuple[str] | None, Depends(cursor(str))], limit: page_size = 50
    ) -> Response:
        """Your own enrolments by reference, each at its newest revision."""
        member = member_of(principal)
        async with transaction(pool) as connection:
            found = await store.enrolments_of(connection, member, after=after[0] if after else "", limit=limit + 1)
        following = encode_cursor(found[limit - 1].reference) if len(found) > limit else None
        return _as_json({"items": [answer_of(one) for one in found[:limit]], "next": following})

    @router.get("/enrolments/{reference:path}", response_model=EnrolmentAnswer, responses=problems(404))
    async def get_enrolment(principal: Publisher, reference: Reference) -> Response:
        """One of your own enrolments at its newest revision."""
        async with transaction(pool) as connection:
            found = await store.enrolment_of(connection, member_of(principal), reference)
        if found is None:
            raise not_found("You have no enrolment of this reference.")
        return _as_json(answer_of(found))

    return router


def _as_json(content: Any, status: int = 200) -> Response:
    """An answer whose bytes depend on its values alone: a repeat is answered with the very same."""
    body = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return Response(body, status_code=status, media_type="application/json")


def _lines(content: bytes) -> list[bytes]:
    """The lines of a bulk request; blank ones are none."""
    lines = [line for line in content.split(b"\n") if line.strip()]
    if len(lines) > MOST_LINES:
        raise Problem(413, f"A request may have {MOST_LINES} lines at most; this one has {len(lines)}.")
    return lines


async def _record_lines(
    record: RecordEnrolments, member: str, lines: list[bytes], traceparent: str | None
) -> list[bytes]:
    """Record what can be read of the lines; the answer to each, in order."""
    read: list[Row | bytes] = []
    rows: list[Row] = []
    for line in lines:
        try:
            document = parse(EnrolmentLine, line)
        except Problem as problem:
            read.append(_answer_line(_reference_in(line), problem))
        else:
            rows.append(Row(document.reference, document))
            read.append(rows[-1])
    answers = iter(await record(member, rows, traceparent))
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
