"""An issuer for tests: the local issuer on a free port, and tokens made by hand, good ones and bad ones."""

import base64
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import orjson
import uvicorn
from joserfc import jwt
from joserfc.jwk import OctKey

from chassis.identity import Verifier
from deploy.local.issuer import Client, Person, Signer, create_issuer, new_key
from deploy.local.ports import free_port


class Issuer:
    """Serves its keys (and sign-in, and tokens for clients) from a thread; use it in `with`.

    `issuer.token("publisher", member="northbridge")` is what an API accepts that has OIDC_ISSUER = `issuer.url`.
    """

    def __init__(
        self,
        people: Sequence[Person] = (),
        clients: Sequence[Client] = (),
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.key = new_key()
        self.signer = Signer(self.url, key=self.key)
        self._server = uvicorn.Server(
            uvicorn.Config(
                create_issuer(self.signer, people, clients, monotonic=monotonic),
                host="127.0.0.1",
                port=self._port,
                log_config=None,
                access_log=False,
                ws="none",
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._server.run, name="issuer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        ends_at = time.monotonic() + 20
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > ends_at:
                raise AssertionError("the issuer did not start")
            self._thread.join(0.01)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.should_exit = True
        self._thread.join(20)

    @property
    def jwks_url(self) -> str:
        """Where its keys are."""
        return f"{self.url}/jwks"

    def verifier(self, **settings: Any) -> Verifier:
        """A verifier of its tokens."""
        return Verifier(**{"issuer": self.url, "audience": "concord", "jwks_url": self.jwks_url, **settings})

    def token(
        self,
        *roles: str,
        member: str | None = None,
        subject: str = "somebody",
        learner: str | list[str] | None = None,
        **claims: Any,
    ) -> str:
        """A good token; further claims replace those that it would have, and None leaves one out."""
        stated = {"sub": subject, "member": member, "roles": list(roles), "schac_personal_unique_code": learner}
        return self.signer.sign({**stated, **claims})

    def headers(self, *roles: str, **claims: Any) -> dict[str, str]:
        """The same as the headers of a request."""
        return {"Authorization": f"Bearer {self.token(*roles, **claims)}"}

    def expired(self, *roles: str, **claims: Any) -> str:
        """A token that ended a minute ago."""
        return self.token(*roles, **{**claims, "exp": int(time.time()) - 60})

    def forged(self, *roles: str, **claims: Any) -> str:
        """A token that names this issuer's key and is signed with another."""
        return jwt.encode({"alg": "ES256", "kid": self.key.kid}, self._claims(roles, claims), new_key())

    def unsigned(self, *roles: str, **claims: Any) -> str:
        """A token with `alg: none`."""
        parts = ({"alg": "none", "kid": self.key.kid}, self._claims(roles, claims))
        return ".".join(base64.urlsafe_b64encode(orjson.dumps(part)).rstrip(b"=").decode() for part in parts) + "."

    def with_shared_secret(self, *roles: str, **claims: Any) -> str:
        """A token signed with HS256, whose secret is this issuer's public key: an old trick."""
        secret = OctKey.import_key(base64.urlsafe_b64encode(self.key.as_pem(private=False)))
        return jwt.encode(
            {"alg": "HS256", "kid": self.key.kid}, self._claims(roles, claims), secret, algorithms=["HS256"]
        )

    def _claims(self, roles: Sequence[str], claims: dict[str, Any]) -> dict[str, Any]:
        now = int(time.time())
        usual = {"iss": self.url, "aud": "concord", "exp": now + 600, "sub": "somebody", "roles": list(roles)}
        return {**usual, **claims}
