"""The service as a process: its worker on a real Kafka and a real PostgreSQL, from records in to records out."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from chassis import topics
from chassis.database import Pool
from chassis.record import envelope
from contracts.event import Event
from contracts.ids import decision_id
from contracts.recognition_agreement import AgreementPublished
from contracts.recognition_award import AwardPublished
from contracts.recognition_decision import DecisionMade
from deploy.local.ports import free_port
from tests.conftest import Database
from tests.eventually import eventually
from tests.integration.recognition.ground import Ground, agreement, award, completion, enrolment, member, somebody

pytestmark = pytest.mark.servers


@asynccontextmanager
async def worker(database: Database, bootstrap: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The worker as compose runs it; it is killed at the end of the block."""
    settings = {
        "SERVICE_DATABASE_URL": database.url,
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "METRICS_PORT": str(free_port()),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.recognition.main", "worker", env={**os.environ, **settings}
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def send(bootstrap: str, events: Sequence[Event]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for event in events:
            headers = envelope(
                event_id=event.event_id,
                event_type=event.TYPE,
                source="urn:concord:test",
                happened_at=event.happened_at,
                caused_by=None,
                traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            )
            await producer.send_and_wait(event.TOPIC, event.to_bytes(), event.key.encode(), headers=headers)
    finally:
        await producer.stop()


async def received(bootstrap: str, count: int) -> list[tuple[DecisionMade, dict[str, bytes]]]:
    """The first `count` decisions on the topic, with their headers."""
    consumer = AIOKafkaConsumer(DecisionMade.TOPIC, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        found = []
        async with asyncio.timeout(40):
            while len(found) < count:
                record = await consumer.getone()
                found.append((DecisionMade.model_validate_json(record.value), dict(record.headers)))
        return found
    finally:
        await consumer.stop()


async def test_a_completion_and_an_enrolment_on_the_topics_become_a_decision_on_its_topic(
    own_kafka: Callable[[int], str], own_database: Database, pool: Pool
) -> None:
    bootstrap = own_kafka(1)
    await topics.create(bootstrap)
    learner = somebody()
    published, enrolled = completion(learner), enrolment(learner)
    async with worker(own_database, bootstrap):
        await send(bootstrap, [member("northbridge"), member("strathmore"), published, enrolled])
        ground = Ground(pool)

        async def waits() -> bool:
            return await ground.rows("SELECT waits_for FROM claim") == [("award",)]

        await eventually(waits, within=40)
        # Neither is known yet when they arrive: the claim waits, and is found once the award is published.
        assert (await ground.put(award())).status_code == 201
        [(first, headers)] = await received(bootstrap, 1)
        assert (first.state, [ground_.code for ground_ in first.grounds]) == ("REFERRED", ["NO_AGREEMENT"])
        assert first.cause.kind == "award"
        assert headers["caused_by"].decode() == str(first.cause.event_id)

        assert (await ground.put(agreement())).status_code == 201
        [_, (second, headers)] = await received(bootstrap, 2)
        assert (second.state, second.number, second.cause.kind) == ("RECOGNISED", 2, "agreement")
        assert headers["ce_id"].decode() == str(second.event_id)
        assert second.decision_id == decision_id(published.completion_id, enrolled.enrolment_id, 2)

        await send(bootstrap, [completion(somebody()), enrolment(learner, reference="second")])
        third, headers = (await received(bootstrap, 3))[2]
        assert third.cause.kind == "enrolment"
        # The trace goes on from the event that led to the decision.
        assert headers["traceparent"].decode().split("-")[1] == "0af7651916cd43dd8448eb211c80319c"


async def test_publications_are_events_with_their_documents(ground: Ground) -> None:
    await ground.set_up()
    rows = await ground.rows("SELECT topic, payload FROM outbox ORDER BY id")
    (first_topic, first), (second_topic, second) = rows
    assert (first_topic, second_topic) == (AwardPublished.TOPIC, AgreementPublished.TOPIC)
    published_award = AwardPublished.model_validate_json(first)
    published_agreement = AgreementPublished.model_validate_json(second)
    assert published_award.document["import_cap"] == "120"
    assert published_agreement.document["level_map"] is None, "every field is written out"
    assert published_agreement.catalogue_number == published_award.catalogue_number + 1
