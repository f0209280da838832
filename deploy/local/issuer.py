"""A small OIDC issuer for the demo and the tests: whoever asks chooses who to be, so it must never serve anything real.

`python -m deploy.local.issuer` reads from its environment: HTTP_HOST, HTTP_PORT; OIDC_ISSUER or PUBLIC_URL, the
address under which everybody reaches it; OIDC_AUDIENCE (concord); ISSUER_PEOPLE and ISSUER_CLIENTS, the files below;
ISSUER_STATE, a folder that keeps its key, so that tokens outlive a restart (none: a new key at every start).

People (YAML or JSON): a list under `people`, each
`{id, name, roles, member?, schac_personal_unique_code?, about?, begin_here?}`.
Clients: a list under `clients`, each `{id, secret?, name?, redirect_uris?, roles?, member?}`. A client with roles and
a secret gets tokens of its own by client credentials; one with redirect URIs, of which each is compared whole, may
send people here to sign in (authorization code with PKCE, S256). In the clients' file `${NAME}` is a variable of the
environment, so that no secret need stand in it.
"""

import base64
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import uvicorn
import yaml
from fastapi import FastAPI, Query, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from joserfc import jwt
from joserfc.jwk import ECKey
from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from chassis.http import create_app, read_within
from chassis.identity import Role, public
from chassis.production import DEVELOPMENT_ISSUER

TOKEN_SECONDS: Final = 3_600
CODE_SECONDS: Final = 60
MOST_CODES: Final = 10_000
_HERE: Final = Path(__file__).parent
_FIRST: Final = "To begin with"
_GROUPS: Final[Mapping[Role, str]] = {
    Role.LEARNER: "Learners",
    Role.OFFICER: "Recognition officers",
    Role.REGISTRY: "Registry staff",
    Role.CONSORTIUM: "Consortium",
    Role.OPERATIONS: "Operations",
    Role.PUBLISHER: "Publishers",
    Role.SERVICE: "Services",
}


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    name: str = ""
    member: str | None = None
    roles: tuple[Role, ...] = ()


class Person(_Entry):
    """Somebody to sign in as."""

    schac_personal_unique_code: str | list[str] | None = None
    about: str = ""
    begin_here: bool = False
    """Among many, shown before all others."""


class Client(_Entry):
    """A system that asks for tokens: its own, or those of people who sign in through it."""

    secret: str | None = Field(None, min_length=1)
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()


class _People(BaseModel):
    people: list[Person] = []


class _Clients(BaseModel):
    clients: list[Client] = []


def people_in(path: Path) -> list[Person]:
    """The people of a file; raises ValueError where it does not read as the module describes."""
    return _People.model_validate(yaml.safe_load(path.read_text()) or {}).people


def clients_in(path: Path, environment: Mapping[str, str] = os.environ) -> list[Client]:
    """The clients of a file, with what it takes from the environment put in.

    Raises ValueError where it does not read as the module describes, or asks for what the environment does not have.
    """

    def filled(value: Any) -> Any:
        if isinstance(value, str):
            try:
                return Template(value).substitute(environment)
            except KeyError as error:
                raise ValueError(f"{path.name} asks for {error.args[0]}, which the environment does not have") from None
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        return [filled(item) for item in value] if isinstance(value, list) else value

    return _Clients.model_validate(filled(yaml.safe_load(path.read_text()) or {})).clients


