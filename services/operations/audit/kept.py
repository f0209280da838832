"""Audits' reports in operations' database, and the newest as a metric."""

import asyncio
import contextlib
from typing import Final

import asyncpg
from prometheus_client import Gauge

from chassis.database import PASSING, Pool, connect, transaction
from services.operations.audit.check import Report

INSERT: Final = "INSERT INTO audit_report (taken_at, report) VALUES ($1, $2)"

NEWEST: Final = """
SELECT report -> 'violations' AS violations, extract(epoch FROM taken_at)::float8 AS taken_at
FROM audit_report ORDER BY id DESC LIMIT 1
"""

LOOKS_EVERY: Final = 15.0
"""Seconds between two looks for a newer report."""

VIOLATIONS: Final = Gauge(
    "concord_auditor_violations", "Rows that broke an invariant in the newest audit.", ["invariant"]
)
TAKEN_AT: Final = Gauge("concord_auditor_taken_at_seconds", "When the newest audit looked, in seconds since the epoch.")


async def keep(url: str, report: Report) -> None:
    """Add a report; `url` is operations' database. Raises what asyncpg raises."""
    connection = await connect(url)
    try:
        await connection.execute(INSERT, report.taken_at, report.as_json())
    finally:
        await connection.close()


class NewestReport:
    """Shows the newest report in this process's metrics."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def run(self) -> None:
        """Look, for ever; while the database is away the metrics stay as they are."""
        while True:
            with contextlib.suppress(*PASSING, asyncpg.InterfaceError):
                await self.show()
            await asyncio.sleep(LOOKS_EVERY)

    async def show(self) -> None:
        """Set the metrics to the newest report, where there is one."""
        async with transaction(self._pool) as connection:
            newest = await connection.fetchrow(NEWEST)
        if newest is not None:
            TAKEN_AT.set(newest["taken_at"])
            for invariant, rows in newest["violations"].items():
                VIOLATIONS.labels(invariant).set(rows)
