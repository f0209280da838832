"""Members of the consortium: entered by its registry, read by everybody with a token, seen by all."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends
from starlette.responses import Response

from chassis import telemetry
from chassis.database import Pool, transaction
from chassis.http import Page, as_json, body, cursor, encode_cursor, etag, expected_revision, page_size, problems
from chassis.identity import Principal, Role, public, require
from chassis.problems import not_found
from contracts.event import MemberId
from services.provider import store
from services.provider.api.answers import FaceAnswer, MemberAnswer
from services.provider.application.members import RegisterMember, as_answer, face_of
from services.provider.documents import MemberDocument

Anybody = Annotated[Principal, Depends(require())]
Registry = Annotated[Principal, Depends(require(Role.CONSORTIUM))]

MOST_FACES: Final = 1_000
"""More members than any consortium has; nobody without a token makes the service read more."""


def routes(pool: Pool, register_member: RegisterMember) -> APIRouter:
    """The routes under /members."""
    router = APIRouter(tags=["members"])

    async def known(member_id: str) -> store.Member:
        async with transaction(pool) as connection:
            member = await store.member(connection, member_id)
        if member is None:
            raise not_found("There is no such member.")
        return member

    @router.put("/members/{member_id}", response_model=MemberAnswer, responses={201: {"model": MemberAnswer}})
    async def put_member(
        _: Registry,
        member_id: MemberId,
        expected: Annotated[int, Depends(expected_revision)],
        document: Annotated[MemberDocument, Depends(body(MemberDocument))],
    ) -> Response:
        """Enter a member (`If-None-Match: *`), or change it (`If-Match` with the ETag that was read).

        The service numbers the revisions; the ETag is the revision's. A change that changes nothing makes none.
        """
        member = await register_member(
            member_id, document, expected=expected, traceparent=telemetry.current_traceparent()
        )
        return as_json(as_answer(member), 201 if expected == 0 else 200, {"ETag": etag(member.revision)})

    @router.get("/members", response_model=Page[MemberAnswer])
    async def get_members(
        _: Anybody, after: Annotated[tuple[str] | None, Depends(cursor(str))], limit: page_size = 50
    ) -> Response:
        """The members by id."""
        async with transaction(pool) as connection:
            found = await store.members(connection, after=after[0] if after else "", limit=limit + 1)
        following = encode_cursor(found[limit - 1].member_id) if len(found) > limit else None
        return as_json({"items": [as_answer(one) for one in found[:limit]], "next": following})

    @router.get("/members/{member_id}", response_model=MemberAnswer, responses=problems(404))
    async def get_member(_: Anybody, member_id: MemberId) -> Response:
        """A member at its newest revision, whose ETag a change must name."""
        member = await known(member_id)
        return as_json(as_answer(member), headers={"ETag": etag(member.revision)})

    @router.get("/members/{member_id}/face", response_model=FaceAnswer, responses=problems(404))
    @public
    async def get_face(member_id: MemberId) -> Response:
        """A member's name and colours; no token is needed."""
        return as_json(face_of(await known(member_id)))

    @router.get("/faces", response_model=list[FaceAnswer])
    @public
    async def get_faces() -> Response:
        """Every member's name and colours, by id; no token is needed."""
        async with transaction(pool) as connection:
            found = await store.members(connection, after="", limit=MOST_FACES)
        return as_json([face_of(one) for one in found])

    return router
