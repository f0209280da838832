"""Learning opportunities and receivers as recognition knows them, for questions about where something would count."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from chassis.database import Connection

OPPORTUNITY: Final = """
SELECT learning_opportunity_id, version, member, title, credits, framework, level FROM learning_opportunity
WHERE learning_opportunity_id = $1 AND ($2::integer IS NULL OR version = $2)
ORDER BY version DESC LIMIT 1
"""

RECEIVERS: Final = "SELECT member_id, referrals_to, appeals FROM member WHERE member_id = ANY ($1::text[])"


@dataclass(frozen=True, slots=True)
class Opportunity:
    """A version of a learning opportunity; credits and level are in its framework."""

    id: str
    version: int
    member: str
    title: str | None
    credits: Decimal
    framework: str
    level: int | None


async def opportunity(connection: Connection, id_: str, version: int | None) -> Opportunity | None:
    """A version of a learning opportunity, or the newest; None where it is not known."""
    row = await connection.fetchrow(OPPORTUNITY, id_, version)
    return None if row is None else Opportunity(*row)


async def receivers(connection: Connection, member_ids: Iterable[str]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Who takes the referrals of each of these members, and how one appeals against its decisions."""
    rows = await connection.fetch(RECEIVERS, sorted(member_ids))
    return {row["member_id"]: (row["referrals_to"], row["appeals"]) for row in rows}
