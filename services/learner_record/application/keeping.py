"""Keeping one learner's record: facts are noted, and what stands on the record is brought in line with them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from chassis import outbox, telemetry
from chassis.clock import day_of
from chassis.database import Connection
from chassis.outbox import Outgoing
from chassis.record import Received
from contracts.ids import entry_id
from contracts.learner_record_entry import EntryUpdated
from contracts.provider_completion import CompletionPublished
from contracts.recognition_appeal import AppealChanged
from contracts.recognition_decision import DecisionMade
from services.learner_record.domain.record import Completion, Decision, Enrolment, Entry, changed
from services.learner_record.store import asking
from services.learner_record.store import facts as store
from services.learner_record.store.facts import LearnerFacts, WrittenEntry


@dataclass(slots=True)
class Keeping:
    """One learner's facts and entries in a transaction, and what it adds to them.

    Every fact brings the entries in line at once, so that an entry's revisions and their causes are the same however
    the events were cut into batches.
    """

    learner_id: UUID
    stored: LearnerFacts
    now: datetime
    zone: ZoneInfo
    completions: list[Received] = field(default_factory=list)
    decisions: list[Received] = field(default_factory=list)
    known_appeals: dict[UUID, int] = field(default_factory=dict)
    appeals: list[Received] = field(default_factory=list)
    entries: list[WrittenEntry] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)
    seconds_to_visibility: list[float] = field(default_factory=list)
    changed_by: tuple[UUID, str | None] | None = None
    """The event that changed something last, with its trace; None while nothing changed."""

    @classmethod
    def of(
        cls,
        learner_id: UUID,
        stored: LearnerFacts,
        now: datetime,
        zone: ZoneInfo,
        known_appeals: Mapping[UUID, int] | None = None,
    ) -> "Keeping":
        """Begin on what is stored, which is left as it is."""
        mine = LearnerFacts(
            stored.known.copy(), dict(stored.standing), dict(stored.revisions), dict(stored.accepted_at)
        )
        return cls(learner_id, mine, now, zone, known_appeals=dict(known_appeals or {}))

    def apply(self, received: Received) -> bool:
        """Note what came over a topic; False where it is older than what is known, or known already."""
        event = received.event
        if isinstance(event, CompletionPublished):
            return self._note_completion(event, received)
        if isinstance(event, DecisionMade):
            return self._note_decision(event, received)
        if isinstance(event, AppealChanged):
            return self._note_appeal(event, received)
        raise TypeError(f"{event.TYPE} is nothing about a learner")

    def note_enrolment(
        self, enrolment: Enrolment, accepted_at: datetime, event_id: UUID, traceparent: str | None
    ) -> None:
        """Note an enrolment's revision, which this service accepted itself."""
        if self.stored.known.learn_enrolment(enrolment):
            self.changed_by = (event_id, traceparent)
        self.stored.accepted_at.setdefault(enrolment.enrolment_id, accepted_at)
        entries = self.stored.known.entries_of_enrolment(enrolment.enrolment_id)
        self._stand(entries, event_id, traceparent)

    def _note_completion(self, event: CompletionPublished, received: Received) -> bool:
        completion = Completion(
            event.completion_id, event.revision, event.provider, day_of(event.claimable_from, self.zone), event.revoked
        )
        if not self.stored.known.learn_completion(completion):
            return False
        self.changed_by = (received.event_id, received.traceparent)
        self.completions.append(received)
        self.stored.accepted_at[event.completion_id] = event.accepted_at
        entries = self.stored.known.entries_of_completion(event.completion_id)
        self._stand(entries, received.event_id, received.traceparent)
        return True

    def _note_decision(self, event: DecisionMade, received: Received) -> bool:
        decision = Decision(
            event.completion_id,
            event.enrolment_id,
            event.number,
            event.decision_id,
            event.completion_revision,
            event.state,
        )
        if not self.stored.known.learn_decision(decision):
            return False
        self.changed_by = (received.event_id, received.traceparent)
        self.decisions.append(received)
        entries = self.stored.known.entries_of_claim(event.completion_id, event.enrolment_id)
        self._stand(entries, received.event_id, received.traceparent)
        return True

    def _note_appeal(self, event: AppealChanged, received: Received) -> bool:
        if self.known_appeals.get(event.appeal_id, 0) >= event.revision:
            return False
        self.known_appeals[event.appeal_id] = event.revision
        self.appeals.append(received)
        self.changed_by = (received.event_id, received.traceparent)
        return True

    def _stand(self, entries: Iterable[Entry], caused_by: UUID, traceparent: str | None) -> None:
        for entry in changed(self.stored.standing, list(entries)):
            before = self.stored.standing.get(entry.place)
            self._measure(before, entry)
            self.stored.standing[entry.place] = entry
            identity = entry_id(entry.completion_id, entry.enrolment_id)
            revision = self.stored.revisions[identity] = self.stored.revisions.get(identity, 0) + 1
            self.entries.append(WrittenEntry(identity, revision, self.learner_id, entry, self.now))
            event = EntryUpdated(
                entry_id=identity,
                revision=revision,
                learner_id=self.learner_id,
                member=entry.member,
                completion_id=entry.completion_id,
                completion_revision=entry.completion_revision,
                enrolment_id=entry.enrolment_id,
                decision_id=entry.decision_id,
                decision_number=entry.decision_number,
                state=entry.state,
                updated_at=self.now,
            )
            self.outgoing.append(Outgoing(event, caused_by, traceparent))

    def _measure(self, before: Entry | None, entry: Entry) -> None:
        """Note how long a first decision took to be seen, since both its completion and its enrolment were accepted."""
        if entry.enrolment_id is None or entry.decision_id is None or (before is not None and before.decision_id):
            return
        accepted = self.stored.accepted_at
        since = max(accepted[entry.completion_id], accepted[entry.enrolment_id])
        self.seconds_to_visibility.append(max(0.0, (self.now - since).total_seconds()))


async def write(connection: Connection, keepings: Sequence[Keeping]) -> None:
    """Write what the keepings add, with their events, in as many statements whatever their number."""
    await store.add_completions(connection, [one for keeping in keepings for one in keeping.completions])
    await store.add_decisions(connection, [one for keeping in keepings for one in keeping.decisions])
    await asking.add_appeals(connection, [one for keeping in keepings for one in keeping.appeals])
    await store.add_entries(connection, [one for keeping in keepings for one in keeping.entries])
    await outbox.put(connection, [one for keeping in keepings for one in keeping.outgoing])
    await store.raise_versions(
        connection, {keeping.learner_id: keeping.changed_by for keeping in keepings if keeping.changed_by}
    )
    for keeping in keepings:
        for seconds in keeping.seconds_to_visibility:
            telemetry.VISIBILITY.observe(seconds)
