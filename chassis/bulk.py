"""What members send, one by one and in bulk, as requests: a PUT each, or many lines in one POST (ADR 3 and 12)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

import orjson
from fastapi import Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from chassis import telemetry
from chassis.accepting import Accepted, Accepting, Answer, Document, Row, Stored
from chassis.bodies import parse, raw_body
from chassis.documents import Line
from chassis.http import as_json
from chassis.problems import Problem, ProblemDetails

MOST_LINES: Final = 1_000
MOST_BYTES: Final = 4 * 1024 * 1024
LINES_AT_A_STRETCH: Final = 50
NDJSON: Final = "application/x-ndjson"

DRY_RUN_HEADER: Final = "Concord-Dry-Run"
DryRun = Annotated[
    bool,
    Query(
        description="Check everything and store nothing: each line is answered as it would have been, also where it "
        "depends on lines before it in this request. What another dry run was sent does not count."
    ),
]
"""The type of a bulk request's parameter: `dry_run: DryRun = False`."""


async def answer_one(accept: Accepting[Document, Stored], member: str, reference: str, document: Document) -> Response:
    """Accept a document: 201 where the revision is new, 200 where it is stored already. Raises the Problem else."""
    (answer,) = await accept(member, [Row(reference, document)], telemetry.current_traceparent())
    if isinstance(answer, Problem):
        raise answer
    return as_json(accept.answer_of(answer.revision), 201 if answer.is_new else 200)


def bulk_body(line: type[Line]) -> Callable[[Request], Awaitable[bytes]]:
    """A dependency that gives the content of a bulk request of such lines, 4 MiB at most."""
    description = f"{MOST_LINES:,} documents of this schema at most, one a line."
    return raw_body(NDJSON, limit=MOST_BYTES, description=description, model=line)


def answered_by_line(model: type[BaseModel], *, dry_run: bool = False) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that answers line by line: `model` is an accepted line's answer.

    `dry_run` says that the route has that parameter.
    """
    problem = {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}
    schema = {"anyOf": [model.model_json_schema(), problem]}
    description = "An answer of this schema for each line, in their order."
    answer: dict[str, Any] = {"content": {NDJSON: {"schema": schema}}, "description": description}
    if dry_run:
        stated = {"schema": {"const": "true"}, "description": "Stands on the answer to a dry run: nothing is stored."}
        answer["headers"] = {DRY_RUN_HEADER: stated}
    return {200: answer}


async def answer_lines(
    accept: Accepting[Any, Stored], member: str, model: type[Line], content: bytes, *, dry_run: bool = False
) -> Response:
    """Accept what can be read of the lines, as documents of `model`, and answer each in its order.

    With `dry_run` nothing is stored, and a header says so. Blank lines are none; 413 for more than 1,000. A line that
    is refused is a problem with its own status, and with its reference as far as that can be read.
    """
    lines = [line for line in content.split(b"\n") if line.strip()]
    if len(lines) > MOST_LINES:
        raise Problem(413, f"A request may have {MOST_LINES} lines at most; this one has {len(lines)}.")
    read: list[Row[Any] | bytes] = []
    rows: list[Row[Any]] = []
    for nth, line in enumerate(lines):
        if nth % LINES_AT_A_STRETCH == 0:
            # Whoever sends a single document meanwhile does not wait for all of these.
            await asyncio.sleep(0)
        try:
            document = parse(model, line)
        except Problem as problem:
            read.append(_refused(_reference_in(line), problem))
        else:
            rows.append(Row(document.reference, document))
            read.append(rows[-1])
    answers = iter(await accept(member, rows, telemetry.current_traceparent(), dry_run=dry_run))
    return Response(
        b"".join(one if isinstance(one, bytes) else _line(accept, one.reference, next(answers)) for one in read),
        media_type=NDJSON,
        headers={DRY_RUN_HEADER: "true"} if dry_run else None,
    )


def _line(accept: Accepting[Any, Stored], reference: str, answer: Answer[Stored]) -> bytes:
    if isinstance(answer, Accepted):
        return _as_line({**accept.answer_of(answer.revision), "status": 201 if answer.is_new else 200})
    return _refused(reference, answer)


def _refused(reference: str | None, problem: Problem) -> bytes:
    return _as_line({"reference": reference, **problem.details()})


def _as_line(content: dict[str, Any]) -> bytes:
    return orjson.dumps(content, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def _reference_in(line: bytes) -> str | None:
    """The reference of a line that is refused, as far as it can be read: who sent the file finds the row by it."""
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    reference = document.get("reference") if isinstance(document, dict) else None
    return reference[:200] if isinstance(reference, str) else None
