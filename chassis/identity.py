"""Who calls: tokens of an OIDC issuer, what they permit, and a service's own token (ADR 15)."""

import asyncio
import base64
import binascii
import json
import time
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias, TypeVar

import httpx
import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from joserfc import jwk, jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry
from starlette.routing import BaseRoute

from chassis.claims import ClaimNames, NotTrusted, Principal, Role
from chassis.discovery import Discovery, IssuerUnreachable, authenticate, get_json, post_form
from chassis.problems import Problem, forbidden, unauthenticated, unavailable
from chassis.settings import Settings, listed, pairs_in

__all__ = [
    "ALGORITHMS",
    "LEEWAY_SECONDS",
    "LONGEST_TOKEN",
    "Access",
    "IssuerUnreachable",
    "NotTrusted",
    "Principal",
    "Role",
    "ServiceToken",
    "Verifier",
    "access_of",
    "dependencies_of",
    "member_of",
    "own_member",
    "principal_of",
    "public",
    "require",
    "walk",
]

log = structlog.get_logger()

ALGORITHMS: Final = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP", "Ed25519": "OKP"}
"""The signatures that are accepted, and the type of key each needs; `none` and those with a shared secret are not."""
LEEWAY_SECONDS: Final = 10
"""By how much the issuer's clock may differ from this one."""
LONGEST_TOKEN: Final = 8_192
_REGISTRY: Final = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)