class Signer:
    """Makes an issuer's tokens, with a key that it has or is given."""

    def __init__(
        self, issuer: str, *, audience: str = "concord", key: ECKey | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self.issuer = issuer
        self.audience = audience
        self._key = key or new_key()
        self._now = now

    @property
    def jwks(self) -> dict[str, Any]:
        """The public half of the key, as a key set."""
        return {"keys": [{**self._key.as_dict(private=False), "use": "sig", "alg": "ES256"}]}

    def sign(self, claims: Mapping[str, Any], *, audience: str | None = None, seconds: int = TOKEN_SECONDS) -> str:
        """A token with these claims, which may replace those that every token has."""
        now = int(self._now())
        usual = {"iss": self.issuer, "aud": audience or self.audience, "iat": now, "nbf": now, "exp": now + seconds}
        header = {"alg": "ES256", "kid": self._key.kid, "typ": "JWT"}
        stated = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode(header, stated, self._key)


def new_key() -> ECKey:
    """A new P-256 key, named by its thumbprint."""
    key = ECKey.generate_key("P-256", private=True)
    return ECKey.import_key({**key.as_dict(private=True), "kid": key.thumbprint()})


def kept_key(folder: Path) -> ECKey:
    """The key that a folder keeps; made where there is none."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "issuer-key.pem"
    if not path.exists():
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_bytes(new_key().as_pem(private=True))
        fresh.replace(path)  # whole or not at all
    key = ECKey.import_key(path.read_bytes())
    return ECKey.import_key({**key.as_dict(private=True), "kid": key.thumbprint()})


def signer_of(environment: Mapping[str, str]) -> "Signer":
    """The signer of the issuer that runs with this environment, for whoever acts for its people without a browser."""
    return Signer(environment["OIDC_ISSUER"], key=kept_key(Path(environment["ISSUER_STATE"])))


def claims_of(entry: Person | Client) -> dict[str, Any]:
    """What an access token says of a person, or of a client acting for itself."""
    claims: dict[str, Any] = {"sub": entry.id, "member": entry.member, "roles": [role.value for role in entry.roles]}
    if isinstance(entry, Person):
        claims["schac_personal_unique_code"] = entry.schac_personal_unique_code
    return claims


@dataclass(frozen=True)
class _Code:
    client: str
    redirect_uri: str
    challenge: str
    person: Person
    nonce: str | None
    good_until: float


class _Refused(Exception):
    """An OAuth error (RFC 6749, section 5.2)."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        self.error = error
        self.description = description
        self.status = status


def create_issuer(
    signer: Signer,
    people: Sequence[Person],
    clients: Sequence[Client],
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> FastAPI:
    """The issuer's application."""
    app = create_app("Concord's local issuer", "1", description="For the demo and the tests only.")
    desk = _Desk(signer, people, clients, monotonic)
    pages = Environment(loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined)
    base = signer.issuer.rstrip("/")

    def page(name: str, status: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(pages.get_template(name).render(**values), status_code=status)

    def back(asked: Mapping[str, str], answer: Mapping[str, str]) -> RedirectResponse:
        return _back(asked, {**answer, "iss": signer.issuer})  # RFC 9207

    @app.get("/.well-known/openid-configuration")
    @public
    async def discovery() -> dict[str, Any]:
        """Where everything is (OpenID Connect Discovery 1.0)."""
        return {
            "issuer": signer.issuer,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "end_session_endpoint": f"{base}/end-session",
            "jwks_uri": f"{base}/jwks",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "client_credentials"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "subject_types_supported": ["public"],
            "scopes_supported": ["openid", "profile"],
            "authorization_response_iss_parameter_supported": True,
            DEVELOPMENT_ISSUER: True,
        }

    @app.get("/jwks")
    @public
    async def jwks() -> dict[str, Any]:
        """The key that tokens are checked with."""
        return signer.jwks

    @app.get("/authorize", include_in_schema=False)
    @public
    async def authorize(request: Request, q: Annotated[str, Query(max_length=100)] = "") -> Response:
        """The page on which one chooses whom to sign in as."""
        asked = dict(request.query_params)
        client = desk.client_of(asked)
        if client is None:
            return page("refused.html", 400, why="No client with this id and redirect URI is registered here.")
        if (error := desk.fault_of(asked)) is not None:
            return back(asked, {"error": error.error, "error_description": error.description})
        kept = {name: value for name, value in asked.items() if name != "q"}
        return page(
            "sign_in.html",
            client=client.name or client.id,
            groups=_grouped(people, q),
            q=q,
            kept=kept,
            query=urlencode(kept),
        )

    @app.get("/authorize/as/{person_id:path}", include_in_schema=False)
    @public
    async def sign_in(request: Request, person_id: str) -> Response:
        """Sign in as somebody: a code for the client, by way of the browser."""
        asked = dict(request.query_params)
        if desk.client_of(asked) is None:
            return page("refused.html", 400, why="No client with this id and redirect URI is registered here.")
        if (error := desk.fault_of(asked)) is not None:
            return back(asked, {"error": error.error, "error_description": error.description})
        code = desk.code_for(asked, person_id)
        if code is None:
            return page("refused.html", 404, why="Nobody of this id is known here.")
        return back(asked, {"code": code})

    @app.post("/token", include_in_schema=False)
    @public
    async def token(request: Request) -> Response:
        """Tokens, for a code or for a client's own credentials."""
        try:
            form = dict(parse_qsl((await read_within(request, 64 * 1024)).decode(), keep_blank_values=True))
            answer = desk.token_for(form, request.headers.get("authorization", ""))
        except UnicodeDecodeError:
            return JSONResponse({"error": "invalid_request"}, status_code=400)
        except _Refused as refused:
            challenge = {"WWW-Authenticate": 'Basic realm="issuer"'} if refused.status == 401 else {}
            body = {"error": refused.error, "error_description": refused.description}
            return JSONResponse(body, status_code=refused.status, headers=challenge)
        return JSONResponse(answer)

    @app.get("/end-session", include_in_schema=False)
    @public
    async def end_session(
        client_id: str = "", post_logout_redirect_uri: str = "", state: str | None = None
    ) -> Response:
        """Back to the client; nobody stays signed in here, so nothing ends."""
        client = desk.clients.get(client_id)
        if client is not None and post_logout_redirect_uri in client.post_logout_redirect_uris:
            return _back({"redirect_uri": post_logout_redirect_uri, **({"state": state} if state else {})}, {})
        return page("signed_out.html")

    @app.get("/style.css", include_in_schema=False)
    @public
    async def style() -> Response:
        """The style of the pages."""
        return Response((_HERE / "templates" / "issuer.css").read_text(), media_type="text/css")

    @app.get("/search.js", include_in_schema=False)
    @public
    async def search() -> Response:
        """Search as one types."""
        return Response((_HERE / "templates" / "search.js").read_text(), media_type="text/javascript")

    return app


class _Desk:
    """What the issuer knows and what it has handed out."""

    def __init__(
        self, signer: Signer, people: Sequence[Person], clients: Sequence[Client], monotonic: Callable[[], float]
    ) -> None:
        self._signer = signer
        self._people = {person.id: person for person in people}
        self.clients = {client.id: client for client in clients}
        self._monotonic = monotonic
        self._codes: dict[str, _Code] = {}

    def client_of(self, asked: Mapping[str, str]) -> Client | None:
        """The client that asks, where its redirect URI is one of those registered for it, compared whole."""
        client = self.clients.get(asked.get("client_id", ""))
        return client if client is not None and asked.get("redirect_uri") in client.redirect_uris else None

    def fault_of(self, asked: Mapping[str, str]) -> _Refused | None:
        """What is wrong with a request to sign in, once its client is known."""
        if asked.get("response_type") != "code":
            return _Refused("unsupported_response_type", "Only response_type=code is served.")
        if asked.get("code_challenge_method") != "S256" or len(asked.get("code_challenge", "")) != 43:
            return _Refused("invalid_request", "A PKCE challenge with the method S256 is needed.")
        return None

    def code_for(self, asked: Mapping[str, str], person_id: str) -> str | None:
        """A code that the client exchanges for the person's tokens, once; None for an unknown person."""
        person = self._people.get(person_id)
        if person is None:
            return None
        now = self._monotonic()
        self._codes = {code: held for code, held in self._codes.items() if held.good_until > now}
        while len(self._codes) >= MOST_CODES:
            del self._codes[next(iter(self._codes))]
        code = secrets.token_urlsafe(32)
        self._codes[code] = _Code(
            client=asked["client_id"],
            redirect_uri=asked["redirect_uri"],
            challenge=asked["code_challenge"],
            person=person,
            nonce=asked.get("nonce"),
            good_until=now + CODE_SECONDS,
        )
        return code

    def token_for(self, form: Mapping[str, str], authorization: str) -> dict[str, Any]:
        """The answer of the token endpoint; raises _Refused."""
        client = self._authenticated(form, authorization)
        if form.get("grant_type") == "client_credentials":
            if client.secret is None or not client.roles:
                raise _Refused("unauthorized_client", "This client gets no tokens of its own.")
            return self._answer(client, client, {})
        if form.get("grant_type") != "authorization_code":
            raise _Refused("unsupported_grant_type", "Only authorization_code and client_credentials are served.")
        held = self._codes.pop(form.get("code", ""), None)
        if held is None or held.good_until <= self._monotonic() or held.client != client.id:
            raise _Refused("invalid_grant", "The code is unknown, used, expired, or another client's.")
        if form.get("redirect_uri") != held.redirect_uri:
            raise _Refused("invalid_grant", "The redirect URI is not the one that the code was sent to.")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if not hmac.compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), held.challenge):
            raise _Refused("invalid_grant", "The code verifier does not fit the challenge.")
        about = {"sub": held.person.id, "name": held.person.name, "nonce": held.nonce}
        return self._answer(client, held.person, {"id_token": self._signer.sign(about, audience=client.id)})

    def _authenticated(self, form: Mapping[str, str], authorization: str) -> Client:
        client_id, secret = form.get("client_id", ""), form.get("client_secret")
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() == "basic":
            try:
                client_id, _, stated = base64.b64decode(credentials, validate=True).decode().partition(":")
            except ValueError as error:
                raise _Refused("invalid_client", "The credentials cannot be read.", 401) from error
            client_id, secret = unquote(client_id), unquote(stated)
        client = self.clients.get(client_id)
        if client is None:
            raise _Refused("invalid_client", "No such client, or another secret.", 401)
        if client.secret is not None and not hmac.compare_digest((secret or "").encode(), client.secret.encode()):
            raise _Refused("invalid_client", "No such client, or another secret.", 401)
        return client

    def _answer(self, client: Client, entry: Person | Client, more: Mapping[str, str]) -> dict[str, Any]:
        token = self._signer.sign({**claims_of(entry), "client_id": client.id})
        return {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS, **more}


def _back(asked: Mapping[str, str], answer: Mapping[str, str]) -> RedirectResponse:
    """To the client's redirect URI, with the answer and the client's state."""
    parts = urlsplit(asked["redirect_uri"])
    state = {"state": asked["state"]} if "state" in asked else {}
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *answer.items(), *state.items()])
    # 303: whatever the browser came with, it goes on with a GET.
    return RedirectResponse(urlunsplit(parts._replace(query=query)), status_code=303)


