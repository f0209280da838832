"""The desk of the learner record: what comes over topics, and what it does to the records."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from chassis.clock import Clock
from chassis.database import Connection
from chassis.record import Received
from contracts.event import Event
from contracts.provider_completion import CompletionPublished
from contracts.provider_learning_opportunity import LearningOpportunityPublished
from contracts.provider_member import MemberRegistered
from contracts.recognition_appeal import AppealChanged
from contracts.recognition_award import AwardPublished
from contracts.recognition_decision import DecisionMade
from services.learner_record.application import keeping
from services.learner_record.application.keeping import Keeping
from services.learner_record.store import asking, facts, references
from services.learner_record.store.facts import LearnerFacts

GROUP: Final = "learner_record"


@dataclass(frozen=True, slots=True)
class State:
    """What a batch's learners are judged by, as read, and when it was."""

    learners: dict[UUID, LearnerFacts]
    appeals: dict[UUID, int]
    """The revision at which each appeal is known."""
    read_at: datetime


class RecordDesk:
    """Keeps the records of the learners whom events are about. It has no state of its own."""

    reads: tuple[type[Event], ...] = (
        MemberRegistered,
        LearningOpportunityPublished,
        AwardPublished,
        CompletionPublished,
        DecisionMade,
        AppealChanged,
    )

    def __init__(self, clock: Clock, zone: ZoneInfo) -> None:
        self._clock = clock
        self._zone = zone

    async def keep_references(self, connection: Connection, received: Sequence[Received]) -> Sequence[bool]:
        """Keep the newest of members, learning opportunities and awards."""
        return await references.keep(connection, received)

    async def read(self, connection: Connection, learner_ids: Sequence[UUID], received: Sequence[Received]) -> State:
        """Read what is stored of the completions that the events are about."""
        completions = {
            one.event.completion_id for one in received if isinstance(one.event, CompletionPublished | DecisionMade)
        }
        stored = await facts.facts(connection, learner_ids, completions, self._zone)
        # Appeals are few: most batches have none, and ask for none.
        about_appeals = [one.event.learner_id for one in received if isinstance(one.event, AppealChanged)]
        appeals = await asking.known_appeals(connection, about_appeals) if about_appeals else {}
        return State(stored, appeals, self._clock())

    def open(self, state: State, learner_id: UUID) -> Keeping:
        """Begin a learner's part of the batch."""
        return Keeping.of(learner_id, state.learners[learner_id], state.read_at, self._zone, state.appeals)

    async def write(self, connection: Connection, works: Sequence[Keeping]) -> None:
        """Write what the batch adds."""
        await keeping.write(connection, works)
