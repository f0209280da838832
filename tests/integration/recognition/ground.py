"""The recognition service as its tests reach it: events through its real desk, HTTP with real tokens."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx
from fastapi import FastAPI

from chassis.batch import Batch, Handled
from chassis.database import Connection, Pool, transaction
from chassis.identity import Verifier
from chassis.record import envelope
from contracts.event import Event
from contracts.ids import completion_id, enrolment_id
from contracts.learner_record_enrolment import EnrolmentRecorded
from contracts.provider_completion import CompletionPublished, LearningOpportunityVersion
from contracts.provider_learning_opportunity import LearningOpportunityPublished
from contracts.provider_member import Appeals, Colours, MemberRegistered, Suspension
from contracts.recognition_decision import DecisionMade
from deploy.local.issuer import Signer
from services.recognition.api import create_api
from services.recognition.application.catalogue import CatalogueReader
from services.recognition.application.standing import StandingQuery
from services.recognition.events import GROUP, Desk

ISSUER = "http://issuer.test"
UTC_ZONE = ZoneInfo("UTC")
SIGNER = Signer(ISSUER)
ACCEPTED = datetime(2026, 9, 1, 9, 30, tzinfo=UTC)


class Hands:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = datetime(2026, 9, 2, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def member(member_id: str, revision: int = 1, **changes: Any) -> MemberRegistered:
    return MemberRegistered(
        **{
            "member_id": member_id,
            "revision": revision,
            "name": member_id.title(),
            "colours": Colours(primary="#112233", accent="#445566"),
            "country": "GB",
            "framework": "FHEQ",
            "joined_on": date(2024, 1, 1),
            "referrals_to": f"Recognition office, {member_id}",
            "appeals": Appeals(route="Write to the registrar", days=20, stages=["Registrar"]),
            "accepted_at": ACCEPTED,
            **changes,
        }
    )


def suspension(since: date, until: date | None = None) -> Suspension:
    return Suspension(since=since, until=until, reason="An inquiry is under way")


def opportunity(course: str, revision: int = 1, **changes: Any) -> LearningOpportunityPublished:
    return LearningOpportunityPublished(
        **{
            "learning_opportunity_id": course,
            "version": 1,
            "revision": revision,
            "member": course.partition(":")[0],
            "kind": "stackable",
            "credits": Decimal(20),
            "framework": "FHEQ",
            "level": 5,
            "accepted_at": ACCEPTED,
            **changes,
        }
    )


def completion(
    learner: UUID, course: str = "northbridge:stats", revision: int = 1, *, reference: str = "", **changes: Any
) -> CompletionPublished:
    """A pass with 20 credits at FHEQ 5; its provider is the course's, its reference the learner's and course's."""
    provider = course.partition(":")[0]
    reference = reference or f"{learner}/{course}"
    return CompletionPublished(
        **{
            "completion_id": completion_id(provider, reference),
            "revision": revision,
            "provider": provider,
            "reference": reference,
            "learner_id": learner,
            "learner_reference": "N-1",
            "learning_opportunity": LearningOpportunityVersion(id=course, version=1),
            "title": "Statistics",
            "credits": Decimal(20),
            "framework": "FHEQ",
            "level": 5,
            "result": "pass",
            "mark": Decimal(58),
            "completed_on": date(2026, 6, 30),
            "identity_verified_at_assessment": True,
            "body_hash": f"{revision:064x}",
            "accepted_at": ACCEPTED,
            "claimable_from": ACCEPTED,
            **changes,
        }
    )


def enrolment(
    learner: UUID, receiver: str = "strathmore", revision: int = 1, *, reference: str = "", **changes: Any
) -> EnrolmentRecorded:
    """An enrolment at the receiver for its award `pgcert`, opened on 1 September 2026."""
    reference = reference or f"{learner}/{receiver}"
    return EnrolmentRecorded(
        **{
            "enrolment_id": enrolment_id(receiver, reference),
            "revision": revision,
            "receiver": receiver,
            "reference": reference,
            "learner_id": learner,
            "learner_reference": "S-1",
            "award": f"{receiver}:pgcert",
            "opened_on": date(2026, 9, 1),
            "accepted_at": ACCEPTED,
            **changes,
        }
    )


def agreement(provider: str = "northbridge", receiver: str = "strathmore", version: int = 1, **changes: Any) -> Any:
    """Like for like, one for one, a mark of 40 at least."""
    return {
        "id": f"{provider}-{receiver}",
        "version": version,
        "title": "Credit",
        "parties": {"provider": provider, "receiver": receiver},
        "credit_ratio": "1",
        "credit_step": "1",
        "in_force_from": "2025-01-01",
        "in_force_until": "2030-12-31",
        "in_force_basis": "claim",
        "on_expired": "DECLINED",
        "minimum_mark": "40",
        "grade_policy": "carry",
        "excess_credit": "drop",
        "on_revocation": "refer",
        **changes,
    }


def award(member_id: str = "strathmore", version: int = 1, **changes: Any) -> Any:
    """An award at level 6 that takes 120 credits from elsewhere, none below level 4."""
    return {
        "id": f"{member_id}:pgcert",
        "version": version,
        "member": member_id,
        "title": "Certificate",
        "framework": "FHEQ",
        "level": 6,
        "credits_required": "60",
        "slots": ["CORE"],
        "import_cap": "120",
        "minimum_level": 4,
        **changes,
    }


