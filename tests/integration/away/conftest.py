"""A PostgreSQL and a Kafka that may be hurt, healed after every test; the provider's databases and settings on them."""

import secrets
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from chassis import topics
from chassis.database import open_pool
from deploy.local.kafka import Kafka
from deploy.local.ports import free_port
from deploy.local.postgres import Postgres
from tests.conftest import Database
from tests.databases import create
from tests.integration.away.ground import Publisher, Server
from tests.integration.provider.ground import KEY, Ground
from tests.servers import Run
from tests.tokens import Issuer


@pytest.fixture(scope="package")
async def own_postgres(servers: Run) -> AsyncIterator[Server]:
    """A PostgreSQL of these tests."""
    at = Postgres(servers.folder / f"away-{secrets.token_hex(4)}", free_port(), secrets.token_urlsafe(12))
    at.prepare()
    server = Server(at.url, at.port, at.command(), at.trouble, Path(f"{at.folder}.log"))
    await server.start()
    yield server
    server.kill()
    at.remove()


@pytest.fixture
async def postgres(own_postgres: Server) -> AsyncIterator[Server]:
    """The same, healed after the test."""
    yield own_postgres
    if own_postgres.runs:
        own_postgres.signal(signal.SIGCONT)
    else:
        await own_postgres.start()


@pytest.fixture
async def kafka(servers: Run) -> AsyncIterator[Server]:
    """A Kafka of the test's own, with its topics: consumer groups are the services' own here."""
    cluster = Kafka.on_free_ports(servers.folder / f"away-kafka-{secrets.token_hex(4)}")
    cluster.prepare()
    (broker,) = cluster.brokers
    server = Server(
        cluster.bootstrap,
        broker.port,
        cluster.command(broker),
        lambda: cluster.trouble(broker),
        Path(f"{cluster.folder}.log"),
    )
    await server.start()
    await topics.create(server.address)
    yield server
    if server.runs:
        server.kill()
    shutil.rmtree(cluster.folder, ignore_errors=True)


async def _database(postgres: Server, service: str) -> Database:
    return Database(*await create(postgres.address, service, f"{service}_{secrets.token_hex(6)}", "of-the-tests"))


@pytest.fixture
async def provider(postgres: Server) -> Database:
    """A database of the provider's."""
    return await _database(postgres, "provider")


@pytest.fixture
async def recognition(postgres: Server) -> Database:
    """A database of recognition's."""
    return await _database(postgres, "recognition")


@pytest.fixture
async def owner(provider: Database, postgres: Server) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The superuser in the provider's database, who sees all sessions and injects faults."""
    connection = await asyncpg.connect(postgres.within(provider))
    yield connection
    connection.terminate()


@pytest.fixture(scope="package")
def issuer() -> Iterator[Issuer]:
    """Whose tokens the provider takes."""
    with Issuer() as issuer:
        yield issuer


@pytest.fixture
def environment(provider: Database, issuer: Issuer) -> dict[str, str]:
    """The settings of the provider's processes; nothing answers where Kafka should be."""
    return {
        "SERVICE_DATABASE_URL": provider.url,
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}",
        "OIDC_ISSUER": issuer.url,
        "LEARNER_ID_KEY": KEY.decode(),
        "HTTP_PORT": str(free_port()),
    }


@pytest.fixture
async def publisher(environment: dict[str, str], issuer: Issuer) -> AsyncIterator[Publisher]:
    """A member's system that calls the provider's API process; it waits for an answer far beyond the promise."""
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{environment['HTTP_PORT']}",
        headers=issuer.headers("publisher", member="northbridge"),
        timeout=60,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
    ) as http:
        yield Publisher(http)


@pytest.fixture
async def inside(provider: Database) -> AsyncIterator[Publisher]:
    """The same with the provider's API inside the test's process, where that makes no difference."""
    pool = await open_pool(provider.url)
    async with Ground(pool).caller("northbridge", "publisher") as http:
        yield Publisher(http)
    pool.terminate()
