"""Whom a member means by its own references for learners; the only place where identifiers are stored (ADR 13)."""

from collections.abc import Iterable, Mapping, Set
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from chassis.database import Connection, columns
from chassis.learners import Learner
from chassis.problems import Fault, Problem, conflict

# With them those of the learners who are erased: whoever is named at all is asked about both.
IDENTIFIERS: Final = """
SELECT reference, is_placeholder, learner_id FROM learner_identifier
WHERE member = $1 AND reference = ANY ($2::text[])
UNION ALL
SELECT NULL, NULL, learner_id FROM erased_learner WHERE learner_id = ANY ($3::uuid[])
"""

INSERT_IDENTIFIERS: Final = """
INSERT INTO learner_identifier (member, reference, is_placeholder, learner_id, scheme, identifier, first_seen_at)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::boolean[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[]
)
"""


def erased() -> Problem:
    """409: this learner is erased (docs/privacy.md)."""
    return conflict("This learner is erased: nothing is accepted about them any more.", name="erased")


class Names:
    """The learners that references of a member have stood for: each under an identifier, and under a placeholder.

    `known` gives the learner by reference and whether it was a placeholder's; `erased` are learners of whom nothing is
    accepted any more.
    """

    def __init__(self, member: str, known: Mapping[tuple[str, bool], UUID], erased: Set[UUID] = frozenset()) -> None:
        self._member = member
        self._known = dict(known)
        self._erased = erased
        self._new: list[tuple[Any, ...]] = []

    @classmethod
    async def read(cls, connection: Connection, member: str, named: Iterable[tuple[str, UUID]]) -> "Names":
        """What is stored of a member's references and of the learners that they are to stand for."""
        asked = set(named)
        references, learners = {one[0] for one in asked}, {one[1] for one in asked}
        rows = await connection.fetch(IDENTIFIERS, member, list(references), list(learners))
        erased = frozenset(row["learner_id"] for row in rows if row["reference"] is None)
        known = {(row["reference"], row["is_placeholder"]): row["learner_id"] for row in rows if row["reference"]}
        return cls(member, known, erased)

    def erasure_of(self, learner: Learner) -> Problem | None:
        """Why nothing is accepted of a learner who is erased (409), a repeat neither; None for everybody else."""
        if learner.learner_id not in self._erased:
            return None
        return erased()

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
