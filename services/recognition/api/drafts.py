"""Drafts of agreements and award definitions: drafted, linted, approved by each party's registry, and published."""

from collections.abc import Awaitable, Collection, Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from chassis.clock import Clock
from chassis.database import Connection, Pool, in_transaction, transaction
from chassis.http import (
    Page,
    as_json,
    body,
    current_or_stale,
    cursor,
    encode_cursor,
    etag,
    expected_revision,
    page_size,
    problems,
    raw_body,
)
from chassis.identity import Principal, Role, require
from chassis.problems import Problem, forbidden, not_found
from contracts.documents.agreement import Agreement
from contracts.documents.award import Award
from services.recognition.api.answers import (
    ApprovalAnswer,
    FindingAnswer,
    PublishedAnswer,
    approvals_as_json,
    conflicting,
    findings_as_json,
    is_addressed,
    published_answer,
    read_document,
    refused,
    who,
)
from services.recognition.application.drafting import (
    AGREEMENT,
    AWARD,
    Kind,
    OtherContent,
    Stale,
    Standing,
    approve,
    draft,
    standing_of,
)
from services.recognition.application.publish import Conflicting, Refused
from services.recognition.domain.life import DRAFT_STATES
from services.recognition.store import drafts as store
from services.recognition.store.catalogue import Published
from services.recognition.store.drafts import Draft

Result = TypeVar("Result")
RegistryOrConsortium = Annotated[Principal, Depends(require(Role.REGISTRY, Role.CONSORTIUM))]
Registry = Annotated[Principal, Depends(require(Role.REGISTRY))]
Version = Annotated[int, Path(ge=1, le=2**31 - 1)]

PATHS: Final[dict[str, tuple[Kind, type[BaseModel], str]]] = {
    "/agreements/{document_id}": (AGREEMENT, Agreement, "agreement"),
    "/awards/{document_id:path}": (AWARD, Award, "award definition"),
}


class DraftSummary(BaseModel):
    """A draft as it is now."""

    id: str
    version: int
    revision: int = Field(description="Its ETag, which a change names.")
    members: list[str] = Field(description="Whose registries must approve it.")
    document_hash: str = Field(description="SHA-256 over the document's canonical JSON (RFC 8785).")
    drafted_by: str
    drafted_at: datetime


class DraftAnswer(DraftSummary):
    """A draft, with what lint finds in it and who has approved it."""

    state: Literal["draft", "linted", "approved", "published"] = Field(description=DRAFT_STATES)
    findings: list[FindingAnswer] = Field(description="What lint finds, in view of what is published now.")
    approvals: list[ApprovalAnswer] = Field(description="Of exactly this content.")
    not_approved_by: list[str]
    document: dict[str, Any] = Field(description="Every field written out: what is hashed, approved and published.")


class ApprovalBody(BaseModel):
    """What a registry approves: the content that it has read, by its hash."""

    EXAMPLE: ClassVar[Mapping[str, object]] = {"document_hash": "a3f1c2" + 58 * "0"}

    document_hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="The hash that the draft shows.")]


def routes(pool: Pool, clock: Clock) -> APIRouter:
    """The routes under /agreements/…/drafts and /awards/…/drafts."""
    router = APIRouter(tags=["agreements and awards"])
    for path, (kind, model, words) in PATHS.items():
        _add(router, path, kind, model, words, pool, clock)
    return router


