"""What the progress towards awards is told from, who is due for it, and what was told and conferred."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from chassis.database import Connection, columns
from contracts.learner_record_award_progress import AwardProgressChanged
from services.learner_record.domain.progress import Capstone, CapstoneState, Category, Conferred, Requirements
from services.learner_record.domain.stack import Attempt, Grant, Line

# --- who is due ------------------------------------------------------------------------------------------------------

DUE: Final = "SELECT learner_id FROM progress_due WHERE since <= now() ORDER BY since LIMIT $1"

POSTPONE: Final = """
UPDATE progress_due SET since = now() + interval '5 minutes' WHERE learner_id = ANY ($1::uuid[])
"""
POSTPONED: Final = "SELECT count(*) FROM progress_due WHERE since > now()"

TAKE: Final = (
    "DELETE FROM progress_due WHERE learner_id = ANY ($1::uuid[]) RETURNING learner_id, caused_by, traceparent"
)

# A new version of an award concerns all who are enrolled in it; a learning opportunity, those whose capstone it is.
AWARDS_CHANGED: Final = """
INSERT INTO progress_due (learner_id)
SELECT DISTINCT learner_id FROM enrolment
WHERE award = ANY ($1::text[])
   OR award IN (SELECT award_id FROM award WHERE document ->> 'capstone' = ANY ($2::text[]))
ORDER BY learner_id
ON CONFLICT DO NOTHING
"""

# --- reading ---------------------------------------------------------------------------------------------------------

ENROLMENTS: Final = """
SELECT e.learner_id, e.enrolment_id, e.member, e.reference, e.award, r.closed_on, a.document AS award_document
FROM enrolment AS e
CROSS JOIN LATERAL (
    SELECT closed_on FROM enrolment_revision WHERE enrolment_id = e.enrolment_id ORDER BY revision DESC LIMIT 1
) AS r
LEFT JOIN award AS a ON a.award_id = e.award
WHERE e.learner_id = ANY ($1::uuid[])
ORDER BY e.enrolment_id
"""

CAPSTONES: Final = """
SELECT DISTINCT ON (learning_opportunity_id)
    learning_opportunity_id, event ->> 'credits' AS credits, (event ->> 'level')::integer AS level
FROM learning_opportunity WHERE learning_opportunity_id = ANY ($1::text[])
ORDER BY learning_opportunity_id, version DESC
"""

CLAIMS: Final = """
SELECT DISTINCT ON (completion_id, enrolment_id)
    learner_id, completion_id, enrolment_id, event -> 'grant' AS granted, event -> 'conferrals' AS conferrals
FROM decision WHERE learner_id = ANY ($1::uuid[])
ORDER BY completion_id, enrolment_id, number DESC
"""

ATTEMPTS: Final = """
SELECT * FROM (
    SELECT DISTINCT ON (completion_id) learner_id, provider, event FROM completion_revision
    WHERE learner_id = ANY ($1::uuid[]) ORDER BY completion_id, revision DESC
) AS newest
WHERE EXISTS (SELECT FROM enrolment AS e WHERE e.learner_id = newest.learner_id AND e.member = newest.provider)
"""

CONFERRALS: Final = """
SELECT learner_id, conferral_id, enrolment_id, award_id, award_version, ladder, conferred_on, conferred_by, completions
FROM conferral WHERE learner_id = ANY ($1::uuid[])
"""

TOLD: Final = """
SELECT DISTINCT ON (enrolment_id) learner_id, enrolment_id, revision, eligible, capstone, conferral_id, lost
FROM award_progress WHERE learner_id = ANY ($1::uuid[])
ORDER BY enrolment_id, revision DESC
"""

TOLD_AT: Final = """
SELECT e.enrolment_id, e.reference, p.revision, p.award_id, p.award_version, p.eligible, p.capstone, p.conferral_id,
    p.lost
FROM enrolment AS e
CROSS JOIN LATERAL (
    SELECT * FROM award_progress WHERE enrolment_id = e.enrolment_id ORDER BY revision DESC LIMIT 1
) AS p
WHERE e.member = $1 AND e.reference > $2 AND CASE $4::text
    WHEN 'eligible' THEN p.eligible AND p.conferral_id IS NULL
    WHEN 'lost' THEN p.lost <> '{}'
    WHEN 'conferred' THEN p.conferral_id IS NOT NULL
    ELSE true END
ORDER BY e.reference LIMIT $3
"""

# --- writing ---------------------------------------------------------------------------------------------------------

INSERT_PROGRESS: Final = """
INSERT INTO award_progress (enrolment_id, revision, learner_id, member, award_id, award_version, eligible, capstone,
    conferral_id, lost, changed_at)
