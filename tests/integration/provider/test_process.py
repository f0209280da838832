"""The service as a process: killed between commit and answer, and sending what it accepted to Kafka."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
import uvicorn
from aiokafka import AIOKafkaConsumer

from contracts.provider_completion import CompletionPublished
from deploy.local.issuer import Signer, create_issuer
from deploy.local.ports import free_port
from tests.conftest import Database
from tests.eventually import eventually
from tests.integration.provider.ground import KEY, Ground, completion, esi

pytestmark = pytest.mark.servers


@pytest.fixture
async def issuer() -> AsyncIterator[Signer]:
    """An issuer whose keys can be fetched."""
    port = free_port()
    signer = Signer(f"http://127.0.0.1:{port}")
    server = uvicorn.Server(
        uvicorn.Config(create_issuer(signer, [], []), port=port, log_level="error", lifespan="off", ws="none")
    )
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    yield signer
    server.should_exit = True
    await serving


@asynccontextmanager
async def process(role: str, environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of the service, ready; it is killed with the block."""
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.provider.main", role, env={**os.environ, **environment}
    )
    port = environment["HTTP_PORT"] if role == "api" else environment["METRICS_PORT"]

    async def ready() -> bool:
        assert running.returncode is None, "the process ended"
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"http://127.0.0.1:{port}/health/ready")).status_code == 200
        except httpx.TransportError:
            return False

    try:
        await eventually(ready, within=30)
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


@pytest.fixture
def environment(own_database: Database, kafka_bootstrap: str, issuer: Signer) -> dict[str, str]:
    return {
        "SERVICE_DATABASE_URL": own_database.url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "OIDC_ISSUER": issuer.issuer,
        "LEARNER_ID_KEY": KEY.decode(),
        "LEARNER_SCHEME": "ESI",
        "CONSORTIUM": "test",
        "HTTP_PORT": str(free_port()),
        "METRICS_PORT": str(free_port()),
    }


def client(environment: Mapping[str, str], issuer: Signer) -> httpx.AsyncClient:
    token = issuer.sign({"sub": "northbridge's system", "member": "northbridge", "roles": ["publisher"]})
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{environment['HTTP_PORT']}", headers={"Authorization": f"Bearer {token}"}
    )


@pytest.mark.parametrize("in_bulk", [False, True])
async def test_what_was_committed_before_a_kill_is_answered_when_it_is_sent_again(
    environment: dict[str, str], issuer: Signer, ground: Ground, in_bulk: bool
) -> None:
    async def send(caller: httpx.AsyncClient) -> httpx.Response:
        if in_bulk:
            line = orjson.dumps({"reference": "C-1", **completion()})
            return await caller.post(
                "/completions:bulk", content=line, headers={"Content-Type": "application/x-ndjson"}
            )
        return await caller.put("/completions/C-1", json=completion())

    async with client(environment, issuer) as caller:
        async with process("api", {**environment, "CRASH_AT": "provider_after_commit:1"}) as dying:
            with pytest.raises(httpx.TransportError):
                await send(caller)
            assert await dying.wait() == -9
        assert await ground.count("completion_revision") == await ground.count("outbox") == 1
        async with process("api", environment):
            answer = await send(caller)
            again = await send(caller)
    status = answer.json()["status"] if in_bulk else answer.status_code
    assert status == 200
    assert again.content == answer.content
    async with ground.pool.acquire() as connection:
        event = CompletionPublished.model_validate_json(await connection.fetchval("SELECT payload FROM outbox"))
    stated = answer.json()
    assert (stated["completion_id"], stated["body_hash"]) == (str(event.completion_id), event.body_hash)
    assert stated["accepted_at"] == event.accepted_at.isoformat().replace("+00:00", "Z")
    assert await ground.count("completion_revision") == await ground.count("outbox") == 1


async def test_what_is_accepted_reaches_its_topic_within_the_callers_trace(
    environment: dict[str, str], issuer: Signer, kafka_bootstrap: str, ground: Ground
) -> None:
    trace_id = uuid4().hex
    headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    code = uuid4().hex
    learner = {"scheme": "ESI", "identifier": esi(code), "reference": code}
    consumer: Any = AIOKafkaConsumer(
        "provider.completion", bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async with client(environment, issuer) as caller, process("api", environment):
            answer = await caller.put("/completions/C-1", json=completion(learner=learner), headers=headers)
            assert answer.status_code == 201
        worker = {**environment, "METRICS_PORT": str(free_port())}
        async with process("worker", worker):

            async def arrived() -> Any:
                records = [one for batch in (await consumer.getmany(timeout_ms=200)).values() for one in batch]
                mine = [one for one in records if orjson.loads(one.value)["learner_reference"] == code]
                return mine[0] if mine else None

            record = await eventually(arrived, within=30)
    finally:
        await consumer.stop()
    event = CompletionPublished.model_validate_json(record.value)
    assert str(event.completion_id) == answer.json()["completion_id"]
    assert record.key == str(event.learner_id).encode()
    stated = dict(record.headers)
    assert stated["ce_id"] == str(event.event_id).encode()
    assert stated["ce_type"] == b"provider.completion.published.v1"
    assert stated["ce_source"] == b"urn:concord:test:provider"
    assert stated["ce_time"].decode() == answer.json()["accepted_at"]
    assert stated["content-type"] == b"application/json"
    assert "caused_by" not in stated
    assert stated["traceparent"].split(b"-")[1] == trace_id.encode()
    assert await ground.count("outbox") == 0


async def test_a_process_limits_how_often_a_client_may_ask(environment: dict[str, str], issuer: Signer) -> None:
    limited = {**environment, "RATE_LIMIT": "0.001", "RATE_BURST": "2"}
    async with process("api", limited), client(environment, issuer) as caller:
        answers = [await caller.get("/completions/C-1") for _ in range(3)]
        assert (await caller.get("/health/ready")).status_code == 200
    assert [answer.status_code for answer in answers] == [404, 404, 429]
    assert 900 < int(answers[-1].headers["Retry-After"]) <= 1_000


async def test_a_process_does_not_start_without_the_key_of_the_pseudonyms(environment: dict[str, str]) -> None:
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.provider.main",
        "api",
        env={**os.environ, **environment, "LEARNER_ID_KEY": "short"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(running.communicate(), 30)
    assert running.returncode != 0
    assert b"LEARNER_ID_KEY" in errors
