"""What just happened, asked from the services' databases; every figure with its n."""

import asyncio
import time
from datetime import datetime
from uuid import UUID

import asyncpg
from rich.table import Table

from contracts.ids import completion_id
from deploy.demo.people import Story
from deploy.local.system import System

COMPLETIONS = "SELECT completion_id, min(accepted_at) AS accepted_at FROM completion_revision GROUP BY completion_id"

CURRENT = """
SELECT DISTINCT ON (completion_id, enrolment_id) state, grounds FROM decision
ORDER BY completion_id, enrolment_id, number DESC
"""
DECISIONS_BY_STATE = f"""
WITH current AS ({CURRENT}), ground AS (
    SELECT state, split_part(ground ->> 'code', ':', 1) AS code, count(*) AS n
    FROM current, jsonb_array_elements(grounds) AS ground GROUP BY 1, 2
), commonest AS (
    SELECT state, code, n, row_number() OVER (PARTITION BY state ORDER BY n DESC, code) AS place FROM ground
)
SELECT state, count(*) AS n, (
    SELECT string_agg(code, ', ' ORDER BY place) FROM commonest WHERE place <= 2 AND commonest.state = current.state
) AS grounds
FROM current GROUP BY state ORDER BY n DESC
"""  # noqa: S608 - of its own parts

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
    """Completions, decisions by state with their commonest grounds, and how long it took until they could be seen."""
    accepted: dict[UUID, datetime] = {
        row["completion_id"]: row["accepted_at"] for row in await fetch(system, "provider", COMPLETIONS)
    }
    seconds = sorted(
        (row["updated_at"] - accepted[row["completion_id"]]).total_seconds()
        for row in await fetch(system, "learner-record", VISIBLE)
    )
    shown = Table(title="What just happened", title_justify="left", show_header=False, box=None, padding=(0, 1))
    shown.add_row("  completions accepted", f"{len(accepted):,}", "")
    for row in await fetch(system, "recognition", DECISIONS_BY_STATE):
        why = f"mostly {row['grounds'].replace(', ', ' or ')}" if row["grounds"] else ""
        shown.add_row(f"  decisions {row['state']}", f"{row['n']:,}", why)
    shown.add_row(
        "  published → on the record",
        f"{_at(seconds, 0.5):.1f} s",
        f"median of {len(seconds):,} published at once; p99 {_at(seconds, 0.99):.1f} s",
    )
    shown.columns[1].justify = "right"
    return shown


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def addresses(system: System, told: Story) -> Table:
    """Where to look: three learners' pages, a journey of the first one's credit, the API documentation."""
    at = system.addresses
    first, unenrolled, watched = told.first, told.unenrolled, told.watched
    provider, row = next(
        (provider, row)
        for provider, rows in told.completions.items()
        for row in rows
        if row["learner"]["identifier"] == first.identifier
    )
    journey = f"{at['operations']}/journeys/{completion_id(provider, row['reference'])}/page"
    shown = Table(title="Where to look", title_justify="left", show_header=False, box=None, padding=(0, 1))
    shown.add_column(overflow="fold")
    shown.add_column(overflow="ignore", no_wrap=True)
    for page, who in (
        (f"{at['portal']}/{first.home}/", f"sign in as {first.name}: her capstone is open"),
        (f"{at['portal']}/{watched.home}/", f"sign in as {watched.name}: the page moves as you look"),
        (
            f"{at['portal']}/{unenrolled.home}/",
            f"sign in as {unenrolled.name}: enrolled nowhere, with a record all the same",
        ),
        (journey, f"sign in as Operations: how {first.name.split()[0]}'s credit travelled, hop by hop"),
        *(
            (f"{at[service]}/docs", "API documentation")
            for service in ("provider-api", "recognition-api", "learner-record-api")
        ),
    ):
        shown.add_row(f"  {who}", page)
    return shown
