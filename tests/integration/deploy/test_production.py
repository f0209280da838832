"""Production as it is meant: TLS everywhere, a user per service with the generated rights, records kept three times."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer

from chassis import migrate, topics
from chassis.consumer import Consumer
from chassis.database import Pool, in_transaction, open_pool
from chassis.outbox import Outgoing, put
from chassis.production import topics_are_kept_safely
from chassis.relay import Relay
from chassis.settings import Settings
from contracts.learner_record_enrolment import EnrolmentRecorded
from deploy.local.ports import free_port
from tests.conftest import Database
from tests.eventually import eventually
from tests.integration.chassis.ground import NOW, CountingDesk, effects, enrolment, lay_tables
from tests.secured import PASSWORD, Certificates, NoServer, SecuredKafka, TlsPostgres, secured_kafka, tls_postgres

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

KEY = "hG3x0pZq9RkVtW5mYb7cN1dLs8fJ2aUe"


@pytest.fixture(scope="module")
async def kafka(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SecuredKafka]:
    """Three brokers with TLS, users, the generated rights, and the topics as the set-up's own user makes them."""
    async with secured_kafka(tmp_path_factory.mktemp("secured")) as cluster:
        await topics.create(cluster.secured, replication=3, access=cluster.access("setup"))
        yield cluster


@pytest.fixture
async def ground(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[tuple[Pool, str]]:
    """The tables of a small service, and their address."""
    url = (await database("chassis")).owner_url
    pool = await open_pool(url)
    await lay_tables(pool)
    yield pool, url
    pool.terminate()


@asynccontextmanager
async def at_work(part: Relay | Consumer) -> AsyncIterator[None]:
    task = asyncio.create_task(part.run())
    try:
        yield
        assert not task.done()
    finally:
        part.stop()
        await asyncio.wait_for(task, 60)


def relay(kafka: SecuredKafka, url: str, user: str, **access: Any) -> Relay:
    return Relay(
        database_url=url,
        bootstrap=kafka.secured,
        source="urn:concord:test",
        clock=lambda: NOW,
        access=kafka.access(user, **access),
    )


def consumer(kafka: SecuredKafka, pool: Pool, user: str, group: str, **access: Any) -> Consumer:
    return Consumer(
        CountingDesk(reads=(EnrolmentRecorded,)),
        group=group,
        pool=pool,
        bootstrap=kafka.secured,
        clock=lambda: NOW,
        access=kafka.access(user, **access),
    )


async def commit(pool: Pool, count: int) -> list[str]:
    references = [f"E-{uuid4().hex[:8]}" for _ in range(count)]  # the column is narrow
    events = [enrolment(uuid4(), reference) for reference in references]
    await in_transaction(pool, lambda connection: put(connection, [Outgoing(one, uuid4(), None) for one in events]))
    return references


async def waiting(pool: Pool) -> int:
    async with pool.acquire() as connection:
        count: int = await connection.fetchval("SELECT count(*) FROM outbox")
        return count


@pytest.mark.parametrize(("reader", "group"), [("recognition", "recognition"), ("operations", "operations")])
async def test_the_owner_writes_its_topic_and_a_reader_reads_it_in_its_group(
    kafka: SecuredKafka, ground: tuple[Pool, str], reader: str, group: str
) -> None:
    pool, url = ground
    sent = await commit(pool, 5)
    async with at_work(relay(kafka, url, "learner_record")):
        await eventually(lambda: _is_empty(pool), within=120)
    async with at_work(consumer(kafka, pool, reader, group)):

        async def all_applied() -> bool:
            return {row[0] for row in await pool.fetch("SELECT reference FROM effect")} >= set(sent)

        await eventually(all_applied, within=120)
    assert len(await effects(pool)) >= 5


async def _is_empty(pool: Pool) -> bool:
    return await waiting(pool) == 0


async def test_another_services_user_cannot_write_a_foreign_topic(
    kafka: SecuredKafka, ground: tuple[Pool, str]
) -> None:
    pool, url = ground
    await commit(pool, 1)
    ends_before = await ends(kafka, EnrolmentRecorded.TOPIC)
    foreign = relay(kafka, url, "recognition")
    async with at_work(foreign):
        await eventually(lambda: "does not give recognition the topic" in (foreign.trouble or ""), within=120)
    assert await waiting(pool) == 1
    assert await ends(kafka, EnrolmentRecorded.TOPIC) == ends_before


async def ends(kafka: SecuredKafka, topic: str) -> Mapping[Any, int]:
    reader = AIOKafkaConsumer(topic, bootstrap_servers=kafka.bootstrap)
    await reader.start()
    try:
        found: Mapping[Any, int] = await reader.end_offsets(reader.assignment())
        assert found
        return found
    finally:
        await reader.stop()


async def test_a_wrong_password_and_an_unknown_authority_are_said_and_tried_again(
    kafka: SecuredKafka, ground: tuple[Pool, str], tmp_path: Path
) -> None:
    pool, url = ground
    others = Certificates(tmp_path)
    others.make()
    for options, words in (
        ({"password": "wrong"}, "does not know learner_record by this password: KAFKA_USERNAME, KAFKA_PASSWORD"),
        (
            {"authority": others.authority},
            "whose certificate is not trusted (CERTIFICATE_VERIFY_FAILED): KAFKA_CA_FILE",
        ),
    ):
        sender = relay(kafka, url, "learner_record", **options)
        reader = consumer(kafka, pool, "learner_record", "learner_record", **options)
        async with at_work(sender), at_work(reader):
            for part in (sender, reader):
                await eventually(lambda part=part, words=words: words in (part.trouble or ""), within=120)


async def test_a_process_with_a_wrong_password_stays_up_and_says_so(
    kafka: SecuredKafka, own_recognition: Database
) -> None:
    environment = {"SERVICE_DATABASE_URL": own_recognition.url, **kafka.environment("recognition", password="wrong")}  # noqa: S106
    async with process("recognition", "worker", environment) as (running, health):

        async def causes() -> str:
            return " ".join((await health())["causes"])

        await eventually(lambda: _says(causes, "does not know recognition by this password"), within=120)
        assert running.returncode is None


async def _says(causes: Callable[[], Awaitable[str]], words: str) -> bool:
    return words in await causes()


@pytest.fixture
async def own_recognition(database: Callable[[str], Awaitable[Database]]) -> Database:
    return await database("recognition")


@asynccontextmanager
async def process(
    service: str, role: str, environment: Mapping[str, str]
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Callable[[], Awaitable[dict[str, Any]]]]]:
    """A process of a service, and its readiness."""
    port = str(free_port())
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", f"services.{service}.main", role),
        env={**os.environ, **environment, "METRICS_PORT": port, "HTTP_PORT": str(free_port())},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )

    async def health() -> dict[str, Any]:
        try:
            async with httpx.AsyncClient(timeout=10) as client:
                answer: dict[str, Any] = (await client.get(f"http://127.0.0.1:{port}/health/ready")).json()
                return answer
        except httpx.TransportError as error:
            return {"ready": False, "causes": [str(error)]}

    try:
        yield running, health
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


