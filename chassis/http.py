"""The HTTP ground that every service stands on (ADR 12): `create_app` and what its routes share."""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Generic, TypeVar
from uuid import UUID

import orjson
from fastapi import FastAPI, Header, Query
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Match

from chassis import manual, openapi
from chassis.bodies import body, faults_of, parse, raw_body, read_within
from chassis.ground import CONTENT_SECURITY_POLICY, DEADLINE_SECONDS, UNDER_WAY, Ground
from chassis.health import Check, Checks
from chassis.identity import Verifier, public
from chassis.openapi import problems
from chassis.problems import Fault, Problem, invalid

__all__ = [
    "Check",
    "Page",
    "as_json",
    "body",
    "create_app",
    "current_or_stale",
    "cursor",
    "decode_cursor",
    "encode_cursor",
    "etag",
    "expected_revision",
    "headers_of",
    "page_size",
    "parse",
    "problems",
    "raw_body",
    "read_within",
]

_ETAG: Final = re.compile(r'(?:W/)?"(\d{1,9})"')


def create_app(
    title: str,
    version: str,
    *,
    verifier: Verifier | None = None,
    checks: Mapping[str, Check] | None = None,
    description: str = "",
    middleware: Sequence[Middleware] = (),
    lifespan: Callable[[FastAPI], Any] | None = None,
    deadline: float = DEADLINE_SECONDS,
    under_way: int = UNDER_WAY,
    content_security_policy: str = CONTENT_SECURITY_POLICY,
) -> FastAPI:
    """A FastAPI application with problem details for every failure, health, and its own description.

    `verifier` checks the tokens of routes with `require(…)`; `checks` are what readiness asks; `middleware` stands
    outside everything else (tracing). A request is answered within `deadline` seconds after it was read, and at most
    `under_way` requests wait for their answer (chassis/ground.py). /health/live, /health/ready, /openapi.json,
    /docs, /asyncapi.json and /docs/events are served without a token.
    """
    app = FastAPI(
        title=title,
        version=version,
        description=description,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Its own spans carry the path and the query, in which a member's reference of a person may stand;
        # chassis.tracing names a request by its route.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        middleware=[
            *middleware,
            Middleware(Ground, deadline=deadline, under_way=under_way, content_security_policy=content_security_policy),
        ],
    )
    app.state.verifier = verifier
    app.state.limits = None  # a process sets them (chassis.service)
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    _add_health(app, checks or {})
    _add_description(app)
    return app


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for it
    return error.response()


