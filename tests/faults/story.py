"""A seeded stream of learners' changes, and a client that sends it: some requests twice, each learner's in order.

The client waits until a learner's last change is visible before it sends that learner's next one, so that the end
state does not depend on timing and can be compared with that of an undisturbed run (docs/reliability.md, I-14).
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import httpx
import orjson
import stamina

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
REPEATED: Final = 0.1
"""Of all requests: sent twice, as a client does that got no answer."""

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
    sent: int = 0
    acknowledged: int = 0
    repeated: int = 0
    refused: list[str] = field(default_factory=list)

    async def send(self, stream: list[Learner], *, at_once: int = 150, within: float = 240) -> float:
        """Send everything, `at_once` learners at a time; returns how many seconds it took."""
        began = time.monotonic()
        waiting = deque(stream)
        async with asyncio.timeout(within), self._visibility() as is_visible, AsyncExitStack() as stack:
            doors = {}
            for member in ("northbridge", "glenmore", "delmere", "eastmoor"):
                for kind, service in (("completion", "provider-api"), ("enrolment", "learner-record-api")):
                    http = await stack.enter_async_context(self.whole.at(service, f"{member}-system"))
                    doors[kind, member] = await stack.enter_async_context(_Door(http, f"/{kind}s:bulk"))
            async with asyncio.TaskGroup() as group:
                for _ in range(at_once):
                    group.create_task(self._lane(waiting, doors, is_visible))
        return time.monotonic() - began

    async def _lane(self, waiting: deque[Learner], doors: dict[tuple[str, str], "_Door"], is_visible: Any) -> None:
        while waiting:
            learner = waiting.popleft()
            rng = random.Random(f"{self.seed}/{learner.code}/client")
            for step in learner.steps:
                await self._deliver(step, doors)
                if rng.random() < REPEATED:
                    self.repeated += 1
                    await self._deliver(step, doors)
                await is_visible(step.seen)

    async def _deliver(self, step: Step, doors: dict[tuple[str, str], "_Door"]) -> None:
        about = step.document["learning_opportunity"]["id"] if step.kind == "completion" else step.document["award"]
        self.sent += 1
        answer = await doors[step.kind, about.partition(":")[0]].put(step.document)
        if answer["status"] in (200, 201):
            self.acknowledged += 1
        else:
            self.refused.append(f"{step.document['reference']}: {answer}")

    def _visibility(self) -> "_Visibility":
        return _Visibility(self.whole)


class _Door:
    """One member's bulk requests to one service: what is to be sent goes together, one request after the other."""

    def __init__(self, http: httpx.AsyncClient, path: str) -> None:
        self._http = http
        self._path = path
        self._queue: asyncio.Queue[tuple[Document, asyncio.Future[Document]]] = asyncio.Queue()

    async def __aenter__(self) -> "_Door":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def put(self, document: Document) -> Document:
        """Send a document and give its answer; a request without one is sent again until one comes."""
        answer: asyncio.Future[Document] = asyncio.get_running_loop().create_future()
        await self._queue.put((document, answer))
        return await answer

    async def _run(self) -> None:
        while True:
            together = [await self._queue.get()]
            while not self._queue.empty() and len(together) < 200:
                together.append(self._queue.get_nowait())
            content = b"\n".join(orjson.dumps(document) for document, _ in together)
            headers = {"Content-Type": "application/x-ndjson"}
            async for attempt in stamina.retry_context(on=_no_answer, attempts=None, timeout=180, wait_max=1.0):
                with attempt:
                    response = await self._http.post(self._path, content=content, headers=headers)
                    response.raise_for_status()
            for (_, future), line in zip(together, response.content.splitlines(), strict=True):
                future.set_result(orjson.loads(line))


def _no_answer(error: Exception) -> bool:
    return isinstance(error, (httpx.TransportError, httpx.HTTPStatusError))


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
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Callable[[frozenset[Seen]], Any]:
        self._task = asyncio.create_task(self._look())
        return self._until

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _until(self, wanted: frozenset[Seen]) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: wanted <= self._seen)

    async def _look(self) -> None:
        while True:
            rows = await self._whole.fetch("learner_record", self.ENTRIES)
            rows += await self._whole.fetch("recognition", self.READ)
            new = {tuple(row) for row in rows} - self._seen
            async with self._changed:
                self._seen |= new
                self._changed.notify_all()
            await asyncio.sleep(0.05)
