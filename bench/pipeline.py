"""Completions per second of the whole path, beside the floor under it: `python -m bench.pipeline`.

The whole path is the system as it is run, from the rows of a file that `concord publish` sends in bulk to the last
entry that its receiver sees. The floor is bench/floor.py. Each turn has fresh servers that took a smaller file before;
the turns alternate, so that what else the machine does meets both. QUICK=1 in the environment takes fewer completions.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench import floor
from bench.floor import STARTED_WITHIN, Servers
from client.formats import File
from client.publishing import Observer, Refused, publish
from deploy.local.system import System
from tests.whole import Whole, completion, enrolment, esi

TURNS: Final = 3
WARMING: Final = 2_000
COMPLETIONS: Final = 10_000 if os.environ.get("QUICK") else 60_000
SECONDS: Final = 600
"""In which a file must be through; nothing takes longer."""
COURSE, AWARD = "northbridge:data-ethics", "glenmore:pgcert-data"
# The probe would publish completions of its own meanwhile.
VALUES: Final = {"SYNTHETIC_EVERY": "0"}

VISIBLE: Final = "SELECT count(*) FROM entry WHERE decision_id IS NOT NULL"
FLOOR_VISIBLE: Final = "SELECT count(*) FROM floor.entry"
TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Turn:
    """What a file of so many completions took."""

    seconds: float
    cpu: dict[str, float]
    """Seconds of processors, by process."""

    @property
    def per_second(self) -> float:
        """Completions."""
        return COMPLETIONS / self.seconds


# --- the file --------------------------------------------------------------------------------------------------------


def documents(kind: dict[str, Any], count: int, label: str) -> Iterator[bytes]:
    """A document for each of so many learners."""
    for number in range(count):
        code = f"{label}-{number:06}"
        learner = kind["learner"] | {"identifier": esi("home", code), "reference": code}
        yield orjson.dumps(kind | {"reference": code, "learner": learner})


def written(file: Path, kind: dict[str, Any], count: int, label: str) -> Path:
    """A file of such documents."""
    file.write_bytes(b"\n".join(documents(kind, count, label)))
    return file


# --- what is measured ------------------------------------------------------------------------------------------------


def _cpu_of(pid: int, children: dict[int, list[int]]) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(each) for each in fields[11:15]) / TICKS + sum(_cpu_of(one, children) for one in children[pid])


def cpu(processes: dict[str, int]) -> dict[str, float]:
    """Processor seconds of processes since they began, with those of their children."""
    children: dict[int, list[int]] = defaultdict(list)
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            children[int(fields[1])].append(int(folder.name))
    used = {}
    for name, pid in processes.items():
        try:
            used[name] = _cpu_of(pid, children)
        except (FileNotFoundError, ProcessLookupError):  # a session of PostgreSQL that just ended
            used[name] = 0.0
    return used


async def reached(url: str, question: str, count: int) -> None:
    """Wait until a database counts so many."""
    connection = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(SECONDS):
            while (found := await connection.fetchval(question)) < count:  # noqa: ASYNC110 - others write it
                await asyncio.sleep(0.05)
        if found != count:
            raise RuntimeError(f"{found} where there should be {count}: {question}")
    finally:
        await connection.close()


async def timed(
    begin: Callable[[], Awaitable[Any]], end: Awaitable[None], processes: Callable[[], dict[str, int]]
) -> Turn:
    """How long it takes from a beginning to an end, and what processes use meanwhile."""
    before, own = cpu(processes()), time.process_time()
    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        group.create_task(_as_task(begin))
        await end
    seconds = time.monotonic() - started
    used = {name: after - before.get(name, 0.0) for name, after in cpu(processes()).items()}
    return Turn(seconds, used | {"client": time.process_time() - own})


async def _as_task(begin: Callable[[], Awaitable[Any]]) -> None:
    await begin()


# --- the turns -------------------------------------------------------------------------------------------------------


async def send(whole: Whole, service: str, client: str, path: str, file: Path) -> None:
    """Publish a file as `concord publish` does; raises where a row is refused."""
    refused: list[Refused] = []
    source = os.open(file, os.O_RDONLY)
    try:
        async with whole.at(service, client) as http:
            await publish(File(source, file.name).rows(), http, path, Observer(refused.append))
    finally:
        os.close(source)
    if refused:
        raise RuntimeError(f"{len(refused)} rows of {file.name} were refused: {refused[0]}")


async def pipeline(folder: Path) -> tuple[Turn, dict[str, bytes]]:
    """A turn of the whole path, and an event of each topic on the way."""
    system = System(folder, values=VALUES, ends_with_this_process=True)
    system.start()  # not beside the loop: who interrupts it must find it whole, or not there
    try:
        whole = Whole(system)
        await whole.found()
        record = whole.database("learner_record")
        enrolled = 0
        for label, count in (("warm", WARMING), ("main", COMPLETIONS)):
            enrolled += count
            file = written(folder / "enrolments", enrolment(0, AWARD), count, label)
            await send(whole, "learner-record-api", "glenmore-system", "/enrolments:bulk", file)
            await reached(whole.database("recognition"), "SELECT count(*) FROM enrolment_revision", enrolled)
            await reached(record, "SELECT -count(*) FROM progress_due", 0)
            file = written(folder / "completions", completion(0, COURSE), count, label)

            async def begin(file: Path = file) -> None:
                await send(whole, "provider-api", "northbridge-system", "/completions:bulk", file)

            turn = await timed(
                begin,
                reached(record, VISIBLE, enrolled),
                lambda: {name: process.pid for name, process in system.processes.items()},
            )
        return turn, await examples(system.addresses["kafka"])
    finally:
        system.delete()


async def examples(kafka: str) -> dict[str, bytes]:
    """The newest event of each of the three topics."""
    found = {}
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        for topic in (floor.COMPLETIONS, floor.DECISIONS, floor.ENTRIES):
            partition = TopicPartition(topic, 0)
            consumer.assign([partition])
            consumer.seek(partition, (await consumer.end_offsets([partition]))[partition] - 1)
            async with asyncio.timeout(30):
                found[topic] = (await consumer.getone()).value or b""
    finally:
        await consumer.stop()
    return found


async def bare(folder: Path, payloads: dict[str, bytes]) -> Turn:
    """A turn of the floor."""
    system = System(folder, only=("postgres", "kafka", "setup"), values=VALUES, ends_with_this_process=True)
    system.start()  # not beside the loop: who interrupts it must find it whole, or not there
    try:
        async with asyncio.timeout(STARTED_WITHIN):
            while system.states["setup"].phase != "done":  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
        owner = system.environment("setup")["POSTGRES_OWNER_URL"].rpartition("/")[0]
        servers = Servers({service: f"{owner}/{service}" for service in floor.TABLES}, system.addresses["kafka"])
        async with floor.running(servers, payloads) as programs:
            visible = 0
            for label, count in (("warm", WARMING), ("main", COMPLETIONS)):
                visible += count
                file = written(folder / "completions", completion(0, COURSE), count, label)
                turn = await timed(
                    lambda file=file: asyncio.to_thread(programs.publish, file),  # type: ignore[misc]
                    reached(servers.databases["learner_record"], FLOOR_VISIBLE, visible),
                    lambda: (
                        {name: one.pid for name, one in system.processes.items()}
                        | {name: one.pid for name, one in programs.processes.items() if one.pid}
                    ),
                )
        return turn
    finally:
        system.delete()


# --- what is said ----------------------------------------------------------------------------------------------------


def table(name: str, turns: list[Turn]) -> str:
    """Completions per second of every turn, and where the processors' time went: medians, per 10,000 completions."""
    rates = ", ".join(f"{turn.per_second:,.0f}" for turn in turns)
    lines = [f"{name}: {statistics.median(turn.per_second for turn in turns):,.0f} completions/s (turns: {rates})"]
    used = {
        process: statistics.median(turn.cpu.get(process, 0.0) for turn in turns) * 10_000 / COMPLETIONS
        for process in turns[-1].cpu
    }
    lines += [
        f"  {seconds:6.2f} CPU s  {process}" for process, seconds in sorted(used.items(), key=lambda one: -one[1])
    ]
    lines.append(f"  {sum(used.values()):6.2f} CPU s  in all, per 10,000 completions")
    return "\n".join(lines)


async def run(folder: Path) -> None:
    """All turns."""
    wholes, bares = [], []
    for number in range(TURNS):
        turn, payloads = await pipeline(folder / f"pipeline-{number}")
        wholes.append(turn)
        bares.append(await bare(folder / f"floor-{number}", payloads))
        sys.stdout.write(f"turn {number + 1}: pipeline {turn.per_second:,.0f}/s, floor {bares[-1].per_second:,.0f}/s\n")
        sys.stdout.flush()
    sys.stdout.write(f"{COMPLETIONS:,} completions, {os.cpu_count()} processors\n")
    sys.stdout.write(f"{table('pipeline', wholes)}\n{table('floor', bares)}\n")
    ratio = statistics.median(one.per_second for one in wholes) / statistics.median(one.per_second for one in bares)
    sys.stdout.write(f"bench: pipeline {ratio:.2f} of floor\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="concord-bench-") as scratch:
        asyncio.run(run(Path(scratch)))