async def _on_invalid_request(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    # The first part of a place says query, path or header.
    return invalid(faults_of(error.errors(), without=1)).response()


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    detail = error.detail
    if error.status_code == 404:
        detail = "There is nothing at this address."
    elif error.status_code == 405:
        detail = f"{request.method} is not served at this address."
    return Problem(error.status_code, detail, headers=headers_of(request, error)).response()


def headers_of(request: Request, error: HTTPException) -> Mapping[str, str] | None:
    """The headers of an HTTP error's answer: for 405 every method of the address, where the framework names one's."""
    if error.status_code != 405:
        return error.headers
    contexts = iter_route_contexts(request.app.router.routes)
    here = [one.methods for one in contexts if one.methods and one.matches(request.scope)[0] is not Match.NONE]
    return {"Allow": ", ".join(sorted(set().union(*here)))}


def _add_health(app: FastAPI, checks: Mapping[str, Check]) -> None:
    of_process = Checks(checks)

    @app.get("/health/live", include_in_schema=False)
    @public
    async def live() -> JSONResponse:
        """Whether the process serves at all."""
        return JSONResponse({"live": True})

    @app.get("/health/ready", include_in_schema=False)
    @public
    async def ready() -> JSONResponse:
        """Whether the process can do its work, and what is in its way."""
        causes = await of_process.troubles()
        return JSONResponse({"ready": not causes, "causes": causes}, status_code=503 if causes else 200)


def _add_description(app: FastAPI) -> None:
    @app.get("/openapi.json", include_in_schema=False)
    @public
    async def description() -> Response:
        """The API in OpenAPI 3.1."""
        return Response(orjson.dumps(app.openapi()), media_type="application/json")

    @app.get("/docs", include_in_schema=False)
    @public
    async def page() -> HTMLResponse:
        """The API for people."""
        return HTMLResponse(manual.page(app))

    @app.get("/docs/style.css", include_in_schema=False)
    @public
    async def style() -> Response:
        """The style of that page."""
        return Response(manual.style(), media_type="text/css")

    @app.get("/docs/events", include_in_schema=False)
    @public
    async def events() -> HTMLResponse:
        """The events of all services for people."""
        return HTMLResponse(manual.events_page())

    @app.get("/asyncapi.json", include_in_schema=False)
    @public
    async def asyncapi() -> Response:
        """The events of all services in AsyncAPI 3."""
        return Response(manual.asyncapi_json(), media_type="application/json")


def as_json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer whose bytes depend on its values alone: a repeat is answered with the very same."""
    raw = orjson.dumps(content, option=orjson.OPT_SORT_KEYS, default=_plain)
    return Response(raw, status_code=status, media_type="application/json", headers=dict(headers or {}))


def _plain(value: object) -> str:
    """What orjson does not know: the database driver's own kind of UUID."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


# Documents that people change: ETag and If-Match


def etag(revision: int) -> str:
    """The entity tag of a document at a revision."""
    return f'"{revision}"'


async def expected_revision(
    if_match: Annotated[
        str | None, Header(description="The ETag that was read; the change is made only where it is still current.")
    ] = None,
    if_none_match: Annotated[
        str | None, Header(description="`*` for a new document; it is made only where there is none.")
    ] = None,
) -> int:
    """A dependency: the revision on which a change builds, 0 for a new document.

    Answers 428 where the request states neither, and 412 where what it states can never be current.
    """
    if if_match is not None:
        stated = _ETAG.fullmatch(if_match.strip())
        if stated is None:
            raise Problem(412, "If-Match is no ETag of this document.", more={"if_match": if_match[:100]})
        return int(stated[1])
    if if_none_match is not None and if_none_match.strip() == "*":
        return 0
    raise Problem(428, "Send If-Match with the ETag that you read, or If-None-Match: * for a new document.")


setattr(expected_revision, openapi.CONDITION_MARK, True)


def current_or_stale(expected: int, current: int) -> None:
    """Go on where the revision that a change builds on is the current one (0: there is none), else answer 412."""
    if expected != current:
        now = f"It is at revision {current} now." if current else "There is no such document yet."
        raise Problem(412, f"{now} Read it again.", headers={"ETag": etag(current)} if current else {})


# Lists that are read page by page

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """Some items of a list, and where the next ones begin."""

    items: list[Item]
    next: str | None = Field(None, description="The `after` of the next page; null at the end of what there is now.")


page_size = Annotated[int, Query(ge=1, le=200, alias="limit", description="Items of a page at most.")]
"""The type of a parameter for the page's size: `limit: page_size = 50`."""


def encode_cursor(*position: int | str) -> str:
    """The opaque text for a position in a list."""
    return base64.urlsafe_b64encode(orjson.dumps(position)).rstrip(b"=").decode()


def decode_cursor(text: str, *kinds: type[int] | type[str]) -> tuple[Any, ...]:
    """The position that a cursor stands for; raises the Problem 422 where it is none of these kinds' making."""
    try:
        position = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        position = None
    fits = (
        isinstance(position, list)
        and len(position) == len(kinds)
        and all(type(part) is kind for part, kind in zip(position, kinds, strict=True))
        and all(abs(part) < 2**63 if isinstance(part, int) else "\x00" not in part for part in position)
    )
    if not fits:
        raise invalid([Fault("after", text, "the `next` of a page of this list")])
    return tuple(position)


def cursor(*kinds: type[int] | type[str]) -> Callable[..., Awaitable[tuple[Any, ...] | None]]:
    """A dependency: the position after which a page begins, as a tuple of these kinds; None for the first page."""

    async def after(
        after: Annotated[str | None, Query(max_length=500, description="The `next` of the page before.")] = None,
    ) -> tuple[Any, ...] | None:
        return None if after is None else decode_cursor(after, *kinds)

    return after
