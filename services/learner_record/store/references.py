"""Newest copies of members, learning opportunities and awards, which other services own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import orjson

from chassis.database import Connection, columns
from chassis.record import Received
from contracts.provider_learning_opportunity import LearningOpportunityPublished
from contracts.provider_member import MemberRegistered
from contracts.recognition_award import AwardPublished
from services.learner_record.store import progress

# The row of whoever comes first is inserted; a later one replaces it only where it is newer.
PUT_MEMBERS: Final = """
INSERT INTO member (member_id, revision, event)
SELECT member_id, revision, event::jsonb
FROM unnest($1::text[], $2::integer[], $3::text[]) AS new (member_id, revision, event)
ON CONFLICT (member_id) DO UPDATE SET revision = excluded.revision, event = excluded.event
WHERE member.revision < excluded.revision
RETURNING old.revision AS before, member_id
"""

PUT_LEARNING_OPPORTUNITIES: Final = """
INSERT INTO learning_opportunity (learning_opportunity_id, version, revision, event)
SELECT learning_opportunity_id, version, revision, event::jsonb
FROM unnest($1::text[], $2::integer[], $3::integer[], $4::text[])
    AS new (learning_opportunity_id, version, revision, event)
ON CONFLICT (learning_opportunity_id, version) DO UPDATE SET revision = excluded.revision, event = excluded.event
WHERE learning_opportunity.revision < excluded.revision
RETURNING old.revision AS before, learning_opportunity_id, version
"""

PUT_AWARDS: Final = """
INSERT INTO award (award_id, version, document)
SELECT award_id, version, document::jsonb
FROM unnest($1::text[], $2::integer[], $3::text[]) AS new (award_id, version, document)
ON CONFLICT (award_id) DO UPDATE SET version = excluded.version, document = excluded.document
WHERE award.version < excluded.version
RETURNING old.version AS before, award_id
"""

MEMBERSHIP: Final = "SELECT (event ->> 'left_on')::date AS left_on FROM member WHERE member_id = $1"
KNOWN_AWARDS: Final = "SELECT award_id FROM award WHERE award_id = ANY ($1::text[])"


async def keep(connection: Connection, received: Sequence[Received]) -> list[bool]:
    """Keep the newest of each; for every event whether it was newer than all before it."""
    changed = [False] * len(received)
    await _keep(connection, MemberRegistered, PUT_MEMBERS, received, changed)
    await _keep(connection, LearningOpportunityPublished, PUT_LEARNING_OPPORTUNITIES, received, changed)
    await _keep(connection, AwardPublished, PUT_AWARDS, received, changed)
    new = [one.event for one, is_new in zip(received, changed, strict=True) if is_new]
    await progress.awards_changed(
        connection,
        [event.award_id for event in new if isinstance(event, AwardPublished)],
        [event.learning_opportunity_id for event in new if isinstance(event, LearningOpportunityPublished)],
    )
    return changed


async def _keep(
    connection: Connection,
    kind: type[MemberRegistered | LearningOpportunityPublished | AwardPublished],
    put: str,
    received: Sequence[Received],
    changed: list[bool],
) -> None:
    mine = [nth for nth, one in enumerate(received) if isinstance(one.event, kind)]
    newest: dict[tuple[str, ...], int] = {}
    for nth in mine:
        before = newest.get(received[nth].event.natural_key)
        if before is None or received[before].event.sequence < received[nth].event.sequence:
            newest[received[nth].event.natural_key] = nth
    if not newest:
        return
    rows = [_row(received[nth]) for nth in newest.values()]
    stored = await connection.fetch(put, *columns(rows, len(rows[0])))
    # A row that was not replaced is as new as all that came.
    known = {tuple(str(part) for part in list(row.values())[1:]): row["before"] or 0 for row in stored}
    for nth in mine:
        event = received[nth].event
        if event.natural_key in known and event.sequence > known[event.natural_key]:
            known[event.natural_key] = event.sequence
            changed[nth] = True


def _row(received: Received) -> tuple[Any, ...]:
    event = received.event
    if isinstance(event, AwardPublished):
        return event.award_id, event.version, orjson.dumps(event.document).decode()
    text = event.to_bytes().decode()
    if isinstance(event, LearningOpportunityPublished):
        return event.learning_opportunity_id, event.version, event.revision, text
    return event.key, event.sequence, text


@dataclass(frozen=True, slots=True)
class Membership:
    """That a member is in the consortium's registry, and the day from which it no longer belongs to the consortium."""

    left_on: date | None


async def membership(connection: Connection, member: str) -> Membership | None:
    """A member's membership as it is known here; None where the consortium's registry has not entered it."""
    row = await connection.fetchrow(MEMBERSHIP, member)
    return None if row is None else Membership(row["left_on"])


async def known_awards(connection: Connection, wanted: Sequence[str]) -> set[str]:
    """Which of these awards have been published."""
    return {row["award_id"] for row in await connection.fetch(KNOWN_AWARDS, wanted)}
