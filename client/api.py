"""Concord from Python: a member's system publishes, enrols, and reads what was decided (docs/python.md).

Where no answer comes, or one that says to come again, a request is sent again: whatever is sent here is done once,
however often it is sent (ADR 3 and 12).
"""

import math
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote
from uuid import UUID

import httpx
import orjson
from pydantic import BaseModel, Field, ValidationError

from client.following import Side, follow
from client.patience import NotConcord, insist, must_be_answered
from client.publishing import Observer, Summary, publish
from client.rows import Refused, Row, row_of
from client.session import Connection
from contracts.event import Part
from contracts.recognition_decision import DecisionMade

Document = Mapping[str, Any]
"""What is sent, as docs/documents.md describes it; credit, hours and marks are text, such as "7.5"."""
_Answer = TypeVar("_Answer", bound=BaseModel)

_VARIABLES: Final = {
    "provider": "CONCORD_PROVIDER_URL",
    "recognition": "CONCORD_RECOGNITION_URL",
    "learner_record": "CONCORD_LEARNER_RECORD_URL",
    "operations": "CONCORD_OPERATIONS_URL",
    "issuer": "CONCORD_ISSUER",
    "client_id": "CONCORD_CLIENT_ID",
    "client_secret": "CONCORD_CLIENT_SECRET",
    "token": "CONCORD_TOKEN",
    "audience": "CONCORD_AUDIENCE",
    "scope": "CONCORD_SCOPE",
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """A value that was refused: where it stands, what stands there, and what would be right."""

    field: str
    value: Any
    expected: str


class Problem(Exception):
    """Concord does not do what was asked (RFC 9457), and sending it again changes nothing unless `retryable` is true.

    `kind` is the last part of the problem's type, such as `revision-differs`; `stored` is what stands in the way.
    """

    def __init__(self, response: httpx.Response) -> None:
        try:
            stated = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            stated = None
        self.details: Mapping[str, Any] = stated if isinstance(stated, dict) else {}
        self.status = response.status_code
        self.kind = str(self.details.get("type", "")).rpartition(":")[2]
        self.detail = str(self.details.get("detail") or response.reason_phrase)
        self.retryable = self.details.get("retryable") is True
        self.stored: Mapping[str, Any] | None = self.details.get("stored")
        self.errors = tuple(
            FieldError(one["field"], one.get("value"), one["expected"]) for one in self.details.get("errors") or ()
        )
        faults = "".join(f"; {one.field}: {one.value!r}, expected {one.expected}" for one in self.errors)
        super().__init__(f"{response.request.url} answered {self.status} {self.kind}: {self.detail}{faults}")


class Accepted(Part):
    """What was sent is accepted at this revision; `is_new` is false where it was known already."""

    revision: int
    is_new: bool
    warnings: list[str] = Field(default_factory=list)


class AcceptedCompletion(Accepted):
    """A completion is accepted."""

    completion_id: UUID
    reference: str
    claimable_from: datetime
    learner_is_matchable: bool
    missing_elements: list[str]
    """What neither it nor its learning opportunity states; receivers refer it to a person for that."""


class AcceptedLearningOpportunity(Accepted):
    """A version of a learning opportunity is accepted."""

    learning_opportunity_id: str
    version: int
    missing_elements: list[str]


class AcceptedEnrolment(Accepted):
    """An enrolment is accepted."""

    enrolment_id: UUID
    reference: str
    learner_is_matchable: bool


class Appeals(Part):
    """How one appeals at a receiver: where, within how many days, and through which stages."""

    route: str
    days: int
    stages: list[str]


class Decision(DecisionMade):
    """A decision with what a reader needs beside it."""

    current_decision_id: UUID
    """The current decision on this claim: this one, or what replaced it."""
    referrals_to: str
    appeals: Appeals
    explanation: str
    """What was decided, why, and what comes next, as a paragraph."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """Some decisions in the order of the feed; with `after` one goes on behind them, today or in a year."""

    decisions: list[DecisionMade]
    after: str | None


@dataclass(slots=True)
class Published:
    """What became of documents that were sent in bulk: how many, and each that was refused.

    The `line` of a refused one is its place among those that were handed in, counted from 1.
    """

    summary: Summary = field(default_factory=Summary)
    refused: list[Refused] = field(default_factory=list)


class Concord:
    """Concord as a member's system sees it, from `async with` to its end.

    Every method raises Problem where Concord refuses, GaveUp where no answer came within `patience` seconds, and
    SignInFailed where the issuer gives no token. `on_trouble` hears why a request is sent again.
    """

    def __init__(
        self,
        *,
        provider: str = "",
        recognition: str = "",
        learner_record: str = "",
        operations: str = "",
        issuer: str = "",
        client_id: str = "",
        client_secret: str = "",
        token: str = "",
        audience: str = "concord",
        scope: str = "",
        patience: float = 60.0,
        on_trouble: Callable[[str], None] = lambda _cause: None,
    ) -> None:
        """
        provider … operations: addresses of the services; those that are not used may be left out. issuer, client_id,
        client_secret: who you are, by client credentials; or token, instead of the three.
        """
        self._addresses = {
            "provider": provider,
            "recognition": recognition,
            "learner_record": learner_record,
            "operations": operations,
        }
        self._who = (issuer, client_id, client_secret, token, audience, scope)
        self._patience = patience
        self._on_trouble = on_trouble
        self._open = AsyncExitStack()
        self._clients: dict[str, httpx.AsyncClient] = {}

    @classmethod
    def from_environment(cls, *, patience: float = 60.0, client_id: str = "") -> Self:
        """As the variables CONCORD_… say, which the `concord` command reads too; `client_id` goes before its own."""
        stated: dict[str, Any] = {
            name: os.environ[variable] for name, variable in _VARIABLES.items() if variable in os.environ
        }
        if client_id:
            stated["client_id"] = client_id
        return cls(**stated, patience=patience)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections, where no `async with` does."""
        self._clients.clear()
        await self._open.aclose()

    # What a member states

    async def publish_completion(self, reference: str, document: Document) -> AcceptedCompletion:
        """Publish a completion, correct it by a higher `revision`, or revoke it (`revoked`, `revocation_reason`)."""
        answer = await self._put("provider", f"/completions/{_part(reference)}", document)
        return _accepted(AcceptedCompletion, answer)

    async def publish_completions(
        self, documents: Iterable[Document] | AsyncIterable[Document], *, dry_run: bool = False
    ) -> Published:
        """Publish many completions, each with its `reference`; those that are refused stop none of the others.

        One learner's are accepted in their order. With `dry_run` all are checked and none is stored.
        """
        return await self._in_bulk("provider", "/completions:bulk", documents, dry_run=dry_run)

    async def publish_learning_opportunity(
        self, learning_opportunity_id: str, document: Document
    ) -> AcceptedLearningOpportunity:
        """Publish a version of a learning opportunity, or change it by a higher `revision`."""
        path = f"/learning-opportunities/{_part(learning_opportunity_id)}"
        return _accepted(AcceptedLearningOpportunity, await self._put("provider", path, document))

    async def publish_learning_opportunities(
        self, documents: Iterable[Document] | AsyncIterable[Document], *, dry_run: bool = False
    ) -> Published:
        """Publish many learning opportunities, each with its `id`, as `publish_completions` does."""
        return await self._in_bulk("provider", "/learning-opportunities:bulk", documents, dry_run=dry_run)

    async def open_enrolment(self, reference: str, document: Document) -> AcceptedEnrolment:
        """Open an enrolment, change it by a higher `revision`, or close it (`closed_on`)."""
        answer = await self._put("learner_record", f"/enrolments/{_part(reference)}", document)
        return _accepted(AcceptedEnrolment, answer)

    async def open_enrolments(
        self, documents: Iterable[Document] | AsyncIterable[Document], *, dry_run: bool = False
    ) -> Published:
        """Open, change or close many enrolments, each with its `reference`, as `publish_completions` does."""
        return await self._in_bulk("learner_record", "/enrolments:bulk", documents, dry_run=dry_run)

    # What came of it

    async def decisions(
        self, *, after: str | None = None, side: Side = "both", once: bool = False
    ) -> AsyncIterator[Decisions]:
        """What is decided on your completions and enrolments, each decision once and in order, as it is decided.

        It begins with the first decision there is, or behind `after`. Keep the `after` of what you have stored, best
        in the same transaction: then none is left out and none is stored twice, whatever breaks off. Without `once`
        there is no end to them, and while Concord is away it is waited for.
        """
        pages = follow(
            await self._client("recognition"),
            after=after,
            side=side,
            from_start=True,
            once=once,
            on_trouble=self._on_trouble,
            patience=self._patience if once else math.inf,
        )
        try:
            async for page in pages:
                yield Decisions([_read(DecisionMade, orjson.dumps(one)) for one in page.decisions], page.after)
        except httpx.HTTPStatusError as error:
            raise Problem(error.response) from None

    async def decision(self, decision_id: UUID | str) -> Decision:
        """One decision with every ground, how to appeal, and the whole in words. That you read it is logged."""
        return _read(Decision, (await self._ask("recognition", "GET", f"/decisions/{decision_id}")).content)

    async def record(self, member: str, learner_reference: str) -> dict[str, Any]:
        """What stands on the record at your member for one of your learners, by your own reference for them.

        Own credit, and for each enrolment what became of credit from elsewhere, totals and progress; the schema is
        RecordView in the service's own description. That you read it is shown to the learner.
        """
        path = f"/members/{member}/learners/{_part(learner_reference)}/record"
        return _json(await self._ask("learner_record", "GET", path))

    async def journey(self, completion_id: UUID | str) -> dict[str, Any]:
        """The way of one of your completions through every service, with times; JourneyAnswer at operations."""
        return _json(await self._ask("operations", "GET", f"/journeys/{completion_id}"))

    # How it is asked

    async def _client(self, service: str) -> httpx.AsyncClient:
        if service not in self._clients:
            address = self._addresses[service]
            if not address:
                raise ValueError(f"say where {service} is: {service}=…, or {_VARIABLES[service]}")
            issuer, client_id, client_secret, token, audience, scope = self._who
            connection = Connection(address, issuer, client_id, client_secret, token, audience=audience, scope=scope)
            self._clients[service] = await self._open.enter_async_context(connection.open())
        return self._clients[service]

    async def _put(self, service: str, path: str, document: Document) -> httpx.Response:
        return await self._ask(service, "PUT", path, json=document)

    async def _ask(self, service: str, method: str, path: str, **more: Any) -> httpx.Response:
        client = await self._client(service)

        async def ask(seconds: float) -> httpx.Response:
            response = await client.request(method, path, timeout=seconds, **more)
            must_be_answered(response)
            return response

        try:
            return await insist(ask, patience=self._patience, on_trouble=self._on_trouble)
        except httpx.HTTPStatusError as error:
            raise Problem(error.response) from None

    async def _in_bulk(
        self, service: str, path: str, documents: Iterable[Document] | AsyncIterable[Document], *, dry_run: bool
    ) -> Published:
        published = Published()
        observer = Observer(published.refused.append, on_trouble=self._on_trouble)
        try:
            await publish(
                _rows(documents),
                await self._client(service),
                path,
                observer,
                patience=self._patience,
                summary=published.summary,
                dry_run=dry_run,
            )
        except httpx.HTTPStatusError as error:
            raise Problem(error.response) from None
        return published


async def _rows(documents: Iterable[Document] | AsyncIterable[Document]) -> AsyncIterator[Row]:
    number = 0
    if isinstance(documents, AsyncIterable):
        async for document in documents:
            number += 1
            yield _row(number, document)
        return
    for document in documents:
        number += 1
        yield _row(number, document)


def _row(number: int, document: Document) -> Row:
    text = orjson.dumps(document)
    return row_of(number, text, document, len(text) + 1)


def _part(reference: str) -> str:
    """A member's own reference as a part of an address; whatever it is made of, it stays one part."""
    return quote(reference, safe="")


def _accepted(model: type[_Answer], response: httpx.Response) -> _Answer:
    stated = {**_json(response), "is_new": response.status_code == httpx.codes.CREATED}
    return _read(model, orjson.dumps(stated))


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        stated = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        stated = None
    if not isinstance(stated, dict):
        raise NotConcord(f"{response.url} answered, but not as Concord does; is it the right address?")
    return stated


def _read(model: type[_Answer], content: bytes) -> _Answer:
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise NotConcord(f"an answer is no {model.__name__}: {error}") from None
