"""A seeded stream of learners' changes, and a client that sends it whatever happens, each learner's in order.

The client waits until a learner's last change is visible before it sends that learner's next one, so that the end
state does not depend on timing and can be compared with that of an undisturbed run (docs/reliability.md, I-14).
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

import asyncpg
import httpx
import orjson

from contracts.ids import completion_id, enrolment_id
from tests.whole import Whole, completion, enrolment

COURSES: Final = (
    "northbridge:data-ethics",
    "northbridge:machine-learning",
    "eastmoor:data-stories",
    "eastmoor:programming",
    "delmere:cloud",
    "delmere:databases",
    "glenmore:networks",
)
AWARDS: Final = ("glenmore:pgcert-data", "northbridge:bsc-data-science", "eastmoor:cert-digital")
CUT: Final = 0.1
"""Of all requests: given up by the client before it has an answer, and sent again."""
REPEATED: Final = 0.05
"""Of all changes: sent again although they were answered, one by one; the answer must be the same."""
PATIENCE: Final = 240.0
"""Seconds without anything new for anybody after which what is not visible is taken to be lost."""

ANSWERED_WITHIN: Final = 300.0
"""Seconds for which a request is sent again that finds no answer."""

Document = dict[str, Any]


Seen = tuple[str, UUID, UUID | None, int]
"""That the record has an entry (`entry`, completion, enrolment or None for own credit, completion revision), or that
recognition has read a revision (`read`, completion or enrolment, None, revision), which no entry tells alone."""


@dataclass(frozen=True)
class Step:
    """One change of a learner: a document, and what must be visible before the next one."""

    kind: str
    document: Document
    seen: "frozenset[Seen]"
    """What must be seen before the learner's next change is sent."""


@dataclass
class Learner:
    """A learner's changes, in order."""

    code: str
    steps: deque[Step] = field(default_factory=deque)


def learners(seed: int, count: int) -> list[Learner]:
    """Learners with an enrolment before, between or after their completions, corrections and revocations."""
    return [_learner(random.Random(f"{seed}/{number}"), f"k{number}") for number in range(count)]


def _learner(rng: random.Random, code: str) -> Learner:
    learner = Learner(code)
    enrolled: list[tuple[UUID, str]] = []
    newest: dict[str, Document] = {}

    def after(document: Document) -> frozenset[Seen]:
        provider = document["learning_opportunity"]["id"].partition(":")[0]
        known, revision = completion_id(provider, document["reference"]), document["revision"]
        here = [None, *(one for one, receiver in enrolled if receiver != provider)]
        return frozenset([("read", known, None, revision), *(("entry", known, one, revision) for one in here)])

    def enrol(award: str) -> None:
        document = enrolment(code, award)
        receiver = award.partition(":")[0]
        enrolled.append((enrolment_id(receiver, document["reference"]), receiver))
        seen = frozenset([("read", enrolled[-1][0], None, 1)]).union(*(after(one) for one in newest.values()))
        learner.steps.append(Step("enrolment", document, seen))

    def publish(document: Document) -> None:
        newest[document["reference"]] = document
        learner.steps.append(Step("completion", document, after(document)))

    awards = rng.sample(AWARDS, rng.choice((1, 1, 2)))
    enrolments_after = sorted(rng.randrange(4) for _ in awards)
    for number, course in enumerate(rng.sample(COURSES, 4)):
        for award, place in zip(awards, enrolments_after, strict=True):
            if place == number:
                enrol(award)
        mark = rng.randrange(30, 90)
        document = completion(code, course, mark=str(mark), result="pass" if mark >= 40 else "fail")
        publish(document)
        if rng.random() < 0.3:
            document = document | {"revision": 2, "mark": str(mark + 8), "result": "pass" if mark >= 32 else "fail"}
            publish(document)
        if rng.random() < 0.1:
            publish(document | {"revision": document["revision"] + 1, "revoked": True, "revocation_reason": "in error"})
    return learner


@dataclass
class Client:
    """Sends learners' changes; requests that found no answer are sent again until one comes."""

    whole: Whole
    seed: int
    is_unruly: bool = True
    """Whether it gives up requests and repeats them, as clients do; otherwise it sends everything once."""
    sent: int = 0
    acknowledged: int = 0
    """Changes that were sent and, as soon as they are answered, acknowledged; without those that are sent again."""
    cut: int = 0
    repeated: int = 0
    refused: list[str] = field(default_factory=list)
    """Answers that say no, or not the same again."""
    unseen: list[str] = field(default_factory=list)
    """Learners whose last change never became visible."""

    async def send(self, stream: list[Learner], *, at_once: int = 150) -> float:
        """Send everything, `at_once` learners at a time; returns how many seconds it took."""
        began = time.monotonic()
        waiting = deque(stream)
        async with _Visibility(self.whole) as is_visible, AsyncExitStack() as stack:
            doors = {}
            for member in ("northbridge", "glenmore", "delmere", "eastmoor"):
                for kind, service in (("completion", "provider-api"), ("enrolment", "learner-record-api")):
                    http = await stack.enter_async_context(self.whole.at(service, f"{member}-system"))
                    rng = random.Random(f"{self.seed}/{kind}/{member}")
                    door = _Door(http, f"/{kind}s", self, rng)
                    doors[kind, member] = await stack.enter_async_context(door)
            async with asyncio.TaskGroup() as group:
                for _ in range(at_once):
                    group.create_task(self._lane(waiting, doors, is_visible))
        return time.monotonic() - began

    async def _lane(
        self,
        waiting: deque[Learner],
        doors: "dict[tuple[str, str], _Door]",
        is_visible: Callable[[frozenset[Seen]], Awaitable[bool]],
    ) -> None:
        while waiting:
            learner = waiting.popleft()
            rng = random.Random(f"{self.seed}/{learner.code}/client")
            for step in learner.steps:
                about = (
                    step.document["learning_opportunity"]["id"] if step.kind == "completion" else step.document["award"]
                )
                door = doors[step.kind, about.partition(":")[0]]
                self.sent += 1
                answer = await door.put(step.document)
                if answer["status"] not in (200, 201):
                    self.refused.append(f"{step.document['reference']}: {answer}")
                    break
                self.acknowledged += 1
                if self.is_unruly and rng.random() < REPEATED:
                    self.repeated += 1
                    again = await door.put_again(step.document)
                    if again != answer | {"status": 200}:
                        self.refused.append(f"{step.document['reference']} again: {again} after {answer}")
                if not await is_visible(step.seen):
                    self.unseen.append(learner.code)
                    break


