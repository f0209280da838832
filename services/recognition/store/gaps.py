"""Gaps: current decisions that refer or decline since something is not agreed, by what a registry could agree."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from chassis.database import Connection

# What ground tells what is missing; a cap, a mark or a result is no gap in what is agreed.
# A claim may have several such grounds, and is counted under each. Credit is the provider's; as there may be several
# frameworks, it is ordered by what it is worth in UK credits (domain.md, "Units and levels").
GAPS: Final = """
WITH current AS (
    SELECT d.completion_id, d.enrolment_id, d.completion_revision, d.learner_id, d.provider, d.receiver,
        d.agreement_id, d.state, d.grounds, d.decided_at
    FROM decision AS d
    WHERE ($1::text IS NULL OR d.receiver = $1) AND ($2::text IS NULL OR d.provider = $2)
        AND d.state IN ('REFERRED', 'DECLINED', 'INVALID')
        AND NOT EXISTS (
            SELECT FROM decision AS newer
            WHERE newer.completion_id = d.completion_id AND newer.enrolment_id = d.enrolment_id
                AND newer.number > d.number
        )
)
SELECT current.provider, current.receiver, completion.course, ground.code,
    (array_agg(ground.sentence ORDER BY current.decided_at))[1] AS sentence,
    (array_agg(current.agreement_id ORDER BY current.decided_at))[1] AS agreement, completion.framework,
    count(DISTINCT current.learner_id) AS learners, count(*) AS claims, sum(completion.credits) AS credits,
    min(current.decided_at) AS oldest,
    (SELECT title FROM learning_opportunity AS o WHERE o.learning_opportunity_id = completion.course
     ORDER BY version DESC LIMIT 1) AS title
FROM current
CROSS JOIN LATERAL (
    SELECT DISTINCT ON (one ->> 'code') one ->> 'code' AS code, one ->> 'sentence' AS sentence
    FROM jsonb_array_elements(grounds) AS one
    WHERE one ->> 'code' = ANY ($3::text[])
    ORDER BY one ->> 'code'
) AS ground
CROSS JOIN LATERAL (
    SELECT course, credits, framework FROM completion_revision
    WHERE completion_id = current.completion_id AND revision = current.completion_revision
) AS completion
CROSS JOIN LATERAL (
    SELECT closed_on FROM enrolment_revision WHERE enrolment_id = current.enrolment_id ORDER BY revision DESC LIMIT 1
) AS enrolment
WHERE (enrolment.closed_on IS NULL OR enrolment.closed_on > $4)
    AND NOT EXISTS (SELECT FROM conferral WHERE conferral.enrolment_id = current.enrolment_id AND conferred_on <= $4)
GROUP BY current.provider, current.receiver, completion.course, ground.code, completion.framework
ORDER BY sum(completion.credits * CASE WHEN completion.framework IN ('EQF', 'NFQ') THEN 2 ELSE 1 END) DESC,
    current.provider, current.receiver, completion.course, ground.code
LIMIT $5
"""

CODES: Final = (
    "NO_AGREEMENT",
    "NO_RULE",
    "LEVEL_UNMAPPED",
    "LEVEL_AMBIGUOUS",
    "LEVEL_MISSING",
    "LEVEL_TOO_LOW",
    "LEVEL_MISMATCH",
)


@dataclass(frozen=True, slots=True)
class Gap:
    """What one ground keeps from being recognised of one learning opportunity at one receiver.

    `sentence` is that of the oldest decision. `credits` are in the provider's unit, that of `framework`.
    """

    provider: str
    receiver: str
    course: str
    code: str
    sentence: str
    agreement: str | None
    framework: str
    learners: int
    claims: int
    credits: Decimal
    oldest: datetime
    title: str | None


async def gaps(
    connection: Connection, *, receiver: str | None, provider: str | None, today: date, limit: int
) -> list[Gap]:
    """The gaps at a receiver or of a provider's credit (None: any), where most credit waits first.

    What waits at enrolments that are closed today, or whose award is conferred, is left out.
    """
    rows = await connection.fetch(GAPS, receiver, provider, list(CODES), today, limit)
    return [Gap(*row) for row in rows]
