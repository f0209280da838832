"""What a service supplies to the consumer: how it reads, folds and writes. Order and locks are the consumer's."""

from collections.abc import Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from chassis.database import Connection
from chassis.record import Received
from contracts.event import Event

State = TypeVar("State")
W = TypeVar("W", bound="Work")


class Work(Protocol):
    """One learner's part of a batch: events folded into effects that are still to be written."""

    @property
    def learner_id(self) -> UUID:
        """Whose work it is."""
        ...

    def apply(self, received: Received) -> bool:
        """Fold one event, in pure code. False: it is older than what is known, or known already.

        Raises anything: the learner is set aside from this event on, and what the event began is forgotten.
        """
        ...


class Desk(Protocol[State, W]):
    """A service's handling of its events. It never commits, and locks nothing but what it owns besides learners."""

    reads: tuple[type[Event], ...]
    """The events of the topics that this service consumes."""

    async def keep_references(self, connection: Connection, received: Sequence[Received]) -> Sequence[bool]:
        """Store events that are not about a learner, in order; False where one is older or known already."""
        ...

    async def read(self, connection: Connection, learner_ids: Sequence[UUID], received: Sequence[Received]) -> State:
        """Read what the learners' work needs, in a fixed number of statements. The learners are locked."""
        ...

    def open(self, state: State, learner_id: UUID) -> W:
        """Begin a learner's work on the state as read, which must not be changed: it may be begun again."""
        ...

    async def write(self, connection: Connection, works: Sequence[W]) -> None:
        """Write effects and outbox with set-based SQL, under unique natural keys."""
        ...