class _Door:
    """One member's requests to one service: what is to be sent goes together, one request after the other."""

    def __init__(self, http: httpx.AsyncClient, path: str, client: Client, rng: random.Random) -> None:
        self._http = http
        self._path = path
        self._client = client
        self._rng = rng
        self._queue: asyncio.Queue[tuple[Document, asyncio.Future[Document]]] = asyncio.Queue()

    async def __aenter__(self) -> "_Door":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def put(self, document: Document) -> Document:
        """Send a document with others, and give its answer."""
        answer: asyncio.Future[Document] = asyncio.get_running_loop().create_future()
        await self._queue.put((document, answer))
        return await answer

    async def put_again(self, document: Document) -> Document:
        """Send a document by itself, and give its answer with its status."""
        path = f"{self._path}/{quote(document['reference'], safe='')}"
        body = {name: value for name, value in document.items() if name != "reference"}
        response = await self._until_answered(lambda: self._http.put(path, json=body))
        return dict(response.json()) | {"status": response.status_code}

    async def _run(self) -> None:
        while True:
            together = [await self._queue.get()]
            while not self._queue.empty() and len(together) < 200:
                together.append(self._queue.get_nowait())
            try:
                answers = await self._put_together([document for document, _ in together])
                for (_, future), answer in zip(together, answers, strict=True):
                    future.set_result(answer)
            except Exception as error:
                # Whoever waits for an answer is told; a door that fell silent would keep everybody waiting.
                for _, future in together:
                    if not future.done():
                        future.set_exception(error)

    async def _put_together(self, documents: list[Document]) -> list[Document]:
        content = b"\n".join(orjson.dumps(document) for document in documents)
        headers = {"Content-Type": "application/x-ndjson"}
        path = f"{self._path}:bulk"
        response = await self._until_answered(lambda: self._http.post(path, content=content, headers=headers))
        response.raise_for_status()
        return [orjson.loads(line) for line in response.content.splitlines()]

    async def _until_answered(self, request: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        """Make a request until there is an answer; some are given up by the client, which then knows nothing."""
        if self._client.is_unruly and self._rng.random() < CUT:
            self._client.cut += 1
            with suppress(TimeoutError, httpx.TransportError):
                await asyncio.wait_for(request(), self._rng.uniform(0.002, 0.1))
        ends_at = time.monotonic() + ANSWERED_WITHIN
        while True:
            with suppress(httpx.TransportError):
                response = await request()
                if not response.is_server_error:
                    return response
            if time.monotonic() > ends_at:
                raise TimeoutError(f"{self._path}: no answer within {ANSWERED_WITHIN:g} s")
            await asyncio.sleep(self._rng.uniform(0.1, 0.5))


class _Visibility:
    """Looks at the record and at recognition for everybody at once; a learner waits until its changes are seen."""

    ENTRIES: Final = (
        "SELECT DISTINCT 'entry', completion_id, enrolment_id, completion_revision FROM entry WHERE state <> 'RECEIVED'"
    )
    READ: Final = (
        "SELECT 'read', completion_id, NULL::uuid, revision FROM completion_revision "
        "UNION ALL SELECT 'read', enrolment_id, NULL, revision FROM enrolment_revision"
    )

    def __init__(self, whole: Whole) -> None:
        self._whole = whole
        self._seen: set[Seen] = set()
        self._news_at = time.monotonic()
        self._looked = asyncio.Condition()

    async def __aenter__(self) -> Callable[[frozenset[Seen]], Awaitable[bool]]:
        self._task = asyncio.create_task(self._look())
        return self._until

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _until(self, wanted: frozenset[Seen]) -> bool:
        """Wait until all of this is seen; False where nothing more is to be hoped for."""
        async with self._looked:
            while not wanted <= self._seen:
                if time.monotonic() - self._news_at > PATIENCE:
                    return False
                await self._looked.wait()
            return True

    async def _look(self) -> None:
        while True:
            new: set[Seen] = set()
            # The database may be away; it is looked at again.
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                rows = await self._whole.fetch("learner_record", self.ENTRIES)
                rows += await self._whole.fetch("recognition", self.READ)
                new = {tuple(row) for row in rows} - self._seen
            async with self._looked:
                self._seen |= new
                if new:
                    self._news_at = time.monotonic()
                self._looked.notify_all()
            await asyncio.sleep(0.05)
