"""Looks after the processes of a system: starts them in order, asks how they are, starts again what failed, ends them.

It is a process of its own (`python -m deploy.local.supervisor FOLDER`), and says in FOLDER/state.json how each unit is.
Whoever steers it does so through files in FOLDER, and through signals to the processes themselves:

- plan.json: what runs; values.json: the values of the compose file's variables, kept from one start to the next
- held/<unit>: a unit that has ended is not started again while this file is there
- environment/<unit>.json: what a unit's environment has besides, from its next start on
- logs/<unit>.log: what a unit wrote
"""

import asyncio
import contextlib
import dataclasses
import fcntl
import json
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from deploy.local import processes
from deploy.local.processes import Identity
from deploy.local.units import Plan, Unit, fill_in, units

Phase = Literal["waiting", "preparing", "starting", "ready", "not ready", "held", "failed", "done", "ended"]

_TICK = 0.05
_CHECK_WHILE_STARTING = 0.2
_LONGEST_PAUSE = 5.0
_STEADY = 10.0
"""Seconds a process must have run for its next failure to count as a first one again."""


@dataclass
class State:
    """How a unit is."""

    phase: Phase = "waiting"
    process: Identity | None = None
    cause: str | None = None
    """What stands in its way."""
    starts: int = 0
    starts_in_vain: int = 0
    """Of these: those since a check last found it ready."""
    exit_code: int | None = None
    """Of its last process that ended; negative for the signal that ended it."""
    ready_after: float | None = None
    """Seconds from the system's start until it was ready for the first time."""


def write_private(file: Path, value: Any) -> None:
    """Write JSON that only this user may read, whole or not at all."""
    unfinished = file.with_name(f".{file.name}.new")
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(value, indent=1))
    unfinished.rename(file)


def read_plan(folder: Path) -> Plan:
    """The plan that was written for this folder."""
    plan = json.loads((folder / "plan.json").read_text())
    return Plan(**plan | {"folder": folder, "compose_file": Path(plan["compose_file"]), "only": tuple(plan["only"])})


def write_plan(plan: Plan) -> None:
    """Hand a plan to the supervisor that is started next."""
    values = dataclasses.asdict(plan) | {"compose_file": str(plan.compose_file)}
    del values["folder"]
    write_private(plan.folder / "plan.json", values)


