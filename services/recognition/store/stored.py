"""Stored decisions with all that they rest on, learner by learner: what a verification decides again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from chassis.database import Connection
from services.recognition.domain.learner import DocumentVersion

LEARNERS: Final = "SELECT DISTINCT learner_id FROM decision WHERE learner_id > $1 ORDER BY learner_id LIMIT $2"

# The lines as they were posted; a grant that was withdrawn since had them too.
DECISIONS: Final = """
SELECT d.decision_id, d.completion_id, d.evaluation_id, d.state, d.grounds, d.grade, d.claimed_on, d.is_frozen,
    d.agreement_id, d.agreement_version, d.award_id, d.award_version, d.grant_id, evaluation.inputs,
    g.completions AS granted_on, (
        SELECT jsonb_agg(jsonb_build_object('slot', slot, 'credits', credits::text, 'level', level, 'kind', kind))
        FROM ledger WHERE ledger.grant_id = d.grant_id AND NOT is_withdrawal
    ) AS lines
FROM decision AS d
LEFT JOIN evaluation USING (evaluation_id)
LEFT JOIN credit_grant AS g USING (grant_id)
WHERE d.learner_id = ANY ($1::uuid[])
ORDER BY d.evaluation_id, d.decision_id
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """A decision as it is stored: what was decided, and what it was decided from.

    `evaluation_id` is None where no evaluation came before it, `inputs` where those of its evaluation are not there.
    `lines` and `granted_on` (completions) are those of its grant.
    """

    decision_id: UUID
    completion_id: UUID
    evaluation_id: UUID | None
    inputs: dict[str, Any] | None
    agreement: DocumentVersion | None
    award: DocumentVersion
    state: str
    grounds: list[dict[str, Any]]
    grade: Decimal | None
    claimed_on: date
    is_frozen: bool
    granted_on: tuple[UUID, ...]
    lines: list[dict[str, Any]]


async def learners(connection: Connection, after: UUID, limit: int) -> list[UUID]:
    """The learners of whom there are decisions, by id, from the first that follows `after`."""
    return [row["learner_id"] for row in await connection.fetch(LEARNERS, after, limit)]


async def decisions(connection: Connection, learner_ids: Iterable[UUID]) -> list[Stored]:
    """Every decision on these learners, those of one evaluation after one another."""
    return [_stored(row) for row in await connection.fetch(DECISIONS, list(learner_ids))]


def _stored(row: Any) -> Stored:
    agreement_id = row["agreement_id"]
    return Stored(
        decision_id=row["decision_id"],
        completion_id=row["completion_id"],
        evaluation_id=row["evaluation_id"],
        inputs=row["inputs"],
        agreement=None if agreement_id is None else DocumentVersion(agreement_id, row["agreement_version"]),
        award=DocumentVersion(row["award_id"], row["award_version"]),
        state=row["state"],
        grounds=row["grounds"],
        grade=row["grade"],
        claimed_on=row["claimed_on"],
        is_frozen=row["is_frozen"],
        granted_on=tuple(row["granted_on"] or ()),
        lines=row["lines"] or [],
    )
