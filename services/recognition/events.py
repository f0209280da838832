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
from contracts.learner_record_appeal_request import AppealRequestLodged
from contracts.learner_record_award_progress import AwardProgressChanged
from contracts.learner_record_choice import ChoiceMade
from contracts.learner_record_enrolment import EnrolmentRecorded
from contracts.provider_completion import CompletionPublished
from contracts.provider_learning_opportunity import LearningOpportunityPublished
from contracts.provider_member import MemberRegistered
from services.recognition.application import recognise, references
from services.recognition.application.catalogue import CatalogueReader
from services.recognition.application.recognise import Recognising
from services.recognition.domain.appeals import Appeal
from services.recognition.domain.business_days import WITHOUT_HOLIDAYS, Calendar
from services.recognition.domain.catalogue import Catalogue
from services.recognition.domain.learner import Learner
from services.recognition.store import appeals
from services.recognition.store import learners as store

GROUP: Final = "recognition"


@dataclass(frozen=True, slots=True)
class State:
    """What a batch is decided on: its learners as they were, the catalogue, and the appeals that it is about."""

    learners: dict[UUID, Learner]
    catalogue: Catalogue
    appeals: dict[UUID, Appeal]


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
        if isinstance(event, AppealRequestLodged):
            return self.recognising.take_up_appeal(event, *at)
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
        AppealRequestLodged,
    )

    def __init__(
        self, catalogues: CatalogueReader, *, zone: ZoneInfo, clock: Clock, calendar: Calendar = WITHOUT_HOLIDAYS
    ) -> None:
        self._catalogues = catalogues
        self._zone = zone
        self._clock = clock
        self._calendar = calendar

    async def keep_references(self, connection: Connection, received: Sequence[Received]) -> Sequence[bool]:
        """Store members and learning opportunities; False where one is older or known already."""
        return await references.keep(connection, [(one.event, (one.event_id, one.traceparent)) for one in received])

    async def read(
        self,
        connection: Connection,
        learner_ids: Sequence[UUID],
        received: Sequence[Received],
    ) -> State:
        """Read the learners and the catalogue, and where there are requests for appeals, those."""
        catalogue = await self._catalogues.read(connection)
        learners = await store.read(connection, learner_ids, self._zone)
        asked = {one.event.appeal_id for one in received if isinstance(one.event, AppealRequestLodged)}
        known = await appeals.newest(connection, asked) if asked else {}
        return State(learners, catalogue, {appeal_id: appeal for appeal_id, (appeal, _) in known.items()})

    def open(self, state: State, learner_id: UUID) -> Work:
        """Begin a learner's work on the state as read."""
        return Work(
            Recognising(
                state.learners[learner_id].begun(),
                state.catalogue,
                self._zone,
                calendar=self._calendar,
                appeals={id_: one for id_, one in state.appeals.items() if one.request.learner_id == learner_id},
            )
        )

    async def write(self, connection: Connection, works: Sequence[Work]) -> None:
        """Write decisions, grants, ledger rows and their events."""
        await recognise.write(connection, [work.recognising for work in works], self._clock())
