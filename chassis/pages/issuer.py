"""The OIDC issuer as a client meets it: authorization code with PKCE (RFC 7636, S256), state and nonce."""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

import httpx

from chassis.identity import IssuerUnreachable, NotTrusted, Principal, Verifier
from chassis.settings import Settings

TIMEOUT: Final = httpx.Timeout(3.0)


@dataclass(frozen=True)
class Welcome:
    """Somebody the issuer vouches for: the token for the services, until when it is good, and who they are."""

    access_token: str
    expires_at: datetime
    principal: Principal
    name: str


def challenge_of(code_verifier: str) -> str:
    """The S256 code challenge of a code verifier (RFC 7636, 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).rstrip(b"=").decode()


def _claims(token: str) -> dict[str, Any]:
    """What a token says; only for one whose signature was verified."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


class Issuer:
    """Sends people to the issuer and takes what they bring back; its addresses come from its discovery document."""

    def __init__(
        self,
        *,
        address: str,
        client_id: str,
        client_secret: str,
        jwks_url: str,
        access_tokens: Verifier,
        client: httpx.AsyncClient,
    ) -> None:
        self._address = address.rstrip("/")
        self._client_id = client_id
        self._client_secret = client_secret
        self._client = client
        self._access_tokens = access_tokens
        self._id_tokens = Verifier(issuer=address, audience=client_id, jwks_url=jwks_url, client=client)
        self._discovered: dict[str, Any] | None = None

    @classmethod
    def of(cls, settings: Settings, access_tokens: Verifier, client: httpx.AsyncClient) -> "Issuer":
        """The issuer that a process is told of."""
        return cls(
            address=settings.oidc_issuer,
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret.get_secret_value(),
            jwks_url=settings.jwks_url,
            access_tokens=access_tokens,
            client=client,
        )

    async def _endpoint(self, name: str) -> str:
        if self._discovered is None:
            try:
                response = await self._client.get(
                    f"{self._address}/.well-known/openid-configuration", timeout=TIMEOUT, follow_redirects=True
                )
                response.raise_for_status()
                document = response.json()
                if not isinstance(document, dict) or str(document.get("issuer", "")).rstrip("/") != self._address:
                    raise ValueError("the document is another issuer's")
            except (httpx.HTTPError, ValueError) as error:
                raise IssuerUnreachable(f"the issuer's addresses are unknown: {type(error).__name__}") from error
            self._discovered = document
        return str(self._discovered[name])

    async def sign_in_url(self, *, redirect_uri: str, state: str, nonce: str, code_verifier: str) -> str:
        """Where somebody goes to sign in. Raises IssuerUnreachable."""
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(code_verifier),
            "code_challenge_method": "S256",
        }
        endpoint = await self._endpoint("authorization_endpoint")
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def redeem(self, code: str, *, redirect_uri: str, nonce: str, code_verifier: str) -> Welcome:
        """Turn the code that somebody brought back into tokens, and check both of them.

        Raises NotTrusted where the issuer refuses the code or the tokens are not good for this sign-in, and
        IssuerUnreachable.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": code_verifier,
            "client_id": self._client_id,
        }
        try:
            response = await self._client.post(
                await self._endpoint("token_endpoint"),
                data=form,
                auth=(self._client_id, self._client_secret),
                timeout=TIMEOUT,
            )
            if 400 <= response.status_code < 500:
                raise NotTrusted("the issuer does not accept the code")
            response.raise_for_status()
            answer = response.json()
            access_token, id_token = str(answer["access_token"]), str(answer["id_token"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise IssuerUnreachable(f"no token from the issuer: {type(error).__name__}") from error
        identity = await self._id_tokens.verify(id_token)
        said = _claims(id_token)
        if said.get("nonce") != nonce:
            raise NotTrusted("the identity token belongs to another sign-in")
        principal = await self._access_tokens.verify(access_token)
        if principal.subject != identity.subject:
            raise NotTrusted("the two tokens are about different people")
        name = next((said[key] for key in ("name", "preferred_username") if isinstance(said.get(key), str)), "")
        return Welcome(
            access_token=access_token,
            expires_at=datetime.fromtimestamp(_claims(access_token)["exp"], UTC),
            principal=principal,
            name=name or principal.subject,
        )
