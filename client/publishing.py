"""Publishes rows through a bulk endpoint: many requests, several at once, one learner's rows in order.

Rows are read as they are needed and spread over lanes by learner; a lane has one request under way at a time. So
memory is bounded by lanes × rows of a request, however long the file is. A request that ended without an answer, or
whose answer is not whole, is sent again: a row that was accepted before answers 200 (design decision 12).
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import stamina

MOST_ROWS: Final = 500
MOST_BYTES: Final = 1024 * 1024
LARGEST_ROW: Final = 256 * 1024
LANES: Final = 4


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the file: its number, counted from 1, and its text as it stands there."""

    number: int
    text: bytes
    learner: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that was not accepted: where, why, and per field what would be right."""

    line: int
    reference: str | None
    detail: str
    errors: tuple[dict[str, Any], ...] = ()


@dataclass(slots=True)
class Summary:
    """What became of a file's rows."""

    accepted: int = 0
    known: int = 0
    refused: int = 0
    warnings: int = 0
    sent_again: int = 0

    @property
    def answered(self) -> int:
        """Rows with an answer of any kind."""
        return self.accepted + self.known + self.refused


class GaveUp(Exception):
    """Concord could not be reached for too long; the rows without an answer were not, or not surely, accepted."""


@dataclass(frozen=True)
class Observer:
    """Who is told: of every refused row, of warnings, and of progress in bytes of the file."""

    on_refused: Callable[[Refused], None]
    on_warning: Callable[[int, str], None] = field(default=lambda _line, _text: None)
    on_progress: Callable[[int, Summary], None] = field(default=lambda _bytes, _summary: None)


def rows_of(lines: Iterable[bytes]) -> Iterable[Row]:
    """The rows of an NDJSON file; blank lines count as lines, but are no rows."""
    for number, line in enumerate(lines, start=1):
        text = line.rstrip(b"\r\n")
        if number == 1:
            text = text.removeprefix(b"\xef\xbb\xbf")
        if text.strip():
            yield Row(number, text, _learner_of(text))


def _learner_of(text: bytes) -> str:
    """By what a row is kept in order with its learner's others; a row that cannot be read stands by itself."""
    try:
        learner = json.loads(text)["learner"]
        return f"{learner['scheme']}:{learner['identifier']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


async def publish(
    rows: Iterable[Row], client: httpx.AsyncClient, path: str, observer: Observer, *, patience: float = 600.0
) -> Summary:
    """Send every row and wait for every answer.

    `patience` is how many seconds a request is tried for. Raises GaveUp after that, and httpx.HTTPStatusError where
    the service refuses a whole request (a token without the right, a wrong address).
    """
    summary = Summary()
    lanes: list[asyncio.Queue[Row | None]] = [asyncio.Queue(maxsize=MOST_ROWS) for _ in range(LANES)]

    async def read() -> None:
        for row in rows:
            # One event loop reads and sends: a row whose lane is full waits, and the file with it.
            await lanes[hash(row.learner) % LANES].put(row)
        for lane in lanes:
            await lane.put(None)

    async def send(lane: "asyncio.Queue[Row | None]") -> None:
        async for request in _requests(lane):
            await _deliver(request, client, path, observer, summary, patience)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            for lane in lanes:
                group.create_task(send(lane))
    except ExceptionGroup as failures:
        # Lanes fail for the same cause; the first speaks for them.
        raise failures.exceptions[0] from None
    return summary


async def _requests(lane: "asyncio.Queue[Row | None]") -> AsyncIterator[list[Row]]:
    """What a lane holds, in requests of bounded size; a request does not wait to be full."""
    ended = False
    held: Row | None = None
    while not ended:
        row = held or await lane.get()
        held = None
        request: list[Row] = []
        size = 0
        while row is not None:
            if request and (len(request) == MOST_ROWS or size + len(row.text) >= MOST_BYTES):
                held = row
                break
            request.append(row)
            size += len(row.text) + 1
            if lane.empty():
                # Let the reader go on before deciding that there is nothing more.
                await asyncio.sleep(0)
                if lane.empty():
                    break
            row = lane.get_nowait()
        ended = row is None
        if request:
            yield request


class _NoAnswer(Exception):
    """A request whose answer did not come, or not whole, or said to come again."""


def _worth_repeating(error: Exception) -> bool:
    return isinstance(error, (httpx.TransportError, _NoAnswer))


async def _deliver(
    request: list[Row], client: httpx.AsyncClient, path: str, observer: Observer, summary: Summary, patience: float
) -> None:
    waiting = [row for row in request if not _is_too_large(row, observer, summary)]
    attempts = stamina.retry_context(
        on=_worth_repeating, attempts=None, timeout=patience, wait_initial=0.1, wait_max=5.0, wait_jitter=0.5
    )
    try:
        async for attempt in attempts:
            with attempt:
                if attempt.num > 1:
                    summary.sent_again += len(waiting)
                for row, answer in zip(waiting, await _ask(waiting, client, path), strict=True):
                    _note(row, answer, observer, summary)
    except (httpx.TransportError, _NoAnswer) as error:
        raise GaveUp(
            f"{client.base_url} gave no answer for {patience:.0f} s: {error or type(error).__name__}"
        ) from error
    observer.on_progress(sum(len(row.text) + 1 for row in request), summary)


def _is_too_large(row: Row, observer: Observer, summary: Summary) -> bool:
    if len(row.text) <= LARGEST_ROW:
        return False
    summary.refused += 1
    observer.on_refused(
        Refused(row.number, None, f"a row of {len(row.text)} bytes; at most {LARGEST_ROW} are accepted")
    )
    return True


async def _ask(rows: list[Row], client: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    """One request; the answers in the order of the rows. Raises _NoAnswer where another try may give one."""
    if not rows:
        return []
    response = await client.post(
        path, content=b"\n".join(row.text for row in rows), headers={"Content-Type": "application/x-ndjson"}
    )
    if response.status_code in (429, 502, 503, 504):
        await asyncio.sleep(min(float(response.headers.get("Retry-After", 0) or 0), 10.0))
        raise _NoAnswer(f"answered {response.status_code}")
    response.raise_for_status()
    answers = [json.loads(line) for line in response.content.splitlines() if line]
    if len(answers) != len(rows):
        raise _NoAnswer(f"{len(answers)} answers to {len(rows)} rows")
    return answers


def _note(row: Row, answer: dict[str, Any], observer: Observer, summary: Summary) -> None:
    status = answer["status"]
    if status == httpx.codes.CREATED:
        summary.accepted += 1
    elif status == httpx.codes.OK:
        summary.known += 1
    else:
        summary.refused += 1
        errors = tuple(answer.get("errors", ()))
        observer.on_refused(
            Refused(row.number, answer.get("reference"), answer.get("detail") or answer.get("title", ""), errors)
        )
    for warning in answer.get("warnings", ()):
        summary.warnings += 1
        observer.on_warning(row.number, warning)
