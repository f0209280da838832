"""The learner-record service as the tests reach it: its desk by batches, its interface over HTTP with real tokens."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
from fastapi import FastAPI

from chassis.batch import Batch, Handled
from chassis.database import Pool, transaction
from chassis.identity import Verifier
from chassis.learners import Scheme, identify
from contracts.event import Event
from contracts.ids import completion_id, decision_id, enrolment_id, grant_id
from contracts.learner_record_appeal_request import AppealRequestLodged
from contracts.learner_record_award_progress import AwardProgressChanged
from contracts.learner_record_choice import ChoiceMade
from contracts.learner_record_enrolment import EnrolmentRecorded
from contracts.learner_record_entry import EntryUpdated
from contracts.provider_completion import CompletionPublished, LearningOpportunityVersion
from contracts.provider_learning_opportunity import LearningOpportunityPublished
from contracts.provider_member import Appeals, Colours, MemberRegistered
from contracts.recognition_award import AwardPublished
from contracts.recognition_decision import Cause, DecisionMade, Grant, Line, Version
from contracts.recognition_decision import Ground as Reason
from deploy.local.issuer import Signer
from services.learner_record.api import create_api
from services.learner_record.application.progressing import TellProgress
from services.learner_record.application.watching import Watch
from services.learner_record.events import RecordDesk
from services.learner_record.others import Others
from services.learner_record.views import RecordView
from tests.integration.chassis.ground import Logged, headers_of

KEY = b"a key for the tests, and nothing else"
ISSUER = "http://issuer.test"
PLACEHOLDER = "9999999999"
ULN = "9276308686"
EARLIER = datetime(2026, 8, 1, 8, 0, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")


def esi(code: str) -> str:
    """A pseudonymous learner's identifier."""
    return f"urn:schac:personalUniqueCode:int:esi:northbridge.example:{code}"


def learner_id(code: str) -> UUID:
    """The pseudonym of that learner."""
    return identify(KEY, "ESI", scheme="ESI", identifier=esi(code), member="any", reference="any").learner_id


