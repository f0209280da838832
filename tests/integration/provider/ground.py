"""The provider service as the tests reach it: over HTTP, with real tokens, on a database of each test's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from fastapi import FastAPI

from chassis.database import Pool
from chassis.identity import Verifier
from chassis.learners import Scheme
from deploy.local.issuer import Signer
from services.provider.api import create_api

KEY = b"a key for the tests, and nothing else"
ISSUER = "http://issuer.test"
ULN = "9276308686"
PLACEHOLDER = "9999999999"


def esi(code: str) -> str:
    """A pseudonymous learner's identifier."""
    return f"urn:schac:personalUniqueCode:int:esi:northbridge.example:{code}"


class Hands:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = datetime(2026, 9, 1, 9, 30, 0, 123456, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Ground:
    """One API process of the service, its clock and its pool."""

    pool: Pool
    scheme: Scheme = "ESI"
    clock: Hands = field(default_factory=Hands)
    signer: Signer = field(default_factory=lambda: Signer(ISSUER))

    def __post_init__(self) -> None:
        keys = httpx.MockTransport(lambda _: httpx.Response(200, json=self.signer.jwks))
        verifier = Verifier(
            issuer=ISSUER, audience="concord", jwks_url=f"{ISSUER}/jwks", client=httpx.AsyncClient(transport=keys)
        )
        self.app: FastAPI = create_api(
            self.pool, self.clock, verifier, zone=ZoneInfo("UTC"), learner_id_key=KEY, scheme=self.scheme
        )

    def token(self, member: str | None, *roles: str) -> str:
        """A token of the issuer's."""
        claims = {"sub": f"system of {member}", "member": member, "roles": list(roles)}
        return self.signer.sign(claims)

    @asynccontextmanager
    async def caller(self, member: str | None, *roles: str) -> AsyncIterator[httpx.AsyncClient]:
        """Somebody who calls the interface with a token of these roles."""
        headers = {"Authorization": f"Bearer {self.token(member, *roles)}"}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app), base_url="http://provider.test", headers=headers
        ) as client:
            yield client

    async def count(self, table: str) -> int:
        """How many rows a table has."""
        async with self.pool.acquire() as connection:
            return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608 - the tests' own word

    async def counts(self) -> dict[str, int]:
        """How many rows each table that grows with what is accepted has."""
        return {table: await self.count(table) for table in TABLES}


TABLES = (
    "member_revision",
    "learning_opportunity_revision",
    "completion",
    "completion_revision",
    "learner_identifier",
    "outbox",
)


def completion(**changes: Any) -> dict[str, Any]:
    """A completion that states what it must, with changes; a field changed to `...` is left out."""
    body = {
        "revision": 1,
        "learner": {"scheme": "ESI", "identifier": esi("ann"), "reference": "S-1"},
        "learning_opportunity": {"id": "northbridge:data-ethics", "version": 2},
        "credits": "15",
        "framework": "FHEQ",
        "level": 7,
        "result": "pass",
        "mark": "62",
        "mark_scale": {"lowest": "0", "pass": "40", "highest": "100"},
        "completed_on": "2026-06-30",
        "identity_verified_at_assessment": True,
    } | changes
    return {name: value for name, value in body.items() if value is not ...}


def opportunity(**changes: Any) -> dict[str, Any]:
    """A learning opportunity that states everything, with changes; a field changed to `...` is left out."""
    body = {
        "version": 2,
        "revision": 1,
        "kind": "stackable",
        "title": "Data Ethics",
        "awarding_body": "Northbridge University",
        "credits": "15",
        "framework": "FHEQ",
        "level": 7,
        "workload_hours": "150",
        "learning_outcomes": ["Weigh the interests of those whose data is used"],
        "assessment_type": "Coursework, individually assessed",
        "participation_form": "Online",
        "quality_assurance": "Institutional review 2025",
        "subject": "0612",
        "skills": ["http://data.europa.eu/esco/skill/1"],
        "language": "en",
        "starts_on": "2026-01-15",
        "url": "https://northbridge.example/data-ethics",
    } | changes
    return {name: value for name, value in body.items() if value is not ...}


def member(**changes: Any) -> dict[str, Any]:
    """A member as the registry states it, with changes."""
    return {
        "name": "Northbridge University",
        "colours": {"primary": "#123b6d", "accent": "#f2b134"},
        "country": "GB",
        "framework": "FHEQ",
        "suspensions": [{"from": "2025-01-01", "until": "2025-02-01", "reason": "Audit of assessment"}],
        "joined_on": "2024-01-01",
        "referrals_to": "Recognition office",
        "appeals": {"route": "Write to the registrar", "days": 20, "stages": ["Registrar", "Panel"]},
    } | changes
