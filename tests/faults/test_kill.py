"""Workers are killed under load, again and again; the end state is that of an undisturbed run (S15, F-02 to F-05)."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from aiokafka import AIOKafkaConsumer

from deploy.local.system import System
from tests.eventually import eventually
from tests.faults.state import business_state
from tests.faults.story import Client, Learner, learners
from tests.servers import Run
from tests.whole import WORKERS, Whole

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

SEED: Final = int(os.environ.get("CONCORD_SEED", "20261124"))
KILLS_EACH: Final = int(os.environ.get("CONCORD_KILLS", "5"))
LEARNERS: Final = int(os.environ.get("CONCORD_LEARNERS", "300"))
CRASH_POINTS: Final = {
    "provider-worker": ("relay_after_ack",),
    "recognition-worker": ("before_commit", "relay_after_ack", "after_commit"),
    "learner-record-worker": ("before_commit", "relay_after_ack", "after_commit"),
}
TOPICS: Final = ("provider.completion", "recognition.decision")
ROLLED_BACK: Final = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()"
BELOW_FENCE: Final = "SELECT coalesce(sum(dropped), 0) FROM fence"


@asynccontextmanager
async def running(folder: Path, **how: Any) -> AsyncIterator[Whole]:
    """A fresh system with the demo's consortium in it."""
    # One key for all runs: pseudonyms go into the hashes that are compared.
    values = {"LEARNER_ID_KEY": "of the kill tests, the same in every run"}
    system = System(folder, ends_with_this_process=True, values=values, **how)
    await asyncio.to_thread(system.start)
    try:
        whole = Whole(system)
        await whole.found()
        yield whole
    finally:
        await asyncio.to_thread(system.delete)


async def tell(whole: Whole, stream: list[Learner]) -> tuple[Client, float]:
    """Send the story and see that every request was answered, and none refused."""
    client = Client(whole, SEED)
    seconds = await client.send(stream, within=600)
    assert client.refused == []
    assert client.acknowledged == client.sent
    return client, seconds


async def settled_state(whole: Whole) -> dict[str, list[tuple[str, ...]]]:
    """The business state once nothing is under way any more."""

    async def nothing_waits() -> bool:
        return all([not (await whole.fetch(s, "SELECT 1 FROM outbox LIMIT 1")) for s in ("provider", "recognition")])

    await eventually(nothing_waits, within=60)
    before: dict[str, list[tuple[str, ...]]] = {}

    async def still() -> dict[str, list[tuple[str, ...]]] | None:
        nonlocal before
        now = await business_state(whole)
        same, before = now == before, now
        return now if same else None

    return await eventually(still, within=60, every=1.0)


