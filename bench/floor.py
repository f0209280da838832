"""The floor under the pipeline: bare programs that do its durable steps with aiokafka and asyncpg alone.

COPY of completion and outbox → relay → topic → fence, decision, ledger and outbox → relay → topic → fence, entry and
outbox → relay → topic; six processes, on the same servers, with payloads of the same size. They validate nothing,
decide nothing, and look nothing up: what the pipeline takes beyond this is what it does besides storing and passing on.
"""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.partitioner import murmur2

from chassis.tables import OUTBOX

AT_A_TIME: Final = 1000
PARTITIONS: Final = 12
STARTED_WITHIN: Final = 300.0
COMPLETIONS, DECISIONS, ENTRIES = "provider.completion", "recognition.decision", "learner_record.entry"

_FENCE: Final = "CREATE TABLE fence (partition integer PRIMARY KEY, next_offset bigint NOT NULL)"
TABLES: Final = {
    "provider": ("CREATE TABLE completion (completion_id uuid PRIMARY KEY, learner_id uuid, event text)",),
    "recognition": (
        _FENCE,
        "CREATE TABLE decision (completion_id uuid PRIMARY KEY, learner_id uuid, event text)",
        "CREATE TABLE ledger (completion_id uuid PRIMARY KEY, learner_id uuid, credits numeric)",
    ),
    "learner_record": (_FENCE, "CREATE TABLE entry (completion_id uuid PRIMARY KEY, learner_id uuid, event text)"),
}
TAKE: Final = """
DELETE FROM outbox WHERE id = ANY (ARRAY(SELECT id FROM outbox ORDER BY id LIMIT $1))
RETURNING id, topic, key, event_id, payload
"""


@dataclass(frozen=True)
class Servers:
    """The servers' addresses: a database for each service, and Kafka."""

    databases: dict[str, str]
    kafka: str


async def _connect(url: str, **settings: str) -> Any:
    return await asyncpg.connect(url, server_settings={"search_path": "floor", **settings})


async def lay_tables(servers: Servers) -> None:
    """Make the floor's tables, in a schema of their own beside the services'."""
    for service, statements in TABLES.items():
        connection = await asyncpg.connect(servers.databases[service])
        await connection.execute("CREATE SCHEMA floor; SET search_path = floor")
        for statement in (OUTBOX, *statements):
            await connection.execute(statement)
        await connection.close()


def _event(payload: bytes, completion_id: UUID, learner_id: UUID) -> bytes:
    """A payload of the same size about another completion."""
    document = orjson.loads(payload)
    return orjson.dumps(document | {"completion_id": completion_id, "learner_id": learner_id})


async def _put(connection: Any, topic: str, events: Sequence[tuple[UUID, UUID, bytes]]) -> None:
    now = datetime.now(UTC)
    await connection.copy_records_to_table(
        "outbox",
        records=[(topic, str(learner), uuid4(), topic, now, payload) for _, learner, payload in events],
        columns=["topic", "key", "event_id", "event_type", "happened_at", "payload"],
    )


async def intake(servers: Servers, barrier: Barrier, file: Path, payload: bytes) -> None:
    """Accept the rows of a file, and end."""
    connection = await _connect(servers.databases["provider"])
    lines = (await asyncio.to_thread(file.read_bytes)).splitlines()
    await asyncio.to_thread(barrier.wait, STARTED_WITHIN)
    for at in range(0, len(lines), AT_A_TIME):
        rows = [orjson.loads(line) for line in lines[at : at + AT_A_TIME]]
        events = []
        for row in rows:
            completion, learner = uuid4(), uuid4()
            document = orjson.loads(payload)
            changes = {"completion_id": completion, "learner_id": learner, "reference": row["reference"]}
            events.append((completion, learner, orjson.dumps(document | changes)))
        async with connection.transaction():
            await connection.copy_records_to_table(
                "completion", records=[(*ids, event.decode()) for *ids, event in events]
            )
            await _put(connection, COMPLETIONS, events)


async def relay(servers: Servers, barrier: Barrier, service: str) -> None:
    """Send a service's outbox, for ever."""
    connection = await _connect(servers.databases[service], enable_seqscan="off")
    producer = AIOKafkaProducer(
        bootstrap_servers=servers.kafka, enable_idempotence=True, acks="all", max_batch_size=400_000
    )
    await producer.start()
    await asyncio.to_thread(barrier.wait, STARTED_WITHIN)
    while True:
        async with connection.transaction():
            rows = sorted(await connection.fetch(TAKE, AT_A_TIME), key=lambda row: row["id"])
            batches: dict[tuple[str, int], Any] = {}
            sent = []
            for row in rows:
                key = row["key"].encode()
                place = row["topic"], (murmur2(key) & 0x7FFFFFFF) % PARTITIONS
                record = {"timestamp": None, "key": key, "value": row["payload"]}
                record["headers"] = [("ce_id", str(row["event_id"]).encode())]
                if place not in batches:
                    batches[place] = producer.create_batch()
                if batches[place].append(**record) is None:
                    sent.append(await producer.send_batch(batches[place], place[0], partition=place[1]))
                    batches[place] = producer.create_batch()
                    batches[place].append(**record)
            for (topic, partition), batch in batches.items():
                sent.append(await producer.send_batch(batch, topic, partition=partition))
            await asyncio.gather(*sent)
        if not rows:
            await asyncio.sleep(0.02)


