"""The desk of operations: every event of every topic is noted once, and nothing is decided by it."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from chassis.clock import Clock
from chassis.database import Connection
from chassis.record import Received
from contracts.catalogue import EVENTS
from contracts.event import Event
from services.operations import store

GROUP: Final = "operations"


@dataclass(slots=True)
class Noting:
    """One learner's events of a batch, without those that were seen before."""

    learner_id: UUID
    seen_before: Set[UUID]
    noted: dict[UUID, Received] = field(default_factory=dict)

    def apply(self, received: Received) -> bool:
        """Note an event; False where it was seen before."""
        if received.event_id in self.seen_before or received.event_id in self.noted:
            return False
        self.noted[received.event_id] = received
        return True


class JourneyDesk:
    """Notes events. It has no state of its own."""

    reads: tuple[type[Event], ...] = EVENTS

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def keep_references(self, connection: Connection, received: Sequence[Received]) -> Sequence[bool]:
        """Note events that are about no learner."""
        seen = await store.known(connection, [one.event_id for one in received])
        fresh, changed = [], []
        for one in received:
            changed.append(one.event_id not in seen)
            if changed[-1]:
                seen.add(one.event_id)
                fresh.append(one)
        await store.add(connection, fresh, self._clock())
        return changed

    async def read(
        self,
        connection: Connection,
        learner_ids: Sequence[UUID],  # noqa: ARG002 - whose events they are makes no difference here
        received: Sequence[Received],
    ) -> set[UUID]:
        """Which of the events were seen before."""
        return await store.known(connection, [one.event_id for one in received])

    def open(self, state: set[UUID], learner_id: UUID) -> Noting:
        """Begin a learner's part of the batch."""
        return Noting(learner_id, state)

    async def write(self, connection: Connection, works: Sequence[Noting]) -> None:
        """Add what is new."""
        await store.add(connection, [one for work in works for one in work.noted.values()], self._clock())
