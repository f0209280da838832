"""The whole system as tests use it: real processes, and clients with tokens of the system's own issuer."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import asyncpg
import httpx

from client.session import Connection
from deploy.demo.consortium import consortium
from deploy.demo.publishing import Doors, publish_consortium
from deploy.local.issuer import signer_of
from deploy.local.system import System

TODAY: Final[date] = datetime.now(UTC).date()
WORKERS: Final = ("provider-worker", "recognition-worker", "learner-record-worker")


def esi(member: str, code: int | str) -> str:
    """A made-up learner's identifier."""
    return f"urn:schac:personalUniqueCode:int:esi:{member}.example:{code}"


def learner(code: int | str, member: str) -> dict[str, str]:
    """A learner as a member sends one; every member knows the same person by the same identifier."""
    return {"scheme": "ESI", "identifier": esi("home", code), "reference": f"{member}-{code}"}


def completion(code: int | str, course: str, **fields: Any) -> dict[str, Any]:
    """A passed completion of one of the demo's learning opportunities; `fields` replace."""
    document = consortium()
    provider = course.partition(":")[0]
    offered = document["learning_opportunities"][course]
    return {
        "reference": f"{code}-{course.partition(':')[2]}",
        "revision": 1,
        "learner": learner(code, provider),
        "learning_opportunity": {"id": course, "version": 1},
        "credits": offered["credits"],
        "framework": document["members"][provider]["framework"],
        "level": offered["level"],
        "result": "pass",
        "mark": "65",
        "mark_scale": {"lowest": "0", "pass": "40", "highest": "100"},
        "completed_on": (TODAY - timedelta(days=60)).isoformat(),
        "issued_on": (TODAY - timedelta(days=50)).isoformat(),
        "identity_verified_at_assessment": True,
    } | fields


def enrolment(code: int | str, award: str, **fields: Any) -> dict[str, Any]:
    """An enrolment in one of the demo's awards; `fields` replace."""
    receiver = award.partition(":")[0]
    return {
        "reference": f"{code}-{award.partition(':')[2]}",
        "revision": 1,
        "learner": learner(code, receiver),
        "award": award,
        "opened_on": (TODAY - timedelta(days=30)).isoformat(),
    } | fields


@dataclass
class Whole:
    """A running system with the demo's consortium in it."""

    system: System

    @property
    def doors(self) -> Doors:
        """Where the services are, and the secret of the members' clients."""
        at = self.system.addresses
        return Doors(
            provider=at["provider-api"],
            recognition=at["recognition-api"],
            learner_record=at["learner-record-api"],
            issuer=at["issuer"],
            secret=self.system.environment("issuer")["PUBLISHER_CLIENT_SECRET"],
        )

    async def found(self) -> None:
        """Enter the members, what they offer, award and agreed."""
        await publish_consortium(consortium(), self.doors)

    @asynccontextmanager
    async def at(self, service: str, client: str) -> AsyncIterator[httpx.AsyncClient]:
        """A client of one of the services (`provider-api` …), signed in as a client of the issuer."""
        doors = self.doors
        connection = Connection(self.system.addresses[service], doors.issuer, client, doors.secret)
        async with connection.open() as http:
            yield http

    @asynccontextmanager
    async def at_as(
        self, service: str, role: str, *, member: str | None = None, code: int | str | None = None
    ) -> AsyncIterator[httpx.AsyncClient]:
        """A client of one of the services, signed in as a person: a member's staff, or the learner of a code."""
        signer = signer_of(self.system.environment("issuer"))
        subject = f"{role} of {member}" if code is None else f"learner {code}"
        claims = {"sub": subject, "member": member, "roles": [role]}
        if code is not None:
            claims["schac_personal_unique_code"] = esi("home", code)
        async with Connection(self.system.addresses[service], token=signer.sign(claims)).open() as http:
            yield http

    async def publish(self, document: Mapping[str, Any], *, traceparent: str | None = None) -> httpx.Response:
        """PUT a completion as its provider does."""
        provider = document["learning_opportunity"]["id"].partition(":")[0]
        headers = {"traceparent": traceparent} if traceparent else {}
        async with self.at("provider-api", f"{provider}-system") as http:
            body = {name: value for name, value in document.items() if name != "reference"}
            return await http.put(f"/completions/{document['reference']}", json=body, headers=headers)

    async def enrol(self, document: Mapping[str, Any]) -> httpx.Response:
        """PUT an enrolment as its receiver does."""
        receiver = document["award"].partition(":")[0]
        async with self.at("learner-record-api", f"{receiver}-system") as http:
            body = {name: value for name, value in document.items() if name != "reference"}
            return await http.put(f"/enrolments/{document['reference']}", json=body)

    async def record(self, member: str, code: int | str) -> dict[str, Any] | None:
        """What a member sees of a learner's record; None where it knows no such learner."""
        async with self.at("learner-record-api", f"{member}-system") as http:
            response = await http.get(f"/members/{member}/learners/{member}-{code}/record")
            if response.status_code == httpx.codes.NOT_FOUND:
                return None
            response.raise_for_status()
            body: dict[str, Any] = response.json()
            return body

    def database(self, service: str) -> str:
        """The address of a service's database (`recognition` …), under the service's own role."""
        unit = "operations" if service == "operations" else f"{service.replace('_', '-')}-api"
        return self.system.environment(unit)["SERVICE_DATABASE_URL"]

    async def fetch(self, service: str, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        """Ask a service's database (`recognition` …), under the service's own role."""
        connection = await asyncpg.connect(self.database(service))
        try:
            return list(await connection.fetch(sql, *arguments))
        finally:
            await connection.close()
