"""What is known of learners: completions and decisions as they came, enrolments as accepted, and the entries.

Facts are added and never changed; of each the highest revision or number is current. Entries follow from facts
(services.learner_record.domain.record); every revision of one is kept, since every one has its event.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from chassis.clock import day_of
from chassis.database import Connection, columns
from chassis.record import Received
from contracts.provider_completion import CompletionPublished
from contracts.recognition_decision import DecisionMade
from services.learner_record.domain.record import Completion, Decision, Enrolment, Entry, Known, Place

# Of the learners' completions those that are asked for; all of them where nobody says which.
NEWEST_COMPLETIONS: Final = """
SELECT DISTINCT ON (completion_id)
    learner_id, completion_id, revision, provider, revoked, accepted_at, claimable_from
FROM completion_revision
WHERE learner_id = ANY ($1::uuid[]) AND ($2::uuid[] IS NULL OR completion_id = ANY ($2))
ORDER BY completion_id, revision DESC
"""

NEWEST_DECISIONS: Final = """
SELECT DISTINCT ON (completion_id, enrolment_id)
    learner_id, completion_id, enrolment_id, number, decision_id, completion_revision, state
FROM decision
WHERE learner_id = ANY ($1::uuid[]) AND ($2::uuid[] IS NULL OR completion_id = ANY ($2))
ORDER BY completion_id, enrolment_id, number DESC
"""

NEWEST_ENTRIES: Final = """
SELECT DISTINCT ON (entry_id)
    learner_id, entry_id, revision, completion_id, enrolment_id, member, completion_revision, decision_id,
    decision_number, state
FROM entry
WHERE learner_id = ANY ($1::uuid[]) AND ($2::uuid[] IS NULL OR completion_id = ANY ($2))
ORDER BY entry_id, revision DESC
"""

NEWEST_ENROLMENTS: Final = """
SELECT e.learner_id, e.enrolment_id, e.member, r.revision, r.opened_on, first.accepted_at,
    -- A conferral closes its enrolment; `least` passes over what is null.
    least(r.closed_on, (SELECT conferred_on FROM conferral AS c WHERE c.enrolment_id = e.enrolment_id)) AS closed_on
FROM enrolment AS e
CROSS JOIN LATERAL (
    SELECT revision, opened_on, closed_on FROM enrolment_revision WHERE enrolment_id = e.enrolment_id
    ORDER BY revision DESC LIMIT 1
) AS r
CROSS JOIN LATERAL (
    SELECT accepted_at FROM enrolment_revision WHERE enrolment_id = e.enrolment_id ORDER BY revision LIMIT 1
) AS first
WHERE e.learner_id = ANY ($1::uuid[])
"""

INSERT_COMPLETIONS: Final = """
INSERT INTO completion_revision (
    completion_id, revision, learner_id, provider, learner_reference, is_matchable, revoked, accepted_at,
    claimable_from, event_id, event
)
SELECT completion_id, revision, learner_id, provider, learner_reference, is_matchable, revoked, accepted_at,
       claimable_from, event_id, event::jsonb
