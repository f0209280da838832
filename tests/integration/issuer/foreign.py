"""An issuer that is set up otherwise than the local one, as others are: over real HTTP, and as strict as they are."""

import base64
import hashlib
import secrets
import time
import warnings
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from fastapi import FastAPI, Request
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from starlette.responses import JSONResponse, RedirectResponse, Response

Form = dict[str, str]
_KINDS: dict[str, Any] = {
    "RS256": lambda named: RSAKey.generate_key(2048, parameters=named),
    "ES256": lambda named: ECKey.generate_key("P-256", parameters=named),
    "EdDSA": lambda named: OKPKey.generate_key("Ed25519", parameters=named),
}


@dataclass
class Foreign:
    """The issuer and its one person; what is set here may be changed while it runs."""

    address: str
    """Where it is, with the slash at the end of its name or without."""
    client_id: str = "concord portal"
    secret: str | None = "s:3cret/+ ß"  # noqa: S105  # of this issuer's client
    """None: the client is public."""
    takes: tuple[str, ...] | None = ("client_secret_basic",)
    """The client authentication that it takes; None: it does not say, and takes what the standard names for that."""
    algorithm: str = "RS256"
    names_itself: bool = False
    """Whether its answers name it (RFC 9207), as its document then says."""
    answer: Form = field(default_factory=dict)
    """What its answers to browsers say besides, or instead; empty values are left out."""
    access: dict[str, Any] = field(default_factory=dict)
    """What its access tokens say besides, or instead."""
    identity: dict[str, Any] = field(default_factory=dict)
    is_opaque: bool = False
    ends_sessions: bool = False
    document: dict[str, Any] = field(default_factory=dict)
    """What its document says besides, or instead."""
    asked: list[Form] = field(default_factory=list)
    """What browsers and clients asked, in order."""

    def __post_init__(self) -> None:
        self.base = self.address.rstrip("/")
        self._codes: dict[str, Form] = {}
        self.keys = [self._new_key()]

    def _new_key(self) -> Any:
        return _KINDS[self.algorithm]({"kid": secrets.token_hex(4)})

    def rotate(self, algorithm: str = "ES256") -> None:
        """Sign with a new key from now on; what the others signed stays good."""
        self.algorithm = algorithm
        self.keys.append(self._new_key())

    def published(self) -> dict[str, Any]:
        """The discovery document."""
        here = f"{self.base}/protocol"
        methods = {} if self.takes is None else {"token_endpoint_auth_methods_supported": list(self.takes)}
        return {
            "issuer": self.address,
            "authorization_endpoint": f"{here}/auth?flow=any",
            "token_endpoint": f"{here}/token",
            "jwks_uri": f"{here}/certs",
            **methods,
            **({"end_session_endpoint": f"{here}/logout"} if self.ends_sessions else {}),
            **({"authorization_response_iss_parameter_supported": True} if self.names_itself else {}),
            **self.document,
        }

    def authorized(self, asked: Form) -> str:
        """Where a browser is sent that asked to sign in."""
        self.asked.append(asked)
        code = secrets.token_urlsafe(8)
        self._codes[code] = asked
        own = {"code": code, "state": asked["state"], **({"iss": self.address} if self.names_itself else {})}
        answer = {name: value for name, value in {**own, **self.answer}.items() if value}
        return f"{asked['redirect_uri']}?{urlencode(answer)}"

    def tokens(self, form: Form, authorization: str) -> tuple[int, dict[str, Any]]:
        """The answer of the token endpoint, and its status."""
        self.asked.append(form)
        if not self._is_client(form, authorization):
            return 401, {"error": "invalid_client"}
        if form["grant_type"] == "client_credentials":
            return 200, {"access_token": self._signed({"aud": "concord", **self.access}), "expires_in": 300}
        began = self._codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if began is None or base64.urlsafe_b64encode(digest).decode().rstrip("=") != began["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        identity = {"aud": self.client_id, "nonce": began["nonce"], "name": "Iris Quill", **self.identity}
        access = "2YotnFZFEjr1zCsicMWpAA" if self.is_opaque else self._signed({"aud": "concord", **self.access})
        return 200, {"access_token": access, "id_token": self._signed(identity), "token_type": "Bearer"}

    def _is_client(self, form: Form, authorization: str) -> bool:
        basic = authorization.removeprefix("Basic ") if authorization.startswith("Basic ") else ""
        if basic:
            client_id, _, secret = base64.b64decode(basic).decode().partition(":")
            method, stated = "client_secret_basic", (unquote(client_id), unquote(secret))
        else:
            method = "client_secret_post" if "client_secret" in form else "none"
            stated = form.get("client_id", ""), form.get("client_secret", "")
        # Two ways at once are refused, as RFC 6749, section 2.3, has it.
        known = not (basic and "client_secret" in form) and stated == (self.client_id, self.secret or "")
        return known and method in (("client_secret_basic",) if self.takes is None else self.takes)

    def _signed(self, claims: dict[str, Any]) -> str:
        now = int(time.time())
        usual = {"iss": self.address, "sub": "f:iris", "iat": now, "exp": now + 600}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # RFC 9864 renames EdDSA
            header = {"alg": self.algorithm, "kid": self.keys[-1].kid}
            return jwt.encode(header, {**usual, **claims}, self.keys[-1], algorithms=[self.algorithm])

    def app(self) -> FastAPI:
        """It as an application."""
        app = FastAPI(openapi_url=None)
        root = "/" + self.base.partition("//")[2].partition("/")[2]

        @app.get(f"{root}/.well-known/openid-configuration".replace("//", "/"))
        async def discovery() -> dict[str, Any]:
            return self.published()

        @app.get(f"{root}/protocol/certs".replace("//", "/"))
        async def certs() -> dict[str, Any]:
            return {"keys": [key.as_dict(private=False) for key in self.keys]}

        @app.get(f"{root}/protocol/auth".replace("//", "/"))
        async def auth(request: Request) -> Response:
            return RedirectResponse(self.authorized(dict(request.query_params)), status_code=302)

        @app.post(f"{root}/protocol/token".replace("//", "/"))
        async def token(request: Request) -> Response:
            form = dict(parse_qsl((await request.body()).decode()))
            status, answer = self.tokens(form, request.headers.get("authorization", ""))
            return JSONResponse(answer, status_code=status)

        return app
