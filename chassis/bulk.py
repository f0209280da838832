"""What members send, one by one and in bulk, as requests: a PUT each, or many lines in one POST (ADR 3 and 12)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Protocol

import orjson
from fastapi import Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from chassis import telemetry
from chassis.accepting import Accepted, Answer, Row, Sent, Stored
from chassis.bodies import parse, raw_body
from chassis.documents import Document
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


class Accepts(Protocol[Stored]):
    """Who accepts rows: all of a request in one transaction."""

    async def __call__(
        self, member: str, rows: Sequence[Row[Any]], traceparent: str | None, *, dry_run: bool = False
    ) -> list[Answer[Stored]]:
        """Answer every row, in order; with `dry_run` nothing is stored."""

    def answer_of(self, stored: Stored) -> dict[str, Any]:
        """What a member is told of an accepted revision."""


async def answer_one(accept: Accepts[Stored], member: str, reference: str, document: Document) -> Response:
    """Accept a document: 201 where the revision is new, 200 where it is stored already. Raises the Problem else."""
    (answer,) = await accept(member, [Row(reference, document)], telemetry.current_traceparent())
    if isinstance(answer, Problem):
        raise answer
    return as_json(accept.answer_of(answer.revision), 201 if answer.is_new else 200)


def bulk_body(line: type[Document]) -> Callable[[Request], Awaitable[bytes]]:
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


async def accept_lines(
    accept: Accepts[Stored],
    member: str,
    model: type[Sent],
    content: bytes,
    *,
    name: str = "reference",
    dry_run: bool = False,
) -> Response:
    """Accept what can be read of the lines, as documents of `model`, and answer each in its order.

    With `dry_run` nothing is stored, and a header says so; for the rest see `answer_lines`.
    """

    async def answer(sent: Sequence[Sent]) -> list[dict[str, Any] | Problem]:
        rows = [Row(getattr(document, name), document) for document in sent]
        answers = await accept(member, rows, telemetry.current_traceparent(), dry_run=dry_run)
        return [
            {**accept.answer_of(one.revision), "status": 201 if one.is_new else 200}
            if isinstance(one, Accepted)
            else one
            for one in answers
        ]

    return await answer_lines(answer, model, content, name=name, headers={DRY_RUN_HEADER: "true"} if dry_run else None)


async def answer_lines(
    answer: Callable[[Sequence[Sent]], Awaitable[Sequence[dict[str, Any] | Problem]]],
    model: type[Sent],
    content: bytes,
    *,
    name: str = "reference",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer each line in its order: `answer` is asked for all that can be read as documents of `model`, at once.

    Blank lines are none; 413 for more than 1,000. A line that is refused is a problem with its own status, and with the
    field that names it – `name` – as far as that can be read.
    """
    lines = [line for line in content.split(b"\n") if line.strip()]
    if len(lines) > MOST_LINES:
        raise Problem(413, f"A request may have {MOST_LINES} lines at most; this one has {len(lines)}.")
    read: list[Sent | bytes] = []
    for nth, line in enumerate(lines):
        if nth % LINES_AT_A_STRETCH == 0:
            # Whoever sends a single document meanwhile does not wait for all of these.
            await asyncio.sleep(0)
        try:
            read.append(parse(model, line))
        except Problem as problem:
            read.append(_as_line({name: _name_in(line, name), **problem.details()}))
    answers = iter(await answer([one for one in read if not isinstance(one, bytes)]))
    return Response(
        b"".join(one if isinstance(one, bytes) else _answered(name, one, next(answers)) for one in read),
        media_type=NDJSON,
        headers=headers,
    )


def _answered(name: str, sent: Document, answer: dict[str, Any] | Problem) -> bytes:
    stated = answer.details() if isinstance(answer, Problem) else answer
    return _as_line({name: getattr(sent, name), **stated})


def _as_line(content: dict[str, Any]) -> bytes:
    return orjson.dumps(content, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def _name_in(line: bytes, name: str) -> str | None:
    """What a line that is refused calls itself, as far as it can be read: who sent the file finds the row by it."""
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    stated = document.get(name) if isinstance(document, dict) else None
    return stated[:200] if isinstance(stated, str) else None
