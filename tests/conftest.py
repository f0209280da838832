"""What every test may ask for: the run's PostgreSQL and Kafka, and databases of its own on that PostgreSQL."""

import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import structlog

from tests.servers import Run

_RUN = "CONCORD_TEST_RUN"
_PASSWORD = "of-the-test-roles"  # noqa: S105  # on a server that ends with the run


_run = pytest.StashKey[Run]()


def pytest_configure(config: pytest.Config) -> None:
    """The run begins in the process that the user started; the workers of a parallel run find it in the environment."""
    if hasattr(config, "workerinput"):
        folder, owner = os.environ[_RUN].rsplit(":", 1)
        config.stash[_run] = Run(Path(folder), int(owner))
        return
    run = Run.begin()
    os.environ[_RUN] = f"{run.folder}:{run.owner}"
    config.stash[_run] = run
    config.add_cleanup(run.end)


@pytest.fixture(autouse=True, scope="session")
def plain_logs() -> None:
    """As a process writes them: structlog's own tracebacks take seconds, and these are written in a transaction."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()])


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Run:
    """The servers of this run; nothing starts before its address is asked for."""
    return request.config.stash[_run]


@pytest.fixture(scope="session")
def postgres_url(servers: Run) -> str:
    """The run's PostgreSQL, as its superuser. Tests work in databases of their own: see `database`."""
    return servers.address("postgres")


@pytest.fixture(scope="session")
async def kafka_bootstrap(servers: Run) -> str:
    """The run's Kafka with the topics of topics.yaml; all tests share it: each uses its own learner ids and groups."""
    from chassis import topics

    bootstrap = servers.address("kafka")
    await topics.create(bootstrap)
    return bootstrap


@pytest.fixture
def own_kafka(servers: Run) -> Iterator[Callable[[int], str]]:
    """A function that starts a Kafka of the test's own with so many brokers, without topics; it ends with the test."""
    names: list[str] = []

    def start(brokers: int = 1) -> str:
        names.append(f"kafka-{secrets.token_hex(4)}")
        return servers.address(f"kafka:{brokers}", names[-1])

    yield start
    for name in names:
        servers.end_server(name)


class Database(NamedTuple):
    """A database of a test's own."""

    url: str
    """As the service sees it: with only the rights that its migrations grant."""
    owner_url: str
    """As its owner sees it."""


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Callable[[str], Awaitable[Database]]]:
    """An async function that makes a fresh database with the migrations of the service it names; dropped afterwards.

    A name that no service has gives an empty database, of which both addresses are the owner's.
    """
    from deploy import setup
    from tests.databases import create

    made: list[str] = []

    async def make(service: str) -> Database:
        name = f"{service}_{secrets.token_hex(6)}"
        made.append(name)
        return Database(*await create(postgres_url, service, name, _PASSWORD))

    yield make
    async with setup.alone(postgres_url) as connection:
        for name in made:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
