"""A connection to Concord's services as a member's system: where they are, and who asks."""

import time
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

EARLY: float = 30.0
"""Seconds before its end at which a token is renewed."""


class SignInFailed(Exception):
    """The issuer gave no token; the message says what it answered."""


class ClientCredentials(httpx.Auth):
    """Gives every request a token of the OIDC issuer, fetched by client credentials and renewed in time."""

    requires_response_body = True

    def __init__(self, issuer: str, client_id: str, client_secret: str, *, audience: str = "concord") -> None:
        self._token_url = f"{issuer.rstrip('/')}/token"
        self._form = {"grant_type": "client_credentials", "audience": audience}
        self._basic = httpx.BasicAuth(client_id, client_secret)
        self._token = ""
        self._ends_at = 0.0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Fetch a token where the one at hand is about to end, then send the request with it."""
        if time.monotonic() > self._ends_at - EARLY:
            asked = next(self._basic.auth_flow(httpx.Request("POST", self._token_url, data=self._form)))
            answer = yield asked
            if answer.status_code != httpx.codes.OK:
                raise SignInFailed(f"{self._token_url} answered {answer.status_code}: {answer.text[:200]}")
            body = answer.json()
            self._token = body["access_token"]
            self._ends_at = time.monotonic() + float(body.get("expires_in", 60))
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


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
        async with httpx.AsyncClient(base_url=self.url, auth=auth, headers=headers, timeout=30.0) as client:
            yield client
