"""A connection to Concord's services as a member's system: where they are, and who asks."""

import time
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx

EARLY: Final = 30.0
"""Seconds before its end at which a token is renewed, or at half its time where it is given for less than a minute."""
BASIC, POST = "client_secret_basic", "client_secret_post"
"""The two ways of showing a secret (OpenID Connect Core 1.0, section 9); the first where an issuer says nothing."""

_Exchange = Generator[httpx.Request, httpx.Response, None]


class SignInFailed(Exception):
    """The issuer gives no token; the message says what it answered."""


class IssuerAway(httpx.TransportError):
    """The issuer cannot answer at the moment; another try may succeed."""


class ClientCredentials(httpx.Auth):
    """Gives every request a token of the OIDC issuer, fetched by client credentials and renewed in time.

    The token's address, and how the issuer takes a client's secret, are what the issuer publishes (OpenID Connect
    Discovery 1.0). A token that a service does not accept is fetched anew, once. `scope` is for issuers that need one.
    """

    requires_response_body = True

    def __init__(
        self, issuer: str, client_id: str, client_secret: str, *, audience: str = "concord", scope: str = ""
    ) -> None:
        self._issuer = issuer.rstrip("/")
        stated = {"grant_type": "client_credentials", "audience": audience, "scope": scope}
        self._form = {name: value for name, value in stated.items() if value}
        self._client_id = client_id
        self._client_secret = client_secret
        self._published: dict[str, Any] = {}
        self._token = ""
        self._renew_at = 0.0

    def auth_flow(self, request: httpx.Request) -> _Exchange:
        """Fetch a token where there is none that lasts, then send the request with it. Raises SignInFailed."""
        if time.monotonic() >= self._renew_at:
            yield from self._fetch(request)
        used = self._token
        request.headers["Authorization"] = f"Bearer {used}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            if self._token == used:
                yield from self._fetch(request)
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _fetch(self, request: httpx.Request) -> _Exchange:
        # Requests that are made by hand have no time-out but the one that is given to them.
        extensions = {"timeout": request.extensions["timeout"]} if "timeout" in request.extensions else {}
        if not self._published:
            discovery = f"{self._issuer}/.well-known/openid-configuration"
            answer = yield httpx.Request("GET", discovery, extensions=extensions)
            _member_of(answer, "token_endpoint")
            self._published = answer.json()
        answer = yield self._asking(extensions)
        self._token = str(_member_of(answer, "access_token"))
        lasts = float(answer.json().get("expires_in") or 60)
        self._renew_at = time.monotonic() + max(lasts - EARLY, lasts / 2)

    def _asking(self, extensions: dict[str, Any]) -> httpx.Request:
        url = str(self._published["token_endpoint"])
        methods = self._published.get("token_endpoint_auth_methods_supported") or [BASIC]
        if BASIC not in methods and POST in methods:
            form = {**self._form, "client_id": self._client_id, "client_secret": self._client_secret}
            return httpx.Request("POST", url, data=form, extensions=extensions)
        # Encoded as forms are before they become Basic credentials: RFC 6749, section 2.3.1.
        basic = httpx.BasicAuth(quote(self._client_id, safe=""), quote(self._client_secret, safe=""))
        return next(basic.auth_flow(httpx.Request("POST", url, data=self._form, extensions=extensions)))


def _member_of(answer: httpx.Response, name: str) -> Any:
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
        raise IssuerAway(f"answered {answer.status_code}", request=answer.request)
    try:
        return answer.raise_for_status().json()[name]
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError):
        raise SignInFailed(f"{answer.request.url} answered {answer.status_code}: {answer.text[:200]}") from None


@dataclass(frozen=True)
class Connection:
    """Where a member's system finds Concord, and as whom it comes; as options or CONCORD_… variables."""

    url: str
    issuer: str = ""
    client_id: str = ""
    client_secret: str = ""
    token: str = ""
    audience: str = "concord"
    """For whom the issuer is asked to make the token; empty where it does not want to be told."""
    scope: str = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[httpx.AsyncClient]:
        """An HTTP client for the service at `url`, signed in."""
        auth = None if self.token else self._credentials()
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        # Servers close connections that were idle for a few seconds; they are not used again so late.
        limits = httpx.Limits(keepalive_expiry=2.0)
        async with httpx.AsyncClient(
            base_url=self.url, auth=auth, headers=headers, timeout=30.0, limits=limits
        ) as client:
            yield client

    def _credentials(self) -> ClientCredentials:
        return ClientCredentials(
            self.issuer, self.client_id, self.client_secret, audience=self.audience, scope=self.scope
        )
