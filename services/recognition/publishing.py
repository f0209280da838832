"""Drafts, approves, tests and publishes a document from a file, as the registry of a party or a member does."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import httpx

from chassis.discovery import asked_by_commands
from chassis.identity import ServiceToken
from contracts.documents.agreement import Agreement
from contracts.documents.award import Award
from contracts.documents.findings import Finding
from contracts.documents.loading import as_json, read_file
from services.recognition.hashing import document_hash

LONG: Final = 30
"""Seconds that an answer may take."""


@dataclass(frozen=True)
class Registry:
    """Where recognition is, and as which client of the issuer the registry's system comes."""

    url: str
    issuer: str
    client_id: str
    client_secret: str


@dataclass(frozen=True)
class Answer:
    """What came of it, in a few words, or refused with the reasons."""

    outcome: str
    version: int = 0
    findings: tuple[Finding, ...] = ()
    is_refused: bool = False


@dataclass
class Tested:
    """What would have changed, over all pages of a backtest."""

    claims: int = 0
    changed: int = 0
    failed: int = 0
    states: dict[tuple[str, str], int] = field(default_factory=dict)
    credits_gained: Decimal = Decimal(0)
    credits_lost: Decimal = Decimal(0)
    changes: list[dict[str, Any]] = field(default_factory=list)


class NotAsked(Exception):
    """Recognition could not be asked; the message says why."""


class NotThere(Exception):
    """Recognition refuses it; the message says why."""


Document = TypeVar("Document", Agreement, Award)
Result = TypeVar("Result")


class Desk(Generic[Document]):
    """A document from a file, and the registry that does something with it.

    `kind` is `agreements` or `awards`. Raises DocumentRefused where the file holds no such document.
    """

    def __init__(self, file: Path, kind: str, read: Callable[[object], Document], registry: Registry) -> None:
        self.document: Document = read(read_file(file))
        self._registry = registry
        self._content = as_json(self.document)
        self._path = f"/{kind}/{quote(self.document.id)}"
        self._draft = f"{self._path}/drafts/{self.document.version}"

    def draft(self) -> Answer:
        """Store the document as the draft of its version; the same again changes nothing. Raises NotAsked."""
        return self._asked(self._put_draft)

    def approve(self) -> Answer:
        """Approve the draft where it is exactly the document, as the caller's member. Raises NotAsked."""
        return self._asked(self._put_approval)

    def publish(self) -> Answer:
        """Publish the document, once all have approved it; the same again changes nothing. Raises NotAsked."""
        return self._asked(self._put_published)

    def backtest(self, wanted: dict[str, Any], on_page: Callable[[Tested], None]) -> Tested:
        """Test the draft, which must be the document, page by page. Raises NotAsked, and NotThere."""

        async def work(http: httpx.AsyncClient) -> Tested:
            stands = await http.get(self._draft)
            if stands.status_code != httpx.codes.OK or stands.json()["document"] != self._content:
                raise NotThere("The draft at Concord is not this document; draft it first, and test it then.")
            tested, after = Tested(), None
            while True:
                response = await http.post(f"{self._draft}/backtest", json={**wanted, "after": after})
                if response.status_code != httpx.codes.OK:
                    raise NotThere(_said(response))
                page = response.json()
                _add(tested, page)
                on_page(tested)
                if (after := page["next"]) is None:
                    return tested

        return self._asked(work)

    async def _put_draft(self, http: httpx.AsyncClient) -> Answer:
        stands = await http.get(self._draft)
        there = stands.status_code == httpx.codes.OK
        condition = {"If-Match": stands.headers["ETag"]} if there else {"If-None-Match": "*"}
        response = await http.put(self._draft, json=self._content, headers=condition)
        if not response.is_success:
            return self._refused(response)
        drafted = response.json()
        findings = _findings(drafted["findings"])
        outcome = f"drafted; {_missing(drafted)}" if not findings else "drafted, and lint refuses it"
        return Answer(outcome, self.document.version, findings)

    async def _put_approval(self, http: httpx.AsyncClient) -> Answer:
        approval = {"document_hash": document_hash(self._content)}
        response = await http.put(f"{self._draft}/approval", json=approval)
        if not response.is_success:
            return self._refused(response)
        return Answer(
            f"approved, SHA-256 {approval['document_hash']}; {_missing(response.json())}", self.document.version
        )

    async def _put_published(self, http: httpx.AsyncClient) -> Answer:
        response = await http.put(self._path, json=self._content)
        if not response.is_success:
            return self._refused(response)
        is_new = response.status_code == httpx.codes.CREATED
        return Answer("published" if is_new else "known already", self.document.version)

    def _refused(self, response: httpx.Response) -> Answer:
        said = response.json()
        if "findings" in said:
            return Answer("refused", self.document.version, _findings(said["findings"]), is_refused=True)
        return Answer(_said(response), self.document.version, is_refused=True)

    def _asked(self, work: Callable[[httpx.AsyncClient], Awaitable[Result]]) -> Result:
        registry = self._registry

        async def ask() -> Result:
            auth = ServiceToken(
                issuer=registry.issuer,
                client_id=registry.client_id,
                client_secret=registry.client_secret,
                asked=asked_by_commands(os.environ),
            )
            async with httpx.AsyncClient(base_url=registry.url, auth=auth, timeout=LONG) as http:
                http.event_hooks["response"].append(_must_serve)
                return await work(http)

        try:
            return asyncio.run(ask())
        except httpx.HTTPError as error:
            raise NotAsked(f"{registry.url} could not be asked: {error or type(error).__name__}") from None


async def _must_serve(response: httpx.Response) -> None:
    if response.is_server_error:
        raise httpx.HTTPError(f"it answered {response.status_code}")
    await response.aread()


def _said(response: httpx.Response) -> str:
    return f"{response.request.url} answered {response.status_code}: {response.json().get('detail', '')}"


def _findings(found: list[dict[str, Any]]) -> tuple[Finding, ...]:
    return tuple(Finding(**{**finding, "related": tuple(finding["related"])}) for finding in found)


def _missing(draft: dict[str, Any]) -> str:
    missing = " and ".join(draft["not_approved_by"])
    return f"not approved yet by {missing}" if missing else "approved by everyone: it can be published"


def _add(tested: Tested, page: dict[str, Any]) -> None:
    tested.claims += page["claims"]
    tested.changed += page["changed"]
    tested.failed += page["failed"]
    tested.credits_gained += Decimal(page["credits_gained"])
    tested.credits_lost += Decimal(page["credits_lost"])
    tested.changes += page["changes"]
    for one in page["states"]:
        between = (one["before"], one["after"])
        tested.states[between] = tested.states.get(between, 0) + one["claims"]
