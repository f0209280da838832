"""What just happened, asked from the services' databases; every figure with its n."""

import asyncio
import time
from datetime import datetime
from uuid import UUID

import asyncpg
from rich.table import Table

from contracts.ids import completion_id
from deploy.demo.people import Document, Story
from deploy.local.system import System

COMPLETIONS = "SELECT completion_id, min(accepted_at) AS accepted_at FROM completion_revision GROUP BY completion_id"

DECISIONS_BY_STATE = """
SELECT state, count(*) AS n
FROM (
    SELECT DISTINCT ON (completion_id, enrolment_id) state FROM decision
    ORDER BY completion_id, enrolment_id, number DESC
) AS current
GROUP BY state ORDER BY n DESC
"""

CLAIMS = """
SELECT count(*)
FROM (SELECT DISTINCT completion_id, provider, learner_id FROM completion_revision) AS completion
JOIN enrolment USING (learner_id)
WHERE enrolment.member <> completion.provider
"""

VISIBLE = "SELECT completion_id, updated_at FROM entry WHERE decision_number = 1"


class NotSettled(Exception):
    """The decisions of the demo were not all there in time."""


async def fetch(system: System, service: str, sql: str, *arguments: object) -> list[asyncpg.Record]:
    """Ask a service's database (`learner-record` …), under the service's own role."""
    url = system.environment(f"{service}-api")["SERVICE_DATABASE_URL"]
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch(sql, *arguments))
    finally:
        await connection.close()


async def settled(system: System, *, within: float) -> None:
    """Wait until every claim of the demo has its first decision on the record. Raises NotSettled."""
    ends_at = time.monotonic() + within
    while True:
        accepted = len(await fetch(system, "provider", COMPLETIONS))
        arrived = len(await fetch(system, "learner-record", COMPLETIONS))
        wanted = (await fetch(system, "learner-record", CLAIMS))[0][0]
        there = len(await fetch(system, "learner-record", VISIBLE))
        if arrived >= accepted and there >= wanted:
            return
        if time.monotonic() > ends_at:
            raise NotSettled(f"{there} of {wanted} claims are decided after {within:.0f} s")
        await asyncio.sleep(0.1)


async def table(system: System) -> Table:
    """Completions, decisions by state, and how long it took until they could be seen."""
    accepted: dict[UUID, datetime] = {
        row["completion_id"]: row["accepted_at"] for row in await fetch(system, "provider", COMPLETIONS)
    }
    seconds = sorted(
        (row["updated_at"] - accepted[row["completion_id"]]).total_seconds()
        for row in await fetch(system, "learner-record", VISIBLE)
    )
    shown = Table(title="What just happened", title_justify="left", show_header=False, box=None, padding=(0, 2))
    shown.add_row("completions accepted", str(len(accepted)))
    for row in await fetch(system, "recognition", DECISIONS_BY_STATE):
        shown.add_row(f"decisions {row['state']}", str(row["n"]))
    shown.add_row(
        "published → on the record",
        f"median {_at(seconds, 0.5) * 1000:.0f} ms, p99 {_at(seconds, 0.99) * 1000:.0f} ms (n = {len(seconds)})",
    )
    return shown


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def addresses(system: System, told: Story, document: Document) -> list[str]:
    """Where to look: the first learner's page, the journey of one of her completions, the API documentation."""
    at = system.addresses
    learner = told.learners[0]
    member = document["members"][learner.home]["name"]
    sent = next(
        (provider, row["reference"])
        for provider, rows in told.completions.items()
        for row in rows
        if provider != learner.home and row["learner"]["identifier"] == learner.identifier
    )
    journey = f"{at['operations']}/journeys/{completion_id(*sent)}/page"
    return [
        f"a learner's page        {at['portal']}/{learner.home}/   ({member}: sign in as {learner.name})",
        f"a completion's journey  {journey}   (sign in as Operations)",
        "API documentation       "
        + " · ".join(f"{at[service]}/docs" for service in ("provider-api", "recognition-api", "learner-record-api")),
    ]
