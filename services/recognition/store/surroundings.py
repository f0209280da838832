"""What lint compares a document with: members, learning opportunities, awards and agreements as they are now."""

from fractions import Fraction
from typing import Final

from chassis.database import Connection
from contracts.documents.agreement import Bilateral, Multilateral
from services.recognition.lint.catalogue import (
    Appeals,
    Catalogue,
    LearningOpportunity,
    Member,
    PublishedAgreement,
    PublishedAward,
)

MEMBERS: Final = "SELECT member_id, framework, referrals_to, appeals FROM member"
LEARNING_OPPORTUNITIES: Final = (
    "SELECT learning_opportunity_id, version, credits, framework, level FROM learning_opportunity"
)
AWARDS: Final = """
SELECT DISTINCT ON (award_id) award_id, member, document -> 'slots' AS slots
FROM award ORDER BY award_id, version DESC
"""
AGREEMENTS: Final = """
SELECT DISTINCT ON (agreement_id) agreement_id, document -> 'parties' AS parties
FROM agreement ORDER BY agreement_id, version DESC
"""


async def read(connection: Connection) -> Catalogue:
    """The catalogue for lint, at the newest revision or version of everything."""
    return Catalogue(
        members=tuple(
            Member(
                id=row["member_id"],
                framework=row["framework"],
                referrals_to=row["referrals_to"],
                appeals=Appeals(route=row["appeals"]["route"]),
            )
            for row in await connection.fetch(MEMBERS)
        ),
        learning_opportunities=tuple(
            LearningOpportunity(
                id=row["learning_opportunity_id"],
                version=row["version"],
                credits=Fraction(row["credits"]),
                framework=row["framework"],
                level=row["level"],
            )
            for row in await connection.fetch(LEARNING_OPPORTUNITIES)
        ),
        awards=tuple(
            PublishedAward(id=row["award_id"], member=row["member"], slots=tuple(row["slots"]))
            for row in await connection.fetch(AWARDS)
        ),
        agreements=tuple(
            PublishedAgreement(id=row["agreement_id"], parties=_parties(row["parties"]))
            for row in await connection.fetch(AGREEMENTS)
        ),
    )


def _parties(parties: dict[str, object]) -> Bilateral | Multilateral:
    kind = Multilateral if "members" in parties else Bilateral
    return kind.model_validate(parties, strict=False)
