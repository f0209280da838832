"""Kafka is away: what is published is accepted as before, waits, shows for how long, and leaves when Kafka is back."""

from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer

from chassis.database import Connection
from tests.eventually import eventually
from tests.integration.away.ground import Process, Publisher, Server, process, state

pytestmark = pytest.mark.servers


async def sent(bootstrap: str, count: int) -> list[str]:
    """The references of so many completions on their topic, in the order of arrival."""
    consumer: Any = AIOKafkaConsumer(
        "provider.completion", bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        found: list[str] = []

        async def all_of_them() -> bool:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found.extend(orjson.loads(record.value)["reference"] for record in records)
            return len(found) >= count

        await eventually(all_of_them, within=60)
        return found
    finally:
        await consumer.stop()


async def test_publishing_goes_on_while_kafka_is_away(
    environment: dict[str, str], publisher: Publisher, owner: Connection, kafka: Server
) -> None:
    environment["KAFKA_BOOTSTRAP_SERVERS"] = kafka.address
    async with process("provider", "api", environment) as api, process("provider", "worker", environment) as worker:
        assert await publisher.publish()

        async def outbox_is_empty() -> bool:
            return await state(owner) == (publisher.sent, publisher.sent, 0)

        await eventually(outbox_is_empty, within=60)
        kafka.kill()
        assert all(await publisher.at_once(20))
        assert await state(owner) == (21, 21, 20)

        async def worker_says_so() -> bool:
            causes = await worker.causes()
            return any(cause.startswith("kafka:") for cause in causes)

        await eventually(worker_says_so, within=60)
        assert await api.causes() == await api.causes("HTTP_PORT") == []

        for each in (api, worker):

            async def waits(seconds: float, each: Process = each) -> bool:
                return (
                    await each.metric("concord_outbox_rows") == 20
                    and await each.metric("concord_outbox_oldest_seconds") > seconds
                )

            await eventually(lambda waits=waits: waits(2.0), within=30)  # type: ignore[misc]
            seen = await each.metric("concord_outbox_oldest_seconds")
            await eventually(lambda waits=waits, seen=seen: waits(seen + 1), within=30)  # type: ignore[misc]

        await kafka.start()
        assert sorted(set(await sent(kafka.address, 21))) == sorted(publisher.accepted)
        await eventually(outbox_is_empty, within=60)
        await eventually(worker.is_ready, within=60)

        async def nothing_waits() -> bool:
            figures = [await each.metric("concord_outbox_oldest_seconds") for each in (api, worker)]
            return figures == [0, 0]

        await eventually(nothing_waits, within=30)
