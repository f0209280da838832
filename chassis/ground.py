"""What stands under every route: a deadline, a bound on what is under way, and no answer without a form."""

import asyncio
import re
from collections.abc import Callable
from typing import Final

import httpx
import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.database import is_passing
from chassis.identity import IssuerUnreachable
from chassis.limits import Limits
from chassis.problems import Fault, Problem, invalid, unavailable

log = structlog.get_logger()

DEADLINE_SECONDS: Final = 4.0
"""From the last byte of a request to the beginning of its answer, so that it has one within five (F-08), also where
the machine is busy."""
UPLOAD_SECONDS: Final = 30.0
"""How long one part of a body may be waited for."""
LARGEST_FORM: Final = 128 * 1024
"""Bytes of a form's body: what the longest text that a page takes (10,000 characters) has at most, percent-encoded."""
UNDER_WAY: Final = 256
"""Requests without an answer that a process has at most, so that a database that hangs does not fill its memory."""

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_SAFE: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""What every answer says to browsers: nobody else's window or page gets near."""
_NOT_TO_BE_KEPT: Final = ("application/json", "application/problem+json", "application/x-ndjson", "text/html")
AsPage = Callable[[Request, Problem], Response | None]
"""What an application with pages leaves in its state as `as_page`; None where the request is for none."""
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_NUL: Final = re.compile(rb"%00|\x00")


def problem_of(error: BaseException) -> Problem:
    """The answer to an exception that no route expected: 503 where another try may cure it, else 500."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, IssuerUnreachable | httpx.TransportError):
        return unavailable("A service behind this one does not answer at the moment.", name="upstream-unavailable")
    if is_passing(error):
        return unavailable("The database does not answer at the moment.", name="database-unavailable")
    return Problem(500, "The fault has been recorded; it is not in what you sent.")


def _is_form(scope: Scope) -> bool:
    stated = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    return stated.lower().startswith(tuple(kind.encode() for kind in _FORMS))


class Ground:
    """ASGI middleware under every application (see the module).

    A request whose answer has not begun `deadline` seconds after it was read is answered with 503, whatever the work
    for it is waiting for; that work is cancelled, and counts as under way until it has ended.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        deadline: float = DEADLINE_SECONDS,
        upload: float = UPLOAD_SECONDS,
        under_way: int = UNDER_WAY,
        content_security_policy: str = CONTENT_SECURITY_POLICY,
    ) -> None:
        self._app = app
        self._deadline = deadline
        self._upload = upload
        self._most = under_way
        self._policy = content_security_policy
        self._abandoned: set[asyncio.Task[None]] = set()
        self._waiting = 0

    @property
    def under_way(self) -> int:
        """Requests whose answer has not begun, and work that was given up and has not ended."""
        return self._waiting + len(self._abandoned)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Request(self, scope, receive, send)
        if _NUL.search(scope.get("raw_path") or b"") or _NUL.search(scope.get("query_string") or b""):
            await request.answer(invalid([Fault("", None, "an address without the character U+0000")]))
        elif self.under_way >= self._most:
            await request.answer(unavailable("Too much is under way at the moment.", name="overloaded"))
        else:
            await request.run()


class _Request:
    """One request on its way through the application."""

    def __init__(self, ground: Ground, scope: Scope, receive: Receive, send: Send) -> None:
        self._ground = ground
        self._scope = scope
        self._state = getattr(scope.get("app"), "state", None)
        self._receive = receive
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._reading = False
        self._read = False
        self._begun = False
        self._given_up = False
        self._room = LARGEST_FORM if _is_form(scope) else None
        """Bytes that the body may still have; a body that is no form is bounded by what reads it (chassis.bodies)."""
        self._more_headers: dict[str, str] = {}
        self._counted = False
        self._too_late: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        self._counted = True
        self._ground._waiting += 1
        self._ends_in(self._ground._deadline)
        task = asyncio.create_task(self._serve())
        try:
            await asyncio.wait({task, self._too_late}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            elif self._begun:  # in the same turn of the loop as the deadline
                await task
            else:
                await self._give_up(task)
        except asyncio.CancelledError:
            self._leave(task)
            raise
        finally:
            self._count_no_longer()

    def _expire(self) -> None:
        if not self._too_late.done():
            self._too_late.set_result(None)

    def _ends_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._expire)

    def _count_no_longer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._counted:
            self._counted = False
            self._ground._waiting -= 1

    async def _give_up(self, task: asyncio.Task[None]) -> None:
        self._leave(task)
        if self._room is not None and self._room < 0:
            problem = Problem(413, f"A form may have {LARGEST_FORM} bytes at most.", more={"limit": LARGEST_FORM})
        elif self._reading:
            problem = Problem(408, "A part of the body was waited for too long.", retryable=True)
        else:
            problem = unavailable("The answer was not ready in time.", name="too-late")
            log.warning("request given up", path=self._scope["path"], method=self._scope["method"])
        await self.answer(problem)

    def _leave(self, task: asyncio.Task[None]) -> None:
        self._given_up = True
        task.cancel()
        if not task.done():
            self._ground._abandoned.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._ground._abandoned.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("given-up work failed", error=type(error).__name__)

    async def _serve(self) -> None:
        try:
            refused = await self._ask_limits()
            if refused is None:
                await self._ground._app(self._scope, self._take, self._give)
            elif not self._given_up:
                await self.answer(refused)
        except ClientDisconnect:
            return  # nobody is there to be answered
        except Exception as error:
            problem = problem_of(error)
            where = {"path": self._scope["path"], "method": self._scope["method"]}
            if problem.status >= 500 and not problem.retryable:
                log.exception("request failed", **where)
            else:
                log.warning("request not served", error=type(error).__name__, **where)
            if self._begun:
                raise  # a half answer must not look like a whole one
            if not self._given_up:
                await self.answer(problem)

    async def _ask_limits(self) -> Problem | None:
        """The answer where its client asks too often."""
        limits: Limits | None = getattr(self._state, "limits", None)
        asked = await limits.ask(Request(self._scope)) if limits is not None else None
        if asked is None:
            return None
        self._more_headers = asked.headers
        return asked.refused

    async def _take(self) -> Message:
        if self._read or self._begun:
            return await self._receive()
        self._reading = True
        self._ends_in(self._ground._upload)
        message = await self._receive()
        self._reading = False
        self._ends_in(self._ground._deadline)
        self._read = message["type"] != "http.request" or not message.get("more_body", False)
        if self._room is not None:
            self._room -= len(message.get("body", b""))
            if self._room < 0:
                self._expire()
                await asyncio.Event().wait()  # until it is given up: whoever reads would say something else
        return message

    async def _give(self, message: Message) -> None:
        if self._given_up:
            return
        if message["type"] == "http.response.start":
            self._begun = True
            self._count_no_longer()
            self._add_headers(message)
        await self._send(message)

    async def answer(self, problem: Problem) -> None:
        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(message)
            await self._send(message)

        await self._in_its_form(problem)(self._scope, self._receive, send)

    def _in_its_form(self, problem: Problem) -> Response:
        """The problem as JSON; as a page, where the application has pages and a person asks for one."""
        as_page: AsPage | None = getattr(self._state, "as_page", None)
        return (as_page and as_page(Request(self._scope), problem)) or problem.response()

    def _add_headers(self, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        headers.setdefault("Content-Security-Policy", self._ground._policy)
        for name, value in (_SAFE | self._more_headers).items():
            headers.setdefault(name, value)
        if headers.get("content-type", "").startswith(_NOT_TO_BE_KEPT):
            headers.setdefault("Cache-Control", "no-store")