def _add(
    router: APIRouter, path: str, kind: Kind, model: type[BaseModel], words: str, pool: Pool, clock: Clock
) -> None:
    read_body = raw_body("application/json", limit=200 * 1024, description="The document.", model=model)

    @router.get(f"{path}/drafts", response_model=Page[DraftSummary], summary=f"Drafts of an {words}")
    async def get_drafts(
        caller: RegistryOrConsortium,
        document_id: str,
        after: Annotated[tuple[int] | None, Depends(cursor(int))],
        limit: page_size = 50,
    ) -> Response:
        """The drafts that the caller's member is concerned by, by version."""
        begin = 0 if after is None else min(after[0], 2**31 - 1)
        async with transaction(pool) as connection:
            found = await store.drafts(connection, kind.name, document_id, after=begin, limit=limit)
        following = encode_cursor(found[-1].version) if len(found) == limit else None
        shown = [_summary(one) for one in found if _may(caller, kind, one.members)]
        return as_json({"items": shown, "next": following})

    @router.put(
        f"{path}/drafts/{{version}}",
        response_model=DraftAnswer,
        responses={201: {"model": DraftAnswer}, **problems(409)},
        summary=f"Draft an {words}",
    )
    async def put_draft(
        caller: RegistryOrConsortium,
        document_id: str,
        version: Version,
        expected: Annotated[int, Depends(expected_revision)],
        content: Annotated[bytes, Depends(read_body)],
    ) -> Response:
        """Draft a version (`If-None-Match: *`), or change the draft (`If-Match` with the ETag that was read).

        What lint finds is in the answer. A changed draft must be approved anew: approvals are of its bytes.
        """
        document = read_document(kind.read, content)
        is_addressed(document.id, document_id)
        is_addressed(document.version, version, "version")
        _must(caller, kind, kind.members_of(document))

        async def work(connection: Connection) -> tuple[Standing, bool]:
            stands = await store.draft(connection, kind.name, document_id, version)
            if stands is not None:
                _must(caller, kind, stands.members)
            drafted, is_new = await draft(connection, kind, document, expected=expected, by=caller.subject, now=clock())
            return await standing_of(connection, kind, drafted), is_new

        standing, is_new = await _done(in_transaction(pool, work))
        return _shown(standing, 201 if is_new and standing.draft.revision == 1 else 200)

    @router.get(
        f"{path}/drafts/{{version}}",
        response_model=DraftAnswer,
        responses=problems(404),
        summary=f"A draft of an {words}",
    )
    async def get_draft(caller: RegistryOrConsortium, document_id: str, version: Version) -> Response:
        """A draft with what lint finds in it now, who has approved it and who has not."""
        async with transaction(pool) as connection:
            found = await found_draft(connection, caller, kind, document_id, version)
            return _shown(await standing_of(connection, kind, found))

    @router.put(
        f"{path}/drafts/{{version}}/approval",
        response_model=DraftAnswer,
        responses=problems(404, 409),
        summary=f"Approve a draft of an {words}",
    )
    async def put_approval(
        caller: Registry,
        document_id: str,
        version: Version,
        approval: Annotated[ApprovalBody, Depends(body(ApprovalBody))],
    ) -> Response:
        """Approve a draft for the caller's member: exactly the bytes whose hash is stated, and no others.

        The first approval of the same bytes stays. A draft in which lint finds anything cannot be approved: 422.
        """

        async def work(connection: Connection) -> Standing:
            found = await found_draft(connection, caller, kind, document_id, version)
            if caller.member is None or caller.member not in found.members:
                raise forbidden("Only the registry of a party approves.", name="another-members")
            await approve(
                connection,
                kind,
                found,
                stated=approval.document_hash,
                member=caller.member,
                by=caller.subject,
                now=clock(),
            )
            return await standing_of(connection, kind, found)

        return _shown(await _done(in_transaction(pool, work)))

    @router.post(
        f"{path}/drafts/{{version}}/publication",
        response_model=PublishedAnswer,
        responses={201: {"model": PublishedAnswer}, **problems(404, 409)},
        summary=f"Publish an approved draft of an {words}",
    )
    async def post_publication(caller: RegistryOrConsortium, document_id: str, version: Version) -> Response:
        """Publish a draft that every party has approved: 201, or 200 where it is published already."""

        async def work(connection: Connection) -> tuple[Published, bool]:
            found = await found_draft(connection, caller, kind, document_id, version)
            return await kind.publish(connection, kind.read(found.document), by=who(caller), now=clock())

        return await published_answer(pool, work)


def _may(caller: Principal, kind: Kind, members: Collection[str]) -> bool:
    """An agreement's drafts are its parties' and the consortium's, an award's are its member's."""
    if caller.has(Role.CONSORTIUM) and kind is AGREEMENT:
        return True
    return caller.has(Role.REGISTRY) and caller.member in members


def _must(caller: Principal, kind: Kind, members: Collection[str]) -> None:
    if not _may(caller, kind, members):
        raise forbidden("Your member is no party to this document.", name="another-members")


async def found_draft(connection: Connection, caller: Principal, kind: Kind, document_id: str, version: int) -> Draft:
    """The draft of a version; raises the Problem 404 where there is none, or none that the caller may know of."""
    found = await store.draft(connection, kind.name, document_id, version)
    if found is None or not _may(caller, kind, found.members):
        raise not_found("There is no such draft, or none of your member's.")
    return found


async def _done(work: Awaitable[Result]) -> Result:
    try:
        return await work
    except Refused as error:
        raise refused(error.findings) from None
    except Conflicting as error:
        raise conflicting(error) from None
    except OtherContent as error:
        raise Problem(
            409,
            f"You approve {error.stated}, and the draft is {error.stands} now. Read it again.",
            name="other-content",
            more={"stated": error.stated, "stored": {"document_hash": error.stands}},
        ) from None
    except Stale as error:
        current_or_stale(error.expected, error.current)
        raise


def _summary(one: Draft) -> dict[str, Any]:
    return {
        "id": one.id,
        "version": one.version,
        "revision": one.revision,
        "members": one.members,
        "document_hash": one.document_hash,
        "drafted_by": one.drafted_by,
        "drafted_at": one.drafted_at,
    }


def _shown(standing: Standing, status: int = 200) -> Response:
    content = {
        **_summary(standing.draft),
        "state": standing.state,
        "findings": findings_as_json(standing.findings),
        "approvals": approvals_as_json(standing.approvals),
        "not_approved_by": list(standing.not_approved_by),
        "document": standing.draft.document,
    }
    return as_json(content, status, {"ETag": etag(standing.draft.revision)})