class Hands:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = datetime(2026, 9, 1, 9, 30, 0, 123456, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Ground:
    """One process of the service, its clock and its pool, and the log of what it was given."""

    pool: Pool
    database_url: str
    scheme: Scheme = "ESI"
    clock: Hands = field(default_factory=Hands)
    signer: Signer = field(default_factory=lambda: Signer(ISSUER))
    others: Others = field(default_factory=lambda: Others(httpx.AsyncClient(), {}, httpx.Auth()))
    """None, unless a test has some."""
    next_offset: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        keys = httpx.MockTransport(lambda _: httpx.Response(200, json=self.signer.jwks))
        verifier = Verifier(
            issuer=ISSUER, audience="concord", jwks_url=f"{ISSUER}/jwks", client=httpx.AsyncClient(transport=keys)
        )
        self.watch = Watch(self.database_url, self.pool)
        self.app: FastAPI = create_api(
            self.pool,
            self.clock,
            verifier,
            self.watch,
            self.others,
            zone=UTC_ZONE,
            learner_id_key=KEY,
            scheme=self.scheme,
        )

    # The interface

    def headers(self, member: str | None, *roles: str, learner: Any = None) -> dict[str, str]:
        """The headers of somebody with a token of the issuer's."""
        claims = {
            "sub": f"somebody at {member}", "member": member, "roles": list(roles),
            "schac_personal_unique_code": learner,
        }  # fmt: skip
        return {"Authorization": f"Bearer {self.signer.sign(claims)}"}

    @asynccontextmanager
    async def caller(self, member: str | None, *roles: str, learner: Any = None) -> AsyncIterator[httpx.AsyncClient]:
        """Somebody who calls the interface with a token of these roles."""
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app),
            base_url="http://record.test",
            headers=self.headers(member, *roles, learner=learner),
        ) as client:
            yield client

    async def enrol(self, member: str, reference: str, **changes: Any) -> httpx.Response:
        """PUT an enrolment as the member's systems."""
        async with self.caller(member, "publisher") as client:
            return await client.put(f"/enrolments/{reference}", json=enrolment(member, **changes))

    async def record(self, code: str = "ann") -> RecordView:
        """A learner's record, as the learner reads it. What it shows has been written, and sent, as an entry."""
        async with self.caller(None, "learner", learner=esi(code)) as client:
            answer = await client.get("/record")
        assert answer.status_code == 200, answer.text
        record = RecordView.model_validate_json(answer.content)
        newest: dict[UUID, EntryUpdated] = {}
        for event, _, _ in await self.sent("learner_record.entry"):
            if event.entry_id not in newest or newest[event.entry_id].revision < event.revision:
                newest[event.entry_id] = event
        for at in record.members:
            for entry in (*at.own_credit, *(one for enrolled in at.enrolments for one in enrolled.entries)):
                sent = newest[entry.entry_id]
                assert (entry.revision, entry.state, entry.updated_at) == (sent.revision, sent.state, sent.updated_at)
                assert (entry.decision_number, entry.decision_id) == (sent.decision_number, sent.decision_id)
                assert (at.member, entry.completion_revision) == (sent.member, sent.completion_revision)
        return record

    # The desk

    def log(self, events: Sequence[Event | Logged]) -> list[Logged]:
        """Events as the next records of their topics, each of one partition."""
        records = []
        for event in events:
            record = (
                Logged(event.TOPIC, 0, 0, event.key.encode(), event.to_bytes(), headers_of(event, TRACEPARENT))
                if isinstance(event, Event)
                else event
            )
            record.offset = self.next_offset.get(record.topic, 0)
            self.next_offset[record.topic] = record.offset + 1
            records.append(record)
        return records

    async def handle(self, records: Sequence[Logged], desk: RecordDesk | None = None, **how: bool) -> Handled:
        """Handle records as one batch, as the consumer does."""
        batch = Batch(desk or RecordDesk(self.clock, UTC_ZONE), records, self.clock(), group="test", failures_before=0)
        async with transaction(self.pool) as connection:
            return await batch.handle(connection, **how)

    async def tell_progress(self) -> list[AwardProgressChanged]:
        """Let the progress be told of everybody who is due; gives all that was ever told, in order."""
        tell = TellProgress(self.pool, self.clock)
        told = 1
        while told:
            async with transaction(self.pool) as connection:
                told = await tell.once(connection)
        return [event for event, _, _ in await self.sent("learner_record.award_progress")]

    async def receive(self, *events: Event | Logged) -> Handled:
        """Let events come, in one batch."""
        return await self.handle(self.log(events))

    # What is stored

    async def count(self, table: str) -> int:
        """How many rows a table has."""
        async with self.pool.acquire() as connection:
            return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608 - the tests' own word

    async def counts(self) -> dict[str, int]:
        """How many rows each table that grows has."""
        return {table: await self.count(table) for table in TABLES}

    async def sent(self, topic: str) -> list[tuple[Any, UUID | None, str | None]]:
        """The events in the outbox for a topic, each with its cause and trace context."""
        contracts: tuple[type[Event], ...] = (
            EntryUpdated, EnrolmentRecorded, AwardProgressChanged, ChoiceMade, AppealRequestLodged,
        )  # fmt: skip
        contract = {one.TOPIC: one for one in contracts}[topic]
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                "SELECT payload, caused_by, traceparent FROM outbox WHERE topic = $1 ORDER BY id", topic
            )
        return [(contract.model_validate_json(row["payload"]), row["caused_by"], row["traceparent"]) for row in rows]

    async def version(self, code: str = "ann") -> int:
        """The version of a learner's record."""
        async with self.pool.acquire() as connection:
            return int(
                await connection.fetchval("SELECT version FROM learner WHERE learner_id = $1", learner_id(code)) or 0
            )


TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
TABLES = (
    "member", "learning_opportunity", "award", "enrolment", "enrolment_revision", "completion_revision", "decision",
    "entry", "learner_identifier", "outbox",
)  # fmt: skip


def enrolment(member: str, code: str = "ann", **changes: Any) -> dict[str, Any]:
    """An enrolment as a member sends it, with changes; a field changed to `...` is left out."""
    body = {
        "revision": 1,
        "learner": {"scheme": "ESI", "identifier": esi(code), "reference": f"M-{code}"},
        "award": f"{member}:pgcert-data",
        "opened_on": "2026-08-15",
    } | changes
    return {name: value for name, value in body.items() if value is not ...}


def completion(reference: str = "C-1", code: str = "ann", **changes: Any) -> CompletionPublished:
    """A completion of Northbridge's, with changes."""
    provider = changes.get("provider", "northbridge")
    return CompletionPublished(
        **{
            "completion_id": completion_id(provider, reference),
            "revision": 1,
            "provider": provider,
            "reference": reference,
            "learner_id": learner_id(code),
            "learner_reference": f"S-{code}",
            "learning_opportunity": LearningOpportunityVersion(id=f"{provider}:data-ethics", version=2),
            "title": "Data Ethics",
            "credits": Decimal(15),
            "framework": "FHEQ",
            "level": 7,
            "result": "pass",
            "mark": Decimal(62),
            "completed_on": date(2026, 6, 30),
            "identity_verified_at_assessment": True,
            "body_hash": "0" * 64,
            "accepted_at": EARLIER,
            "claimable_from": EARLIER,
        }
        | changes
    )


