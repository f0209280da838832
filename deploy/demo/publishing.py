"""Publishes the demo's consortium the way its members would: through the API, each under a token of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx
import orjson
import stamina

from client.publishing import Observer, Refused, Row, publish
from client.session import Connection
from deploy.demo.consortium import Document
from deploy.demo.people import Story

CATALOGUE_ARRIVES_WITHIN: Final = 30.0

_Systems = Mapping[str, httpx.AsyncClient]


class DemoRefused(Exception):
    """A service refused what the demo sent; the message says what and why."""


@dataclass(frozen=True)
class Doors:
    """Where the services are, and how the demo's clients sign in."""

    provider: str
    recognition: str
    learner_record: str
    issuer: str
    secret: str

    def at(self, url: str, client: str) -> Connection:
        """A connection to a service under one of the demo's clients."""
        return Connection(url, self.issuer, client, self.secret)


async def publish_consortium(document: Document, doors: Doors) -> None:
    """Members by the consortium; learning opportunities by their members; awards and agreements approved by theirs."""
    async with doors.at(doors.provider, "consortium").open() as http:
        for member, body in document["members"].items():
            await put(http, f"/members/{member}", body, {"If-None-Match": "*"})
    async with _systems(doors, doors.provider, document["members"]) as systems:
        await _all(_publish_catalogue(http, member, document) for member, http in systems.items())
    async with _systems(doors, doors.recognition, document["members"]) as systems:
        # Agreements name slots of the awards.
        for documents in (document["awards"], document["agreements"]):
            await _all(_publish_approved(stated, systems) for stated in documents)


async def _publish_catalogue(http: httpx.AsyncClient, member: str, document: Document) -> None:
    offered = [
        {"id": course, **stated}
        for course, stated in document["learning_opportunities"].items()
        if course.startswith(f"{member}:")
    ]
    rows = [Row(number, orjson.dumps(stated), "", (stated["id"],)) for number, stated in enumerate(offered, start=1)]
    await _publish(http, "/learning-opportunities:bulk", rows)


async def publish_document(document: Any, doors: Doors) -> None:
    """Publish an award or an agreement, once the registries of all its members have approved it."""
    async with _systems(doors, doors.recognition, _home(document)[1]) as systems:
        await _publish_approved(document, systems)


async def approve_document(document: Any, doors: Doors) -> None:
    """Draft an award or an agreement, and approve its bytes as the registry of each of its members.

    That is when its members and courses have reached recognition over their topics.
    """
    async with _systems(doors, doors.recognition, _home(document)[1]) as systems:
        await _approve(document, systems)


async def _publish_approved(document: Any, systems: _Systems) -> None:
    await _approve(document, systems)
    path, members = _home(document)
    await put(systems[members[0]], path, _as_json(document))


async def _approve(document: Any, systems: _Systems) -> None:
    path, members = _home(document)
    draft = f"{path}/drafts/{document['version']}"
    drafted = await put(systems[members[0]], draft, _as_json(document), {"If-None-Match": "*"})
    for member in members:
        await _put_when_known(systems[member], f"{draft}/approval", {"document_hash": drafted["document_hash"]})


@asynccontextmanager
async def _systems(doors: Doors, url: str, members: Iterable[str]) -> AsyncIterator[_Systems]:
    """The systems of members, each connected to one service."""
    async with AsyncExitStack() as stack:
        yield {member: await stack.enter_async_context(doors.at(url, f"{member}-system").open()) for member in members}


async def _all(steps: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Take steps side by side. Raises what the first of them raises that fails."""
    try:
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(step)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


def _home(document: Any) -> tuple[str, list[str]]:
    """A document's address, and the members who must approve it."""
    if "parties" not in document:
        return f"/awards/{quote(document['id'])}", [document["member"]]
    parties = document["parties"]
    members = parties["members"] if "members" in parties else [parties["provider"], parties["receiver"]]
    return f"/agreements/{document['id']}", members


async def publish_learners(story: Story, doors: Doors, *, on_rows: Callable[[int], None] = lambda _: None) -> None:
    """Enrolments first, then completions; within each, in bulk and all members side by side."""
    for url, path, rows in (
        (doors.learner_record, "/enrolments:bulk", story.enrolments),
        (doors.provider, "/completions:bulk", story.completions),
    ):
        async with _systems(doors, url, rows) as systems:
            await _all(_publish(systems[member], path, _rows(stated), on_rows) for member, stated in rows.items())


def _rows(documents: Iterable[Document]) -> list[Row]:
    return [
        Row(number, orjson.dumps(document), document["learner"]["identifier"])
        for number, document in enumerate(documents, start=1)
    ]


async def _publish(
    http: httpx.AsyncClient, path: str, rows: list[Row], on_rows: Callable[[int], None] = lambda _: None
) -> None:
    refused: list[Refused] = []
    await publish(rows, http, path, Observer(refused.append, on_answer=lambda _row, _answer: on_rows(1)))
    if refused:
        raise DemoRefused(f"{path}: {refused[0]}")


def _as_json(document: Any) -> Any:
    """YAML's dates and numbered keys as the text that JSON has for them."""
    return orjson.loads(orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS))


async def _put_when_known(http: httpx.AsyncClient, path: str, body: Any) -> None:
    """PUT what names members and courses that recognition may not have heard of yet: they reach it over a topic."""
    attempts = stamina.retry_context(on=DemoRefused, attempts=None, timeout=CATALOGUE_ARRIVES_WITHIN, wait_max=0.5)
    async for attempt in attempts:
        with attempt:
            await put(http, path, body)


async def put(http: httpx.AsyncClient, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
    """PUT a document, and give the answer. Raises DemoRefused."""
    return accepted(await http.put(path, json=body, headers=headers or {})).json()


def accepted(response: httpx.Response) -> httpx.Response:
    """The answer, where it says that all is well. Raises DemoRefused."""
    if response.status_code not in (200, 201):
        request = response.request
        raise DemoRefused(
            f"{request.method} {request.url.path} answered {response.status_code}: {response.text[:1000]}"
        )
    return response
