"""Publishes a document from a file through recognition's interface, as the registry of a party or a member does."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from chassis.identity import ServiceToken
from contracts.documents.agreement import Agreement
from contracts.documents.award import Award
from contracts.documents.findings import Finding
from contracts.documents.loading import as_json, read_file


@dataclass(frozen=True)
class Registry:
    """Where recognition is, and as which client of the issuer the registry's system comes."""

    url: str
    issuer: str
    client_id: str
    client_secret: str


@dataclass(frozen=True)
class Answer:
    """What came of it: published now, published before, or refused with the reasons."""

    outcome: str
    version: int = 0
    findings: tuple[Finding, ...] = ()


class NotPublished(Exception):
    """Recognition could not be asked, or refused the caller; the message says why."""


Document = TypeVar("Document", Agreement, Award)


def publish(file: Path, kind: str, read: Callable[[object], Document], registry: Registry) -> tuple[Document, Answer]:
    """Publish the document of a file; the same document again changes nothing.

    `kind` is `agreements` or `awards`. Raises DocumentRefused where the file holds no such document, NotPublished.
    """
    document = read(read_file(file))
    try:
        return document, asyncio.run(_put(f"/{kind}/{quote(document.id)}", as_json(document), registry))
    except httpx.HTTPError as error:
        raise NotPublished(f"{registry.url} could not be asked: {error or type(error).__name__}") from None


async def _put(path: str, body: Any, registry: Registry) -> Answer:
    auth = ServiceToken(issuer=registry.issuer, client_id=registry.client_id, client_secret=registry.client_secret)
    async with httpx.AsyncClient(base_url=registry.url, auth=auth, timeout=30) as http:
        response = await http.put(path, json=body)
    answer = response.json()
    if response.status_code in (httpx.codes.OK, httpx.codes.CREATED):
        return Answer("published" if response.status_code == httpx.codes.CREATED else "known already", body["version"])
    if "findings" in answer:
        return Answer("refused", body["version"], tuple(Finding(**finding) for finding in answer["findings"]))
    raise NotPublished(f"{response.request.url} answered {response.status_code}: {answer.get('detail', '')}")