SELECT enrolment_id, revision, learner_id, member, award_id, award_version, eligible, capstone, conferral_id,
    lost::uuid[], changed_at
FROM unnest(
    $1::uuid[], $2::integer[], $3::uuid[], $4::text[], $5::text[], $6::integer[], $7::boolean[], $8::text[],
    $9::uuid[], $10::text[], $11::timestamptz[]
) AS new (enrolment_id, revision, learner_id, member, award_id, award_version, eligible, capstone, conferral_id, lost,
    changed_at)
"""

INSERT_CONFERRAL: Final = """
INSERT INTO conferral (enrolment_id, conferral_id, learner_id, member, award_id, award_version, ladder, conferred_on,
    conferred_by, completions, conferred_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""


@dataclass(frozen=True, slots=True)
class Conferral:
    """A conferral as it was made: by whom, when, and what it counted."""

    conferred: Conferred
    award_version: int
    conferred_on: date
    conferred_by: str


@dataclass(frozen=True, slots=True)
class Told:
    """The progress as it was told last; nothing was at revision 0."""

    revision: int = 0
    eligible: bool = False
    capstone: CapstoneState = "closed"
    conferral_id: UUID | None = None
    lost: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim's current decision grants, and which conferrals of others it knew."""

    grant: Grant | None
    conferrals: frozenset[UUID]


@dataclass(slots=True)
class EnrolmentState:
    """An enrolment with its claims, and with its award's requirements where that is published."""

    enrolment_id: UUID
    learner_id: UUID
    member: str
    reference: str
    closed_on: date | None
    requirements: Requirements | None
    claims: dict[UUID, Claim] = field(default_factory=dict)
    told: Told = Told()


@dataclass(slots=True)
class LearnerState:
    """All of a learner that progress is told from."""

    learner_id: UUID
    enrolments: dict[UUID, EnrolmentState] = field(default_factory=dict)
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    """Completions by the member that provided them; only of members where the learner is enrolled."""
    conferrals: dict[UUID, Conferral] = field(default_factory=dict)
    """By their enrolments."""

    def others(self, enrolment_id: UUID) -> list[Conferred]:
        """The conferrals of the learner's other enrolments."""
        return [one.conferred for id_, one in sorted(self.conferrals.items()) if id_ != enrolment_id]


async def due(connection: Connection, limit: int) -> list[UUID]:
    """Those of whom something changed, the longest ago first."""
    return [row["learner_id"] for row in await connection.fetch(DUE, limit)]


async def take(connection: Connection, learner_ids: Sequence[UUID]) -> dict[UUID, tuple[UUID | None, str | None]]:
    """Take learners off the list: of each the event that changed something last, and its trace."""
    rows = await connection.fetch(TAKE, learner_ids)
    return {row["learner_id"]: (row["caused_by"], row["traceparent"]) for row in rows}


async def postpone(connection: Connection, learner_ids: Sequence[UUID]) -> int:
    """Look at these learners in five minutes again; returns how many are postponed in all."""
    if learner_ids:
        await connection.execute(POSTPONE, learner_ids)
    return int(await connection.fetchval(POSTPONED))


async def awards_changed(connection: Connection, awards: Sequence[str], opportunities: Sequence[str]) -> None:
    """Whoever is enrolled in one of these awards, or has one of these as the capstone, is due."""
    if awards or opportunities:
        await connection.execute(AWARDS_CHANGED, awards, opportunities)


async def read(connection: Connection, learner_ids: Iterable[UUID]) -> dict[UUID, LearnerState]:
    """The state of these learners, who must be locked by an earlier statement; at most six round trips."""
    learners = {learner_id: LearnerState(learner_id) for learner_id in learner_ids}
    wanted = list(learners)
    rows = await connection.fetch(ENROLMENTS, wanted)
    documents = [row["award_document"] for row in rows if row["award_document"] is not None]
    capstones = await _capstones(connection, {one["capstone"] for one in documents if one.get("capstone")})
    for row in rows:
        document = row["award_document"]
        learners[row["learner_id"]].enrolments[row["enrolment_id"]] = EnrolmentState(
            enrolment_id=row["enrolment_id"],
            learner_id=row["learner_id"],
            member=row["member"],
            reference=row["reference"],
            closed_on=row["closed_on"],
            requirements=None if document is None else requirements_of(document, capstones),
        )
    for row in await connection.fetch(CLAIMS, wanted):
        enrolment = learners[row["learner_id"]].enrolments.get(row["enrolment_id"])
        if enrolment is not None:
            conferrals = frozenset(UUID(one) for one in row["conferrals"] or ())
            enrolment.claims[row["completion_id"]] = Claim(grant_of(row["granted"]), conferrals)
    for row in await connection.fetch(ATTEMPTS, wanted):
        learners[row["learner_id"]].attempts.setdefault(row["provider"], []).append(attempt_of(row["event"]))
    for row in await connection.fetch(CONFERRALS, wanted):
        learners[row["learner_id"]].conferrals[row["enrolment_id"]] = _conferral(row)
    for row in await connection.fetch(TOLD, wanted):
        learners[row["learner_id"]].enrolments[row["enrolment_id"]].told = Told(
            row["revision"], row["eligible"], row["capstone"], row["conferral_id"], frozenset(row["lost"])
        )
    return learners


async def _capstones(connection: Connection, ids: Iterable[str]) -> dict[str, Capstone]:
    wanted = sorted(ids)
    if not wanted:
        return {}
    found = {
        row["learning_opportunity_id"]: Capstone(row["learning_opportunity_id"], Decimal(row["credits"]), row["level"])
        for row in await connection.fetch(CAPSTONES, wanted)
    }
    return {id_: found.get(id_, Capstone(id_)) for id_ in wanted}


def requirements_of(document: dict[str, Any], capstones: dict[str, Capstone]) -> Requirements:
    """What a published award definition asks for; of its capstone what `capstones` has."""
    capstone = document.get("capstone")
    return Requirements(
        award_id=document["id"],
        version=document["version"],
        framework=document["framework"],
        credits_required=Decimal(document["credits_required"]),
        minimum_by_level={int(at): Decimal(least) for at, least in document.get("minimum_by_level", {}).items()},
        categories=tuple(
            Category(one["name"], Decimal(one["minimum"]), frozenset(one["of"]))
            for one in document.get("categories", ())
        ),
        capstone=None if capstone is None else capstones.get(capstone, Capstone(capstone)),
        ladder=document.get("ladder"),
    )


def grant_of(granted: dict[str, Any] | None) -> Grant | None:
    """A decision event's grant."""
    if granted is None:
        return None
    lines = tuple(Line(one["slot"], Decimal(one["credits"]), one["level"], one["kind"]) for one in granted["lines"])
    return Grant(UUID(granted["id"]), frozenset(UUID(one) for one in granted["completions"]), lines, granted["frozen"])


def attempt_of(event: dict[str, Any]) -> Attempt:
    """A completion event as own credit."""
    return Attempt(
        UUID(event["completion_id"]),
        event["learning_opportunity"]["id"],
        Decimal(event["credits"]),
        event["framework"],
        event["level"],
        event["result"],
        None if event["mark"] is None else Decimal(event["mark"]),
        date.fromisoformat(event["completed_on"]),
        event["revoked"],
    )


def _conferral(row: Any) -> Conferral:
    conferred = Conferred(
        row["conferral_id"], row["enrolment_id"], row["award_id"], row["ladder"], frozenset(row["completions"])
    )
    return Conferral(conferred, row["award_version"], row["conferred_on"], row["conferred_by"])


async def told(
    connection: Connection, member: str, *, after: str, limit: int, only: str | None
) -> list[dict[str, Any]]:
    """A member's enrolments of which there is progress to tell, by reference, after one of them."""
    return [
        {
            "enrolment_id": row["enrolment_id"],
            "reference": row["reference"],
            "revision": row["revision"],
            "award": {"id": row["award_id"], "version": row["award_version"]},
            "eligible": row["eligible"],
            "capstone": row["capstone"],
            "conferred": row["conferral_id"] is not None,
            "lost": row["lost"],
        }
        for row in await connection.fetch(TOLD_AT, member, after, limit, only)
    ]


async def tell(connection: Connection, events: Sequence[AwardProgressChanged]) -> None:
    """Store what is told of the progress."""
    rows: list[tuple[Any, ...]] = [
        (
            event.enrolment_id,
            event.revision,
            event.learner_id,
            event.receiver,
            event.award.id,
            event.award.version,
            event.eligible,
            event.capstone,
            event.conferral.id if event.conferral else None,
            "{" + ",".join(str(one) for one in event.lost) + "}",
            event.changed_at,
        )
        for event in events
    ]
    if rows:
        await connection.execute(INSERT_PROGRESS, *columns(rows, 11))


async def confer(connection: Connection, enrolment: EnrolmentState, conferral: Conferral, at: datetime) -> None:
    """Store a conferral. Raises asyncpg.UniqueViolationError where the enrolment has one."""
    conferred = conferral.conferred
    await connection.execute(
        INSERT_CONFERRAL,
        enrolment.enrolment_id,
        conferred.conferral_id,
        enrolment.learner_id,
        enrolment.member,
        conferred.award_id,
        conferral.award_version,
        conferred.ladder,
        conferral.conferred_on,
        conferral.conferred_by,
        sorted(conferred.completions),
        at,
    )
