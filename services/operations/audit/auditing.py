"""The audit itself: copy, prepare, run every check, and look again while something is still under way."""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from services.operations.audit import decisions, ground, ledger, rights, topics
from services.operations.audit.check import SHOWN, Check, Report, Result, Violation
from services.operations.audit.reading import Session, scratch

CHECKS: Final[tuple[Check, ...]] = tuple(
    sorted(
        (*decisions.CHECKS, *ledger.CHECKS, *topics.CHECKS, *rights.CHECKS),
        key=lambda check: int(check.invariant.removeprefix("I-")),
    )
)
"""Every check, in the order of its invariant in docs/reliability.md."""

GRACE: Final = 15.0
"""Seconds within which a fact may still be on its way without being seen anywhere: longer than any transaction may be
open (10 s), and than the snapshots of the databases lie apart."""
AGAIN_EVERY: Final = 1.0

# One statement per check: of what is wrong in one way, or waits for one thing, how many and the first few.
SUMMARY: Final = """
WITH row AS ({sql})
SELECT wrong, CASE WHEN wrong IS NOT NULL THEN waits END AS waits, count(*) AS rows,
    (array_agg(id ORDER BY id) FILTER (WHERE wrong IS NOT NULL))[1:{shown}] AS ids
FROM row GROUP BY 1, 2 ORDER BY 3 DESC, 1
"""


async def audit(
    urls: Mapping[str, str], *, zone: str = "UTC", grace: float = GRACE, settle_within: float = 0.0
) -> Report:
    """Check every invariant that the databases show, once; the caller decides what follows from the report.

    `urls` has the address of each service's database under the service's own role (provider, recognition,
    learner_record, operations); `zone` is the consortium's time zone, in which a day is a day.

    With `settle_within` it looks again, for so many seconds at most, while anything is under way. Raises what asyncpg
    raises where a database cannot be read.
    """
    deadline = time.monotonic() + settle_within
    while True:
        async with scratch(urls) as (session, taken_at):
            report = await _look(session, taken_at, zone, grace)
        if not _under_way(report) or time.monotonic() > deadline:
            return report
        await asyncio.sleep(AGAIN_EVERY)


def _under_way(report: Report) -> bool:
    """Whether something may still arrive by itself."""
    return any(name.startswith(("event", "cause", "younger", "to be looked at")) for name in report.waiting)


async def _look(session: Session, taken_at: datetime, zone: str, grace: float) -> Report:
    await session.execute("SET work_mem = '64MB'")
    await session.execute(
        "CREATE TEMPORARY TABLE parameter (moment timestamptz NOT NULL, grace interval NOT NULL, zone text NOT NULL)"
    )
    await session.execute("INSERT INTO parameter VALUES ($1, $2, $3)", taken_at, timedelta(seconds=grace), zone)
    for statement in (*ground.STATEMENTS, *decisions.STATEMENTS, *ledger.STATEMENTS):
        await session.execute(statement)
    return Report(taken_at, [await _run(session, check) for check in CHECKS])


async def _run(session: Session, check: Check) -> Result:
    examined = 0
    violations: list[Violation] = []
    waiting: dict[str, int] = {}
    for row in await session.fetch(SUMMARY.format(sql=check.sql, shown=SHOWN)):
        examined += row["rows"]
        if row["waits"] is not None:
            waiting[row["waits"]] = waiting.get(row["waits"], 0) + row["rows"]
        elif row["wrong"] is not None:
            violations.append(Violation(row["wrong"], row["rows"], row["ids"]))
    return Result(check.invariant, check.sentence, examined, violations, waiting)
