"""The runbook's commands for backup and point-in-time restore, run as they stand there (reliability.md, F-38)."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from chassis.consumer import Consumer
from chassis.database import open_pool
from chassis.record import envelope
from chassis.topics import create
from contracts.catalogue import Topic
from contracts.learner_record_enrolment import EnrolmentRecorded
from deploy.local import processes
from deploy.local.ports import free_port
from deploy.local.postgres import Postgres, installation
from tests.eventually import eventually
from tests.integration.chassis.ground import NOW, CountingDesk, enrolment, lay_tables

pytestmark = pytest.mark.servers

RUNBOOK: Final = Path(__file__).parents[3] / "docs" / "runbook.md"


def commands(name: str) -> str:
    """The runbook's block whose first line is this comment."""
    [block] = re.findall(rf"```bash\n# {name}\n(.*?)```", RUNBOOK.read_text(encoding="utf-8"), re.DOTALL)
    return str(block)


async def run(name: str, environment: Mapping[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", commands(name)),
        env=dict(environment),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, output.decode()


@asynccontextmanager
async def running(server: Postgres) -> AsyncIterator[None]:
    """The server at work; it is ended in order with the block."""
    with (server.folder / "log").open("ab") as log:
        process = processes.start(server.command(), log)
        try:

            async def answers() -> bool:
                assert process.poll() is None, (server.folder / "log").read_text()
                return await server.trouble() is None

            await eventually(answers, within=60)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            await asyncio.to_thread(process.wait, 60)


async def send(bootstrap: str, references: Sequence[str]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for reference in references:
            event = enrolment(uuid4(), reference)
            headers = envelope(
                event_id=event.event_id,
                event_type=event.TYPE,
                source="urn:concord:test",
                happened_at=event.happened_at,
                caused_by=None,
                traceparent=None,
            )
            await producer.send_and_wait(event.TOPIC, event.to_bytes(), event.key.encode(), headers=headers)
    finally:
        await producer.stop()


async def applied(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return sorted(row[0] for row in await connection.fetch("SELECT reference FROM effect"))
    finally:
        await connection.close()


@asynccontextmanager
async def service(url: str, bootstrap: str, group: str) -> AsyncIterator[None]:
    """The service that consumes, at work."""
    pool = await open_pool(url)
    consumer = Consumer(
        CountingDesk(reads=(EnrolmentRecorded,)), group=group, pool=pool, bootstrap=bootstrap, clock=lambda: NOW
    )
    task = asyncio.create_task(consumer.run())
    try:
        yield
    finally:
        consumer.stop()
        await asyncio.wait_for(task, 60)
        pool.terminate()


@pytest.fixture
async def topic(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"test.{uuid4().hex}"
    await create(kafka_bootstrap, wanted=[Topic(name, "test", "learner_id", EnrolmentRecorded.TYPE, 1, 1, 524288)])
    monkeypatch.setattr(EnrolmentRecorded, "TOPIC", name)
    return name


async def test_a_restored_service_has_its_own_facts_from_the_wal_and_reads_the_others_again_from_its_fence(
    tmp_path: Path, kafka_bootstrap: str, topic: str
) -> None:
    server = Postgres(tmp_path / "server", free_port(), "of-this-test")
    server.prepare()
    url = server.url
    environment = {
        "PATH": f"{installation() / 'bin'}:{os.environ['PATH']}",
        **{"PGHOST": server.host, "PGPORT": str(server.port), "PGUSER": "postgres", "PGPASSWORD": server.password},
        **{"DATA": str(server.data), "ARCHIVE": str(tmp_path / "archive"), "BACKUP": str(tmp_path / "backup")},
    }
    group = f"g-{uuid4()}"
    async with running(server):
        await run("archive the WAL", environment)
        pool = await open_pool(url)
        await lay_tables(pool)
        await pool.close()
    async with running(server):
        async with service(url, kafka_bootstrap, group):
            await send(kafka_bootstrap, ["E-1", "E-2"])
            await eventually(lambda: _are(url, ["E-1", "E-2"]), within=60)
        await run("back up", environment)

        connection = await asyncpg.connect(url)
        await connection.execute("INSERT INTO member VALUES ('own-after-the-backup', 1)")
        until = await connection.fetchval("SELECT clock_timestamp()::text")
        # What comes after the instant: facts of its own that are undone, and consumed ones that come back.
        await connection.execute("INSERT INTO member VALUES ('own-after-the-instant', 1)")
        async with service(url, kafka_bootstrap, group):
            await send(kafka_bootstrap, ["E-3", "E-4"])
            await eventually(lambda: _are(url, ["E-1", "E-2", "E-3", "E-4"]), within=60)
        await connection.execute("DELETE FROM member")
        await connection.execute("DELETE FROM effect")
        last = await connection.fetchval("SELECT pg_walfile_name(pg_switch_wal())")
        await connection.close()
        await eventually(lambda: (tmp_path / "archive" / last).exists(), within=60)

    await run("restore", environment | {"UNTIL": until})
    async with running(server):
        await run("after the restore", environment)
        connection = await asyncpg.connect(url)
        assert [row[0] for row in await connection.fetch("SELECT member_id FROM member")] == ["own-after-the-backup"]
        await connection.close()
        assert await applied(url) == ["E-1", "E-2"]
        async with service(url, kafka_bootstrap, group):
            await send(kafka_bootstrap, ["E-5"])
            await eventually(lambda: _has(url, "E-5"), within=60)
        # Each once, although Kafka holds the group's committed offset behind E-4.
        assert await applied(url) == ["E-1", "E-2", "E-3", "E-4", "E-5"]


async def _are(url: str, references: list[str]) -> bool:
    return await applied(url) == references


async def _has(url: str, reference: str) -> bool:
    return reference in await applied(url)
