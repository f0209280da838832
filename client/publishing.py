"""Publishes rows through a bulk endpoint: many requests, several at once, one learner's rows in order.

Rows are read as they are needed and spread over lanes; a lane has one request under way at a time. So memory is
bounded, however long the file is. A request that ended without an answer, or whose answer is not whole, is sent again:
a row that was accepted before answers 200 (ADR 12).
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import httpx
import orjson

from client.patience import GaveUp, NoAnswer, NotConcord, insist, must_be_answered
from client.rows import LARGEST_ROW, Refused, Row

__all__ = ["GaveUp", "NotConcord", "Observer", "Refused", "Row", "Summary", "publish"]

MOST_ROWS: Final = 500
"""Rows of a request; the endpoint takes 1,000."""
MOST_BYTES: Final = 1024 * 1024
"""Bytes after which a request takes no further row; the endpoint takes 4 MiB."""
LANES: Final = 4
MOST_ROWS_HELD: Final = 2 * LANES * MOST_ROWS
MOST_BYTES_HELD: Final = 2 * LANES * MOST_BYTES
"""Rows, and their bytes, that are read and not answered yet."""

NDJSON: Final = "application/x-ndjson"
DRY_RUN: Final = "Concord-Dry-Run"
"""The header of an answer to a dry run."""

Answer = TypeVar("Answer")


@dataclass(slots=True)
class Summary:
    """What became of a file's rows so far."""

    accepted: int = 0
    known: int = 0
    refused: int = 0
    warnings: int = 0
    sent_again: int = 0

    @property
    def answered(self) -> int:
        """Rows with an answer of any kind."""
        return self.accepted + self.known + self.refused


@dataclass(frozen=True)
class Observer:
    """Who is told: of every refused row, of warnings, of progress in bytes of the file, and why there is none.

    `on_answer` gets every row that was sent with its answer as it came.
    """

    on_refused: Callable[[Refused], None]
    on_warning: Callable[[int, str], None] = field(default=lambda _line, _text: None)
    on_progress: Callable[[int, Summary], None] = field(default=lambda _bytes, _summary: None)
    on_trouble: Callable[[str], None] = field(default=lambda _cause: None)
    on_answer: Callable[[Row, dict[str, Any]], None] = field(default=lambda _row, _answer: None)


async def publish(
    rows: Iterable[Row | Refused] | AsyncIterable[Row | Refused],
    client: httpx.AsyncClient,
    path: str,
    observer: Observer,
    *,
    patience: float = 600.0,
    summary: Summary | None = None,
    dry_run: bool = False,
) -> Summary:
    """Send every row and wait for every answer; a `summary` that is handed in counts along.

    A row that is refused already is counted and told. With `dry_run` everything is checked and nothing stored: rows of
    one request count for each other, rows of two do not. `patience` is how many seconds a request is tried for.

    Raises GaveUp after that, httpx.HTTPStatusError where the service refuses a whole request (a token without the
    right, a wrong address), NotConcord, and what reading raises.
    """
    summary = Summary() if summary is None else summary
    lanes = _Lanes()
    sender = _Sender(client, path, observer, patience, summary, dry_run=dry_run)
    if dry_run:
        await sender.must_know_dry_runs()

    async def read() -> None:
        async for row in _one_by_one(rows):
            if isinstance(row, Refused):
                sender.refuse(row)
                observer.on_progress(0, summary)
            else:
                await lanes.put(row)
        lanes.end()

    async def send(lane: int) -> None:
        async for request in lanes.requests(lane):
            await sender.deliver(request)
            lanes.let_go(request)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            for lane in range(LANES):
                group.create_task(send(lane))
    except ExceptionGroup as failures:
        # Lanes fail for the same cause; the first speaks for them.
        raise failures.exceptions[0] from None
    return summary


async def _one_by_one(
    rows: Iterable[Row | Refused] | AsyncIterable[Row | Refused],
) -> AsyncIterator[Row | Refused]:
    if isinstance(rows, AsyncIterable):
        async for row in rows:
            yield row
    else:
        for row in rows:
            yield row


class _Lanes:
    """Which lane a row takes: that of the unanswered rows it is tied to, else the emptiest one.

    A row that is tied to rows of two lanes waits until one of them has its answers. So rows keep their order where it
    matters, and nowhere else.
    """

    def __init__(self) -> None:
        self._queues: list[asyncio.Queue[Row | None]] = [asyncio.Queue() for _ in range(LANES)]
        self._lane_of: dict[str, int] = {}
        self._unanswered: Counter[str] = Counter()
        self._rows = 0
        self._bytes = 0
        self._changed = asyncio.Event()

    async def put(self, row: Row) -> None:
        """Hand a row to its lane, as soon as there is room and the lane is certain."""
        while self._is_full or len(lanes := self._lanes_tied_to(row)) > 1:
            self._changed.clear()
            await self._changed.wait()
        lane = lanes.pop() if lanes else min(range(LANES), key=lambda nth: self._queues[nth].qsize())
        for tie in row.ties:
            self._lane_of[tie] = lane
            self._unanswered[tie] += 1
        self._rows += 1
        self._bytes += len(row.text)
        self._queues[lane].put_nowait(row)

    @property
    def _is_full(self) -> bool:
        return self._rows >= MOST_ROWS_HELD or self._bytes >= MOST_BYTES_HELD

    def _lanes_tied_to(self, row: Row) -> set[int]:
        return {self._lane_of[tie] for tie in row.ties if tie in self._lane_of}

    def end(self) -> None:
        """Say that no further row comes."""
        for queue in self._queues:
            queue.put_nowait(None)

    async def requests(self, lane: int) -> AsyncIterator[list[Row]]:
        """What a lane holds, in requests of bounded size; a request does not wait to be full."""
        queue = self._queues[lane]
        while (row := await queue.get()) is not None:
            request = [row]
            size = len(row.text)
            while len(request) < MOST_ROWS and size < MOST_BYTES and not queue.empty():
                following = queue.get_nowait()
                if following is None:
                    queue.put_nowait(None)  # for the next turn of the outer loop
                    break
                request.append(following)
                size += len(following.text)
            yield request

    def let_go(self, rows: Sequence[Row]) -> None:
        """Forget rows that have their answer."""
        for row in rows:
            self._rows -= 1
            self._bytes -= len(row.text)
            for tie in row.ties:
                self._unanswered[tie] -= 1
                if not self._unanswered[tie]:
                    del self._unanswered[tie], self._lane_of[tie]
        self._changed.set()


