"""The fence is a consumer's position: up to where a partition's effects are committed (ADR 22)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka import TopicPartition

from chassis.database import Connection, columns
from chassis.record import Record

INSERT_MISSING: Final = """
INSERT INTO fence (topic, partition)
SELECT * FROM unnest($1::text[], $2::integer[]) AS wanted (topic, partition) ORDER BY 1, 2
ON CONFLICT DO NOTHING
"""

LOCK: Final = """
SELECT topic, partition, next_offset FROM fence
JOIN unnest($1::text[], $2::integer[]) AS wanted (topic, partition) USING (topic, partition)
ORDER BY topic, partition
FOR UPDATE OF fence
"""

READ: Final = LOCK.replace("FOR UPDATE OF fence", "")

ADVANCE: Final = """
UPDATE fence
SET next_offset = moved.next_offset,
    applied = fence.applied + moved.applied,
    ignored = fence.ignored + moved.ignored,
    set_aside = fence.set_aside + moved.set_aside,
    dropped = fence.dropped + moved.dropped
FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
    AS moved (topic, partition, next_offset, applied, ignored, set_aside, dropped)
WHERE fence.topic = moved.topic AND fence.partition = moved.partition
"""


@dataclass
class Gap(Exception):
    """A partition's next record stands above its fence: what lies between was never seen."""

    partition: TopicPartition
    fence: int
    found: int


@dataclass(slots=True)
class Progress:
    """What became of one partition's records in a batch; read = applied + ignored + set aside (I-9)."""

    next_offset: int
    applied: int = 0
    ignored: int = 0
    set_aside: int = 0
    dropped: int = 0


async def read(connection: Connection, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """The fences of these partitions; a partition never read stands at 0."""
    wanted = list(partitions)
    rows = await connection.fetch(READ, [p.topic for p in wanted], [p.partition for p in wanted])
    found = {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
    return {partition: found.get(partition, 0) for partition in wanted}


async def lock(connection: Connection, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Progress]:
    """Lock the fences of these partitions, in one order for everybody, and give where they stand.

    Two statements: where there is no row yet there is nothing to lock, and two consumers would both pass.
    """
    topics, numbers = columns([(p.topic, p.partition) for p in sorted(partitions)], 2)
    await connection.execute(INSERT_MISSING, topics, numbers)
    rows = await connection.fetch(LOCK, topics, numbers)
    return {TopicPartition(row["topic"], row["partition"]): Progress(row["next_offset"]) for row in rows}


def above(progress: Mapping[TopicPartition, Progress], records: Iterable[Record]) -> list[Record]:
    """The records that were not processed yet; raises Gap where a partition does not go on exactly at its fence.

    Offsets are dense (nothing is compacted, no Kafka transactions), so a hole means records that nobody has seen.
    """
    fresh = []
    for record in records:
        at = progress[TopicPartition(record.topic, record.partition)]
        if record.offset < at.next_offset:
            at.dropped += 1
        elif record.offset > at.next_offset:
            raise Gap(TopicPartition(record.topic, record.partition), at.next_offset, record.offset)
        else:
            at.next_offset += 1
            fresh.append(record)
    return fresh


async def advance(connection: Connection, progress: Mapping[TopicPartition, Progress]) -> None:
    """Move the fences past the batch, in its transaction."""
    rows = [
        (p.topic, p.partition, at.next_offset, at.applied, at.ignored, at.set_aside, at.dropped)
        for p, at in sorted(progress.items())
    ]
    await connection.execute(ADVANCE, *columns(rows, 7))
