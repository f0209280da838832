"""The desk: recognition's handling of the events that it consumes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from chassis.clock import Clock
from chassis.database import Connection
from chassis.record import Received
from contracts.event import Event
from contracts.learner_record_award_progress import AwardProgressChanged
from contracts.learner_record_choice import ChoiceMade
from contracts.learner_record_enrolment import EnrolmentRecorded
from contracts.provider_completion import CompletionPublished
from contracts.provider_learning_opportunity import LearningOpportunityPublished
from contracts.provider_member import MemberRegistered
from services.recognition.application import recognise, references
from services.recognition.application.catalogue import CatalogueReader
from services.recognition.application.recognise import Recognising
from services.recognition.domain.catalogue import Catalogue
from services.recognition.domain.learner import Learner
from services.recognition.store import learners as store

GROUP: Final = "recognition"


@dataclass(frozen=True, slots=True)
class State:
    """What a batch is decided on: its learners as they were, and the catalogue."""

    learners: dict[UUID, Learner]
    catalogue: Catalogue


@dataclass(frozen=True, slots=True)
class Work:
    """One learner's part of a batch."""

    recognising: Recognising

    @property
    def learner_id(self) -> UUID:
        """Whose work it is."""
        return self.recognising.learner.learner_id

    def apply(self, received: Received) -> bool:
        """Fold one event; False: it is older than what is known, or known already."""
        event, at = received.event, (received.event_id, received.happened_at, received.traceparent)
        if isinstance(event, CompletionPublished):
            return self.recognising.publish_completion(event, *at)
        if isinstance(event, EnrolmentRecorded):
            return self.recognising.record_enrolment(event, *at)
        if isinstance(event, ChoiceMade):
            return self.recognising.make_choice(event, *at)
        if isinstance(event, AwardProgressChanged):
            return self.recognising.confer(event, *at)
        raise TypeError(f"{type(event).__name__} is not about a learner")


class Desk:
    """Recognition's desk (chassis.desk)."""

    reads: tuple[type[Event], ...] = (
        MemberRegistered,
        LearningOpportunityPublished,
        CompletionPublished,
        EnrolmentRecorded,
        ChoiceMade,
        AwardProgressChanged,
    )

    def __init__(self, catalogues: CatalogueReader, *, zone: ZoneInfo, clock: Clock) -> None:
        self._catalogues = catalogues
        self._zone = zone
        self._clock = clock

    async def keep_references(self, connection: Connection, received: Sequence[Received]) -> Sequence[bool]:
        """Store members and learning opportunities; False where one is older or known already."""
        return await references.keep(connection, [(one.event, (one.event_id, one.traceparent)) for one in received])

    async def read(
        self,
        connection: Connection,
        learner_ids: Sequence[UUID],
        received: Sequence[Received],  # noqa: ARG002
    ) -> State:
        """Read the learners and the catalogue."""
        catalogue = await self._catalogues.read(connection)
        return State(await store.read(connection, learner_ids, self._zone), catalogue)

    def open(self, state: State, learner_id: UUID) -> Work:
        """Begin a learner's work on the state as read."""
        return Work(Recognising(state.learners[learner_id].begun(), state.catalogue, self._zone))

    async def write(self, connection: Connection, works: Sequence[Work]) -> None:
        """Write decisions, grants, ledger rows and their events."""
        await recognise.write(connection, [work.recognising for work in works], self._clock())
