"""Whose claims a backtest looks at: learners with a decision or an open claim in its directions, by id."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from chassis.database import Connection, columns

LEARNERS: Final = """
WITH direction AS (SELECT * FROM unnest($1::text[], $2::text[]) AS direction (provider, receiver)),
claimed AS (
    SELECT learner_id, completion_id FROM decision JOIN direction USING (provider, receiver) WHERE learner_id > $3
    UNION
    SELECT learner_id, completion_id FROM claim JOIN direction USING (provider, receiver)
    WHERE is_open AND learner_id > $3
)
SELECT learner_id, count(*) AS completions FROM claimed GROUP BY learner_id ORDER BY learner_id LIMIT $4
"""


async def learners(
    connection: Connection, directions: Sequence[tuple[str, str]], *, after: UUID, completions: int
) -> tuple[list[UUID], bool]:
    """The learners that follow `after`, with so many completions together, at least one; and whether more follow."""
    rows = await connection.fetch(LEARNERS, *columns(list(directions), 2), after, completions + 1)
    taken: list[UUID] = []
    together = 0
    for row in rows:
        together += row["completions"]
        if taken and together > completions:
            return taken, True
        taken.append(row["learner_id"])
    return taken, False
