"""Agreements and award definitions: published by those whose they are, read by everybody with a token."""

from datetime import date
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from chassis.clock import Clock, day_of
from chassis.database import Pool, transaction
from chassis.http import Page, as_json, cursor, encode_cursor, page_size, problems, raw_body
from chassis.identity import Principal, Role, own_member, require
from chassis.problems import forbidden, not_found
from contracts.documents.agreement import Agreement
from contracts.documents.award import Award
from contracts.documents.loading import agreement_from, award_from
from contracts.event import MemberId
from services.recognition.api.answers import (
    ApprovalAnswer,
    PublishedAnswer,
    approvals_as_json,
    is_addressed,
    published_answer,
    published_as_json,
    read_document,
    who,
)
from services.recognition.application.drafting import approvals_of
from services.recognition.application.publish import directions_of, publish_agreement, publish_award
from services.recognition.domain.life import state_of_agreement, state_of_award
from services.recognition.store import catalogue as store
from services.recognition.store import standing
from services.recognition.store.catalogue import Published

Anybody = Annotated[Principal, Depends(require())]
Registry = Annotated[Principal, Depends(require(Role.REGISTRY))]
RegistryOrConsortium = Annotated[Principal, Depends(require(Role.REGISTRY, Role.CONSORTIUM))]
AgreementBody = Annotated[
    bytes,
    Depends(raw_body("application/json", limit=200 * 1024, description="A version of an agreement.", model=Agreement)),
]
AwardBody = Annotated[
    bytes,
    Depends(
        raw_body("application/json", limit=200 * 1024, description="A version of an award definition.", model=Award)
    ),
]


class PublishedWithVersions(PublishedAnswer):
    """The version asked for, or the newest, and which others there are."""

    versions: list[int]
    approvals: list[ApprovalAnswer] = Field(description="Who has approved exactly this content, and when.")
    to_be_looked_at: int = Field(
        description="Claims that the newest version concerns and that were not evaluated again in view of it yet."
    )


def routes(pool: Pool, clock: Clock, zone: ZoneInfo) -> APIRouter:
    """The routes under /agreements and /awards."""
    router = APIRouter(tags=["agreements and awards"])

    def agreement_state(one: Published, newest: int) -> str:
        until, years = date.fromisoformat(one.document["in_force_until"]), one.document["run_off_years"]
        return state_of_agreement(one.version, newest, until, years, day_of(clock(), zone))

    @router.put(
        "/agreements/{agreement_id}",
        response_model=PublishedAnswer,
        responses={201: {"model": PublishedAnswer}, **problems(409)},
    )
    async def put_agreement(caller: RegistryOrConsortium, agreement_id: str, body: AgreementBody) -> Response:
        """Publish a version: 201, or 200 where it is published already with the same content.

        Registry staff of a party, or the consortium, may, once every party has approved exactly this content as a
        draft; else 409 names who has not. What lint finds is answered with 422, all of it.
        """
        agreement = read_document(agreement_from, body)
        if not caller.has(Role.CONSORTIUM) and caller.member not in agreement.members:
            raise forbidden("You are no party to this agreement.", name="another-members")
        is_addressed(agreement.id, agreement_id)
        return await published_answer(pool, lambda at: publish_agreement(at, agreement, by=who(caller), now=clock()))

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
        return _page([published_as_json(one, agreement_state(one, one.version)) for one in found], limit)

    @router.get("/agreements/{agreement_id}", response_model=PublishedWithVersions, responses=problems(404))
    async def get_agreement(
        _: Anybody, agreement_id: str, version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None
    ) -> Response:
        """A version of an agreement, or the newest."""
        async with transaction(pool) as connection:
            versions = await store.agreement_versions(connection, agreement_id)
            found = _chosen(versions, version)
            approvals = await approvals_of(connection, "agreement", found.id, found.version, found.document_hash)
            count = await standing.count_in(connection, directions_of(versions[0].document))
        return as_json(
            {
                **published_as_json(found, agreement_state(found, versions[0].version)),
                "versions": [one.version for one in versions],
                "approvals": approvals_as_json(approvals),
                "to_be_looked_at": count,
            }
        )

    @router.put(
        "/awards/{award_id:path}",
        response_model=PublishedAnswer,
        responses={201: {"model": PublishedAnswer}, **problems(409)},
    )
    async def put_award(caller: Registry, award_id: str, body: AwardBody) -> Response:
        """Publish a version of an award definition: 201, or 200 where it is published already with the same content.

        Registry staff of the award's member may, once they have approved exactly this content as a draft; else 409.
        What lint finds is answered with 422, all of it.
        """
        own_member(caller, award_id.partition(":")[0])
        award = read_document(award_from, body)
        own_member(caller, award.member)
        is_addressed(award.id, award_id)
        return await published_answer(pool, lambda at: publish_award(at, award, by=who(caller), now=clock()))

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
        return _page([published_as_json(one, "published") for one in found], limit)

    @router.get("/awards/{award_id:path}", response_model=PublishedWithVersions, responses=problems(404))
    async def get_award(
        _: Anybody, award_id: str, version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None
    ) -> Response:
        """A version of an award definition, or the newest."""
        async with transaction(pool) as connection:
            versions = await store.award_versions(connection, award_id)
            found = _chosen(versions, version)
            approvals = await approvals_of(connection, "award", found.id, found.version, found.document_hash)
            count = await standing.count_for(connection, award_id)
        return as_json(
            {
                **published_as_json(found, state_of_award(found.version, versions[0].version)),
                "versions": [one.version for one in versions],
                "approvals": approvals_as_json(approvals),
                "to_be_looked_at": count,
            }
        )

    return router


def _chosen(versions: list[Published], wanted: int | None) -> Published:
    found = next((one for one in versions if wanted in (None, one.version)), None)
    if found is None:
        raise not_found("There is no such version." if versions else "There is no such document.")
    return found


def _page(items: list[dict[str, Any]], limit: int) -> Response:
    following = encode_cursor(items[-1]["id"]) if len(items) == limit else None
    return as_json({"items": items, "next": following})


def _begin(after: tuple[str] | None) -> str:
    return "" if after is None else after[0]
