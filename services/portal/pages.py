"""The pages: the consortium's members, each member's portal in its colours, and a learner's record there, live."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import anyio
from fastapi import APIRouter, Depends, Header, Path
from starlette.responses import RedirectResponse, Response, StreamingResponse

from chassis.clock import Clock
from chassis.identity import Role, public
from chassis.pages.site import Visitor, anybody, signed_in
from chassis.pages.templating import Templates
from chassis.problems import Problem
from contracts.event import MemberId
from services.portal.domain import wording
from services.portal.domain.colours import VISIBLE, made_to_stand_out, text_on
from services.portal.record import newest_first
from services.portal.upstream import Face, Upstream

RETRY_MS: Final = 1_500
"""What a browser waits before it opens a stream again that has ended."""

# The backgrounds of concord.css on which a member's colour must be readable, light and dark: of each the harder one.
LIGHT_BACKGROUND: Final = "#eef0f4"
DARK_BACKGROUND: Final = "#202836"

LONGEST_STATEMENT: Final = 10_000
"""Characters of what a learner writes in an appeal."""

DOWNLOADS: Final = {
    "elmo": ("application/xml", "concord-record.xml"),
    "csv": ("text/csv", "concord-record.csv"),
    "json": ("application/json", "concord-record.json"),
}
"""By form of a downloaded record its media type and the file's name."""

Anybody = Annotated[Visitor | None, Depends(anybody)]
Learner = Annotated[Visitor, Depends(signed_in(Role.LEARNER))]
Member = Annotated[MemberId, Path()]


def templates() -> Templates:
    """The service's pages."""
    return Templates(
        "services.portal",
        filters={"newest_first": newest_first},
        site_name="Concord",
        wording=wording.wording,
        own_wording=wording.own_wording,
        number=wording.number,
        credit=wording.credit,
        level=wording.level,
        result_in_words=wording.result,
        listed=wording.listed,
        appeal_wording=wording.appeal,
        capstone_wording=wording.capstone,
        place=wording.place,
        longest_statement=LONGEST_STATEMENT,
    )


def theme(face: Face) -> str:
    """A member's colours as CSS, with text colours that can be read on them."""
    primary, accent = face.colours.primary, face.colours.accent
    light, dark = made_to_stand_out(primary, LIGHT_BACKGROUND), made_to_stand_out(primary, DARK_BACKGROUND)
    bar_light = made_to_stand_out(primary, LIGHT_BACKGROUND, VISIBLE)
    bar_dark = made_to_stand_out(primary, DARK_BACKGROUND, VISIBLE)
    return (
        f":root {{ --member: {primary}; --on-member: {text_on(primary)}; --accent: {accent}; "
        f"--link: {light}; --bar: {bar_light}; }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ --link: {dark}; --bar: {bar_dark}; }} }}\n"
    )


def badge(face: Face) -> str:
    """A member's colours in the list of members, as CSS."""
    primary, accent = face.colours.primary, face.colours.accent
    return (
        f".badge-{face.member_id} {{ --badge: {primary}; --on-badge: {text_on(primary)}; --badge-accent: {accent}; }}\n"
    )


def _css(text: str) -> Response:
    return Response(text, media_type="text/css", headers={"Cache-Control": "public, max-age=60"})


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a learner asked for and did not get: why, and what was filled in, so that nothing has to be typed again."""

    about: UUID
    """The entry, or the enrolment, whose form it was."""
    words: str
    statement: str = ""
    chosen: tuple[str, ...] = ()


class RecordPages:
    """The page of a learner's record at a member, whole or its changing part alone."""

    def __init__(self, upstream: Upstream, pages: Templates, clock: Clock, zone: ZoneInfo) -> None:
        self._upstream = upstream
        self._pages = pages
        self._clock = clock
        self._zone = zone

    async def whole(
        self, visitor: Visitor, member: str, *, trouble: Trouble | None = None, status: int = 200
    ) -> Response:
        """The page; with `trouble`, what was filled in stands in its form again. Raises as Upstream.record does."""
        context = await self._context(visitor, member)
        faces = await self._upstream.faces()
        return self._pages.page("record.html", status=status, faces=faces, trouble=trouble, **context)

    async def fragment(self, visitor: Visitor, member: str) -> Response:
        """The part that changes."""
        return self._pages.page("fragment.html", trouble=None, **await self._context(visitor, member))

    async def _context(self, visitor: Visitor, member: str) -> dict[str, Any]:
        face = await self._upstream.face(member)
        record = await self._upstream.record(visitor.session.access_token)
        today = self._clock().astimezone(self._zone).date()
        return {
            "visitor": visitor,
            "face": face,
            "record": record,
            "at": record.at(member),
            "today": today,
            "zone": self._zone,
        }


