"""Every process of the system is killed under load, in a seeded order, at seeded instants, some inside their work."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Final

from deploy.local import processes
from deploy.local.system import System
from tests.eventually import eventually

UNITS: Final = (
    "provider-api",
    "provider-worker",
    "recognition-api",
    "recognition-worker",
    "learner-record-api",
    "learner-record-worker",
    "portal",
    "operations",
    "kafka",
    "postgres",
)
_OF_A_READER: Final = ("before_commit", "state_read", "after_commit")
CRASH_POINTS: Final = {
    "provider-api": ("provider_after_commit",),
    "provider-worker": ("relay_after_ack",),
    "recognition-worker": ("relay_after_ack", *_OF_A_READER),
    "learner-record-api": ("learner_record_after_commit",),
    "learner-record-worker": ("relay_after_ack", *_OF_A_READER),
    "operations": _OF_A_READER,
}
"""Where a process can be told to die by itself, with SIGKILL: between two steps that belong together."""
SESSION: Final = {"SESSION_TIMEOUT_MS": "6000"}
"""The shortest that Kafka grants: so long nobody reads the partitions of a reader that was killed."""
READERS: Final = ("recognition-worker", "learner-record-worker", "operations")
BACK_WITHIN: Final = 300.0


class Killer:
    """Kills each process `rounds` times, and every other time at a crash point besides, where it has one."""

    def __init__(self, system: System, seed: int, rounds: int) -> None:
        self._system = system
        self._rng = random.Random(seed)
        self._order = [(unit, nth) for nth in range(rounds) for unit in self._rng.sample(UNITS, len(UNITS))]
        self.kills: Counter[str] = Counter()
        self.inside = 0
        """Of the kills: at a crash point, inside the process's work."""

    async def run(self, progress: Callable[[], float]) -> None:
        """Kill by the progress of the load, from 0 to 1 at its end, so that it goes on for as long as the killing does.

        The instants do not wait for one another: outages overlap as they come. Only the process itself must be there.
        """
        instants = sorted(self._rng.uniform(0.02, 0.8) for _ in self._order)
        for (unit, nth), instant in zip(self._order, instants, strict=True):
            await _reach(progress, instant)
            await asyncio.sleep(self._rng.uniform(0.0, 0.6))  # a seeded instant, not a condition
            # By turns, so that two rounds do for every process.
            if unit in CRASH_POINTS and (nth + UNITS.index(unit)) % 2:
                await self._kill_inside(unit, progress)
            else:
                await self._kill(unit)

    async def _kill(self, unit: str) -> None:
        await self._is_back(unit)
        await asyncio.to_thread(self._system.kill, unit)
        self.kills[unit] += 1

    async def _kill_inside(self, unit: str, progress: Callable[[], float]) -> None:
        """Kill it, and after its next start have it die at a crash point, unless the load ends before that."""
        always = SESSION if unit in READERS else {}
        wish = f"{self._rng.choice(CRASH_POINTS[unit])}:{self._rng.randrange(1, 4)}"
        self._system.set_environment(unit, {**always, "CRASH_AT": wish})
        await self._is_back(unit)
        before = self._system.states[unit].starts
        await self._kill(unit)

        def died() -> bool:
            return self._system.states[unit].starts > before + 1

        await eventually(lambda: died() or progress() >= 1, within=BACK_WITHIN, what=f"{unit} dies at {wish}")
        if died():
            self.kills[unit] += 1
            self.inside += 1
        self._system.set_environment(unit, always)

    async def _is_back(self, unit: str) -> None:
        def is_back() -> bool:
            state = self._system.states[unit]
            # What is recorded can be a moment old.
            return state.phase == "ready" and state.process is not None and processes.is_running(state.process)

        await eventually(is_back, within=BACK_WITHIN, what=f"{unit} runs again")


async def _reach(progress: Callable[[], float], instant: float) -> None:
    await eventually(lambda: progress() >= instant, within=600, what=f"the load reaches {instant:.2f}")
