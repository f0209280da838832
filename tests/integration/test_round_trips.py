"""Statements, round trips and transactions of a batch: the same for one record, a hundred and a thousand.

The numbers are stated, so that a statement more is seen by whoever adds it, and judged by whoever reads the change.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias
from uuid import uuid4

import httpx
import orjson
import pytest
from aiokafka import AIOKafkaProducer

from chassis.database import Connection, Pool, connect, in_transaction, open_pool, transaction
from chassis.outbox import Outgoing, put
from chassis.relay import SESSION, Relay
from contracts.catalogue import topics
from contracts.learner_record_enrolment import EnrolmentRecorded
from services.learner_record.application.progressing import AT_A_TIME, TellProgress
from tests.conftest import Database
from tests.integration.chassis import ground as chassis_ground
from tests.integration.counting import Counted, counted, only_connection
from tests.integration.learner_record import ground as record_ground
from tests.integration.operations import story
from tests.integration.provider import ground as provider_ground
from tests.integration.recognition import ground as recognition_ground

pytestmark = pytest.mark.servers

SIZES: Final = (1, 100, 1_000)
Make: TypeAlias = Callable[[str], Awaitable[Database]]
Batch: TypeAlias = Callable[[list[str]], Awaitable[Counted]]
"""Does a batch of one record for each of these new names."""


async def see(batch: Batch, round_trips: int, sizes: tuple[int, ...] = SIZES) -> None:
    """A batch of any size is one transaction of exactly so many round trips, its begin and its commit among them."""
    await batch(_names(2))  # the connection learns the types and the statements
    for size in sizes:
        seen = await batch(_names(size))
        told = "\n".join(one.splitlines()[0] for one in seen.round_trips)
        assert seen.is_one_transaction, told
        assert len(seen.round_trips) == round_trips, f"{len(seen.round_trips)} for {size}:\n{told}"


def _names(size: int) -> list[str]:
    return [uuid4().hex for _ in range(size)]


@asynccontextmanager
async def on(database: Make, service: str) -> AsyncIterator[tuple[Pool, Connection]]:
    """A service's fresh database, over one connection."""
    pool = await open_pool((await database(service)).url)
    try:
        async with only_connection(pool) as only:
            yield only
    finally:
        pool.terminate()


async def _post(client: httpx.AsyncClient, path: str, rows: list[dict[str, Any]]) -> None:
    content = b"\n".join(orjson.dumps(row) for row in rows)
    answer = await client.post(path, content=content, headers={"Content-Type": "application/x-ndjson"})
    assert answer.text.count('"status":201') == len(rows), answer.text


# --- what members send -----------------------------------------------------------------------------------------------


async def test_a_request_of_completions(database: Make) -> None:
    async with (
        on(database, "provider") as (pool, connection),
        provider_ground.Ground(pool).caller("northbridge", "publisher") as northbridge,
    ):

        async def request(names: list[str]) -> Counted:
            rows = [
                {"reference": f"C-{name}"}
                | provider_ground.completion(
                    learner={"scheme": "ESI", "identifier": provider_ground.esi(name), "reference": f"S-{name}"}
                )
                for name in names
            ]
            async with counted(connection) as seen:
                await _post(northbridge, "/completions:bulk", rows)
            return seen

        # begin; learners entered, locked; completions, descriptions, identifiers read; identifiers, completions,
        # their revisions and the outbox written; commit
        await see(request, 11)


async def test_a_comparison_of_completions(database: Make) -> None:
    async with (
        on(database, "provider") as (pool, connection),
        provider_ground.Ground(pool).caller("northbridge", "publisher") as northbridge,
    ):

        async def request(names: list[str]) -> Counted:
            content = b"\n".join(orjson.dumps({"reference": name, **provider_ground.completion()}) for name in names)
            async with counted(connection) as seen:
                answer = await northbridge.post(
                    "/completions:compare", content=content, headers={"Content-Type": "application/x-ndjson"}
                )
            assert answer.text.count('"missing"') == len(names)
            return seen

        # begin; newest revisions read; commit
        await see(request, 3)


async def test_a_request_of_learning_opportunities(database: Make) -> None:
    async with on(database, "provider") as (pool, connection):
        ground = provider_ground.Ground(pool)
        async with ground.caller(None, "consortium") as registry:
            entered = await registry.put(
                "/members/northbridge", json=provider_ground.member(), headers={"If-None-Match": "*"}
            )
            assert entered.status_code == 201
        async with ground.caller("northbridge", "publisher") as northbridge:

            async def request(names: list[str]) -> Counted:
                rows = [provider_ground.opportunity(id=f"northbridge:{name}") for name in names]
                async with counted(connection) as seen:
                    await _post(northbridge, "/learning-opportunities:bulk", rows)
                return seen

            # begin; members read; ids locked; revisions read; revisions and the outbox written; commit
            await see(request, 7)


def _enrolment(name: str) -> dict[str, Any]:
    return {"reference": f"E-{name}"} | record_ground.enrolment("strathmore", name)


async def test_a_request_of_enrolments(database: Make) -> None:
    async with (
        on(database, "learner_record") as (pool, connection),
        record_ground.Ground(pool, "").caller("strathmore", "publisher") as strathmore,
    ):

        async def request(names: list[str]) -> Counted:
            async with counted(connection) as seen:
                await _post(strathmore, "/enrolments:bulk", [_enrolment(name) for name in names])
            return seen

        # begin; learners entered, locked; enrolments, identifiers, awards, members, and four of the learners' facts
        # read; identifiers, enrolments, their revisions, the outbox and versions written; commit
        await see(request, 17)