async def test_kafkas_own_tool_takes_the_script(kafka: SecuredKafka) -> None:
    await kafka.run_script(lines_of="operations")


async def test_topics_of_three_are_safe_and_a_topic_of_one_is_not(kafka: SecuredKafka, kafka_bootstrap: str) -> None:
    of_three = Settings.model_validate(
        {name.lower(): text for name, text in kafka.environment("operations").items()}
        | {"service_database_url": "postgresql://"}
    )
    assert await topics_are_kept_safely(of_three) is None
    of_one = Settings.model_validate(
        {"kafka_bootstrap_servers": kafka_bootstrap, "service_database_url": "postgresql://"}
    )
    wrong = await topics_are_kept_safely(of_one)
    assert wrong is not None
    assert "provider.completion (replication 1, min.insync.replicas 1)" in wrong
    assert "would lose records with one broker" in wrong


@pytest.fixture(scope="module")
async def postgres(kafka: SecuredKafka, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TlsPostgres]:
    """A PostgreSQL with TLS where the machine has one."""
    try:
        async with tls_postgres(tmp_path_factory.mktemp("tls"), kafka.certificates) as server:
            yield server
    except NoServer as why:
        pytest.skip(f"NOT RUN: TLS to PostgreSQL: {why}")


async def test_postgresql_is_reached_by_tls_with_a_verified_certificate_alone(
    postgres: TlsPostgres, tmp_path: Path
) -> None:
    pool = await open_pool(postgres.url())
    try:
        assert await pool.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    finally:
        await pool.close()
    others = Certificates(tmp_path)
    others.make()
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        await asyncpg.connect(postgres.url(query=f"?sslmode=verify-full&sslrootcert={others.authority}"))
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await asyncpg.connect(postgres.url(query="?sslmode=disable"))


@pytest.fixture(scope="module")
async def production(kafka: SecuredKafka, postgres: TlsPostgres) -> dict[str, str]:
    """The environment of the provider service's worker where all is well, its database migrated over TLS."""
    connection = await asyncpg.connect(postgres.url())
    await connection.execute(f"CREATE ROLE provider LOGIN PASSWORD '{PASSWORD}'")
    await connection.execute("CREATE DATABASE provider")
    await connection.close()
    await migrate.upgrade("provider", postgres.url(database="provider"))
    return {
        "ENVIRONMENT": "production",
        "SERVICE_DATABASE_URL": postgres.url(user="provider", database="provider"),
        "LEARNER_ID_KEY": KEY,
        "OIDC_ISSUER": "https://issuer.example.org",
        "PUBLIC_URL": "https://provider.example.org",
        **kafka.environment("provider"),
    }


async def test_production_serves_where_all_is_well(production: dict[str, str]) -> None:
    async with process("provider", "worker", production) as (_, health):

        async def ready() -> bool:
            return bool((await health())["ready"])

        await eventually(ready, within=90)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"}, "kafka_is_private"),
        ({"LEARNER_ID_KEY": "development-0123456789abcdefghijklmnop"}, "secrets_are_not_for_development"),
        ({"OIDC_ISSUER": "http://issuer.localhost:8080"}, "public_addresses_are_encrypted"),
    ],
)
async def test_production_ends_before_it_serves_where_something_is_not(
    production: dict[str, str], changes: dict[str, str], name: str
) -> None:
    async with process("provider", "worker", production | changes) as (running, _):
        output, _ = await asyncio.wait_for(running.communicate(), 90)
    assert running.returncode == 1
    assert name in output.decode()
    assert "'started'" not in output.decode()
