"""The frame of a service's pages: sign-in and sign-out, who is there, errors in words, static files, safe headers."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final
from urllib.parse import urlencode

import asyncpg
import httpx
import structlog
from fastapi import APIRouter, FastAPI, Form, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from chassis import identity
from chassis.bodies import faults_of
from chassis.clock import Clock
from chassis.database import is_passing
from chassis.ground import problem_of
from chassis.http import headers_of
from chassis.identity import IssuerUnreachable, NotTrusted, Principal, Role, Verifier, public
from chassis.limits import Buckets, address_of, too_many
from chassis.pages.headers import PageHeaders
from chassis.pages.issuer import PASSING, Declined, Issuer, Unusable, Welcome
from chassis.pages.sessions import Session, Sessions, SignIn
from chassis.pages.templating import Templates
from chassis.problems import Problem, forbidden, invalid, unavailable

log = structlog.get_logger()

_FROM_BEHIND: Final = (
    httpx.TransportError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
"""What is raised where the database or a service behind this one is away."""

LONGEST_SESSION: Final = timedelta(hours=8)
"""A session ends with its token, and after a working day at the latest."""
SIGN_IN_TIME: Final = timedelta(minutes=10)
"""How long somebody may take at the issuer."""


@dataclass(frozen=True)
class Visitor:
    """Somebody who signed in, as a page knows them."""

    session: Session
    principal: Principal


def must_be_own_form(visitor: Visitor, form_token: str) -> None:
    """Refuse (403) a form that no page of this visitor's session made; `signed_in` asks it of every form by itself."""
    if not secrets.compare_digest(visitor.session.form_token.encode(), form_token.encode()):
        raise forbidden("The form is not from this session.", name="form-token")


def _changes(request: Request) -> bool:
    return request.method not in ("GET", "HEAD", "OPTIONS")


class NotSignedIn(Problem):
    """Nobody signed in with this browser, or their session is over."""

    def __init__(self) -> None:
        super().__init__(401, "Sign in to see this page.")


class _NoSignIn(Problem):
    """Somebody came back from the issuer, and is not signed in."""

    def __init__(self, detail: str, *, status: int = 400, name: str = "sign-in") -> None:
        super().__init__(status, detail, name=name, title="You are not signed in")


NOT_FINISHED: Final = "This sign-in was not finished, or took too long. Please start again."


def _in_words(error: NotTrusted | Declined) -> Problem:
    """Why somebody could not sign in, as they may be told; what the issuer wrote itself is not repeated."""
    if isinstance(error, Declined):
        if str(error) in PASSING:
            return unavailable("The sign-in service is busy at the moment.", name="issuer-unreachable")
        if str(error) == "access_denied":
            return _NoSignIn(
                "The sign-in service did not let you in, or you did not agree. Please start again, or ask your "
                "institution whether you may use Concord.",
                status=403,
            )
        return _NoSignIn(NOT_FINISHED)
    if isinstance(error, Unusable):
        log.error("the issuer is not set up for Concord", reason=str(error))
        detail = (
            f"You can sign in, and Concord cannot use what the sign-in service says then: {error} "
            "Whoever runs Concord finds in docs/sign-in.md what is needed."
        )
        return _NoSignIn(detail, status=502, name="issuer-not-set-up")
    log.warning("sign-in refused", reason=str(error))
    return _NoSignIn("The sign-in was not accepted. Please start again.")


def local_path(text: str) -> str:
    """A path on this site to go to, or `/` where the text names anything else."""
    plain = text.startswith("/") and not text.startswith("//") and "\\" not in text
    return text if plain and text.isprintable() and len(text) <= 500 else "/"


def wants_page(request: Request) -> bool:
    """Whether the answer is for a person's eyes."""
    return "text/html" in request.headers.get("accept", "")


