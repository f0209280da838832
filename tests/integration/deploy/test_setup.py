"""The set-up of an installation: as often as wanted, each service shut out of what is not its own."""

import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from chassis.migrate import SERVICES
from contracts.catalogue import topics
from deploy import setup
from tests.servers import Run

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
async def environment(servers: Run, kafka_bootstrap: str) -> AsyncIterator[dict[str, str]]:
    """An installation on a PostgreSQL of its own: the roles of the services belong to a whole server."""
    name = f"postgres-{secrets.token_hex(4)}"
    url = servers.address("postgres", name)
    services = {setup.variable(each): setup.as_role(url, each, "first/p@ss", each) for each in SERVICES}
    environment = {**services, "POSTGRES_OWNER_URL": url, "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap}
    await setup.prepare(environment)
    yield environment
    servers.end_server(name)


async def test_it_can_be_repeated_and_takes_up_a_new_password(environment: dict[str, str]) -> None:
    first, second = environment["PORTAL_DATABASE_URL"], environment["PORTAL_DATABASE_URL"].replace("first", "second")
    await setup.prepare({**environment, "PORTAL_DATABASE_URL": second})
    connection = await asyncpg.connect(second)
    await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(first)
    await setup.prepare(environment)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_has_its_own_database_alone_and_makes_no_table(
    environment: dict[str, str], service: str
) -> None:
    url = environment[setup.variable(service)]
    connection = await asyncpg.connect(url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE public.mine (id int)")
    finally:
        await connection.close()
    for other in {*SERVICES, "postgres"} - {service}:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(url.rpartition("/")[0] + f"/{other}")


async def test_topics_are_made_once(environment: dict[str, str]) -> None:
    from chassis.topics import create

    assert await create(environment["KAFKA_BOOTSTRAP_SERVERS"]) == []
    admin = AIOKafkaAdminClient(bootstrap_servers=environment["KAFKA_BOOTSTRAP_SERVERS"])
    await admin.start()
    try:
        described = await admin.describe_topics([topic.name for topic in topics()])
    finally:
        await admin.close()
    partitions = {topic["topic"]: len(topic["partitions"]) for topic in described}
    assert partitions == {topic.name: topic.partitions for topic in topics()}


async def test_an_address_without_a_password_or_with_another_role_is_refused(postgres_url: str) -> None:
    for url in ("postgresql://provider@127.0.0.1:1/provider", "postgresql://somebody:p@127.0.0.1:1/provider"):
        with pytest.raises(ValueError, match="PROVIDER_DATABASE_URL"):
            await setup.prepare_databases(postgres_url, {"provider": url})
