"""What an OIDC issuer publishes of itself (OpenID Connect Discovery 1.0), and how a client authenticates there."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx
import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

log = structlog.get_logger()

TIMEOUT: Final = httpx.Timeout(2.0)
MAX_AGE: Final = 3_600.0
"""Seconds after which the document is read again."""


class IssuerUnreachable(Exception):
    """What the issuer should have answered could not be had; another try may succeed."""


class Metadata(BaseModel):
    """The part of the document that Concord needs; an address that is not offered is empty."""

    model_config = ConfigDict(frozen=True)

    issuer: str
    jwks_uri: str
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    end_session_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False
    """Whether every answer of the authorization endpoint names the issuer (RFC 9207)."""


class Discovery:
    """The issuer's document: read when it is first needed, and again when it is old; an old one is better than none."""

    def __init__(
        self, issuer: str, client: httpx.AsyncClient | None = None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._client = client
        self._monotonic = monotonic
        self._read: Metadata | None = None
        self._read_at = 0.0

    async def metadata(self) -> Metadata:
        """What the issuer publishes. Raises IssuerUnreachable."""
        if self._read is None or self._monotonic() - self._read_at > MAX_AGE:
            try:
                self._read = await self._fetch()
                self._read_at = self._monotonic()
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                log.warning("what the issuer publishes cannot be read", issuer=self._issuer, error=_why(error))
                if self._read is None:
                    raise IssuerUnreachable(f"the issuer's addresses are unknown: {_why(error)}") from error
        return self._read

    async def _fetch(self) -> Metadata:
        document = await get_json(self._client, f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        published = Metadata.model_validate(document)
        # An issuer's name has a slash at its end, or not; tokens have it as the issuer writes it.
        if published.issuer.rstrip("/") != self._issuer.rstrip("/"):
            raise ValueError(f"it calls itself {published.issuer[:200]}")
        return published


def _why(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return ", ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
    return str(error) or type(error).__name__


def authenticate(metadata: Metadata, client_id: str, client_secret: str) -> tuple[Mapping[str, str], httpx.Auth]:
    """What a request to the token endpoint carries as its client's: fields of its form, and an Authorization.

    A client without a secret is a public one. Raises IssuerUnreachable where the issuer takes no secret in a way that
    is known here (OpenID Connect Core 1.0, section 9).
    """
    if not client_secret:
        return {"client_id": client_id}, httpx.Auth()
    offered = metadata.token_endpoint_auth_methods_supported
    if "client_secret_basic" in offered:
        # Encoded as forms are before they become Basic credentials: RFC 6749, section 2.3.1.
        return {}, httpx.BasicAuth(quote(client_id, safe=""), quote(client_secret, safe=""))
    if "client_secret_post" in offered:
        return {"client_id": client_id, "client_secret": client_secret}, httpx.Auth()
    raise IssuerUnreachable(f"the issuer takes no client's secret, only {', '.join(offered) or 'nothing'}")


def asked_by_commands(environment: Mapping[str, str]) -> dict[str, str]:
    """What a command's environment says that the issuer must be told besides, where it gives systems their tokens."""
    stated = {name: environment.get(f"CONCORD_{name.upper()}", "") for name in ("audience", "scope")}
    return {name: value for name, value in stated.items() if value}


async def get_json(client: httpx.AsyncClient | None, url: str) -> Any:
    """The JSON document at an address. Raises httpx.HTTPError and ValueError."""
    if client is None:
        async with httpx.AsyncClient() as own:
            return await get_json(own, url)
    response = await client.get(url, timeout=TIMEOUT, follow_redirects=True)
    response.raise_for_status()
    return response.json()


async def post_form(
    client: httpx.AsyncClient | None, url: str, form: Mapping[str, str], auth: httpx.Auth
) -> httpx.Response:
    """The answer to a form, whatever its status. Raises httpx.HTTPError."""
    if client is None:
        async with httpx.AsyncClient() as own:
            return await post_form(own, url, form, auth)
    return await client.post(url, data=dict(form), auth=auth, timeout=TIMEOUT)