FROM unnest(
    $1::uuid[], $2::integer[], $3::uuid[], $4::text[], $5::text[], $6::boolean[], $7::boolean[], $8::timestamptz[],
    $9::timestamptz[], $10::uuid[], $11::text[]
) AS new (
    completion_id, revision, learner_id, provider, learner_reference, is_matchable, revoked, accepted_at,
    claimable_from, event_id, event
)
"""

INSERT_DECISIONS: Final = """
INSERT INTO decision (
    completion_id, enrolment_id, number, decision_id, learner_id, completion_revision, state, event_id, event
)
SELECT completion_id, enrolment_id, number, decision_id, learner_id, completion_revision, state, event_id, event::jsonb
FROM unnest(
    $1::uuid[], $2::uuid[], $3::integer[], $4::uuid[], $5::uuid[], $6::integer[], $7::text[], $8::uuid[], $9::text[]
) AS new (
    completion_id, enrolment_id, number, decision_id, learner_id, completion_revision, state, event_id, event
)
"""

INSERT_ENTRIES: Final = """
INSERT INTO entry (
    entry_id, revision, learner_id, completion_id, enrolment_id, member, completion_revision, decision_id,
    decision_number, state, updated_at
)
SELECT * FROM unnest(
    $1::uuid[], $2::integer[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::integer[], $8::uuid[],
    $9::integer[], $10::text[], $11::timestamptz[]
)
"""

# The empty NOTIFY leaves when the transaction commits; several in one transaction are one. Whoever's record changed is
# due for a look at the progress towards awards.
RAISE_VERSIONS: Final = """
WITH raised AS (
    UPDATE learner SET version = version + 1 WHERE learner_id = ANY ($1::uuid[]) RETURNING learner_id
), due AS (
    INSERT INTO progress_due (learner_id, caused_by, traceparent)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[])
    ON CONFLICT (learner_id) DO UPDATE SET caused_by = excluded.caused_by, traceparent = excluded.traceparent
)
SELECT count(*), pg_notify('record_changed', '') FROM raised
"""


@dataclass(frozen=True, slots=True)
class WrittenEntry:
    """A revision of an entry that is to be written."""

    entry_id: UUID
    revision: int
    learner_id: UUID
    entry: Entry
    updated_at: datetime


@dataclass(slots=True)
class LearnerFacts:
    """What is stored of one learner: facts, entries that stand and their revisions, and when facts were accepted."""

    known: Known
    standing: dict[Place, Entry]
    revisions: dict[UUID, int]
    accepted_at: dict[UUID, datetime]
    """Of completions (newest revision) and of enrolments (first), by their ids."""

    @classmethod
    def none(cls) -> "LearnerFacts":
        """Of a learner of whom nothing is stored."""
        return cls(Known(), {}, {}, {})


async def facts(
    connection: Connection, learner_ids: Sequence[UUID], completions: Iterable[UUID] | None, zone: ZoneInfo
) -> dict[UUID, LearnerFacts]:
    """Read what is stored of learners, in four statements; of these completions only (None: of all).

    The learners' locks must have been taken in an earlier statement.
    """
    only = None if completions is None else list(completions)
    stored = {learner_id: LearnerFacts.none() for learner_id in learner_ids}
    for row in await connection.fetch(NEWEST_COMPLETIONS, learner_ids, only):
        at = stored[row["learner_id"]]
        at.known.learn_completion(
            Completion(
                row["completion_id"],
                row["revision"],
                row["provider"],
                day_of(row["claimable_from"], zone),
                row["revoked"],
            )
        )
        at.accepted_at[row["completion_id"]] = row["accepted_at"]
    for row in await connection.fetch(NEWEST_ENROLMENTS, learner_ids):
        at = stored[row["learner_id"]]
        at.known.learn_enrolment(
            Enrolment(row["enrolment_id"], row["revision"], row["member"], row["opened_on"], row["closed_on"])
        )
        at.accepted_at[row["enrolment_id"]] = row["accepted_at"]
    for row in await connection.fetch(NEWEST_DECISIONS, learner_ids, only):
        stored[row["learner_id"]].known.learn_decision(
            Decision(
                row["completion_id"],
                row["enrolment_id"],
                row["number"],
                row["decision_id"],
                row["completion_revision"],
                row["state"],
            )
        )
    for row in await connection.fetch(NEWEST_ENTRIES, learner_ids, only):
        at = stored[row["learner_id"]]
        entry = _entry(row)
        at.standing[entry.place] = entry
        at.revisions[row["entry_id"]] = row["revision"]
    return stored


def _entry(row: asyncpg.Record) -> Entry:
    return Entry(
        row["completion_id"],
        row["enrolment_id"],
        row["member"],
        row["completion_revision"],
        row["state"],
        row["decision_id"],
        row["decision_number"],
    )


async def add_completions(connection: Connection, received: Sequence[Received]) -> None:
    """Store completions' revisions as they came."""
    rows = [_completion_row(one.event, one.event_id) for one in received if isinstance(one.event, CompletionPublished)]
    if rows:
        await connection.execute(INSERT_COMPLETIONS, *columns(rows, 11))


def _completion_row(event: CompletionPublished, event_id: UUID) -> tuple[Any, ...]:
    return (
        event.completion_id,
        event.revision,
        event.learner_id,
        event.provider,
        event.learner_reference,
        event.learner_is_matchable,
        event.revoked,
        event.accepted_at,
        event.claimable_from,
        event_id,
        event.to_bytes().decode(),
    )


async def add_decisions(connection: Connection, received: Sequence[Received]) -> None:
    """Store decisions as they came."""
    rows = [_decision_row(one.event, one.event_id) for one in received if isinstance(one.event, DecisionMade)]
    if rows:
        await connection.execute(INSERT_DECISIONS, *columns(rows, 9))


def _decision_row(event: DecisionMade, event_id: UUID) -> tuple[Any, ...]:
    return (
        event.completion_id,
        event.enrolment_id,
        event.number,
        event.decision_id,
        event.learner_id,
        event.completion_revision,
        event.state,
        event_id,
        event.to_bytes().decode(),
    )


async def add_entries(connection: Connection, entries: Sequence[WrittenEntry]) -> None:
    """Store entries' revisions."""
    rows: list[tuple[Any, ...]] = [
        (
            one.entry_id,
            one.revision,
            one.learner_id,
            one.entry.completion_id,
            one.entry.enrolment_id,
            one.entry.member,
            one.entry.completion_revision,
            one.entry.decision_id,
            one.entry.decision_number,
            one.entry.state,
            one.updated_at,
        )
        for one in entries
    ]
    if rows:
        await connection.execute(INSERT_ENTRIES, *columns(rows, 11))


async def raise_versions(connection: Connection, changed: Mapping[UUID, tuple[UUID | None, str | None]]) -> None:
    """Say that these learners' records changed: to whoever looks at their version, and to whoever listens.

    With each learner comes the event that changed something last, and its trace.
    """
    if changed:
        rows = [(learner_id, *changed[learner_id]) for learner_id in sorted(changed)]
        await connection.execute(RAISE_VERSIONS, *columns(rows, 3))