class Verifier:
    """Checks tokens against the keys that the issuer publishes (JWKS), which are cached.

    The keys are fetched when the first token comes, when they are older than `max_age` seconds, and when a token
    names a key that is not among them – then at most once in `pause` seconds, so that made-up key ids cost the
    issuer nothing. Without a `jwks_url` the issuer's own document says where they are, and how it writes its name.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        jwks_url: str = "",
        client: httpx.AsyncClient | None = None,
        names: ClaimNames = ClaimNames(),  # noqa: B008 - it is frozen
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        pause: float = 5.0,
        max_age: float = 600.0,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._jwks_url = jwks_url
        self._client = client
        self._discovery = Discovery(issuer, client, monotonic=monotonic)
        self.names = names
        self._now = now
        self._monotonic = monotonic
        self._pause = pause
        self._max_age = max_age
        self._keys: dict[str | None, jwk.Key] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._fetching = asyncio.Lock()

    @classmethod
    def of(
        cls, settings: Settings, client: httpx.AsyncClient | None = None, *, audience: str | None = None
    ) -> "Verifier":
        """The verifier of access tokens in a process with these settings, or of tokens for another audience."""
        names = ClaimNames(
            subject=settings.oidc_subject_claim,
            member=listed(settings.oidc_member_claim),
            roles=listed(settings.oidc_roles_claim),
            learner=settings.oidc_learner_claim,
            member_names=pairs_in(settings.oidc_member_names),
            role_names=pairs_in(settings.oidc_role_names),
        )
        return cls(
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience if audience is None else audience,
            jwks_url=settings.oidc_jwks_url,
            client=client,
            names=names,
        )

    async def verify(self, token: str) -> Principal:
        """The principal that a token stands for; raises as `claims_of` does, and where a claim is not of its form."""
        return self.names.principal(await self.claims_of(token))

    async def claims_of(self, token: str) -> dict[str, Any]:
        """What a token says.

        Raises NotTrusted where it is malformed, signed otherwise than by the issuer, for somebody else, expired or
        not yet valid; IssuerUnreachable where the issuer's keys are needed and cannot be had.
        """
        if len(token) > LONGEST_TOKEN:
            raise NotTrusted("the token is too long")
        header = _header(token)
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise NotTrusted(f"tokens must be signed with one of {', '.join(ALGORITHMS)}")
        key_id = header.get("kid")
        if key_id is not None and not isinstance(key_id, str):
            raise NotTrusted("the token's key id is no text")
        key = await self._key(key_id)
        if key.key_type != ALGORITHMS[algorithm] or key.get("alg", algorithm) != algorithm:
            raise NotTrusted("the token's algorithm does not fit its key")
        try:
            with warnings.catch_warnings():
                # RFC 9864 renames EdDSA; issuers go on using the old name for a long time.
                warnings.simplefilter("ignore")
                claims = jwt.decode(token, key, registry=_REGISTRY).claims
        except (JoseError, ValueError, TypeError) as error:
            raise NotTrusted("the token's signature is not the issuer's") from error
        self._check(claims)
        return claims

    async def _key(self, key_id: str | None) -> jwk.Key:
        now = self._monotonic()
        old = self._fetched_at is None or now - self._fetched_at > self._max_age
        if (old or self._named(key_id) is None) and self._may_try(now):
            async with self._fetching:
                if self._may_try(now):  # else somebody fetched them while this one waited
                    await self._fetch()
        key = self._named(key_id)
        if key is not None:
            return key
        if self._fetched_at is None:
            raise IssuerUnreachable("the issuer's keys could not be fetched")
        raise NotTrusted("the token is signed with a key that is not the issuer's")

    def _may_try(self, now: float) -> bool:
        return self._tried_at is None or now - self._tried_at >= self._pause

    def _named(self, key_id: str | None) -> jwk.Key | None:
        if key_id is not None:
            return self._keys.get(key_id)
        # A token may leave the key unnamed only where there is no choice.
        return next(iter(self._keys.values())) if len(self._keys) == 1 else None

    async def _fetch(self) -> None:
        try:
            url = self._jwks_url
            if not url:
                published = await self._discovery.metadata()
                self._issuer, url = published.issuer, published.jwks_uri
            keys = _signing_keys(await get_json(self._client, url))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, IssuerUnreachable) as error:
            # The keys at hand stay good; what an issuer that is away has signed is still signed.
            log.warning("the issuer's keys could not be fetched", error=type(error).__name__)
        else:
            self._keys = keys
            self._fetched_at = self._monotonic()
        self._tried_at = self._monotonic()

    def _check(self, claims: Mapping[str, Any]) -> None:
        now = self._now()
        if claims.get("iss") != self._issuer:
            raise NotTrusted("the token is another issuer's")
        audience = claims.get("aud")
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise NotTrusted("the token is for another audience")
        expires_at = _instant(claims, "exp")
        if expires_at is None:
            raise NotTrusted("the token has no expiry")
        if now >= expires_at + LEEWAY_SECONDS:
            raise NotTrusted("the token has expired")
        valid_from = _instant(claims, "nbf")
        if valid_from is not None and now < valid_from - LEEWAY_SECONDS:
            raise NotTrusted("the token is not valid yet")


def _header(token: str) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) != 3:
        raise NotTrusted("the token is no signed JWT, and others cannot be read")
    try:
        header = json.loads(base64.urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise NotTrusted("the token is no signed JWT") from error
    if not isinstance(header, dict):
        raise NotTrusted("the token is no signed JWT")
    return header


def _instant(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotTrusted(f"the token's {name} is no instant")
    return float(value)


def _signing_keys(document: Any) -> dict[str | None, jwk.Key]:
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("no key set")
    keys: dict[str | None, jwk.Key] = {}
    for raw in document["keys"]:
        if not isinstance(raw, dict) or raw.get("use", "sig") != "sig" or raw.get("kty") not in ALGORITHMS.values():
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # a key that the library warns of is too weak
                keys[raw.get("kid")] = jwk.import_key(raw)
        except (JoseError, ValueError, TypeError, Warning) as error:
            log.warning("a key of the issuer is not usable", kid=raw.get("kid"), error=type(error).__name__)
    return keys


# What a route asks of its caller

Access: TypeAlias = frozenset[Role] | Literal["public"] | None
"""The roles of which one is needed (an empty set: any token will do), or public, or None where nobody said."""

_ROLES: Final = "concord_roles"
_PUBLIC: Final = "concord_public"
_FOUND: Final = "concord_principal"
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A token of the consortium's OIDC issuer.")


async def principal_of(request: Request, authorization: str | None) -> Principal:
    """The principal of an Authorization header's value, which is verified once for a request.

    Raises the Problem that answers a bad one.
    """
    found: Principal | Problem | None = request.scope.get(_FOUND)
    if found is None:
        try:
            found = await _verified(request, authorization)
        except Problem as problem:
            found = problem
        request.scope[_FOUND] = found
    if isinstance(found, Problem):
        raise found
    return found


async def _verified(request: Request, authorization: str | None) -> Principal:
    if not authorization:
        raise unauthenticated("Send a token: Authorization: Bearer …")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthenticated("Send a token: Authorization: Bearer …", error="invalid_request")
    verifier: Verifier = request.app.state.verifier
    try:
        return await verifier.verify(token.strip())
    except NotTrusted as error:
        raise unauthenticated(f"The token is not accepted: {error}.", error="invalid_token") from error
    except IssuerUnreachable as error:
        raise unavailable("Tokens cannot be checked at the moment.", name="issuer-unreachable") from error


def require(*roles: Role) -> Callable[..., Awaitable[Principal]]:
    """A dependency that gives the Principal of the request, which must have one of the roles (none named: any).

    Use as `Annotated[Principal, Depends(require(Role.PUBLISHER))]`, and put it before `body(…)`, so that a body is
    not read for somebody who may not send it. Answers 401 without a good token and 403 without a role.
    """
    needed = frozenset(roles)

    async def principal(
        request: Request,
        _: HTTPAuthorizationCredentials | None = Depends(_bearer),  # noqa: B008 - FastAPI's way
    ) -> Principal:
        caller = await principal_of(request, request.headers.get("authorization"))
        if needed and not caller.has(*needed):
            raise forbidden(f"This needs the role {' or '.join(sorted(needed))}.", name="role-needed")
        return caller

    setattr(principal, _ROLES, needed)
    return principal


def public(endpoint: Endpoint) -> Endpoint:
    """Mark a route that is served without a token; it stands between the route's decorator and its function."""
    setattr(endpoint, _PUBLIC, True)
    return endpoint


