"""Agreements and award definitions: published by those whose they are, read by everybody with a token."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from chassis.clock import Clock
from chassis.database import Connection, Pool, in_transaction, transaction
from chassis.http import Page, as_json, cursor, encode_cursor, page_size, problems, raw_body
from chassis.identity import Principal, Role, own_member, require
from chassis.outbox import EventTooLarge
from chassis.problems import Fault, Problem, conflict, forbidden, invalid, not_found
from contracts.documents.findings import DocumentRefused, Finding
from contracts.documents.loading import agreement_from, award_from, read_json
from contracts.event import MemberId
from services.recognition.application.publish import Conflicting, Refused, publish_agreement, publish_award
from services.recognition.store import catalogue as store
from services.recognition.store.catalogue import Published

Anybody = Annotated[Principal, Depends(require())]
Registry = Annotated[Principal, Depends(require(Role.REGISTRY))]
RegistryOrConsortium = Annotated[Principal, Depends(require(Role.REGISTRY, Role.CONSORTIUM))]
AgreementBody = Annotated[
    bytes, Depends(raw_body("application/json", limit=200 * 1024, description="A version of an agreement."))
]
AwardBody = Annotated[
    bytes, Depends(raw_body("application/json", limit=200 * 1024, description="A version of an award definition."))
]
Document = TypeVar("Document")


class PublishedAnswer(BaseModel):
    """A published version of a document; it never changes."""

    id: str
    version: int
    state: str = Field(description="`published`.")
    catalogue_number: int = Field(description="The number that its publication took in the catalogue.")
    document_hash: str = Field(description="SHA-256 over the document's canonical JSON.")
    published_at: datetime
    published_by: str
    document: dict[str, Any] = Field(description="Every field written out: what clauses of grounds point into.")


class PublishedWithVersions(PublishedAnswer):
    """The version asked for, or the newest, and which others there are."""

    versions: list[int]


def routes(pool: Pool, clock: Clock) -> APIRouter:
    """The routes under /agreements and /awards."""
    router = APIRouter(tags=["agreements and awards"])

    @router.put(
        "/agreements/{agreement_id}",
        response_model=PublishedAnswer,
        responses={201: {"model": PublishedAnswer}, **problems(409)},
    )
    async def put_agreement(caller: RegistryOrConsortium, agreement_id: str, body: AgreementBody) -> Response:
        """Publish a version: 201, or 200 where it is published already with the same content.

        Registry staff of a party, or the consortium, may. What lint finds is answered with 422, all of it.
        """
        agreement = _read(agreement_from, body)
        if not caller.has(Role.CONSORTIUM) and caller.member not in agreement.members:
            raise forbidden("You are no party to this agreement.", name="another-members")
        _is_addressed(agreement.id, agreement_id)
        return await _answer(pool, lambda at: publish_agreement(at, agreement, by=_who(caller), now=clock()))

    @router.get("/agreements", response_model=Page[PublishedAnswer])
    async def get_agreements(
        _: Anybody,
        after: Annotated[tuple[str] | None, Depends(cursor(str))],
        limit: page_size = 50,
        member: Annotated[MemberId | None, Query(description="Only what this member is a party to.")] = None,
    ) -> Response:
        """The newest version of each agreement, by id."""
        async with transaction(pool) as connection:
            found = await store.agreements(connection, after=_begin(after), limit=limit, of_member=member)
        return _page(found, limit)

    @router.get("/agreements/{agreement_id}", response_model=PublishedWithVersions, responses=problems(404))
    async def get_agreement(
        _: Anybody, agreement_id: str, version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None
    ) -> Response:
        """A version of an agreement, or the newest."""
        async with transaction(pool) as connection:
            return _one(await store.agreement_versions(connection, agreement_id), version)

    @router.put(
        "/awards/{award_id:path}",
        response_model=PublishedAnswer,
        responses={201: {"model": PublishedAnswer}, **problems(409)},
    )
    async def put_award(caller: Registry, award_id: str, body: AwardBody) -> Response:
        """Publish a version of an award definition: 201, or 200 where it is published already with the same content.

        Registry staff of the award's member may. What lint finds is answered with 422, all of it.
        """
        own_member(caller, award_id.partition(":")[0])
        award = _read(award_from, body)
        own_member(caller, award.member)
        _is_addressed(award.id, award_id)
        return await _answer(pool, lambda at: publish_award(at, award, by=_who(caller), now=clock()))

    @router.get("/awards", response_model=Page[PublishedAnswer])
    async def get_awards(
        _: Anybody,
        after: Annotated[tuple[str] | None, Depends(cursor(str))],
        limit: page_size = 50,
        member: Annotated[MemberId | None, Query(description="Only this member's.")] = None,
    ) -> Response:
        """The newest version of each award definition, by id."""
        async with transaction(pool) as connection:
            found = await store.awards(connection, after=_begin(after), limit=limit, of_member=member)
        return _page(found, limit)

    @router.get("/awards/{award_id:path}", response_model=PublishedWithVersions, responses=problems(404))
    async def get_award(
        _: Anybody, award_id: str, version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None
    ) -> Response:
        """A version of an award definition, or the newest."""
        async with transaction(pool) as connection:
            return _one(await store.award_versions(connection, award_id), version)

    return router


def _read(read: Callable[[object], Document], body: bytes) -> Document:
    try:
        return read(read_json(body))
    except DocumentRefused as refused:
        raise _refused(refused.findings) from None


def _refused(findings: tuple[Finding, ...] | list[Finding]) -> Problem:
    problem = invalid([Fault(finding.pointer, finding.value, finding.message) for finding in findings])
    problem.more["findings"] = [
        {
            "rule": finding.rule,
            "pointer": finding.pointer,
            "value": finding.value,
            "message": finding.message,
            "related": list(finding.related),
        }
        for finding in findings
    ]
    return problem


def _is_addressed(stated: str, in_address: str) -> None:
    if stated != in_address:
        raise invalid([Fault("id", stated, f"the id in the address, {in_address}")])


def _who(caller: Principal) -> str:
    return caller.member or "consortium"


async def _answer(pool: Pool, publish: Callable[[Connection], Awaitable[tuple[Published, bool]]]) -> Response:
    try:
        published, is_new = await in_transaction(pool, publish)
    except Refused as refused:
        raise _refused(list(refused.findings)) from None
    except Conflicting as conflicting:
        raise conflict(
            conflicting.detail,
            stored={"version": conflicting.stored.version, "document_hash": conflicting.stored.document_hash},
        ) from None
    except EventTooLarge:
        raise Problem(413, "With every field written out, the document is too large to be sent.") from None
    return as_json(_published(published), 201 if is_new else 200)


def _published(published: Published) -> dict[str, Any]:
    return {
        "id": published.id,
        "version": published.version,
        "state": "published",
        "catalogue_number": published.catalogue_number,
        "document_hash": published.document_hash,
        "published_at": published.published_at,
        "published_by": published.published_by,
        "document": published.document,
    }


def _one(versions: list[Published], wanted: int | None) -> Response:
    found = next((one for one in versions if wanted in (None, one.version)), None)
    if found is None:
        raise not_found("There is no such version." if versions else "There is no such document.")
    return as_json({**_published(found), "versions": [one.version for one in versions]})


def _page(found: list[Published], limit: int) -> Response:
    following = encode_cursor(found[-1].id) if len(found) == limit else None
    return as_json({"items": [_published(one) for one in found], "next": following})


def _begin(after: tuple[str] | None) -> str:
    return "" if after is None else after[0]
