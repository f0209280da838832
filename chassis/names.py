"""Whom a member means by its own references for learners; the only place where identifiers are stored (ADR 13)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from chassis.database import Connection, columns
from chassis.learners import Learner
from chassis.problems import Fault, Problem, conflict

IDENTIFIERS: Final = """
SELECT reference, is_placeholder, learner_id FROM learner_identifier
WHERE member = $1 AND reference = ANY ($2::text[])
"""

INSERT_IDENTIFIERS: Final = """
INSERT INTO learner_identifier (member, reference, is_placeholder, learner_id, scheme, identifier, first_seen_at)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::boolean[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[]
)
"""


class Names:
    """The learners that references of a member have stood for: each under an identifier, and under a placeholder.

    `known` gives the learner by reference and whether it was a placeholder's.
    """

    def __init__(self, member: str, known: Mapping[tuple[str, bool], UUID]) -> None:
        self._member = member
        self._known = dict(known)
        self._new: list[tuple[Any, ...]] = []

    @classmethod
    async def read(cls, connection: Connection, member: str, references: Iterable[str]) -> "Names":
        """What is stored of these references of a member's."""
        rows = await connection.fetch(IDENTIFIERS, member, list(set(references)))
        return cls(member, {(row["reference"], row["is_placeholder"]): row["learner_id"] for row in rows})

    def objection_to(self, reference: str, learner: Learner) -> Problem | None:
        """Why the reference cannot stand for this learner (409); None where it can.

        Two learners are never merged silently; and a placeholder after the identifier would make a stranger of a known
        learner. An identifier after the placeholder is no objection: that is how a learner gets one. What was stated
        under the placeholder stays the stranger's.
        """
        identified = self._known.get((reference, False))
        if identified is None or (learner.matchable and identified == learner.learner_id):
            return None
        if learner.matchable:
            detail = (
                f"Your reference {reference} stands for a learner with another identifier;"
                " two learners are never merged."
            )
            expected = "the identifier that you gave for this learner before; for another learner, another reference"
        else:
            detail = f"Learner {reference} is known by an identifier."
            expected = "the identifier that you gave before"
        fault = Fault("learner.identifier", learner.identifier, expected)
        return conflict(detail, name="learner-differs", errors=[fault])

    def note(self, reference: str, learner: Learner, now: datetime) -> None:
        """Remember whom the reference stands for; `write` stores what was not known."""
        name = (reference, not learner.matchable)
        if name not in self._known:
            self._known[name] = learner.learner_id
            self._new.append((self._member, *name, learner.learner_id, learner.scheme, learner.identifier, now))

    async def write(self, connection: Connection) -> None:
        """Store what was noted. Raises asyncpg.UniqueViolationError where somebody else stored one first."""
        if self._new:
            await connection.execute(INSERT_IDENTIFIERS, *columns(self._new, 7))
