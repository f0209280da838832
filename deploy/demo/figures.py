"""What just happened, asked from the services' databases; every figure with its n."""

import asyncio
import time
from datetime import datetime
from uuid import UUID

import asyncpg

from contracts.ids import completion_id
from deploy.demo.people import Story
from deploy.local.system import System

ACCEPTED = "SELECT completion_id, min(accepted_at) AS accepted_at FROM completion_revision GROUP BY completion_id"
ARRIVED = "SELECT count(DISTINCT completion_id) FROM completion_revision"

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
    SELECT string_agg(code, ' or ' ORDER BY place) FROM commonest WHERE place <= 2 AND commonest.state = current.state
) AS grounds
FROM current GROUP BY state ORDER BY n DESC
"""  # noqa: S608 - of its own parts

WITHOUT_AGREEMENT = f"""
SELECT count(*) FROM ({CURRENT}) AS current
WHERE state IN ('REFERRED', 'INCOMPLETE') AND grounds @> '[{{"code": "NO_AGREEMENT"}}]'
"""  # noqa: S608 - of its own parts
"""Open claims that wait for an agreement (what was declined meanwhile stays: decision.md, What is open)."""

CLAIMS = """
SELECT count(*)
FROM (SELECT DISTINCT completion_id, provider, learner_id FROM completion_revision) AS completion
JOIN enrolment USING (learner_id)
WHERE enrolment.member <> completion.provider
"""

VISIBLE = "SELECT completion_id, updated_at FROM entry WHERE decision_number = 1"


APIS = {
    "provider-api": "what members publish",
    "recognition-api": "agreements, awards and decisions",
    "learner-record-api": "enrolments and records",
}


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
        accepted = (await fetch(system, "provider", ARRIVED))[0][0]
        arrived = (await fetch(system, "learner-record", ARRIVED))[0][0]
        wanted = (await fetch(system, "learner-record", CLAIMS))[0][0]
        there = len(await fetch(system, "learner-record", VISIBLE))
        if arrived >= accepted and there >= wanted:
            return
        if time.monotonic() > ends_at:
            raise NotSettled(f"{there} of {wanted} claims are decided after {within:.0f} s")
        await asyncio.sleep(0.5)  # a question costs a connection


async def what_happened(system: System, told: Story) -> list[tuple[str, str, str]]:
    """Completions, decisions by state with their commonest grounds, and how long it took until they could be seen."""
    rows = [("completions accepted", f"{(await fetch(system, 'provider', ARRIVED))[0][0]:,}", "")]
    for row in await fetch(system, "recognition", DECISIONS_BY_STATE):
        grounds = f"mostly {row['grounds']}" if row["grounds"] else ""
        rows.append((f"decisions {row['state']}", f"{row['n']:,}", grounds))
    return [*rows, await until_seen(system, told, at_once=True)]


async def until_seen(system: System, told: Story, *, at_once: bool) -> tuple[str, str, str]:
    """Seconds from the acceptance of a completion to its first decision on the record.

    Of those that were published at once, which are the learners'; or of those published one by one after them.
    """
    sent_at_once = {
        completion_id(member, row["reference"]) for member, rows in told.completions.items() for row in rows
    }
    accepted: dict[UUID, datetime] = {
        row["completion_id"]: row["accepted_at"]
        for row in await fetch(system, "provider", ACCEPTED)
        if (row["completion_id"] in sent_at_once) is at_once
    }
    seconds = sorted(
        (row["updated_at"] - accepted[row["completion_id"]]).total_seconds()
        for row in await fetch(system, "learner-record", VISIBLE)
        if row["completion_id"] in accepted
    )
    how = "at once" if at_once else "one by one"
    spread = f"median of {len(seconds):,} {how}; p99 {_at(seconds, 0.99):.1f} s"
    return "published → on the record", f"{_at(seconds, 0.5):.1f} s", spread


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def addresses(system: System, told: Story) -> list[str]:
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
    pages = [
        (f"{at['portal']}/{first.home}/", f"sign in as {first.name}: her capstone is open"),
        (f"{at['portal']}/{watched.home}/", f"sign in as {watched.name}: her page moves as you look"),
        (f"{at['portal']}/{unenrolled.home}/", f"sign in as {unenrolled.name}: enrolled nowhere, with a record"),
        (journey, f"sign in as Operations: how {first.name.split()[0]}'s credit travelled, hop by hop"),
    ]
    return [
        *(line for page, what in pages for line in (f"  {page}", f"      {what}")),
        *(f"  {at[service]}/docs  API: {what}" for service, what in APIS.items()),
    ]
