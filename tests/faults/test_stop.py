"""Workers stopped beyond their session and continued: what they do late changes nothing (F-05)."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.eventually import eventually
from tests.faults.kills import SESSION
from tests.faults.runs import LEARNERS, SEED, running, see_that_it_is_sound, tell
from tests.faults.state import Difference, State, examples, settled_state
from tests.faults.story import Client, learners
from tests.servers import Run

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1800)]

BELOW_FENCE: Final = "SELECT coalesce(sum(dropped), 0) FROM fence"
ROLLED_BACK: Final = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()"
CONSUMING: Final = ("recognition", "learner_record")


def _stands_still(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def test_a_worker_stopped_beyond_its_session_changes_nothing_when_it_goes_on(
    servers: Run, undisturbed: State, say: Callable[[str], None]
) -> None:
    """Its database session ends, and a peer takes over.

    When it goes on, its late batch finds the fence moved; or it hears first that its partitions are another's, and
    gives the batch up. Which of the two comes first, the operating system chooses.
    """
    stops = {"recognition-worker": "before_commit:4", "learner-record-worker": "state_read:6"}
    environment = {name: SESSION for worker in stops for name in (worker, f"{worker}-2")}
    async with running(servers.folder / "stopped", copies=dict.fromkeys(stops, 2), environment=environment) as whole:
        system = whole.system
        for worker, point in stops.items():
            system.set_environment(worker, {**SESSION, "STOP_AT": point})
            await asyncio.to_thread(system.restart, worker)
        before = [(await whole.fetch(service, ROLLED_BACK))[0][0] for service in CONSUMING]
        client = Client(whole, SEED)
        telling = asyncio.create_task(tell(client, learners(SEED, LEARNERS)))
        pids = [system.processes[worker].pid for worker in stops]
        await eventually(lambda: all(map(_stands_still, pids)), within=60, what="both stop inside their batches")
        await asyncio.sleep(18.0)  # three times the session's time-out: that long is the fault
        for worker in stops:
            await asyncio.to_thread(system.kill, worker, signal.SIGCONT)
        await telling
        state = await settled_state(whole)
        await see_that_it_is_sound(whole)
        after = [(await whole.fetch(service, ROLLED_BACK))[0][0] for service in CONSUMING]
        dropped = [(await whole.fetch(service, BELOW_FENCE))[0][0] for service in CONSUMING]
    difference = Difference.between(undisturbed, state)
    assert client.unseen == []
    assert difference.is_none, f"{difference!r} {examples(undisturbed, state)}"
    # Both were stopped inside a transaction, which the database ended: otherwise nothing was shown.
    assert all(now > then for now, then in zip(after, before, strict=True)), (before, after)
    say(f"stopped workers: {sum(dropped)} records dropped below the fence; {difference}")
