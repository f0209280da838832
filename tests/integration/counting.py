"""Counts what goes to PostgreSQL: a pool of one connection that is listened to.

Once a connection knows a statement, each one it logs is one round trip; so a batch that is counted is never the first.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

from chassis.database import Connection, Pool


class OnlyConnection:
    """A pool with one connection, which a test can listen to."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def acquire(self, **_: Any) -> nullcontext[Connection]:
        return nullcontext(self._connection)


@dataclass
class Counted:
    """What went over a connection, in order: `BEGIN;`, statements, `COMMIT;`."""

    round_trips: list[str] = field(default_factory=list)

    @property
    def is_one_transaction(self) -> bool:
        """Whether all of it was one transaction that committed, without savepoints."""
        ends = [one for one in self.round_trips if one.startswith(("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT"))]
        return ends == ["BEGIN;", "COMMIT;"] == [self.round_trips[0], self.round_trips[-1]]


@asynccontextmanager
async def counted(connection: Connection) -> AsyncIterator[Counted]:
    """Count what goes over a connection while the block runs."""
    seen = Counted()
    with connection.query_logger(lambda record: seen.round_trips.append(record.query.strip())):
        yield seen
        await asyncio.sleep(0)  # the driver tells of its last statement in the loop's next turn


@asynccontextmanager
async def only_connection(pool: Pool) -> AsyncIterator[tuple[Pool, Connection]]:
    """A pool whose only connection is one of `pool`, and that connection."""
    async with pool.acquire() as connection:
        yield cast("Pool", OnlyConnection(connection)), connection
