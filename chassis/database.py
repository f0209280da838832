"""Connections to a service's own PostgreSQL, and what its errors mean to whoever holds an unfinished transaction."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:  # asyncpg's classes take no parameters at run time
    Connection = asyncpg.Connection | PoolConnectionProxy
    Pool = asyncpg.Pool
Result = TypeVar("Result")

COMMAND_TIMEOUT = 5.0
"""Seconds a statement may take before its caller gives up, so that a stopped server is an error and not a hang."""

SESSION: dict[str, str] = {
    # A stopped process whose transaction is open loses it, and its locks, after this.
    "idle_in_transaction_session_timeout": "10s",
    # One whose result is on the way stays `active`; only the kernel's time-out on unacknowledged data ends that.
    "tcp_user_timeout": "8000",
}

PASSING = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.CannotConnectNowError,
    asyncpg.InvalidAuthorizationSpecificationError,
    # What asyncpg says of a connection whose session was just ended, until it has noticed that itself.
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""What another try may cure: the server is away, restarting, overloaded, or chose this transaction as a victim."""

ABOUT_THE_DATA = (
    asyncpg.DataError,
    # asyncpg's own refusal to send a value; it is an InterfaceError too, but no repetition cures it.
    asyncpg.exceptions._base.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)
"""What no repetition cures: somebody's value does not fit, and the batch is tried one by one to find whose."""


def is_passing(error: BaseException) -> bool:
    """Whether the same transaction may succeed when it is tried again."""
    if isinstance(error, ABOUT_THE_DATA):
        return False
    # InterfaceError is asyncpg's own word for a connection that was closed under its user.
    return isinstance(error, (*PASSING, asyncpg.InterfaceError))


async def _prepare(connection: Connection) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name, schema="pg_catalog", encoder=lambda value: orjson.dumps(value).decode(), decoder=orjson.loads
        )


async def connect(url: str, **settings: str) -> "asyncpg.Connection[asyncpg.Record]":
    """One connection of a process's own, with the same protections as the pool's and the given settings besides."""
    connection = await asyncpg.connect(
        url, timeout=COMMAND_TIMEOUT, command_timeout=COMMAND_TIMEOUT, server_settings={**SESSION, **settings}
    )
    await _prepare(connection)
    return connection


async def open_pool(url: str, *, size: int = 8) -> Pool:
    """A pool of at most `size` connections; none is opened before it is needed, so a server may come later."""
    return await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        timeout=COMMAND_TIMEOUT,
        command_timeout=COMMAND_TIMEOUT,
        server_settings=SESSION,
        init=_prepare,
    )


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A transaction on a connection of the pool; a connection is waited for no longer than a statement is."""
    async with pool.acquire(timeout=COMMAND_TIMEOUT) as connection, connection.transaction():
        yield connection


class _TakenBack(Exception):
    """The end of work that is not to be kept."""


async def in_transaction(
    pool: Pool, work: Callable[[Connection], Awaitable[Result]], *, tries: int = 5, keep: bool = True
) -> Result:
    """Do `work` in one transaction; where PostgreSQL chose it as a victim (40001, 40P01) do it again, whole.

    Without `keep` all is done as ever and then rolled back: what it gave says what would have been. Raises what the
    last try raised. Any other error is raised at once: a commit whose answer was lost may have happened, and only the
    caller knows whether repeating is harmless.
    """
    for attempt in range(1, tries + 1):
        try:
            async with transaction(pool) as connection:
                result = await work(connection)
                if not keep:
                    raise _TakenBack
                return result
        except _TakenBack:
            return result
        except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
            if attempt == tries:
                raise
            await asyncio.sleep(0.01 * 2**attempt)
    raise AssertionError("unreachable")


def columns(rows: list[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Turn rows into the column arrays that `unnest` takes; `width` says how many where there are no rows."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
