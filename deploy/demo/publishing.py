"""Publishes the demo's consortium the way its members would: through the API, each under a token of its own."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx
import orjson
import stamina

from client.publishing import Observer, Refused, Row, publish
from client.session import Connection
from deploy.demo.people import Document, Story

CATALOGUE_ARRIVES_WITHIN: Final = 15.0


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
    for member, about in document["members"].items():
        async with doors.at(doors.provider, f"{member}-system").open() as http:
            for course, offered in document["learning_opportunities"].items():
                if course.startswith(f"{member}:"):
                    await put(http, f"/learning-opportunities/{quote(course)}", _in_full(course, offered, about))
    for stated in (*document["awards"], *document["agreements"]):
        await publish_document(_as_json(stated), doors)


async def publish_document(document: Any, doors: Doors) -> None:
    """Publish an award or an agreement, once the registries of all its members have approved it."""
    await approve_document(document, doors)
    path, members = _home(document)
    async with doors.at(doors.recognition, f"{members[0]}-system").open() as http:
        await put(http, path, document)


async def approve_document(document: Any, doors: Doors) -> None:
    """Draft an award or an agreement, and approve its bytes as the registry of each of its members.

    That is when its members and courses have reached recognition over their topics.
    """
    path, members = _home(document)
    draft = f"{path}/drafts/{document['version']}"
    async with doors.at(doors.recognition, f"{members[0]}-system").open() as http:
        drafted = await put(http, draft, document, {"If-None-Match": "*"})
    for member in members:
        async with doors.at(doors.recognition, f"{member}-system").open() as http:
            await _put_when_known(http, f"{draft}/approval", {"document_hash": drafted["document_hash"]})


def _home(document: Any) -> tuple[str, list[str]]:
    """A document's address, and the members who must approve it."""
    if "parties" not in document:
        return f"/awards/{quote(document['id'])}", [document["member"]]
    parties = document["parties"]
    members = parties["members"] if "members" in parties else [parties["provider"], parties["receiver"]]
    return f"/agreements/{document['id']}", members


async def publish_learners(story: Story, doors: Doors, *, on_rows: Callable[[int], None]) -> None:
    """Enrolments first, then completions; within each, member by member, in bulk."""
    for url, path, rows in (
        (doors.learner_record, "/enrolments:bulk", story.enrolments),
        (doors.provider, "/completions:bulk", story.completions),
    ):
        for member, documents in rows.items():
            async with doors.at(url, f"{member}-system").open() as http:
                await _publish(http, path, documents)
            on_rows(len(documents))


async def _publish(http: httpx.AsyncClient, path: str, documents: Iterable[Document]) -> None:
    refused: list[Refused] = []
    rows = [
        Row(number, orjson.dumps(document), document["learner"]["identifier"])
        for number, document in enumerate(documents, start=1)
    ]
    await publish(rows, http, path, Observer(refused.append))
    if refused:
        raise DemoRefused(f"{path}: {refused[0]}")


def _in_full(course: str, offered: Document, member: Document) -> Document:
    """A learning opportunity with all elements of Annex I."""
    hours_a_credit = 25 if member["framework"] == "EQF" else 10
    return {
        "version": 1,
        "revision": 1,
        **offered,
        "awarding_body": member["name"],
        "framework": member["framework"],
        "workload_hours": str(int(offered["credits"]) * hours_a_credit),
        "learning_outcomes": [f"Apply what {offered['title']} is about in a case of one's own"],
        "assessment_type": "Coursework, individually assessed",
        "participation_form": "Online, with tutorials",
        "quality_assurance": "Reviewed by the member every three years",
        "subject": "0612",
        "skills": [],
        "language": "en",
        "url": f"https://{course.partition(':')[0]}.example/{course.partition(':')[2]}",
    }


def _as_json(document: Document) -> Any:
    """YAML's dates as the text that JSON has for them."""
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
