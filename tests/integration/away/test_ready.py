"""A worker is ready while its database and Kafka answer and its consumer is assigned and asks for records."""

import signal

import pytest

from tests.conftest import Database
from tests.eventually import eventually
from tests.integration.away.ground import Process, Server, process

pytestmark = pytest.mark.servers


def settings(database: Database, kafka: Server) -> dict[str, str]:
    return {
        "SERVICE_DATABASE_URL": database.url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka.address,
        "SESSION_TIMEOUT_MS": "6000",
    }


async def says(worker: Process, what: str) -> None:
    """Wait until the worker is not ready for this reason; `causes` sees to it that it lives."""

    async def said() -> bool:
        return any(cause.startswith(f"{what}:") for cause in await worker.causes())

    await eventually(said, within=60)


async def test_a_worker_is_not_ready_while_postgres_hangs(
    recognition: Database, postgres: Server, kafka: Server
) -> None:
    async with process("recognition", "worker", settings(recognition, kafka)) as worker:
        postgres.signal(signal.SIGSTOP)
        await says(worker, "database")
        postgres.signal(signal.SIGCONT)
        await eventually(worker.is_ready, within=60)


async def test_a_worker_is_not_ready_while_kafka_hangs(recognition: Database, kafka: Server) -> None:
    async with process("recognition", "worker", settings(recognition, kafka)) as worker:
        kafka.signal(signal.SIGSTOP)
        await says(worker, "kafka")
        kafka.signal(signal.SIGCONT)
        await eventually(worker.is_ready, within=90)