@dataclass
class Logged:
    """A record as it stands in a log."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp: int = 0


@dataclass
class Ground:
    """The service on a database of the test's own: its desk, its standing query, its interface and its clock."""

    pool: Pool
    clock: Hands = field(default_factory=Hands)
    signer: Signer = SIGNER
    offsets: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        keys = httpx.MockTransport(lambda _: httpx.Response(200, json=self.signer.jwks))
        verifier = Verifier(
            issuer=ISSUER, audience="concord", jwks_url=f"{ISSUER}/jwks", client=httpx.AsyncClient(transport=keys)
        )
        self.catalogues = CatalogueReader()
        self.desk = Desk(self.catalogues, zone=UTC_ZONE, clock=self.clock)
        self.standing = StandingQuery(self.catalogues, pool=self.pool, zone=UTC_ZONE, clock=self.clock)
        self.app: FastAPI = create_api(self.pool, self.clock, verifier, zone=UTC_ZONE)

    def log(self, *events: Event | Logged) -> list[Logged]:
        """Events as the next records of one partition each topic."""
        records = []
        for event in events:
            topic = event.TOPIC if isinstance(event, Event) else event.topic
            offset = self.offsets.get(topic, 0)
            self.offsets[topic] = offset + 1
            if isinstance(event, Event):
                headers = envelope(
                    event_id=event.event_id,
                    event_type=event.TYPE,
                    source="urn:concord:test",
                    happened_at=event.happened_at,
                    caused_by=None,
                    traceparent=None,
                )
                record = Logged(topic, 0, offset, event.key.encode(), event.to_bytes(), headers)
            else:
                record = event
                record.offset = offset
            records.append(record)
        return records

    async def handle(self, records: Sequence[Logged]) -> Handled:
        """One batch in a transaction of its own, as the consumer does it."""
        async with transaction(self.pool) as connection:
            return await self._handle(connection, records)

    async def handle_on(self, connection: Connection, *events: Event | Logged) -> Handled:
        """One batch of these events in a transaction that is open."""
        return await self._handle(connection, self.log(*events))

    async def _handle(self, connection: Connection, records: Sequence[Logged]) -> Handled:
        batch = Batch(self.desk, records, self.clock(), group=GROUP, failures_before=0)
        return await batch.handle(connection)

    async def consume(self, *events: Event | Logged) -> Handled:
        """All of these events in one batch."""
        return await self.handle(self.log(*events))

    async def look_again(self) -> int:
        """The standing query, until it finds nothing more; how many enrolments it looked at."""
        looked_at = 0
        while True:
            async with transaction(self.pool) as connection:
                found = await self.standing.once(connection)
            if not found:
                return looked_at
            looked_at += found

    async def published(self) -> list[DecisionMade]:
        """The decisions in the outbox, in the order in which they leave."""
        async with self.pool.acquire() as connection:
            rows = await connection.fetch("SELECT payload FROM outbox WHERE topic = $1 ORDER BY id", DecisionMade.TOPIC)
        return [DecisionMade.model_validate_json(row["payload"]) for row in rows]

    async def decisions_on(self, learner: UUID) -> list[DecisionMade]:
        """A learner's decisions in the outbox, in order."""
        return [one for one in await self.published() if one.learner_id == learner]

    async def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a statement gives."""
        async with self.pool.acquire() as connection:
            return [tuple(row) for row in await connection.fetch(statement, *values)]

    async def balance(self, learner: UUID) -> Decimal:
        """What stands in the ledger for a learner."""
        [(balance,)] = await self.rows("SELECT coalesce(sum(credits), 0) FROM ledger WHERE learner_id = $1", learner)
        return Decimal(balance)

    @asynccontextmanager
    async def caller(self, member_id: str | None, *roles: str) -> AsyncIterator[httpx.AsyncClient]:
        """Somebody who calls the interface with a token of these roles."""
        claims = {"sub": f"somebody of {member_id}", "member": member_id, "roles": list(roles)}
        headers = {"Authorization": f"Bearer {self.signer.sign(claims)}"}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app), base_url="http://recognition.test", headers=headers
        ) as client:
            yield client

    async def approve(self, document: dict[str, Any]) -> list[httpx.Response]:
        """Draft a document and approve it as the registry of each of its members; what each was answered."""
        path, members = home(document)
        draft = f"{path}/drafts/{document['version']}"
        async with self.caller(members[0], "registry") as client:
            answers = [await client.put(draft, json=document, headers={"If-None-Match": "*"})]
        approved = {"document_hash": answers[0].json().get("document_hash", "0" * 64)}
        for one in members:
            async with self.caller(one, "registry") as client:
                answers.append(await client.put(f"{draft}/approval", json=approved))
        return answers

    async def put(self, document: dict[str, Any]) -> httpx.Response:
        """Approve a document, and publish it as the registry of one of its members."""
        await self.approve(document)
        path, members = home(document)
        async with self.caller(members[-1], "registry") as client:
            return await client.put(path, json=document)

    async def set_up(self, *documents: dict[str, Any]) -> None:
        """Two members, what one offers, an award at strathmore, an agreement from northbridge; or these documents."""
        offered = [opportunity(f"northbridge:{course}") for course in ("stats", "ethics", "law")]
        await self.consume(member("northbridge"), member("strathmore"), *offered)
        for document in documents or (award(), agreement()):
            answer = await self.put(document)
            assert answer.status_code == 201, answer.text


def home(document: dict[str, Any]) -> tuple[str, list[str]]:
    """A document's address, and the members who must approve it."""
    if "parties" not in document:
        return f"/awards/{document['id']}", [document["member"]]
    parties = document["parties"]
    members = parties["members"] if "members" in parties else [parties["provider"], parties["receiver"]]
    return f"/agreements/{document['id']}", members


def somebody() -> UUID:
    """A learner nobody knows yet."""
    return uuid4()
