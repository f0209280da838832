"""One completion's way through the services, as the events that its readers get."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4, uuid5

from chassis.batch import Batch, Handled
from chassis.database import Pool, transaction
from chassis.record import envelope
from contracts.event import Event
from contracts.ids import completion_id, decision_id, enrolment_id, entry_id
from contracts.learner_record_enrolment import EnrolmentRecorded
from contracts.learner_record_entry import EntryUpdated
from contracts.provider_completion import CompletionPublished, LearningOpportunityVersion
from contracts.provider_member import Appeals, Colours, MemberRegistered
from contracts.recognition_decision import Cause, DecisionMade, Version
from services.operations.events import GROUP, JourneyDesk

BEGAN = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def after(milliseconds: int) -> datetime:
    """An instant of the story."""
    return BEGAN + timedelta(milliseconds=milliseconds)


@dataclass
class Logged:
    """A record as it stands in a log."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp: int


@dataclass
class Logs:
    """The topics, with one partition each; `sampled` is whether spans of what is put on them are wanted."""

    sampled: bool = False
    ends: dict[str, int] = field(default_factory=dict)

    def put(self, event: Event, at: datetime, caused_by: UUID | None = None) -> Logged:
        """Append an event, as the relay does."""
        offset = self.ends.get(event.TOPIC, 0)
        self.ends[event.TOPIC] = offset + 1
        headers = envelope(
            event_id=event.event_id,
            event_type=event.TYPE,
            source="urn:concord:test",
            happened_at=event.happened_at,
            caused_by=caused_by,
            traceparent=f"00-{TRACE}-00f067aa0ba902b7-0{int(self.sampled)}",
        )
        milliseconds = round(at.timestamp() * 1000)
        return Logged(event.TOPIC, 0, offset, event.key.encode(), event.to_bytes(), headers, milliseconds)


@dataclass(frozen=True)
class Story:
    """A completion of Northbridge's that Glenmore recognises."""

    reference: str = "C-1"
    learner_id: UUID = field(default_factory=uuid4)

    @property
    def completion_id(self) -> UUID:
        """The completion."""
        return completion_id("northbridge", self.reference)

    @property
    def enrolment(self) -> EnrolmentRecorded:
        """The learner's enrolment, a day earlier."""
        return EnrolmentRecorded(
            enrolment_id=enrolment_id("glenmore", str(self.learner_id)),
            revision=1,
            receiver="glenmore",
            reference="E-7",
            learner_id=self.learner_id,
            learner_reference="GL-7",
            award="glenmore:pgcert-data",
            opened_on=date(2026, 8, 31),
            accepted_at=BEGAN - timedelta(days=1),
        )

    def published(self, revision: int = 1) -> CompletionPublished:
        """The completion."""
        return CompletionPublished(
            completion_id=self.completion_id,
            revision=revision,
            provider="northbridge",
            reference=self.reference,
            learner_id=self.learner_id,
            learner_reference="NO-7",
            learning_opportunity=LearningOpportunityVersion(id="northbridge:data-ethics", version=1),
            title="Data Ethics",
            credits=Decimal(15),
            framework="FHEQ",
            level=7,
            result="pass",
            completed_on=date(2026, 6, 30),
            identity_verified_at_assessment=True,
            body_hash="a" * 64,
            accepted_at=after(0),
            claimable_from=after(0),
        )

    def decided(self, number: int = 1) -> DecisionMade:
        """Glenmore's decision."""
        enrolment = self.enrolment
        return DecisionMade(
            decision_id=decision_id(self.completion_id, enrolment.enrolment_id, number),
            number=number,
            completion_id=self.completion_id,
            completion_revision=1,
            enrolment_id=enrolment.enrolment_id,
            learner_id=self.learner_id,
            provider="northbridge",
            completion_reference=self.reference,
            provider_learner_reference="NO-7",
            receiver="glenmore",
            enrolment_reference="E-7",
            receiver_learner_reference="GL-7",
            state="RECOGNISED",
            grounds=[],
            cause=Cause(kind="completion"),
            agreement=None,
            award=Version(id="glenmore:pgcert-data", version=1),
            claimed_on=date(2026, 9, 1),
            decided_at=after(60),
        )

    def entry(self, state: str, at: int, *, own: bool = False) -> EntryUpdated:
        """What stands on the record."""
        enrolment = None if own else self.enrolment.enrolment_id
        return EntryUpdated(
            entry_id=entry_id(self.completion_id, enrolment),
            revision=1 if own or state == "RECEIVED" else 2,
            learner_id=self.learner_id,
            member="northbridge" if own else "glenmore",
            completion_id=self.completion_id,
            completion_revision=1,
            enrolment_id=enrolment,
            state=state,  # type: ignore[arg-type]
            updated_at=after(at),
        )

    def told(self, logs: Logs) -> list[Logged]:
        """All of it, in the order in which it happened."""
        published, decided = self.published(), self.decided()
        return [
            logs.put(self.enrolment, BEGAN - timedelta(days=1)),
            logs.put(published, after(20)),
            logs.put(self.entry("EARNED", 45, own=True), after(60), published.event_id),
            logs.put(self.entry("RECEIVED", 46), after(60), published.event_id),
            logs.put(decided, after(85), published.event_id),
            logs.put(self.entry("RECOGNISED", 120), after(140), decided.event_id),
        ]


def member(member_id: str) -> MemberRegistered:
    """A member, who is no learner."""
    return MemberRegistered(
        member_id=member_id,
        revision=1,
        name="Northbridge University",
        colours=Colours(primary="#112233", accent="#445566"),
        country="GB",
        framework="FHEQ",
        joined_on=date(2024, 1, 1),
        referrals_to="Recognition office",
        appeals=Appeals(route="Write to us", days=20, stages=["Registrar"]),
        accepted_at=BEGAN,
    )


def stranger(number: int) -> UUID:
    """The id of an event that nobody saw."""
    return uuid5(UUID(int=0), str(number))


async def see(pool: Pool, records: Sequence[Logged]) -> Handled:
    """Handle a batch as the consumer does."""
    batch = Batch(JourneyDesk(lambda: after(200)), records, after(200), group=GROUP, failures_before=0)
    async with transaction(pool) as connection:
        return await batch.handle(connection)
