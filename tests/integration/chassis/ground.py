"""A small service on the chassis, for tests of the chassis alone: it counts the events it applied, one row each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from uuid import UUID

from chassis.batch import Batch, Handled
from chassis.database import Connection, Pool, columns, transaction
from chassis.outbox import Outgoing, put
from chassis.record import Received, envelope
from chassis.tables import SET_ASIDE_ACTIONS, chassis_tables
from contracts.event import Event
from contracts.ids import enrolment_id
from contracts.learner_record_enrolment import EnrolmentRecorded
from contracts.provider_member import Appeals, Colours, MemberRegistered

NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)

TABLES = (
    # Without a unique key, so that an effect applied twice shows as two rows.
    "CREATE TABLE effect (learner_id uuid NOT NULL, reference text NOT NULL, revision integer NOT NULL,"
    " number bigint GENERATED ALWAYS AS IDENTITY)",
    "CREATE INDEX ON effect (learner_id)",
    "CREATE TABLE member (member_id text PRIMARY KEY, revision integer NOT NULL)",
    "CREATE TABLE narrow (reference varchar(12) NOT NULL)",
)


async def lay_tables(pool: Pool) -> None:
    """Create the chassis's tables and this service's own, for the role that is connected."""
    async with transaction(pool) as connection:
        for statement in (*chassis_tables("current_user"), SET_ASIDE_ACTIONS, *TABLES):
            await connection.execute(statement)


@dataclass
class CountingWork:
    """Applies each enrolment that is newer than what is known."""

    learner_id: UUID
    known: Mapping[str, int]
    received: list[Received] = field(default_factory=list)
    mended: bool = False

    def apply(self, received: Received) -> bool:
        """A reference that says so stands for a bug in the handler."""
        event = received.event
        assert isinstance(event, EnrolmentRecorded)
        newest = max(
            [self.known.get(event.reference, 0)]
            + [r.event.sequence for r in self.received if r.event.natural_key == event.natural_key]
        )
        if event.revision <= newest:
            return False
        self.received.append(received)
        if event.reference.startswith("bug") and not self.mended:
            raise RuntimeError("a bug in the handler")
        return True


@dataclass
class CountingDesk:
    """Reads enrolments and members; `mended` is the version without the bug."""

    sends: bool = False
    mended: bool = False
    reads: tuple[type[Event], ...] = (EnrolmentRecorded, MemberRegistered)

    async def keep_references(self, connection: Connection, received: Sequence[Received]) -> Sequence[bool]:
        changed = []
        for one in received:
            assert isinstance(one.event, MemberRegistered)
            status = await connection.execute(
                "INSERT INTO member VALUES ($1, $2) ON CONFLICT (member_id) DO UPDATE SET revision = excluded.revision "
                "WHERE member.revision < excluded.revision",
                one.event.member_id,
                one.event.revision,
            )
            changed.append(status.endswith(" 1"))
        return changed

    async def read(
        self, connection: Connection, learner_ids: Sequence[UUID], received: Sequence[Received]
    ) -> dict[UUID, dict[str, int]]:
        rows = await connection.fetch(
            "SELECT learner_id, reference, max(revision) AS revision FROM effect "
            "WHERE learner_id = ANY ($1) GROUP BY 1, 2",
            list(learner_ids),
        )
        state: dict[UUID, dict[str, int]] = {learner_id: {} for learner_id in learner_ids}
        for row in rows:
            state[row["learner_id"]][row["reference"]] = row["revision"]
        return state

    def open(self, state: dict[UUID, dict[str, int]], learner_id: UUID) -> CountingWork:
        return CountingWork(learner_id, state[learner_id], mended=self.mended)

    async def write(self, connection: Connection, works: Sequence[CountingWork]) -> None:
        received = [one for work in works for one in work.received]
        rows = [(w.learner_id, r.event.reference, r.event.revision) for w in works for r in w.received]  # type: ignore[attr-defined]
        await connection.execute(
            "INSERT INTO effect (learner_id, reference, revision)"
            " SELECT * FROM unnest($1::uuid[], $2::text[], $3::integer[])",
            *columns(rows, 3),
        )
        await connection.execute("INSERT INTO narrow SELECT unnest($1::text[])", [row[1] for row in rows])
        if self.sends:
            await put(connection, [Outgoing(one.event, one.event_id, one.traceparent) for one in received])


def enrolment(learner_id: UUID, reference: str = "E-1", revision: int = 1) -> EnrolmentRecorded:
    """An enrolment event that differs by learner, reference and revision only."""
    return EnrolmentRecorded(
        enrolment_id=enrolment_id(str(learner_id), reference),
        revision=revision,
        receiver="northbridge",
        reference=reference,
        learner_id=learner_id,
        learner_reference="S-1",
        award="northbridge:pgcert",
        opened_on=date(2026, 9, 1),
        accepted_at=NOW,
    )


def member(member_id: str, revision: int = 1) -> MemberRegistered:
    """A member event that differs by id and revision only."""
    return MemberRegistered(
        member_id=member_id,
        revision=revision,
        name="Northbridge",
        colours=Colours(primary="#112233", accent="#445566"),
        country="GB",
        framework="FHEQ",
        joined_on=date(2024, 1, 1),
        referrals_to="Recognition office",
        appeals=Appeals(route="Write to us", days=20, stages=["Registrar"]),
        accepted_at=NOW,
    )


def headers_of(event: Event, traceparent: str | None = None) -> list[tuple[str, bytes]]:
    """The envelope an event travels with."""
    return envelope(
        event_id=event.event_id,
        event_type=event.TYPE,
        source="urn:concord:test",
        happened_at=event.happened_at,
        caused_by=None,
        traceparent=traceparent,
    )


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


def log_of(events: Sequence[Event | Logged], *, first: int = 0, partition: int = 0) -> list[Logged]:
    """Events as the records of one partition each topic, from offset `first` on."""
    next_offset: dict[str, int] = {}
    records = []
    for event in events:
        topic = event.TOPIC if isinstance(event, Event) else event.topic
        offset = next_offset.get(topic, first)
        next_offset[topic] = offset + 1
        if isinstance(event, Event):
            records.append(Logged(topic, partition, offset, event.key.encode(), event.to_bytes(), headers_of(event)))
        else:
            event.partition, event.offset = partition, offset
            records.append(event)
    return records


async def handle(pool: Pool, records: Sequence[Logged], *, desk: CountingDesk | None = None, **how: bool) -> Handled:
    """Handle one batch in a transaction of its own, as the consumer does."""
    batch = Batch(desk or CountingDesk(), records, NOW, group="test", failures_before=0)
    async with transaction(pool) as connection:
        return await batch.handle(connection, **how)


async def effects(pool: Pool) -> list[tuple[UUID, str, int]]:
    """Everything that was applied, sorted."""
    async with transaction(pool) as connection:
        rows = await connection.fetch("SELECT learner_id, reference, revision FROM effect")
        return sorted(tuple(row) for row in rows)


async def in_order(pool: Pool, learners: Sequence[UUID] | None = None) -> dict[UUID, list[str]]:
    """The references of each of these learners, or of all, in the order in which they were applied."""
    found: dict[UUID, list[str]] = {}
    wanted = (
        "SELECT learner_id, reference FROM effect WHERE $1::uuid[] IS NULL OR learner_id = ANY ($1) ORDER BY number"
    )
    async with transaction(pool) as connection:
        for row in await connection.fetch(wanted, learners):
            found.setdefault(row["learner_id"], []).append(row["reference"])
    return found