async def sent_twice(bootstrap: str) -> int:
    """How many records of the topics are there more than once."""
    consumer = AIOKafkaConsumer(*TOPICS, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        await eventually(lambda: consumer.assignment())
        ends = await consumer.end_offsets(consumer.assignment())
        ids: Counter[bytes] = Counter()
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                ids.update(dict(record.headers)["ce_id"] for record in records)
        return sum(count - 1 for count in ids.values())
    finally:
        await consumer.stop()


@pytest.fixture(scope="module")
async def undisturbed(servers: Run) -> dict[str, list[tuple[str, ...]]]:
    """The end state of the story when nothing happens to it; with enough flowing for a kill to hit something."""
    stream = learners(SEED, LEARNERS)
    async with running(servers.folder / "undisturbed") as whole:
        _, seconds = await tell(whole, stream)
        state = await settled_state(whole)
    flowing = len(state["completions"]) / seconds
    print(f"\nundisturbed: {len(state['completions'])} completion revisions, {flowing:.0f} a second")  # noqa: T201
    assert len(state["decisions"]) > LEARNERS
    assert {row[4] for row in state["decisions"]} >= {"RECOGNISED", "DECLINED", "REFERRED"}
    return state


async def _kill(system: System, worker: str) -> None:
    """Kill a worker's process; one that just died by itself is waited for until it runs again."""
    while True:
        await eventually(lambda: worker in system.processes, within=60)
        try:
            await asyncio.to_thread(system.kill, worker)
        except (KeyError, ProcessLookupError):
            continue
        return


async def _kill_each(whole: Whole, stop: asyncio.Event) -> int:
    """Kill every worker at seeded instants, half of them at a crash point inside their work, until told to stop."""
    rng = random.Random(SEED)
    system, kills = whole.system, Counter[str]()
    order = [worker for worker in WORKERS for _ in range(KILLS_EACH)]
    rng.shuffle(order)
    for nth, worker in enumerate(order):
        await asyncio.sleep(rng.uniform(0.1, 0.8))  # a seeded instant, not a condition
        if nth % 2:
            # It dies by itself, with SIGKILL, at this point of its work after its next start.
            point = rng.choice(CRASH_POINTS[worker])
            system.set_environment(worker, {"CRASH_AT": f"{point}:{rng.randrange(1, 4)}"})
            before = system.states[worker].starts
            await _kill(system, worker)
            await eventually(lambda w=worker, b=before: system.states[w].starts > b + 1 or stop.is_set(), within=60)
            system.set_environment(worker, {})
            kills[worker] += 1
        else:
            await _kill(system, worker)
        kills[worker] += 1
        await eventually(lambda w=worker: system.states[w].phase == "ready" and w in system.processes, within=60)
    assert min(kills.values()) >= KILLS_EACH
    return sum(kills.values())


async def test_killed_workers_leave_the_state_of_an_undisturbed_run(
    servers: Run, undisturbed: dict[str, list[tuple[str, ...]]]
) -> None:
    stream = learners(SEED, LEARNERS)
    async with running(servers.folder / "killed") as whole:
        before = [(await whole.fetch(service, ROLLED_BACK))[0][0] for service in ("recognition", "learner_record")]
        told, stop = asyncio.create_task(tell(whole, stream)), asyncio.Event()
        killing = asyncio.create_task(_kill_each(whole, stop))
        client, _ = await told
        stop.set()
        kills = await killing
        state = await settled_state(whole)
        after = [(await whole.fetch(service, ROLLED_BACK))[0][0] for service in ("recognition", "learner_record")]
        twice = await sent_twice(whole.system.addresses["kafka"])
    rolled_back = sum(after) - sum(before)
    for name, rows in undisturbed.items():
        assert state[name] == rows, f"{name}: {len(set(rows) ^ set(state[name]))} rows differ"
    # Otherwise the kills hit nothing, and the run proves nothing.
    assert rolled_back > 0
    assert twice > 0
    print(  # noqa: T201 - the line that says what was done
        f"\nkills: {kills}; completions: {len(state['completions'])}; requests sent again: {client.repeated}; "
        f"transactions rolled back: {rolled_back}; records sent twice: {twice}; lost 0 doubled 0 phantom 0; "
        "final state equal to undisturbed run: yes"
    )


def _stands_still(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def test_a_worker_stopped_beyond_its_session_changes_nothing_when_it_goes_on(
    servers: Run, undisturbed: dict[str, list[tuple[str, ...]]]
) -> None:
    """F-05: its database session ends, a peer takes over, and its late batch finds the fence moved."""
    stream = learners(SEED, LEARNERS)
    stops = {"recognition-worker": "before_commit:4", "learner-record-worker": "state_read:6"}
    session = {"SESSION_TIMEOUT_MS": "6000"}
    environment = {name: session for worker in stops for name in (worker, f"{worker}-2")}
    async with running(servers.folder / "stopped", copies=dict.fromkeys(stops, 2), environment=environment) as whole:
        system = whole.system
        for worker, point in stops.items():
            system.set_environment(worker, {**session, "STOP_AT": point})
            await asyncio.to_thread(system.restart, worker)
        told = asyncio.create_task(tell(whole, stream))
        for worker in stops:
            pid = system.processes[worker].pid
            await eventually(lambda pid=pid: _stands_still(pid), within=60, what=f"{worker} stops inside its batch")
        await asyncio.sleep(18.0)  # three times the session's time-out: that long is the fault
        for worker in stops:
            await asyncio.to_thread(system.kill, worker, signal.SIGCONT)
        await told
        state = await settled_state(whole)
        dropped = [(await whole.fetch(service, BELOW_FENCE))[0][0] for service in ("recognition", "learner_record")]
    for name, rows in undisturbed.items():
        assert state[name] == rows, f"{name}: {len(set(rows) ^ set(state[name]))} rows differ"
    assert min(dropped) > 0
    print(  # noqa: T201 - the line that says what was done
        f"\nrecords dropped below the fence: {sum(dropped)}; final state equal to undisturbed run: yes"
    )
