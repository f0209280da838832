"""What stands on a learner's record, from whatever is known of the learner.

Completions, decisions and enrolments come over different topics and from different doors, in any order. So an entry is
never moved from one state to the next: it is what follows from what is known, and that is the newest of each thing.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, TypeAlias
from uuid import UUID

EntryState = Literal[
    "EARNED", "REVOKED", "RECEIVED", "RECOGNISED", "PARTIAL", "INCOMPLETE", "REFERRED", "DECLINED", "INVALID"
]
DecisionState = Literal["RECOGNISED", "PARTIAL", "INCOMPLETE", "REFERRED", "DECLINED", "INVALID"]


@dataclass(frozen=True, slots=True)
class Completion:
    """A completion at its newest known revision; `claimable_on` is the day of its `claimable_from`."""

    completion_id: UUID
    revision: int
    provider: str
    claimable_on: date
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Enrolment:
    """An enrolment at its newest revision."""

    enrolment_id: UUID
    revision: int
    receiver: str
    opened_on: date
    closed_on: date | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision with the highest known number on a completion for an enrolment."""

    completion_id: UUID
    enrolment_id: UUID
    number: int
    decision_id: UUID
    completion_revision: int
    state: DecisionState


Place: TypeAlias = tuple[UUID, UUID | None]
"""Of which completion an entry is, and for which enrolment; None: own credit, at its provider."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands at a place. `completion_revision` is the one that the state is about."""

    completion_id: UUID
    enrolment_id: UUID | None
    member: str
    completion_revision: int
    state: EntryState
    decision_id: UUID | None = None
    decision_number: int | None = None

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.completion_id, self.enrolment_id


def own_credit(completion: Completion) -> Entry:
    """The entry at the provider itself."""
    state: EntryState = "REVOKED" if completion.revoked else "EARNED"
    return Entry(completion.completion_id, None, completion.provider, completion.revision, state)


def claimed_elsewhere(completion: Completion, enrolment: Enrolment, decision: Decision | None) -> Entry | None:
    """The entry of a completion for an enrolment; None where nothing stands there.

    Recognition is by *other* members. Before a decision it is RECEIVED, unless the enrolment was closed before the
    claim date and so gives no first decision (decision.md, "Closed enrolments"). The claim date is the day of
    `claimable_from` or of the opening, and none is closed before it was opened.
    """
    if enrolment.receiver == completion.provider:
        return None
    if decision is not None:
        return Entry(
            completion.completion_id,
            enrolment.enrolment_id,
            enrolment.receiver,
            decision.completion_revision,
            decision.state,
            decision.decision_id,
            decision.number,
        )
    if enrolment.closed_on is not None and enrolment.closed_on < completion.claimable_on:
        return None
    return Entry(completion.completion_id, enrolment.enrolment_id, enrolment.receiver, completion.revision, "RECEIVED")


@dataclass(slots=True)
class Known:
    """What is known of one learner: of each completion, enrolment and claim the newest, whatever came first."""

    completions: dict[UUID, Completion] = field(default_factory=dict)
    enrolments: dict[UUID, Enrolment] = field(default_factory=dict)
    decisions: dict[tuple[UUID, UUID], Decision] = field(default_factory=dict)

    def copy(self) -> "Known":
        """The same, to go on from without changing this."""
        return Known(dict(self.completions), dict(self.enrolments), dict(self.decisions))

    def learn_completion(self, completion: Completion) -> bool:
        """Note a revision; False where it is known already, or older."""
        known = self.completions.get(completion.completion_id)
        if known is not None and known.revision >= completion.revision:
            return False
        self.completions[completion.completion_id] = completion
        return True

    def learn_enrolment(self, enrolment: Enrolment) -> bool:
        """Note a revision; False where it is known already, or older."""
        known = self.enrolments.get(enrolment.enrolment_id)
        if known is not None and known.revision >= enrolment.revision:
            return False
        self.enrolments[enrolment.enrolment_id] = enrolment
        return True

    def learn_decision(self, decision: Decision) -> bool:
        """Note a decision, be its completion and its enrolment known or not; False where a later one is, or it is."""
        claim = decision.completion_id, decision.enrolment_id
        known = self.decisions.get(claim)
        if known is not None and known.number >= decision.number:
            return False
        self.decisions[claim] = decision
        return True

    def entries_of_completion(self, completion_id: UUID) -> Iterator[Entry]:
        """What stands anywhere of one completion."""
        completion = self.completions.get(completion_id)
        if completion is not None:
            yield own_credit(completion)
            for enrolment_id in self.enrolments:
                yield from self.entries_of_claim(completion_id, enrolment_id)

    def entries_of_enrolment(self, enrolment_id: UUID) -> Iterator[Entry]:
        """What stands for one enrolment."""
        for completion_id in self.completions:
            yield from self.entries_of_claim(completion_id, enrolment_id)

    def entries_of_claim(self, completion_id: UUID, enrolment_id: UUID) -> Iterator[Entry]:
        """What stands of one completion for one enrolment: nothing until both are known."""
        completion, enrolment = self.completions.get(completion_id), self.enrolments.get(enrolment_id)
        if completion is not None and enrolment is not None:
            entry = claimed_elsewhere(completion, enrolment, self.decisions.get((completion_id, enrolment_id)))
            if entry is not None:
                yield entry

    def entries(self) -> dict[Place, Entry]:
        """Everything that stands on the record, by its place."""
        return {
            entry.place: entry
            for completion_id in self.completions
            for entry in self.entries_of_completion(completion_id)
        }


def changed(standing: Mapping[Place, Entry], entries: Iterable[Entry]) -> Iterator[Entry]:
    """Those of the entries that are not what stands already."""
    for entry in entries:
        if standing.get(entry.place) != entry:
            yield entry
