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

_Exchange = Generator[httpx.Request, httpx.Response, None]


class SignInFailed(Exception):
    """The issuer gives no token; the message says what it answered."""


class IssuerAway(httpx.TransportError):
    """The issuer cannot answer at the moment; another try may succeed."""


class ClientCredentials(httpx.Auth):
    """Gives every request a token of the OIDC issuer, fetched by client credentials and renewed in time.

    The token's address is the one that the issuer publishes (OpenID Connect Discovery 1.0). A token that a service
    does not accept is fetched anew, once.
    """

    requires_response_body = True

    def __init__(self, issuer: str, client_id: str, client_secret: str, *, audience: str = "concord") -> None:
        self._issuer = issuer.rstrip("/")
        self._form = {"grant_type": "client_credentials", "audience": audience}
        # Encoded as forms are before they become Basic credentials: RFC 6749, section 2.3.1.
        self._basic = httpx.BasicAuth(quote(client_id, safe=""), quote(client_secret, safe=""))
        self._token_url = ""
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
        if not self._token_url:
            discovery = f"{self._issuer}/.well-known/openid-configuration"
            answer = yield httpx.Request("GET", discovery, extensions=extensions)
            self._token_url = str(_member_of(answer, "token_endpoint"))
        asking = httpx.Request("POST", self._token_url, data=self._form, extensions=extensions)
        answer = yield next(self._basic.auth_flow(asking))
        self._token = str(_member_of(answer, "access_token"))
        lasts = float(answer.json().get("expires_in") or 60)
        self._renew_at = time.monotonic() + max(lasts - EARLY, lasts / 2)


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

    @asynccontextmanager
    async def open(self) -> AsyncIterator[httpx.AsyncClient]:
        """An HTTP client for the service at `url`, signed in."""
        auth = None if self.token else ClientCredentials(self.issuer, self.client_id, self.client_secret)
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        # Servers close connections that were idle for a few seconds; they are not used again so late.
        limits = httpx.Limits(keepalive_expiry=2.0)
        async with httpx.AsyncClient(
            base_url=self.url, auth=auth, headers=headers, timeout=30.0, limits=limits
        ) as client:
            yield client
