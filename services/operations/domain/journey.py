"""The journey of a completion: events joined by their causes into chains, each from its first cause to the record."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

ENTRY_UPDATED: Final = "learner_record.entry.updated.v1"
"""The event with which something became visible on a record."""


@dataclass(frozen=True, slots=True)
class Hop:
    """An event as it was seen: when its fact was committed, where it stands on its topic, and when it was seen here."""

    event_id: UUID
    event_type: str
    caused_by: UUID | None
    happened_at: datetime
    topic: str
    partition: int
    offset: int
    recorded_at: datetime
    seen_at: datetime
    trace_id: str | None
    is_sampled: bool = False
    """Whether spans of its trace were wanted, so that a viewer has it."""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def service(self) -> str:
        """The service that states the fact, and alone writes the topic."""
        return self.topic.partition(".")[0]

    @property
    def waits_for(self) -> str | None:
        """The enrolment for which an entry says that it is being decided; None of everything else."""
        return self.facts.get("enrolment_id") if self.facts.get("state") == "RECEIVED" else None

    @property
    def is_visible_on_a_record(self) -> bool:
        """Whether with this event something could be seen on a learner's record."""
        return self.event_type == ENTRY_UPDATED


@dataclass(frozen=True, slots=True)
class Step:
    """A hop in its chain: how many causes stand above it, and how long after its cause its fact was committed."""

    hop: Hop
    depth: int
    after: timedelta | None


@dataclass(frozen=True, slots=True)
class Chain:
    """What one event led to, in the order of causes; its first step is that event."""

    steps: Sequence[Step]
    undecided: int = 0
    """Enrolments for which it stands on the record and no decision has come, be it through this chain or another."""

    @property
    def root(self) -> Hop:
        """The event that began it."""
        return self.steps[0].hop

    @property
    def visible_after(self) -> timedelta | None:
        """From the first fact to the last that it made visible on a record; None while something is still to come."""
        if self.undecided:
            return None
        seen = [step.hop.happened_at for step in self.steps if step.hop.is_visible_on_a_record]
        return max(seen) - self.root.happened_at if seen else None

    @property
    def lasts(self) -> timedelta:
        """From the first fact to the last instant known of the chain, on a topic or in a database."""
        ends = [instant for step in self.steps for instant in (step.hop.happened_at, step.hop.recorded_at)]
        return max(ends) - self.root.happened_at

    @property
    def trace_ids(self) -> tuple[str, ...]:
        """The traces it ran through, in order; an unbroken one is a single trace."""
        return tuple(dict.fromkeys(step.hop.trace_id for step in self.steps if step.hop.trace_id))

    @property
    def sampled_trace_ids(self) -> frozenset[str]:
        """Those of the traces that a viewer has."""
        return frozenset(step.hop.trace_id for step in self.steps if step.hop.trace_id and step.hop.is_sampled)


def _steps(hop: Hop, depth: int, after: timedelta | None, led_to: Mapping[UUID, Sequence[Hop]]) -> Iterator[Step]:
    yield Step(hop, depth, after)
    for effect in led_to.get(hop.event_id, ()):
        yield from _steps(effect, depth + 1, effect.happened_at - hop.happened_at, led_to)


def chains(hops: Iterable[Hop]) -> list[Chain]:
    """Join hops by their causes. A hop whose cause was not seen (or not yet) begins a chain; the oldest comes first."""
    known = {hop.event_id: hop for hop in sorted(hops, key=lambda hop: (hop.happened_at, str(hop.event_id)))}
    led_to: dict[UUID, list[Hop]] = {}
    roots: list[Hop] = []
    for hop in known.values():
        if hop.caused_by in known and hop.caused_by != hop.event_id:
            led_to.setdefault(known[hop.caused_by].event_id, []).append(hop)
        else:
            roots.append(hop)
    decided = {
        hop.facts.get("enrolment_id")
        for hop in known.values()
        if hop.is_visible_on_a_record and hop.facts.get("state") != "RECEIVED"
    }
    made = []
    for root in roots:
        steps = list(_steps(root, 0, None, led_to))
        waiting = {step.hop.waits_for for step in steps if step.hop.is_visible_on_a_record} - decided - {None}
        made.append(Chain(steps, len(waiting)))
    return made


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of the values does not exceed; None of none."""
    ordered = sorted(values)
    if not ordered:
        return None
    rank = max(1, -(-len(ordered) * round(share * 1000) // 1000))
    return ordered[rank - 1]
