"""The database is away: 503 in time and with what to do, nothing half done, bounded, and well again by itself."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from chassis.database import Connection
from tests.conftest import Database
from tests.eventually import eventually
from tests.integration.away.ground import Process, Publisher, Server, process, state

pytestmark = pytest.mark.servers

POOL = 8
"""DATABASE_POOL_SIZE where nothing else is said."""


@asynccontextmanager
async def api(environment: Mapping[str, str], publisher: Publisher) -> AsyncIterator[Process]:
    """The provider's API, with one completion accepted already, so that its keys and connections are there."""
    async with process("provider", "api", environment) as running:
        assert await publisher.publish()
        yield running


@asynccontextmanager
async def load(publisher: Publisher) -> AsyncIterator[None]:
    """Completions are published as fast as they are answered, as long as the block lasts."""
    ended = asyncio.Event()
    task = asyncio.create_task(publisher.until(ended))
    try:
        yield
    finally:
        ended.set()
        await task


async def nothing_is_half_done(publisher: Publisher, owner_url: str) -> None:
    """Send again what was refused; then each completion is there once, with one event, whatever was answered first."""
    await publisher.send_again()
    connection = await asyncpg.connect(owner_url)
    try:
        assert await state(connection) == (publisher.sent,) * 3
    finally:
        await connection.close()


async def test_while_postgres_hangs_every_request_is_refused_in_time(
    environment: dict[str, str], publisher: Publisher, postgres: Server, provider: Database
) -> None:
    async with api(environment, publisher) as running:
        await publisher.at_once(POOL)
        before = running.memory
        postgres.signal(signal.SIGSTOP)
        try:
            # More than the pool has; then again, on what the first left behind.
            assert not any(await publisher.at_once(3 * POOL))
            connections = running.connections_to(postgres.port)
            assert not any(await publisher.at_once(2 * POOL))
            causes = await asyncio.gather(*(running.causes(port) for port in ("METRICS_PORT", "HTTP_PORT") * 4))
            assert all("database" in cause for (cause,) in causes)
            # Each of the pool's may have a request to cancel what it waited for beside it; one more measures.
            assert connections <= 2 * POOL + 2
            assert running.connections_to(postgres.port) <= 2 * POOL + 2
            assert running.memory - before < 64 * 2**20
        finally:
            postgres.signal(signal.SIGCONT)
        await eventually(running.is_ready, within=60)
        await nothing_is_half_done(publisher, provider.owner_url)
        assert running.connections_to(postgres.port) <= POOL + 1


async def test_postgres_is_killed_under_load(
    environment: dict[str, str], publisher: Publisher, postgres: Server, provider: Database
) -> None:
    async with api(environment, publisher) as running:
        async with load(publisher):
            postgres.kill()
            await eventually(lambda: len(publisher.refused) > 30, within=60)
            accepted = len(publisher.accepted)
            await postgres.start()
            await eventually(lambda: len(publisher.accepted) > accepted + 30, within=60)
        await eventually(running.is_ready, within=60)
        await nothing_is_half_done(publisher, provider.owner_url)


async def test_all_sessions_are_ended_again_and_again(
    environment: dict[str, str], publisher: Publisher, postgres: Server, provider: Database
) -> None:
    killer = await asyncpg.connect(postgres.address)
    ended = 0
    async with api(environment, publisher):
        async with load(publisher):
            for _ in range(10):
                ended += await killer.fetchval(
                    "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE usename = 'provider') AS ended"
                )
                accepted = len(publisher.accepted)
                await eventually(lambda accepted=accepted: len(publisher.accepted) > accepted + 5)  # type: ignore[misc]
        await killer.close()
        assert ended >= 10
        await nothing_is_half_done(publisher, provider.owner_url)


async def inject(owner: Connection, what: str) -> None:
    """Let PostgreSQL do something at the commit of whatever accepts a completion."""
    await owner.execute(f"""
        CREATE SEQUENCE tries;
        CREATE FUNCTION inject() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
            AS $$ BEGIN {what} RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER inject AFTER INSERT ON completion_revision DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION inject();
    """)


@pytest.mark.parametrize("error", ["40001", "40P01"])
async def test_a_commit_that_postgres_chose_as_a_victim_is_done_again(
    inside: Publisher, owner: Connection, error: str
) -> None:
    fail = f"IF nextval('tries') % 4 <> 0 THEN RAISE EXCEPTION 'injected' USING ERRCODE = '{error}'; END IF;"
    await inject(owner, fail)
    assert [await inside.publish() for _ in range(3)] == [True] * 3
    assert await owner.fetchval("SELECT last_value FROM tries") == 12
    assert await state(owner) == (3, 3, 3)


@pytest.mark.parametrize("error", ["40001", "40P01", "53100", "57014", "57P01"])
async def test_a_commit_that_never_succeeds_is_no_fault_of_the_request(
    inside: Publisher, owner: Connection, error: str
) -> None:
    await inject(owner, f"RAISE EXCEPTION 'injected' USING ERRCODE = '{error}';")
    assert not await inside.publish()
    assert await state(owner) == (0, 0, 0)


async def a_commit_waits(owner: Connection) -> Any:
    """The session whose commit waits for the lock that the test holds."""
    return await owner.fetchval(
        "SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
    )


async def test_no_answer_says_more_than_is_committed(inside: Publisher, owner: Connection) -> None:
    await inject(owner, "PERFORM pg_advisory_xact_lock(7);")
    await owner.execute("SELECT pg_advisory_lock(7)")
    under_way = asyncio.create_task(inside.publish())
    session = await eventually(lambda: a_commit_waits(owner), every=0.01)
    assert not under_way.done()
    await owner.execute("SELECT pg_terminate_backend($1)", session)
    assert not await under_way
    assert await state(owner) == (0, 0, 0)

    under_way = asyncio.create_task(inside.publish())
    await eventually(lambda: a_commit_waits(owner), every=0.01)
    assert not under_way.done()
    await owner.execute("SELECT pg_advisory_unlock(7)")
    # At the answer, not some time after it.
    assert await under_way
    assert await state(owner) == (1, 1, 1)


async def test_a_commit_that_takes_too_long_is_not_waited_for_and_may_be_sent_again(
    inside: Publisher, owner: Connection, provider: Database
) -> None:
    await inject(owner, "PERFORM pg_advisory_xact_lock(7);")
    await owner.execute("SELECT pg_advisory_lock(7)")
    assert not any(await inside.at_once(2 * POOL))
    await owner.execute("SELECT pg_advisory_unlock(7)")
    await nothing_is_half_done(inside, provider.owner_url)