def decision(
    number: int = 1,
    state: str = "RECOGNISED",
    *,
    reference: str = "C-1",
    enrolled: str = "E-1",
    receiver: str = "strathmore",
    code: str = "ann",
    grant: Grant | None = None,
    **changes: Any,
) -> DecisionMade:
    """The number-th decision on a completion of Northbridge's for an enrolment."""
    completion, claim = completion_id("northbridge", reference), enrolment_id(receiver, enrolled)
    return DecisionMade(
        **{
            "decision_id": decision_id(completion, claim, number),
            "number": number,
            "completion_id": completion,
            "completion_revision": 1,
            "enrolment_id": claim,
            "learner_id": learner_id(code),
            "provider": "northbridge",
            "completion_reference": reference,
            "provider_learner_reference": f"S-{code}",
            "receiver": receiver,
            "enrolment_reference": enrolled,
            "receiver_learner_reference": f"M-{code}",
            "state": state,
            "grounds": [REASON] if state not in ("RECOGNISED",) else [],
            "cause": Cause(kind="completion"),
            "agreement": Version(id="northbridge-strathmore", version=3),
            "award": Version(id=f"{receiver}:pgcert-data", version=1),
            "claimed_on": date(2026, 8, 15),
            "grant": grant,
            "decided_at": EARLIER + timedelta(hours=1),
        }
        | changes
    )


REASON = Reason(
    code="LEVEL_TOO_LOW",
    state="DECLINED",
    document="northbridge-strathmore",
    version=3,
    clause="/rules/3",
    compared={"level": "9", "lowest": "11"},
    sentence="The level is below the lowest that the rule names.",
)


def grant(
    *references: str, amount: str = "15", level: int = 11, kind: str = "general", frozen: bool = False, nth: int = 1
) -> Grant:
    """A grant at Strathmore on completions of Northbridge's, of one line."""
    completions = sorted(completion_id("northbridge", reference) for reference in references)
    slot = "GENERAL" if kind == "general" else "DATA501"
    return Grant(
        id=grant_id(enrolment_id("strathmore", "E-1"), tuple(str(one) for one in completions), nth),
        completions=completions,
        lines=[Line(slot=slot, credits=Decimal(amount), level=level, kind=kind)],  # type: ignore[arg-type]
        frozen=frozen,
    )


def member(member_id: str, **changes: Any) -> MemberRegistered:
    """A member, with changes."""
    return MemberRegistered(
        **{
            "member_id": member_id,
            "revision": 1,
            "name": f"{member_id.title()} University",
            "colours": Colours(primary="#112233", accent="#445566"),
            "country": "GB",
            "framework": "SCQF" if member_id == "strathmore" else "FHEQ",
            "joined_on": date(2024, 1, 1),
            "referrals_to": "Recognition office",
            "appeals": Appeals(route="Write to the registrar", days=20, stages=["Registrar", "Panel"]),
            "accepted_at": EARLIER,
        }
        | changes
    )


def opportunity(**changes: Any) -> LearningOpportunityPublished:
    """Northbridge's learning opportunity, with changes."""
    return LearningOpportunityPublished(
        **{
            "learning_opportunity_id": "northbridge:data-ethics",
            "version": 2,
            "revision": 1,
            "member": "northbridge",
            "kind": "stackable",
            "title": "Data Ethics as offered",
            "credits": Decimal(15),
            "framework": "FHEQ",
            "accepted_at": EARLIER,
        }
        | changes
    )


def award(member_id: str = "strathmore", version: int = 1, **changes: Any) -> AwardPublished:
    """A member's PGCert, with changes to the document."""
    document = {
        "id": f"{member_id}:pgcert-data", "version": version, "member": member_id, "title": "PGCert Data",
        "framework": "SCQF", "level": 11, "ladder": None, "credits_required": "60", "minimum_by_level": {"11": "40"},
        "categories": [], "capstone": None, "slots": ["DATA501"], "import_cap": "40", "import_cap_by_level": {},
        "same_level_cap": None, "minimum_level": 10,
    } | changes  # fmt: skip
    return AwardPublished(
        award_id=f"{member_id}:pgcert-data",
        version=version,
        catalogue_number=version,
        document=document,
        document_hash="0" * 64,
        published_at=EARLIER,
    )
