"""A learner's record, for the learner, and for the systems of a member where it stands; and its stream."""

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Path
from fastapi.sse import format_sse_event
from starlette.responses import Response, StreamingResponse

from chassis.http import problems
from chassis.identity import Principal, Role, own_member, require
from chassis.problems import not_found
from contracts.event import MemberId, Reference
from services.learner_record.api.whose import LearnerOfToken
from services.learner_record.application.reading import ReadRecord
from services.learner_record.application.watching import Stream, Watch
from services.learner_record.views import RecordView

Learner = Annotated[Principal, Depends(require(Role.LEARNER))]
Publisher = Annotated[Principal, Depends(require(Role.PUBLISHER))]

EVENTS: Final = "text/event-stream"
RETRY_MS: Final = 1000
"""What a reader of the stream waits before it comes again."""


def routes(read: ReadRecord, watch: Watch, learner_of: LearnerOfToken) -> APIRouter:
    """The routes of records."""
    router = APIRouter(tags=["record"])

    @router.get("/record", response_model=RecordView, responses=problems(409))
    async def get_record(principal: Learner, member: MemberId | None = None) -> Response:
        """Your record: at every member your own credit, and what became of it for each enrolment, with the reasons.

        With `member` only what stands there. A learner of whom nothing is known yet has an empty record at version 0.
        """
        return _as_json(await read(learner_of(principal), member=member))

    # Not FastAPI's own EventSourceResponse: under it nothing could be refused once the route has begun.
    @router.get(
        "/record/stream",
        response_class=Response,
        responses={**problems(409), 200: {"content": {EVENTS: {}}, "description": "Versions, as they come"}},
    )
    async def get_stream(
        principal: Learner,
        last_event_id: Annotated[str | None, Header(description="The version that is shown already.")] = None,
    ) -> Response:
        """Server-sent events with the version of your record: the present one at once, unless it is shown already,
        and each later one when it comes, skipping to the newest. Read the record again when one comes.
        """
        stream = await watch.open(learner_of(principal), _version(last_event_id))
        return StreamingResponse(
            _events(watch, stream),
            media_type=EVENTS,
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @router.get(
        "/members/{member}/learners/{learner_reference:path}/record",
        response_model=RecordView,
        responses=problems(404),
    )
    async def get_record_at_member(
        principal: Publisher,
        member: Annotated[MemberId, Path()],
        learner_reference: Annotated[Reference, Path()],
    ) -> Response:
        """What stands at your own member for one of your learners, by your own reference for them.

        That you read it is shown to the learner.
        """
        own_member(principal, member)
        found = await read.of_reference(principal, member, learner_reference)
        if found is None:
            raise not_found("You have never used this reference for a learner.")
        return _as_json(found)

    return router


def _as_json(record: RecordView) -> Response:
    return Response(record.model_dump_json(), media_type="application/json", headers={"Cache-Control": "no-store"})


def _version(last_event_id: str | None) -> int | None:
    if last_event_id is None or not (last_event_id.isascii() and last_event_id.isdigit()) or len(last_event_id) > 18:
        return None
    return int(last_event_id)


async def _events(watch: Watch, stream: Stream) -> AsyncIterator[bytes]:
    yield format_sse_event(retry=RETRY_MS)
    async for version in watch.versions(stream):
        if version is None:
            yield format_sse_event(comment="still here")
        else:
            yield format_sse_event(id=str(version), data_str=f'{{"version":{version}}}')
