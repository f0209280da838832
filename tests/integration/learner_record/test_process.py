"""The whole service as one process, on a real broker: from a completion on its topic to an entry on another."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from chassis import topics
from contracts.event import Event
from contracts.ids import enrolment_id
from contracts.learner_record_entry import EntryUpdated
from deploy.local.ports import free_port
from services.learner_record.views import RecordView
from tests.conftest import Database
from tests.eventually import eventually
from tests.integration.chassis.ground import headers_of
from tests.integration.learner_record.ground import KEY, completion, decision, enrolment, esi, grant, learner_id, member
from tests.tokens import Issuer

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


@pytest.fixture
async def kafka_bootstrap(own_kafka: Callable[[int], str]) -> str:
    """A broker of this test's own: on the shared one stand other tests' completions under the same references."""
    bootstrap = own_kafka(1)
    await topics.create(bootstrap)
    return bootstrap


class Process:
    """`python -m services.learner_record.main all`."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, health: str, log: Path) -> None:
        self.process = process
        self.url = url
        self.health = health
        self.log = log

    async def is_ready(self) -> bool:
        assert self.process.returncode is None, self.log.read_text()[-4000:]
        with contextlib.suppress(httpx.TransportError):
            async with httpx.AsyncClient() as client:
                return (await client.get(f"{self.health}/health/ready")).status_code == 200
        return False


@pytest.fixture
async def process(
    own_database: Database, kafka_bootstrap: str, issuer: Issuer, tmp_path: Path
) -> AsyncIterator[Process]:
    http, metrics = free_port(), free_port()
    settings = {
        "SERVICE_DATABASE_URL": own_database.url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "OIDC_ISSUER": issuer.url,
        "LEARNER_ID_KEY": KEY.decode(),
        "LEARNER_SCHEME": "ESI",
        "HTTP_PORT": str(http),
        "METRICS_PORT": str(metrics),
    }
    log = tmp_path / "log"
    with log.open("wb") as file:
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.learner_record.main", "all",
            env={**os.environ, **settings}, stdout=file, stderr=file,
        )  # fmt: skip
    process = Process(started, f"http://127.0.0.1:{http}", f"http://127.0.0.1:{metrics}", log)
    try:
        yield process
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()
        print(log.read_text()[-6000:])  # noqa: T201 - pytest shows it where the test failed


async def send(bootstrap: str, *events: Event) -> None:
    """Put events on their topics."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for event in events:
            await producer.send_and_wait(event.TOPIC, event.to_bytes(), event.key.encode(), headers=headers_of(event))
    finally:
        await producer.stop()


async def test_from_completion_to_entry_through_faults_to_a_clean_end(
    process: Process, own_database: Database, kafka_bootstrap: str, issuer: Issuer, postgres_url: str
) -> None:
    code = uuid4().hex
    await eventually(process.is_ready, within=60)
    headers = issuer.headers("learner", learner=esi(code))
    async with httpx.AsyncClient(base_url=process.url, timeout=30) as client:

        async def states() -> list[str]:
            record = RecordView.model_validate_json((await client.get("/record", headers=headers)).content)
            return [
                entry.state
                for at in record.members
                for entry in (*at.own_credit, *(one for each in at.enrolments for one in each.entries))
            ]

        body = enrolment("strathmore", code=code)
        answer = await client.put(
            "/enrolments/E-1", json=body, headers=issuer.headers("publisher", member="strathmore")
        )
        assert answer.status_code == 201
        await send(kafka_bootstrap, member("strathmore"), completion(code=code))
        await eventually(lambda: has(states, ["EARNED", "RECEIVED"]), within=60)
        # A passing fault: every session of the service ends, and it goes on by itself.
        await terminate_sessions(postgres_url, own_database)
        await send(kafka_bootstrap, decision(1, code=code, grant=grant("C-1")))
        await eventually(lambda: has(states, ["EARNED", "RECOGNISED"]), within=60)

        async def revisions() -> dict[tuple[str, int], dict[str, bytes]]:
            return await entries_on_topic(kafka_bootstrap, code)

        sent = await eventually(
            lambda: with_all(revisions, {("EARNED", 1), ("RECEIVED", 1), ("RECOGNISED", 2)}), within=60
        )
        assert sent["RECOGNISED", 2]["caused_by"] == str(decision(1, code=code).event_id).encode()
        assert sent["RECOGNISED", 2]["ce_source"] == b"urn:concord:concord:learner_record"

        async with client.stream("GET", "/record/stream", headers=headers) as stream:
            lines = stream.aiter_lines()
            assert [line async for line in until_data(lines)][-1].startswith("data: ")
            process.process.send_signal(signal.SIGTERM)
            assert [line async for line in lines if line.startswith("data")] == []
        assert await asyncio.wait_for(process.process.wait(), 30) == 0, process.log.read_text()[-4000:]
    # It ended by itself, and not because its time for that was over.
    assert "graceful" not in process.log.read_text()
    assert "personaluniquecode" not in process.log.read_text().lower()


async def has(states, wanted: list[str]) -> bool:  # type: ignore[no-untyped-def]
    try:
        return bool(await states() == wanted)
    except (httpx.HTTPError, ValueError):
        return False


async def with_all(revisions, wanted: set[tuple[str, int]]):  # type: ignore[no-untyped-def]
    found = await revisions()
    return found if wanted <= found.keys() else None


async def until_data(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    async for line in lines:
        yield line
        if line.startswith("data"):
            return


async def terminate_sessions(postgres_url: str, database: Database) -> None:
    name = database.url.rsplit("/", 1)[1].split("?")[0]
    superuser = await asyncpg.connect(postgres_url)
    try:
        ended = await superuser.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        assert ended
    finally:
        await superuser.close()


async def entries_on_topic(bootstrap: str, code: str) -> dict[tuple[str, int], dict[str, bytes]]:
    """The headers of the entry events of one learner, by state and revision."""
    consumer = AIOKafkaConsumer(EntryUpdated.TOPIC, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        found = {}
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    event = EntryUpdated.model_validate_json(record.value)
                    if event.learner_id == learner_id(code):
                        assert record.key == str(event.learner_id).encode()
                        assert event.enrolment_id in (None, enrolment_id("strathmore", "E-1"))
                        found[event.state, event.revision] = dict(record.headers)
        return found
    finally:
        await consumer.stop()
