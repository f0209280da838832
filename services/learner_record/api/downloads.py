"""A learner's record as files to take along; docs/elmo.md has what stands in each."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends
from starlette.responses import Response

from chassis.http import problems
from chassis.identity import Principal, Role, require
from services.learner_record.api.whose import IdentifiedLearner
from services.learner_record.application.downloading import DownloadRecord
from services.learner_record.views import RecordDownload

Learner = Annotated[Principal, Depends(require(Role.LEARNER))]

CSV: Final = "text/csv"
XML: Final = "application/xml"


def routes(download: DownloadRecord, identified: IdentifiedLearner) -> APIRouter:
    """The routes /record/download/…, an address for each format, so that a link leads to a file."""
    router = APIRouter(prefix="/record/download", tags=["record"])

    @router.get("/json", response_model=RecordDownload, responses=problems(409))
    async def get_json(principal: Learner) -> Response:
        """Your record as JSON: all that `GET /record` shows, and every completion as its member published it."""
        return _file(await download.as_json(identified(principal)), "application/json", "json")

    @router.get("/csv", response_class=Response, responses={**problems(409), 200: _documented(CSV, "The table")})
    async def get_csv(principal: Learner) -> Response:
        """Your record as a table for spreadsheets: a row for each completion, and one for each enrolment it is for."""
        return _file(await download.as_table(identified(principal)), CSV, "csv")

    @router.get("/elmo", response_class=Response, responses={**problems(409), 200: _documented(XML, "ELMO 1.7")})
    async def get_elmo(principal: Learner) -> Response:
        """Your completions as ELMO 1.7, which EMREX and universities' systems read; what they hold is all in it."""
        return _file(await download.as_elmo(identified(principal)), XML, "xml")

    return router


def _documented(media_type: str, description: str) -> dict[str, object]:
    return {"description": description, "content": {media_type: {"schema": {"type": "string"}}}}


def _file(content: bytes, media_type: str, ending: str) -> Response:
    # The file's name says nothing of the learner: it lies in a browser's list of downloads.
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="concord-record.{ending}"',
    }
    return Response(content, media_type=media_type, headers=headers)