async def _consume(
    servers: Servers,
    barrier: Barrier,
    service: str,
    topic: str,
    work: Callable[[Any, list[tuple[UUID, UUID]]], Awaitable[None]],
) -> None:
    """Work on a topic's records under fences, a batch in a transaction, for ever."""
    connection = await _connect(servers.databases[service])
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=servers.kafka,
        group_id=f"floor-{service}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    ends = await consumer.end_offsets(consumer.assignment())
    await connection.executemany("INSERT INTO fence VALUES ($1, $2)", [(p.partition, end) for p, end in ends.items()])
    for partition, end in ends.items():
        consumer.seek(partition, end)
    await asyncio.to_thread(barrier.wait, STARTED_WITHIN)
    while True:
        found = await consumer.getmany(timeout_ms=1000, max_records=AT_A_TIME)
        if not found:
            continue
        async with connection.transaction():
            rows = await connection.fetch("SELECT partition, next_offset FROM fence ORDER BY partition FOR UPDATE")
            fences = {row["partition"]: row["next_offset"] for row in rows}
            claims = []
            for partition, records in found.items():
                for record in records:
                    if record.offset >= fences[partition.partition]:
                        document = orjson.loads(record.value)
                        claims.append((UUID(document["completion_id"]), UUID(document["learner_id"])))
                        fences[partition.partition] = record.offset + 1
            await work(connection, claims)
            await connection.execute(
                "UPDATE fence SET next_offset = n FROM unnest($1::integer[], $2::bigint[]) AS moved (p, n)"
                " WHERE partition = p",
                list(fences),
                list(fences.values()),
            )


async def recognition(servers: Servers, barrier: Barrier, payload: bytes) -> None:
    """Store a decision and a line of the ledger for every completion."""

    async def work(connection: Any, claims: list[tuple[UUID, UUID]]) -> None:
        events = [(*claim, _event(payload, *claim)) for claim in claims]
        await connection.copy_records_to_table("decision", records=[(*ids, event.decode()) for *ids, event in events])
        await connection.copy_records_to_table("ledger", records=[(*claim, 15) for claim in claims])
        await _put(connection, DECISIONS, events)

    await _consume(servers, barrier, "recognition", COMPLETIONS, work)


async def record(servers: Servers, barrier: Barrier, payload: bytes) -> None:
    """Store an entry for every decision."""

    async def work(connection: Any, claims: list[tuple[UUID, UUID]]) -> None:
        events = [(*claim, _event(payload, *claim)) for claim in claims]
        await connection.copy_records_to_table("entry", records=[(*ids, event.decode()) for *ids, event in events])
        await _put(connection, ENTRIES, events)

    await _consume(servers, barrier, "learner_record", DECISIONS, work)


@dataclass
class Floor:
    """The bare programs at work; each file that is published has an intake of its own."""

    servers: Servers
    payloads: dict[str, bytes]
    processes: dict[str, BaseProcess]

    def publish(self, file: Path) -> None:
        """Begin to take in a file; returns when the program has started and reads its first row."""
        barrier = _SPAWN.Barrier(2)
        self.processes["intake"] = _start(intake, self.servers, barrier, file, self.payloads[COMPLETIONS])
        barrier.wait(STARTED_WITHIN)


_SPAWN: Final = multiprocessing.get_context("spawn")


def _run(program: Callable[..., Awaitable[None]], arguments: tuple[Any, ...]) -> None:
    asyncio.run(program(*arguments))  # type: ignore[arg-type]


def _start(program: Callable[..., Awaitable[None]], *arguments: Any) -> BaseProcess:
    process = _SPAWN.Process(target=_run, args=(program, arguments), daemon=True)
    process.start()
    return process


@asynccontextmanager
async def running(servers: Servers, payloads: dict[str, bytes]) -> AsyncIterator[Floor]:
    """The bare programs, with fresh tables; `payloads` are an event for each of the three topics."""
    await lay_tables(servers)
    barrier = _SPAWN.Barrier(6)
    processes = {f"relay of {service}": _start(relay, servers, barrier, service) for service in TABLES}
    processes["recognition"] = _start(recognition, servers, barrier, payloads[DECISIONS])
    processes["record"] = _start(record, servers, barrier, payloads[ENTRIES])
    try:
        await asyncio.to_thread(barrier.wait, STARTED_WITHIN)
        yield Floor(servers, payloads, processes)
    finally:
        for process in processes.values():
            process.terminate()
            process.join(10)