class Site:
    """A service's pages for people who sign in; `name` is the service's, and part of its cookies' names."""

    def __init__(
        self,
        *,
        name: str,
        public_url: str,
        sessions: Sessions,
        issuer: Issuer,
        verifier: Verifier,
        templates: Templates,
        clock: Clock,
        sign_in_limit: float = 0,
    ) -> None:
        """`sign_in_limit` is how many steps of a sign-in a second one address may take in the long run; 0: any."""
        self._public_url = public_url.rstrip("/")
        self._sessions = sessions
        self._issuer = issuer
        self._verifier = verifier
        self._templates = templates
        self._clock = clock
        # As browsers write it: without the port where that is the scheme's own.
        self._origin = str(httpx.URL(public_url).copy_with(path="", query=None, fragment=None)).rstrip("/")
        self._sign_ins = Buckets(sign_in_limit, max(1, round(60 * sign_in_limit))) if sign_in_limit else None
        self._https = public_url.startswith("https:")
        # Cookies do not tell ports apart, so two services on one host need two names. `__Host-` binds one to its host.
        prefix = "__Host-" if self._https else ""
        self._session_cookie = f"{prefix}concord_{name}_session"
        self._sign_in_cookie = f"{prefix}concord_{name}_sign_in"

    # Who is there

    async def visitor(self, request: Request) -> Visitor | None:
        """Who signed in with this browser; None where nobody did, or their time is over.

        Raises IssuerUnreachable, and the database's errors.
        """
        session_id = request.cookies.get(self._session_cookie, "")
        if not 20 <= len(session_id) <= 100:
            return None
        session = await self._sessions.find(session_id, now=self._clock())
        if session is None:
            return None
        try:
            return Visitor(session, await self._verifier.verify(session.access_token))
        except NotTrusted:
            return None

    def must_come_from_here(self, request: Request) -> None:
        """Refuse (403) what another site makes a browser send; what browsers say of that is believed where they do."""
        site = request.headers.get("sec-fetch-site")
        origin = request.headers.get("origin")
        if site not in ("same-origin", "none") if site is not None else origin not in (None, self._origin):
            raise forbidden("The form is not from this site.", name="form-token")

    # Signing in and out

    def may_sign_in(self, request: Request) -> None:
        """Count a step of a sign-in. Raises the Problem 429 where too many come from one address."""
        standing = self._sign_ins.take(address_of(request)) if self._sign_ins is not None else None
        if standing is not None and standing.wait:
            raise too_many(standing, "sign-in", "Too many people sign in from your network at the moment.")

    async def sign_in(self, return_to: str) -> Response:
        """Send a browser to the issuer; what it brings back is bound to this browser by a cookie."""
        state, nonce, code_verifier = (secrets.token_urlsafe(32) for _ in range(3))
        address = await self._issuer.sign_in_url(
            redirect_uri=self._redirect_uri, state=state, nonce=nonce, code_verifier=code_verifier
        )
        now = self._clock()
        await self._sessions.begin_sign_in(
            state, SignIn(nonce, code_verifier, local_path(return_to)), now=now, expires_at=now + SIGN_IN_TIME
        )
        response = RedirectResponse(address, status_code=303)
        self._set_cookie(response, self._sign_in_cookie, state, int(SIGN_IN_TIME.total_seconds()))
        return response

    async def come_back(self, request: Request) -> Response:
        """Take somebody who comes back from the issuer, and open their session, instead of any they had here."""
        state = request.query_params.get("state", "")
        began_here = secrets.compare_digest(request.cookies.get(self._sign_in_cookie, "").encode(), state.encode())
        sign_in = await self._sessions.take_sign_in(state, now=self._clock()) if began_here else None
        if sign_in is None:
            raise _NoSignIn(NOT_FINISHED)
        try:
            welcome = await self._welcome(request.query_params, sign_in)
        except (NotTrusted, Declined) as error:
            raise _in_words(error) from error
        now = self._clock()
        expires_at = min(welcome.expires_at, now + LONGEST_SESSION)
        session = await self._sessions.open(
            welcome.access_token,
            welcome.name,
            now=now,
            expires_at=expires_at,
            id_token=welcome.id_token,
            instead_of=request.cookies.get(self._session_cookie, ""),
        )
        response = RedirectResponse(sign_in.return_to, status_code=303)
        self._set_cookie(response, self._session_cookie, session.id, int((expires_at - now).total_seconds()))
        response.delete_cookie(self._sign_in_cookie, path="/", secure=self._https, httponly=True, samesite="lax")
        return response

    async def _welcome(self, answer: Mapping[str, str], sign_in: SignIn) -> Welcome:
        code = await self._issuer.came_back(answer)
        if not code:
            raise Declined("no code")
        return await self._issuer.redeem(
            code, redirect_uri=self._redirect_uri, nonce=sign_in.nonce, code_verifier=sign_in.code_verifier
        )

    async def sign_out(self, request: Request, form_token: str) -> Response:
        """End the session, if the form was this session's own; then the one at the issuer, where it offers that."""
        self.must_come_from_here(request)
        visitor = await self.visitor(request)
        response: Response = RedirectResponse("/", status_code=303)
        if visitor is not None:
            must_be_own_form(visitor, form_token)
            await self._sessions.close(visitor.session.id)
            if at_issuer := await self._sign_out_url(visitor.session):
                # Not by a redirect: a form may lead to this site alone (form-action of the content security policy),
                # and where an issuer sends people on the way is not known here.
                response = self._templates.page("signed_out.html", visitor=None, at_issuer=at_issuer)
                response.headers["Refresh"] = f"0;url={at_issuer}"
        response.delete_cookie(self._session_cookie, path="/", secure=self._https, httponly=True, samesite="lax")
        return response

    async def _sign_out_url(self, session: Session) -> str:
        try:
            return await self._issuer.sign_out_url(session.id_token, return_to=f"{self._public_url}/")
        except IssuerUnreachable:
            return ""  # the session here has ended all the same

    @property
    def _redirect_uri(self) -> str:
        return f"{self._public_url}/sign-in/callback"

    def _set_cookie(self, response: Response, name: str, value: str, seconds: int) -> None:
        response.set_cookie(name, value, max_age=seconds, path="/", secure=self._https, httponly=True, samesite="lax")

    # On an application

    def put_on(self, app: FastAPI, *static_packages: str) -> None:
        """Add sign-in, static files and errors in words to an application that `create_app` made."""
        app.state.site = self
        app.state.as_page = self.as_page
        app.include_router(_router)
        files = StaticFiles(packages=[(package, "static") for package in (*static_packages, "chassis.pages")])
        app.mount("/static", public(files), name="static")
        app.add_middleware(PageHeaders, https=self._https)
        for trouble in (Problem, HTTPException, RequestValidationError, IssuerUnreachable, *_FROM_BEHIND):
            app.add_exception_handler(trouble, self._on_trouble)

    async def _on_trouble(self, request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            headers = headers_of(request, error)
            problem = Problem(error.status_code, "There is nothing to see at this address.", headers=headers)
        elif isinstance(error, RequestValidationError):
            # A person follows links; one with values that fit no page leads nowhere.
            nowhere = Problem(404, "There is nothing to see at this address.")
            problem = nowhere if wants_page(request) else invalid(faults_of(error.errors(), without=1))
        else:
            problem = problem_of(error)
        if problem.status == 500:
            raise error  # what lies beneath records it and answers
        if not wants_page(request):
            return problem.response()
        if isinstance(problem, NotSignedIn):
            return RedirectResponse(f"/sign-in?{urlencode({'return_to': _address(request)})}", status_code=303)
        return await self.error_page(request, problem)

    async def error_page(self, request: Request, problem: Problem) -> Response:
        """A problem in words, with whoever is there still shown as signed in where that can be told."""
        try:
            visitor = await self.visitor(request)
        except Exception as error:
            # The error page must stand when the database or the issuer is what is missing.
            if not (isinstance(error, IssuerUnreachable) or is_passing(error)):
                raise
            visitor = None
        return self._page_of(request, problem, visitor)

    def as_page(self, request: Request, problem: Problem) -> Response | None:
        """A problem that nobody expected, in words, and without asking anything of anybody; None for programs."""
        return self._page_of(request, problem, None) if wants_page(request) else None

    def _page_of(self, request: Request, problem: Problem, visitor: Visitor | None) -> Response:
        return self._templates.page(
            "error.html",
            status=problem.status,
            headers=problem.headers,
            problem=problem,
            visitor=visitor,
            # What was being done can be tried again only where it is a page's address.
            path=_address(request) if _may_be_asked_again(request) else "/",
        )


def _address(request: Request) -> str:
    return local_path(request.url.path + (f"?{request.url.query}" if request.url.query else ""))


def _may_be_asked_again(request: Request) -> bool:
    return request.method == "GET" and request.url.path != "/sign-in/callback"


_router = APIRouter(include_in_schema=False)


def _site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


@_router.get("/sign-in")
@public
async def sign_in(request: Request, return_to: str = "/") -> Response:
    """Go to the issuer, and come back to `return_to`, a path on this site."""
    _site(request).may_sign_in(request)
    return await _site(request).sign_in(return_to)


@_router.get("/sign-in/callback")
@public
async def come_back(request: Request) -> Response:
    """The way back from the issuer."""
    _site(request).may_sign_in(request)
    return await _site(request).come_back(request)


@_router.post("/sign-out")
@public
async def sign_out(request: Request, form_token: Annotated[str, Form()] = "") -> Response:
    """End the session."""
    return await _site(request).sign_out(request, form_token)


def signed_in(*roles: Role) -> Callable[[Request], Awaitable[Visitor]]:
    """A dependency that gives the Visitor, who must have one of the roles (none named: any).

    Whoever is not signed in is sent to do so, where the request is for a page. What changes something must be a form
    of their own session, with its token in the field `form_token`; else it is refused (403).
    """
    needed = frozenset(roles)

    async def visitor(request: Request) -> Visitor:
        who = await _site(request).visitor(request)
        if who is None:
            raise NotSignedIn
        if needed and not who.principal.has(*needed):
            raise forbidden(f"This page is for the role {' or '.join(sorted(needed))}.", name="role-needed")
        if _changes(request):
            _site(request).must_come_from_here(request)
            must_be_own_form(who, str((await request.form()).get("form_token", "")))
        return who

    setattr(visitor, identity._ROLES, needed)
    return visitor


async def anybody(request: Request) -> Visitor | None:
    """A dependency that gives the Visitor where there is one; for pages that are public.

    A route that changes something calls `must_be_own_form` itself, so that it can keep what was written in its form.
    """
    if _changes(request):
        _site(request).must_come_from_here(request)
    return await _site(request).visitor(request)