def routes(
    upstream: Upstream, pages: Templates, records: RecordPages, clock: Clock, ending: asyncio.Event
) -> APIRouter:
    """The pages, with what they ask the services through; `ending` tells the open streams that the process ends."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    @public
    async def members(visitor: Anybody) -> Response:
        """The members of the consortium, each with the way to its portal."""
        faces = await upstream.faces()
        return pages.page("members.html", visitor=visitor, faces=faces.values())

    @router.get("/members.css")
    @public
    async def members_theme() -> Response:
        """Every member's colours, for the list of members."""
        faces = await upstream.faces()
        return _css("".join(badge(face) for face in faces.values()))

    @router.get("/{member}")
    @public
    async def to_member(member: Member) -> Response:
        """A member's portal, for whoever left out the last stroke."""
        return RedirectResponse(f"/{member}/", status_code=307)

    @router.get("/{member}/theme.css")
    @public
    async def member_theme(member: Member) -> Response:
        """A member's colours."""
        face = await upstream.face(member)
        return _css(theme(face))

    @router.get("/{member}/")
    @public
    async def record(member: Member, visitor: Anybody) -> Response:
        """A learner's record at a member; for whoever has not signed in, the way to do so."""
        if visitor is None or not visitor.principal.has(Role.LEARNER):
            return pages.page("welcome.html", visitor=visitor, face=await upstream.face(member))
        return await records.whole(visitor, member)

    @router.get("/{member}/record/fragment")
    async def record_fragment(member: Member, visitor: Learner) -> Response:
        """The changing part of the record page alone, to be put in its place."""
        return await records.fragment(visitor, member)

    @router.get("/{member}/record/download/{form}")
    async def record_download(
        member: Member,  # noqa: ARG001 - the file is of the whole record; the link stands on a member's page
        form: str,
        visitor: Learner,
    ) -> Response:
        """The learner's record as a file."""
        if form not in DOWNLOADS:
            raise Problem(404, f"A record is to be had as {', '.join(DOWNLOADS)}.")
        media_type, name = DOWNLOADS[form]
        headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'}
        content = await upstream.download(visitor.session.access_token, form)
        return Response(content, media_type=media_type, headers=headers)

    @router.get("/{member}/record/stream")
    @public
    async def record_stream(
        member: Member,  # noqa: ARG001 - the stream is of the whole record; each page's address has its member
        visitor: Anybody,
        last_event_id: Annotated[str | None, Header(max_length=40)] = None,
    ) -> Response:
        """The learner's stream of record versions, passed on; 204 tells a browser to give up."""
        if visitor is None or not visitor.principal.has(Role.LEARNER):
            return Response(status_code=204)
        changes = upstream.record_changes(visitor.session.access_token, last_event_id)
        lasts = (visitor.session.expires_at - clock()).total_seconds()
        return StreamingResponse(
            _until(ending, lasts, changes),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return router


async def _until(ending: asyncio.Event, seconds: float, changes: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """The changes, until this process is about to end and for no longer than the session lasts.

    A browser that finds the end comes again, to another process or to be told that it is over.
    """
    yield b"retry: %d\n\n" % RETRY_MS
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + seconds
    end = loop.create_task(_wait(ending))
    change: asyncio.Task[bytes | None] | None = None
    try:
        while not end.done():
            change = loop.create_task(_next(changes))
            await asyncio.wait({change, end}, timeout=max(0.0, ends_at - loop.time()), return_when="FIRST_COMPLETED")
            if not change.done() or (chunk := change.result()) is None:
                return
            yield chunk
    finally:
        # A browser that leaves cancels whatever is awaited here, and the stream behind would stay open.
        with anyio.CancelScope(shield=True):
            # The task that reads is ended before its stream is left, or the stream would be closed under it.
            for task in (end, change):
                if task is not None and task.cancel():
                    await asyncio.wait({task})
            await changes.aclose()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def _next(changes: AsyncIterator[bytes]) -> bytes | None:
    return await anext(changes, None)