# --- what comes over topics ------------------------------------------------------------------------------------------


async def test_a_batch_in_recognition(database: Make) -> None:
    async with on(database, "recognition") as (pool, connection):
        ground = recognition_ground.Ground(pool)
        await ground.set_up()

        async def batch(names: list[str]) -> Counted:
            learners = [recognition_ground.somebody() for _ in names]
            await ground.consume(*(recognition_ground.enrolment(learner) for learner in learners))
            records = ground.log(*(recognition_ground.completion(learner) for learner in learners))
            async with counted(connection) as seen:
                await ground.handle(records)
            assert {one.state for one in await ground.decisions_on(learners[-1])} == {"RECOGNISED"}
            return seen

        # begin; fences entered, locked; learners entered, locked; what is set aside; the catalogue's mark; completions,
        # choices, enrolments, grants, decisions and standings read; completions, grants, ledger, evaluations, decisions
        # and the outbox written (standings too where a claim stays open); fences advanced; commit
        await see(batch, 21)


async def test_batches_in_the_learner_record(database: Make) -> None:
    async with on(database, "learner_record") as (pool, connection):
        ground = record_ground.Ground(pool, "")
        await ground.receive(record_ground.award())
        async with ground.caller("strathmore", "publisher") as strathmore:

            async def completions(names: list[str]) -> Counted:
                await _post(strathmore, "/enrolments:bulk", [_enrolment(name) for name in names])
                records = ground.log([record_ground.completion(f"C-{name}", name) for name in names])
                async with counted(connection) as seen:
                    await ground.handle(records)
                return seen

            async def decisions(names: list[str]) -> Counted:
                await completions(names)
                records = ground.log(
                    [record_ground.decision(reference=f"C-{name}", enrolled=f"E-{name}", code=name) for name in names]
                )
                async with counted(connection) as seen:
                    await ground.handle(records)
                return seen

            # begin; fences entered, locked; learners entered, locked; what is set aside; completions, enrolments,
            # decisions and entries read; completions, entries, the outbox and versions written; fences advanced; commit
            await see(completions, 16)
            # The same, with decisions for completions.
            await see(decisions, 16)


async def test_telling_progress(database: Make) -> None:
    async with on(database, "learner_record") as (pool, connection):
        ground = record_ground.Ground(pool, "")
        tell = TellProgress(pool, ground.clock)
        await ground.receive(record_ground.award(minimum_by_level={}, credits_required="15", framework="FHEQ"))
        async with ground.caller("strathmore", "publisher") as strathmore:

            async def told(names: list[str]) -> Counted:
                await _post(strathmore, "/enrolments:bulk", [_enrolment(name) for name in names])
                own = [
                    record_ground.completion(
                        f"C-{name}",
                        name,
                        provider="strathmore",
                        learning_opportunity={"id": "strathmore:data", "version": 1},
                    )
                    for name in names
                ]
                await ground.receive(*own)
                before = await ground.count("award_progress")
                async with counted(connection) as seen, transaction(pool) as connected:
                    assert await tell.once(connected) == len(names)
                assert await ground.count("award_progress") == before + len(names)
                return seen

            # begin; who is due; learners entered, locked; taken off the list; enrolments with awards, decisions, own
            # credit, conferrals and what was told read; progress and the outbox written; commit
            await see(told, 13, sizes=(1, AT_A_TIME))


async def test_a_batch_in_operations(database: Make) -> None:
    async with on(database, "operations") as (pool, connection):
        logs = story.Logs()

        async def batch(names: list[str]) -> Counted:
            records = [logs.put(story.Story(name).published(), story.after(20)) for name in names]
            async with counted(connection) as seen:
                handled = await story.see(pool, records)
            assert handled.dropped == handled.set_aside == 0
            return seen

        # begin; fences entered, locked; learners entered, locked; what is set aside; events that were seen before;
        # hops written; fences advanced; commit
        await see(batch, 10)


# --- what leaves -----------------------------------------------------------------------------------------------------


async def test_a_batch_of_the_relay(database: Make, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    [partitions] = [one.partitions for one in topics() if one.name == EnrolmentRecorded.TOPIC]
    sends: list[int] = []
    send_batch = AIOKafkaProducer.send_batch

    async def count(self: AIOKafkaProducer, batch: Any, topic: str, *, partition: int) -> Any:
        sends.append(batch.record_count())
        return await send_batch(self, batch, topic, partition=partition)

    monkeypatch.setattr(AIOKafkaProducer, "send_batch", count)
    url = (await database("learner_record")).url
    pool, connection = await open_pool(url), await connect(url, **SESSION)
    relay = Relay(
        database_url=url, bootstrap=kafka_bootstrap, source="urn:concord:test", clock=lambda: chassis_ground.NOW
    )
    try:

        async def batch(names: list[str]) -> Counted:
            events = [chassis_ground.enrolment(uuid4(), name) for name in names]
            await in_transaction(pool, lambda writing: put(writing, [Outgoing(event) for event in events]))
            sends.clear()
            async with counted(connection) as seen:
                assert await relay._send_once(connection) == len(names)
            # One batch to Kafka for each of the topic's partitions that has events.
            assert sum(sends) == len(names)
            assert len(sends) <= partitions
            return seen

        # begin; rows taken; commit
        await see(batch, 3)
    finally:
        await relay._drop_producer()
        await connection.close()
        pool.terminate()