def own_member(principal: Principal, member_id: str) -> None:
    """Refuse (403) an address that names another member's thing (ADR 15)."""
    if principal.member != member_id:
        raise forbidden("The address names another member's thing.", name="another-members")


def member_of(principal: Principal) -> str:
    """The member for whom the caller acts; 403 where the token names none."""
    if principal.member is None:
        raise forbidden("The token names no member.", name="no-member")
    return principal.member


def dependencies_of(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    """Every dependency under a route, in the order in which they are asked."""
    for part in dependant.dependencies:
        yield from dependencies_of(part)
        if part.call is not None:
            yield part.call


def access_of(route: Any) -> Access:
    """What a route asks of its caller. Where several dependencies ask, every one must be satisfied."""
    if getattr(getattr(route, "endpoint", None), _PUBLIC, False):
        return "public"
    dependant = getattr(route, "dependant", None)
    asked = [
        getattr(call, _ROLES)
        for call in (dependencies_of(dependant) if dependant is not None else ())
        if hasattr(call, _ROLES)
    ]
    if not asked:
        return None
    named = [roles for roles in asked if roles]
    return frozenset.intersection(*named) if named else frozenset()


def walk(app: FastAPI) -> Iterator[tuple[str, str, Access]]:
    """Every route of an application: method, path, and what it asks of its caller (None: nobody said, a fault).

    A mounted application has the method `*`; it is public where `public` marked it.
    """
    routes: list[BaseRoute] = app.router.routes
    for route in iter_route_contexts(routes):
        if route.methods:
            for method in sorted(route.methods - {"HEAD", "OPTIONS"}):
                yield method, route.path or "", access_of(route)
        else:
            mounted = getattr(route.original_route, "app", None)
            yield "*", route.path or "", "public" if getattr(mounted, _PUBLIC, False) else None


# A service's own token


class ServiceToken(httpx.Auth):
    """A token for calls from service to service, by client credentials; give it to an `httpx.AsyncClient` as `auth`.

    The token is kept until shortly before it expires, and is fetched again after a 401.
    """

    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        client_secret: str,
        asked: Mapping[str, str] | None = None,
        client: httpx.AsyncClient | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`asked` are further fields that the issuer needs, such as a scope."""
        self._discovery = Discovery(issuer, client, monotonic=monotonic)
        self._client_id = client_id
        self._client_secret = client_secret
        self._form = {"grant_type": "client_credentials", **(asked or {})}
        self._client = client
        self._monotonic = monotonic
        self._value: str | None = None
        self._good_until = 0.0
        self._fetching = asyncio.Lock()

    async def value(self) -> str:
        """The token's text. Raises IssuerUnreachable where none can be had."""
        async with self._fetching:
            if self._value is None or self._monotonic() >= self._good_until:
                await self._fetch()
            assert self._value is not None  # noqa: S101 - set by the fetch, or it raised
            return self._value

    async def _fetch(self) -> None:
        published = await self._discovery.metadata()
        own, auth = authenticate(published, self._client_id, self._client_secret)
        try:
            response = await post_form(self._client, published.token_endpoint, {**self._form, **own}, auth)
            response.raise_for_status()
            answer = response.json()
            self._value = str(answer["access_token"])
            lasts = float(answer.get("expires_in", 60))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
            raise IssuerUnreachable(f"no token from the issuer: {type(error).__name__}") from error
        self._good_until = self._monotonic() + max(lasts - 30.0, lasts / 2)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Put the token on a request; once more with a new one where the old was not accepted."""
        used = await self.value()
        request.headers["Authorization"] = f"Bearer {used}"
        response = yield request
        if response.status_code == 401:
            if self._value == used:
                self._value = None
            request.headers["Authorization"] = f"Bearer {await self.value()}"
            yield request
