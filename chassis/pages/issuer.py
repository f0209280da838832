"""The OIDC issuer as people meet it: authorization code with PKCE (RFC 7636, S256), state, nonce, and signing out."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

import httpx
import structlog

from chassis.discovery import Discovery, IssuerUnreachable, authenticate, post_form
from chassis.identity import NotTrusted, Principal, Verifier
from chassis.settings import Settings

log = structlog.get_logger()

PASSING: Final = frozenset({"server_error", "temporarily_unavailable"})
"""Errors of an authorization endpoint that another try may cure (RFC 6749, section 4.1.2.1)."""


class Unusable(NotTrusted):
    """The issuer lets somebody in, with tokens that Concord cannot use: it is not set up as docs/sign-in.md says."""


class Declined(Exception):
    """The issuer does not let somebody in; the text is its error code."""


@dataclass(frozen=True)
class Welcome:
    """Somebody the issuer vouches for: the token for the services, until when it is good, and who they are."""

    access_token: str
    id_token: str
    expires_at: datetime
    principal: Principal
    name: str


def challenge_of(code_verifier: str) -> str:
    """The S256 code challenge of a code verifier (RFC 7636, 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).rstrip(b"=").decode()


def _with_query(endpoint: str, query: Mapping[str, str]) -> str:
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


class Issuer:
    """Sends people to the issuer and takes what they bring back; its addresses come from its discovery document."""

    def __init__(
        self,
        *,
        address: str,
        client_id: str,
        client_secret: str,
        id_tokens: Verifier,
        access_tokens: Verifier,
        client: httpx.AsyncClient,
        scope: str = "openid profile",
        for_audience: Mapping[str, str] | None = None,
    ) -> None:
        self._client_id = client_id
        self._client_secret = client_secret
        self._client = client
        self._access_tokens = access_tokens
        self._id_tokens = id_tokens
        self._scope = scope
        self._for_audience = dict(for_audience or {})
        self._discovery = Discovery(address, client)

    @classmethod
    def of(cls, settings: Settings, access_tokens: Verifier, client: httpx.AsyncClient) -> "Issuer":
        """The issuer that a process is told of."""
        return cls(
            address=settings.oidc_issuer,
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret.get_secret_value(),
            id_tokens=Verifier.of(settings, client, audience=settings.oidc_client_id),
            access_tokens=access_tokens,
            client=client,
            scope=settings.oidc_scope,
            for_audience=settings.for_audience,
        )

    async def sign_in_url(self, *, redirect_uri: str, state: str, nonce: str, code_verifier: str) -> str:
        """Where somebody goes to sign in. Raises IssuerUnreachable."""
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": self._scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(code_verifier),
            "code_challenge_method": "S256",
            **self._for_audience,
        }
        published = await self._discovery.metadata()
        if not published.authorization_endpoint:
            raise IssuerUnreachable("the issuer publishes no authorization endpoint")
        return _with_query(published.authorization_endpoint, query)

    async def sign_out_url(self, id_token: str, *, return_to: str) -> str:
        """Where somebody's session at the issuer ends as well; empty where it offers that to nobody.

        OpenID Connect RP-Initiated Logout 1.0; `return_to` must be registered there. Raises IssuerUnreachable.
        """
        endpoint = (await self._discovery.metadata()).end_session_endpoint
        query = {"client_id": self._client_id, "post_logout_redirect_uri": return_to}
        hint = {"id_token_hint": id_token} if id_token else {}
        return _with_query(endpoint, hint | query) if endpoint else ""

    async def came_back(self, answer: Mapping[str, str]) -> str:
        """The code in what somebody brought back from the issuer; empty where there is none.

        Raises Declined where the issuer says no, NotTrusted where the answer is another issuer's (RFC 9207, against
        mixing issuers up), and IssuerUnreachable.
        """
        published = await self._discovery.metadata()
        stated = answer.get("iss")
        if stated is None and published.authorization_response_iss_parameter_supported:
            raise NotTrusted("the answer does not name its issuer")
        if stated is not None and stated != published.issuer:
            raise NotTrusted("the answer is another issuer's")
        if error := answer.get("error"):
            log.warning("the issuer declines", error=error[:100], description=answer.get("error_description", "")[:300])
            raise Declined(error)
        return answer.get("code", "")

    async def redeem(self, code: str, *, redirect_uri: str, nonce: str, code_verifier: str) -> Welcome:
        """Turn the code that somebody brought back into tokens, and check both of them.

        Raises NotTrusted where the issuer refuses the code or the tokens are not good for this sign-in, Unusable where
        they are not made for Concord, and IssuerUnreachable.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": code_verifier,
            **self._for_audience,
        }
        answer = await self._tokens_for(form)
        access_token, id_token = answer.get("access_token"), answer.get("id_token")
        if not isinstance(access_token, str) or not isinstance(id_token, str):
            raise Unusable("its answer has no access token and identity token; is openid among the scopes?")
        said = await self._id_tokens.claims_of(id_token)
        if said.get("nonce") != nonce:
            raise NotTrusted("the identity token belongs to another sign-in")
        if said.get("azp", self._client_id) != self._client_id:
            raise NotTrusted("the identity token is for another client")
        try:
            allowed = await self._access_tokens.claims_of(access_token)
            principal = self._access_tokens.names.principal(allowed)
        except NotTrusted as error:
            raise Unusable(f"its access token cannot be used: {error}") from error
        if principal.subject != self._id_tokens.names.subject_of(said):
            raise NotTrusted("the two tokens are about different people")
        name = next((said[key] for key in ("name", "preferred_username") if isinstance(said.get(key), str)), "")
        return Welcome(
            access_token=access_token,
            id_token=id_token,
            expires_at=datetime.fromtimestamp(allowed["exp"], UTC),
            principal=principal,
            name=name or principal.subject,
        )

    async def _tokens_for(self, form: Mapping[str, str]) -> dict[str, Any]:
        published = await self._discovery.metadata()
        own, auth = authenticate(published, self._client_id, self._client_secret)
        try:
            response = await post_form(self._client, published.token_endpoint, {**form, **own}, auth)
            if response.status_code in (400, 401, 403):
                raise _refusal(response)
            response.raise_for_status()
            answer = response.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise IssuerUnreachable(f"no token from the issuer: {type(error).__name__}") from error
        return answer if isinstance(answer, dict) else {}


def _refusal(response: httpx.Response) -> NotTrusted:
    """Why a token endpoint gives nothing (RFC 6749, section 5.2)."""
    try:
        error = str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        error = ""
    log.warning("the issuer gives no tokens", status=response.status_code, error=error[:100])
    if error in ("invalid_client", "unauthorized_client"):
        return Unusable("it does not accept this client: are OIDC_CLIENT_ID and its secret those it knows?")
    return NotTrusted("the issuer does not accept the code")