@dataclass
class Supervisor:
    """One system of processes."""

    plan: Plan
    _states: dict[str, State] = field(default_factory=dict)
    _by_service: dict[str, list[str]] = field(default_factory=dict)
    _prepared: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _begun: float = field(default_factory=time.monotonic)

    async def run(self) -> None:
        """Look after everything until this process is told to end, or its owner is gone; then end it in order."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        known = self.plan.folder / "values.json"
        values = fill_in(self.plan, json.loads(known.read_text()) if known.exists() else {})
        write_private(known, values)
        wanted = units(self.plan, values)
        self._states = {unit.name: State() for unit in wanted}
        for unit in wanted:
            self._by_service.setdefault(unit.service, []).append(unit.name)
        for folder in ("logs", "held", "environment"):
            (self.plan.folder / folder).mkdir(mode=0o700, exist_ok=True)
        self._write_addresses(wanted)
        self._write_states()
        async with _when_gone(self.plan.owner, self._stopping.set):
            # Servers end last: what uses them still wants to finish its work.
            servers = [unit for unit in wanted if unit.prepare is not None]
            others = [unit for unit in wanted if unit.prepare is None]
            tasks = {unit.name: asyncio.create_task(self._look_after(unit)) for unit in wanted}
            await self._stopping.wait()
            for group in (others, servers):
                await asyncio.gather(*(self._end(unit, tasks[unit.name]) for unit in group))

    def _write_addresses(self, wanted: list[Unit]) -> None:
        addresses: dict[str, str] = {}
        for unit in wanted:
            if unit.url is not None:
                addresses[unit.name] = unit.url
            if unit.metrics_url is not None:
                addresses[f"{unit.name} metrics"] = unit.metrics_url
        brokers = [unit.environment["BOOTSTRAP"] for unit in wanted if "BOOTSTRAP" in unit.environment]
        if brokers:
            addresses["kafka"] = ",".join(brokers)
        write_private(self.plan.folder / "addresses.json", addresses)
        write_private(self.plan.folder / "environments.json", {unit.name: dict(unit.environment) for unit in wanted})

    def _write_states(self) -> None:
        supervisor = processes.identify(os.getpid())
        assert supervisor is not None  # noqa: S101  # it is this process
        write_private(
            self.plan.folder / "state.json",
            {
                "supervisor": dataclasses.asdict(supervisor),
                "units": {name: dataclasses.asdict(state) for name, state in self._states.items()},
            },
        )

    def _change(self, unit: Unit, phase: Phase, cause: str | None = None, **more: Any) -> None:
        state = dataclasses.replace(self._states[unit.name], phase=phase, cause=cause, **more)
        if state != self._states[unit.name]:
            self._states[unit.name] = state
            self._write_states()

    async def _look_after(self, unit: Unit) -> None:
        failures = 0
        try:
            await self._dependencies(unit)
            while True:
                await self._while_held(unit)
                await self._prepare(unit)
                started = time.monotonic()
                code = await self._one_life(unit)
                if self._stopping.is_set():
                    return
                if self._held(unit):
                    continue
                if code == 0 and unit.trouble is None:
                    self._change(unit, "done", exit_code=0, process=None, ready_after=self._ready_after(unit))
                    return
                # As with compose's on-failure, what ends without a fault is not started again.
                if code == 0 or not unit.restarts:
                    self._change(unit, "failed", f"it ended with {code}", exit_code=code, process=None)
                    return
                failures = 1 if time.monotonic() - started > _STEADY else failures + 1
                self._change(unit, "starting", f"it ended with {code}", exit_code=code, process=None)
                await asyncio.sleep(min(0.1 * 2 ** (failures - 1), _LONGEST_PAUSE))
        except Exception as error:  # whatever it is, the others go on, and whoever asks learns of it
            traceback.print_exc()
            self._change(unit, "failed", f"{type(error).__name__}: {error}", process=None)

    async def _dependencies(self, unit: Unit) -> None:
        wanted: Mapping[str, tuple[Phase, ...]] = {
            "service_started": ("starting", "ready", "not ready", "done"),
            "service_healthy": ("ready",),
            "service_completed_successfully": ("done",),
        }
        while waits_for := [
            name
            for service, condition in unit.depends_on.items()
            for name in self._by_service[service]
            if self._states[name].phase not in wanted[condition]
        ]:
            self._change(unit, "waiting", f"waits for {', '.join(waits_for)}")
            await asyncio.sleep(_TICK)

    def _held(self, unit: Unit) -> bool:
        return (self.plan.folder / "held" / unit.name).exists()

    async def _while_held(self, unit: Unit) -> None:
        while self._held(unit):
            self._change(unit, "held", process=None)
            await asyncio.sleep(_TICK)

    async def _prepare(self, unit: Unit) -> None:
        """What a service needs once before it starts, done once for all its units."""
        if unit.prepare is None:
            return
        if unit.service not in self._prepared:
            self._prepared[unit.service] = asyncio.create_task(asyncio.to_thread(unit.prepare))
        self._change(unit, "preparing")
        await self._prepared[unit.service]

    async def _one_life(self, unit: Unit) -> int:
        """Start the unit's process, watch it until it ends, and return its exit code."""
        besides = self.plan.folder / "environment" / f"{unit.name}.json"
        command = unit.command(json.loads(besides.read_text()) if besides.exists() else {})
        with (self.plan.folder / "logs" / f"{unit.name}.log").open("ab") as log:
            process = processes.start(command, log)
        known = processes.identify(process.pid)
        before = self._states[unit.name]
        self._change(
            unit, "starting", process=known, starts=before.starts + 1, starts_in_vain=before.starts_in_vain + 1
        )
        async with _end_of(process.pid) as ended:
            watch = asyncio.create_task(self._watch(unit))
            await ended.wait()
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
        return process.wait()

    async def _watch(self, unit: Unit) -> None:
        failures = 0
        while True:
            try:
                trouble = await unit.trouble() if unit.trouble is not None else None
            except Exception as error:  # a check that fails says as much as one that fails to come about
                trouble = f"{type(error).__name__}: {error}"
            phase = self._states[unit.name].phase
            if trouble is None:
                failures = 0
                # Nobody knows of a unit without a check whether it is: it may end at once, again and again.
                in_vain = self._states[unit.name].starts_in_vain if unit.trouble is None else 0
                self._change(unit, "ready", starts_in_vain=in_vain, ready_after=self._ready_after(unit))
            else:
                failures += 1
                if phase == "starting":
                    self._change(unit, "starting", trouble)
                elif failures >= unit.retries:
                    self._change(unit, "not ready", trouble)
            # Eager while it is awaited; a ready one is asked as seldom as its health check says.
            await asyncio.sleep(_CHECK_WHILE_STARTING if trouble is not None else unit.interval)

    def _ready_after(self, unit: Unit) -> float:
        before = self._states[unit.name].ready_after
        return round(time.monotonic() - self._begun, 1) if before is None else before

    async def _end(self, unit: Unit, task: "asyncio.Task[None]") -> None:
        state = self._states[unit.name]
        if state.process is not None and processes.send(state.process, unit.stop_signal):
            processes.send(state.process, signal.SIGCONT)
            async with _end_of(state.process.pid) as ended:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), unit.stop_seconds)
            processes.send(state.process, signal.SIGKILL)
        if state.process is None:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if state.process is not None:
            processes.kill_group(state.process.pid)
        self._change(unit, "ended", process=None)


@contextlib.asynccontextmanager
async def _end_of(pid: int) -> AsyncIterator[asyncio.Event]:
    """An event that is set when a process ends."""
    ended = asyncio.Event()
    async with _when_gone(pid, ended.set):
        yield ended


@contextlib.asynccontextmanager
async def _when_gone(pid: int | None, then: Callable[[], Any]) -> AsyncIterator[None]:
    """Call `then` as soon as this process has ended; None is a process that never does."""
    if pid is None:
        yield
        return
    loop = asyncio.get_running_loop()
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        then()
        yield
        return

    def gone() -> None:
        loop.remove_reader(descriptor)
        then()

    loop.add_reader(descriptor, gone)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def main(folder: Path) -> None:
    """Look after what the folder's plan says; at most one process does so for a folder."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"a supervisor already looks after {folder}")
        logging.disable(logging.CRITICAL)  # clients complain of servers that are about to be ready

        async def run() -> None:
            await Supervisor(read_plan(folder)).run()

        asyncio.run(run())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
