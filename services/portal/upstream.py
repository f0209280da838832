"""What the portal asks of the services, over REST and with the visitor's token; it knows nothing by itself."""

import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx
import structlog
from pydantic import BaseModel, ValidationError

from chassis import telemetry
from chassis.pages.site import NotSignedIn
from chassis.problems import Problem, unavailable
from services.portal.domain.colours import parse
from services.portal.record import Record

log = structlog.get_logger()

TIMEOUT: Final = httpx.Timeout(3.0)
STREAM_TIMEOUT: Final = httpx.Timeout(3.0, read=60.0)
"""The stream says at least every 15 seconds that it is still there."""
LIVE: Final = b"event: live\ndata: 1\n\n"
"""Tells a page that the record is listened to; without an id, so that the last version named stays the last."""
FACES_SECONDS: Final = 30.0
"""How long names and colours are kept before they are asked for again."""


class Colours(BaseModel):
    """A member's colours."""

    primary: str
    accent: str


class Face(BaseModel):
    """What everybody may see of a member."""

    member_id: str
    name: str
    colours: Colours


@dataclass(frozen=True, slots=True)
class _Kept:
    faces: dict[str, Face]
    until: float


class Upstream:
    """The services behind the portal."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        provider_url: str,
        learner_record_url: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._provider_url = provider_url.rstrip("/")
        self._learner_record_url = learner_record_url.rstrip("/")
        self._monotonic = monotonic
        self._kept: _Kept | None = None

    async def faces(self) -> dict[str, Face]:
        """The members' names and colours by their ids, in the order of names.

        Raises the Problem 503 where they cannot be had and were never had before.
        """
        now = self._monotonic()
        if self._kept is None or self._kept.until <= now:
            try:
                faces = await self._fetch_faces()
            except Problem:
                if self._kept is None:
                    raise
                # A name and two colours do not spoil: what is away for a while must not take the pages with it.
                faces = self._kept.faces
            self._kept = _Kept(faces, now + FACES_SECONDS)
        return self._kept.faces

    async def _fetch_faces(self) -> dict[str, Face]:
        content = await self._get(f"{self._provider_url}/faces", {}, "The members cannot be listed at the moment.")
        faces = [Face.model_validate(item) for item in content]
        for face in faces:
            # They are written into a stylesheet.
            parse(face.colours.primary)
            parse(face.colours.accent)
        return {face.member_id: face for face in sorted(faces, key=lambda face: face.name.casefold())}

    async def _get(self, url: str, headers: dict[str, str], otherwise: str) -> Any:
        return _content(await self._send("GET", url, headers, otherwise), otherwise)

    async def _send(
        self, method: str, url: str, headers: dict[str, str], otherwise: str, document: Any = None
    ) -> httpx.Response:
        if (traceparent := telemetry.current_traceparent()) is not None:
            headers = {**headers, "traceparent": traceparent}
        try:
            return await self._client.request(method, url, headers=headers, json=document, timeout=TIMEOUT)
        except httpx.HTTPError as error:
            log.warning("a service does not answer", error=type(error).__name__, path=httpx.URL(url).path)
            raise unavailable(otherwise) from error

    async def face(self, member: str) -> Face:
        """One member's name and colours; raises the Problem 404 where there is no such member."""
        face = (await self.faces()).get(member)
        if face is None:
            raise Problem(404, "No member of the consortium has its pages at this address.")
        return face

    async def record(self, token: str) -> Record:
        """The record of the learner whose token it is.

        Raises NotSignedIn where the token is not accepted, and the Problems 403, 409 and 503 with the service's words.
        """
        otherwise = "Your record cannot be shown at the moment."
        content = await self._get(f"{self._learner_record_url}/record", _bearer(token), otherwise)
        try:
            return Record.model_validate(content)
        except ValidationError as error:
            log.error("the record could not be understood", errors=error.errors(include_input=False)[:3])
            raise unavailable(otherwise, name="record-not-understood") from error

    async def download(self, token: str, form: str) -> bytes:
        """The learner's record as a file of a form: json, csv or elmo; raises as `record` does."""
        otherwise = "Your record cannot be fetched at the moment."
        url = f"{self._learner_record_url}/record/download/{form}"
        response = await self._send("GET", url, _bearer(token), otherwise)
        if response.status_code != 200:
            raise _refused(response, otherwise, known=(403, 409))
        return response.content

    async def choose(self, token: str, enrolment_id: UUID, completions: list[str]) -> None:
        """Say what is to count first in an enrolment; nothing at all takes the choice back.

        Raises NotSignedIn, and the Problems 403, 404, 409, 422 and 503 with the service's words.
        """
        path = f"/record/choices/{enrolment_id}"
        await self._ask(token, path, {"completions": completions}, "Your choice could not be sent at the moment.")

    async def appeal(
        self, token: str, decision_id: UUID, *, stage: int, statement: str, withdrawn: bool = False
    ) -> None:
        """Appeal against a decision at a stage, or withdraw that; raises as `choose` does."""
        document = {"stage": stage, "statement": statement, "withdrawn": withdrawn}
        path = f"/record/appeals/{decision_id}"
        await self._ask(token, path, document, "Your appeal could not be sent at the moment.")

    async def _ask(self, token: str, path: str, document: Any, otherwise: str) -> None:
        response = await self._send("PUT", f"{self._learner_record_url}{path}", _bearer(token), otherwise, document)
        if response.status_code not in (200, 201):
            raise _refused(response, otherwise, known=(403, 404, 409, 422))

    async def record_changes(self, token: str, last_event_id: str | None) -> AsyncGenerator[bytes, None]:
        """The record's stream of versions as it comes, after LIVE; it ends where the service is away."""
        headers = _bearer(token) | {"Accept": "text/event-stream"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        try:
            async with self._client.stream(
                "GET", f"{self._learner_record_url}/record/stream", headers=headers, timeout=STREAM_TIMEOUT
            ) as response:
                if response.status_code == 200:
                    yield LIVE
                    async for chunk in response.aiter_raw():
                        yield chunk
        except httpx.HTTPError as error:
            log.info("the record's stream ended", error=type(error).__name__)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _content(response: httpx.Response, otherwise: str) -> Any:
    """The content of an answer; what else a service said becomes the portal's own answer."""
    if response.status_code == 200:
        try:
            return response.json()
        except ValueError as error:
            raise unavailable(otherwise) from error
    raise _refused(response, otherwise, known=(403, 409))


def _refused(response: httpx.Response, otherwise: str, *, known: tuple[int, ...]) -> Problem:
    """What the portal answers where a service did not do what it was asked; with the service's words where `known`."""
    if response.status_code == 401:
        return NotSignedIn()
    if response.status_code not in known:
        log.warning("a service did not answer as expected", status=response.status_code, path=response.url.path)
        return unavailable(otherwise)
    try:
        problem = response.json()
        detail = str(problem["detail"])
        needed = "; ".join(str(fault["expected"]) for fault in problem.get("errors") or [])
    except (ValueError, KeyError, TypeError, AttributeError):
        return Problem(response.status_code, otherwise)
    # What is wrong with values is said by what would be right: their names are not a person's words.
    in_words = f"What is needed: {needed}." if needed and response.status_code == 422 else detail
    return Problem(response.status_code, in_words)