def _grouped(people: Sequence[Person], q: str) -> list[tuple[str, list[Person]]]:
    """The people who match a search: those to begin with, then by first role, in the order of the roles and names."""
    words = q.casefold().split()
    groups: dict[str, list[Person]] = {title: [] for title in (_FIRST, *_GROUPS.values(), "Others")}
    for person in people:
        text = " ".join([person.name, person.id, person.member or "", person.about, *person.roles]).casefold()
        if all(word in text for word in words):
            by_role = _GROUPS[person.roles[0]] if person.roles else "Others"
            groups[_FIRST if person.begin_here else by_role].append(person)
    return [(title, sorted(found, key=lambda person: person.name)) for title, found in groups.items() if found]


class _Settings(BaseSettings):
    http_host: str = "127.0.0.1"
    http_port: int = 8080
    public_url: str = ""
    oidc_issuer: str = ""
    oidc_audience: str = "concord"
    issuer_people: Path | None = None
    issuer_clients: Path | None = None
    issuer_state: Path | None = None


def main() -> None:
    """Serve until told to stop."""
    settings = _Settings()
    address = settings.oidc_issuer or settings.public_url or f"http://{settings.http_host}:{settings.http_port}"
    try:
        people = people_in(settings.issuer_people) if settings.issuer_people else []
        clients = clients_in(settings.issuer_clients) if settings.issuer_clients else []
    except (OSError, KeyError, ValueError, yaml.YAMLError) as error:
        raise SystemExit(f"the issuer's people or clients cannot be read: {error}") from error
    key = kept_key(settings.issuer_state) if settings.issuer_state else None
    app = create_issuer(Signer(address, audience=settings.oidc_audience, key=key), people, clients)
    uvicorn.run(app, host=settings.http_host, port=settings.http_port, access_log=False, server_header=False, ws="none")


if __name__ == "__main__":
    main()
