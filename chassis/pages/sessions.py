"""Sessions of people who signed in: kept in the service's own database, known to the browser by a random id alone.

Neither the id nor the token can be read from the database: of the id its hash is stored, and the token is encrypted
under a key made of the id. Whoever copies the table can sign in as nobody.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from chassis.database import Pool, transaction

SESSION: Final = """
CREATE TABLE visitor_session (
    id_hash bytea PRIMARY KEY,
    sealed text NOT NULL,
    expires_at timestamptz NOT NULL
)
"""
SESSION_EXPIRY: Final = "CREATE INDEX visitor_session_expires_at ON visitor_session (expires_at)"

# One row from the moment somebody goes to the issuer until they come back.
SIGN_IN: Final = """
CREATE TABLE sign_in (
    state_hash bytea PRIMARY KEY,
    nonce text NOT NULL,
    code_verifier text NOT NULL,
    return_to text NOT NULL,
    expires_at timestamptz NOT NULL
)
"""
SIGN_IN_EXPIRY: Final = "CREATE INDEX sign_in_expires_at ON sign_in (expires_at)"

INSERT_SIGN_IN: Final = (
    "INSERT INTO sign_in (state_hash, nonce, code_verifier, return_to, expires_at) VALUES ($1, $2, $3, $4, $5)"
)
TAKE_SIGN_IN: Final = "DELETE FROM sign_in WHERE state_hash = $1 RETURNING nonce, code_verifier, return_to, expires_at"
DELETE_EXPIRED_SIGN_INS: Final = "DELETE FROM sign_in WHERE expires_at <= $1"
INSERT_SESSION: Final = "INSERT INTO visitor_session (id_hash, sealed, expires_at) VALUES ($1, $2, $3)"
READ_SESSION: Final = "SELECT sealed, expires_at FROM visitor_session WHERE id_hash = $1 AND expires_at > $2"
DELETE_SESSION: Final = "DELETE FROM visitor_session WHERE id_hash = $1"
DELETE_EXPIRED_SESSIONS: Final = "DELETE FROM visitor_session WHERE expires_at <= $1"

_SEALING: Final = {"alg": "dir", "enc": "A256GCM"}


def session_tables(role: str) -> tuple[str, ...]:
    """The statements that create the tables of sessions and let the service's role use them."""
    return (
        SESSION,
        SESSION_EXPIRY,
        SIGN_IN,
        SIGN_IN_EXPIRY,
        f"GRANT SELECT, INSERT, DELETE ON visitor_session, sign_in TO {role}",
    )


@dataclass(frozen=True)
class SignIn:
    """A sign-in under way: what the answer of the issuer is checked against, and where to go afterwards."""

    nonce: str
    code_verifier: str
    return_to: str


@dataclass(frozen=True)
class Session:
    """Somebody who signed in: their access token, and how they are called on a page."""

    id: str
    access_token: str
    name: str
    expires_at: datetime
    id_token: str = ""
    """What the issuer is told whose session ends there as well."""

    @property
    def form_token(self) -> str:
        """What a form of this session carries, so that no other site can send it."""
        return hashlib.sha256(b"form\x1f" + self.id.encode()).hexdigest()


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _key(session_id: str) -> OctKey:
    return OctKey.import_key(hashlib.sha256(b"seal\x1f" + session_id.encode()).digest())


class Sessions:
    """The store of sessions and of sign-ins under way."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin_sign_in(self, state: str, sign_in: SignIn, *, now: datetime, expires_at: datetime) -> None:
        """Keep a sign-in until its answer comes; forgets those whose time is over."""
        async with transaction(self._pool) as connection:
            await connection.execute(DELETE_EXPIRED_SIGN_INS, now)
            await connection.execute(
                INSERT_SIGN_IN, _hash(state), sign_in.nonce, sign_in.code_verifier, sign_in.return_to, expires_at
            )

    async def take_sign_in(self, state: str, *, now: datetime) -> SignIn | None:
        """The sign-in that an answer belongs to, once; None where there is none or its time is over."""
        async with transaction(self._pool) as connection:
            row = await connection.fetchrow(TAKE_SIGN_IN, _hash(state))
        if row is None or row["expires_at"] <= now:
            return None
        return SignIn(row["nonce"], row["code_verifier"], row["return_to"])

    async def open(
        self,
        access_token: str,
        name: str,
        *,
        now: datetime,
        expires_at: datetime,
        id_token: str = "",
        instead_of: str = "",
    ) -> Session:
        """A new session under a new id, which ends the one that it comes `instead_of`; forgets those that are over."""
        session = Session(secrets.token_urlsafe(32), access_token, name, expires_at, id_token)
        inside: dict[str, Any] = {"access_token": access_token, "name": name, "id_token": id_token}
        sealed = jwe.encrypt_compact(_SEALING, orjson.dumps(inside), _key(session.id))
        async with transaction(self._pool) as connection:
            await connection.execute(DELETE_EXPIRED_SESSIONS, now)
            await connection.execute(DELETE_SESSION, _hash(instead_of))
            await connection.execute(INSERT_SESSION, _hash(session.id), sealed, expires_at)
        return session

    async def find(self, session_id: str, *, now: datetime) -> Session | None:
        """The session with this id; None where there is none, or its time is over."""
        async with transaction(self._pool) as connection:
            row = await connection.fetchrow(READ_SESSION, _hash(session_id), now)
        if row is None:
            return None
        try:
            opened = jwe.decrypt_compact(row["sealed"], _key(session_id)).plaintext
        except JoseError:
            return None
        inside = orjson.loads(opened or b"{}")
        # A session that the version before this one opened has no identity token.
        return Session(
            session_id, inside["access_token"], inside["name"], row["expires_at"], inside.get("id_token", "")
        )

    async def close(self, session_id: str) -> None:
        """End a session; one that is not there is ended already."""
        async with transaction(self._pool) as connection:
            await connection.execute(DELETE_SESSION, _hash(session_id))