class _Sender:
    """Delivers requests and counts what became of their rows."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        path: str,
        observer: Observer,
        patience: float,
        summary: Summary,
        *,
        dry_run: bool,
    ) -> None:
        self._client = client
        self._path = path
        self._observer = observer
        self._patience = patience
        self._summary = summary
        self._query = {"dry_run": "true"} if dry_run else {}

    async def must_know_dry_runs(self) -> None:
        """Ask with no rows; raises NotConcord where rows would be stored, as a service does that knows no dry run."""
        response = await self._insist(self._post, [])
        if response.headers.get(DRY_RUN) != "true":
            raise NotConcord(f"{response.url} does not answer as to a dry run; nothing was sent")

    async def deliver(self, request: Sequence[Row]) -> None:
        """Send rows until each has its answer, whatever the answer is."""
        rows = [row for row in request if len(row.text) <= LARGEST_ROW]
        for row in request:
            if len(row.text) > LARGEST_ROW:
                self.refuse(too_large(row, f"a row of at most {LARGEST_ROW:,} bytes"))
        if rows:
            await self._deliver_whole(rows)
        self._observer.on_progress(sum(row.size or len(row.text) + 1 for row in request), self._summary)

    async def _deliver_whole(self, rows: Sequence[Row]) -> None:
        try:
            answers = await self._insist(self._ask, rows)
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.REQUEST_ENTITY_TOO_LARGE:
                raise
            # Something on the way takes less than Concord does.
            if len(rows) == 1:
                self.refuse(too_large(rows[0], f"a smaller row: {error.request.url.host} does not take this one"))
                return
            middle = len(rows) // 2
            await self._deliver_whole(rows[:middle])
            await self._deliver_whole(rows[middle:])
            return
        for row, answer in zip(rows, answers, strict=True):
            self._note(row, answer)

    async def _insist(self, ask: Callable[[Sequence[Row], float], Awaitable[Answer]], rows: Sequence[Row]) -> Answer:
        """The answer to the rows of one request, asked for until it comes or patience ends."""

        def count() -> None:
            self._summary.sent_again += len(rows)

        return await insist(
            lambda seconds: ask(rows, seconds),
            patience=self._patience,
            on_trouble=self._observer.on_trouble,
            on_again=count,
        )

    async def _post(self, rows: Sequence[Row], seconds: float) -> httpx.Response:
        response = await self._client.post(
            self._path,
            params=self._query,
            content=b"\n".join(row.text for row in rows),
            headers={"Content-Type": NDJSON},
            timeout=seconds,
        )
        must_be_answered(response)
        return response

    async def _ask(self, rows: Sequence[Row], seconds: float) -> list[dict[str, Any]]:
        response = await self._post(rows, seconds)
        if not response.headers.get("Content-Type", "").startswith(NDJSON):
            raise NotConcord(f"{response.url} answered, but not as Concord does; is it the right address?")
        try:
            answers = [orjson.loads(line) for line in response.content.splitlines() if line]
        except orjson.JSONDecodeError:
            answers = []
        if len(answers) != len(rows) or not all(isinstance(one, dict) and "status" in one for one in answers):
            raise NoAnswer(f"{response.url} gave an answer that is not whole")
        return answers

    def _note(self, row: Row, answer: dict[str, Any]) -> None:
        self._observer.on_answer(row, answer)
        if answer["status"] == httpx.codes.CREATED:
            self._summary.accepted += 1
        elif answer["status"] == httpx.codes.OK:
            self._summary.known += 1
        else:
            detail = answer.get("detail") or answer.get("title") or f"status {answer['status']}"
            name = answer.get("reference") or answer.get("id")
            self.refuse(Refused(row.number, name, detail, tuple(answer.get("errors") or ())))
        for warning in answer.get("warnings") or ():
            self._summary.warnings += 1
            self._observer.on_warning(row.number, warning)

    def refuse(self, refused: Refused) -> None:
        """Count a row that is not accepted, and tell of it."""
        self._summary.refused += 1
        self._observer.on_refused(refused)


def too_large(row: Row, expected: str) -> Refused:
    """A row that is larger than what takes it."""
    value = row.text[:60].decode(errors="replace") + "…"
    return Refused(row.number, None, "The row is too large.", ({"field": "", "value": value, "expected": expected},))
