"""A system of real processes, started, asked and ended from Python: by the launcher, and by tests that hurt it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from deploy.local import processes, supervisor, variables
from deploy.local.postgres import Postgres
from deploy.local.processes import Identity
from deploy.local.supervisor import State
from deploy.local.units import COMPOSE_FILE, ROOT, Plan

# A unit that has been started this often since it was last found ready has a fault that no further start will cure.
_HOPELESS = 6
_MARGIN = 15.0
"""Seconds beyond the longest time a unit may take to end."""


class NotReady(Exception):
    """The system, or a unit of it, did not become ready; the message says which, why, and what it wrote last."""


class System:
    """The processes of docker-compose.yml, whose state and data are in a folder of their own.

    Any number of systems runs side by side, each in its own folder. Another process may look at, or end, a system that
    this one started: all that is known about it is in its folder.
    """

    def __init__(
        self,
        folder: Path,
        *,
        compose_file: Path = COMPOSE_FILE,
        only: Iterable[str] = (),
        brokers: int = 1,
        copies: Mapping[str, int] | None = None,
        values: Mapping[str, str] | None = None,
        environment: Mapping[str, Mapping[str, str]] | None = None,
        ends_with_this_process: bool = False,
    ) -> None:
        """
        only: the services to run; all where it is empty. brokers: of Kafka. copies: processes of a service, where more
        than one. values: for the file's variables. environment: what a unit's environment has besides the file's.
        """
        self.folder = folder.resolve()
        self._plan = Plan(
            folder=self.folder,
            compose_file=compose_file.resolve(),
            only=tuple(only),
            brokers=brokers,
            copies=dict(copies or {}),
            values=dict(values or {}),
            owner=os.getpid() if ends_with_this_process else None,
        )
        self._environment = dict(environment or {})

    def __enter__(self) -> "System":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # Start and end

    def start(self, *, seconds: float = 240, progress: Callable[[Mapping[str, State]], None] | None = None) -> None:
        """Start everything and wait until all is ready; what of an earlier start still runs is ended first.

        `progress` is called whenever something changed. Raises NotReady, with everything ended again.
        """
        self.stop()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for kept in ("state.json", "addresses.json", "environments.json", variables.NAME):
            (self.folder / kept).unlink(missing_ok=True)
        for kept in ("held", "environment"):
            shutil.rmtree(self.folder / kept, ignore_errors=True)
        supervisor.write_plan(self._plan)
        for unit, besides in self._environment.items():
            self.set_environment(unit, besides)
        with (self.folder / "supervisor.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "deploy.local.supervisor", str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=ROOT,
            )
        try:
            self.wait_ready(seconds=seconds, progress=progress, until=lambda: process.poll() is not None)
        except BaseException:
            self.stop()
            raise
        finally:
            # It is no child of anybody's from here on: `stop`, of whichever process, waits for it by its identity.
            process.returncode = 0

    def wait_ready(
        self,
        *names: str,
        seconds: float = 60,
        progress: Callable[[Mapping[str, State]], None] | None = None,
        until: Callable[[], bool] = lambda: False,
    ) -> None:
        """Wait until these units (all, where none is named) are ready or done. Raises NotReady.

        It does not wait for units that are held, unless they are named; and no longer than until `until` says so.
        """
        deadline = time.monotonic() + seconds
        before: Mapping[str, State] = {}
        while True:
            states = self.states
            if states != before and progress is not None:
                progress(states)
            before = states
            asked = {name: states[name] for name in names or states if name in states}
            waiting = {name: state for name, state in asked.items() if not self._is_well(state, named=bool(names))}
            if states and not waiting:
                return
            for name, state in waiting.items():
                if state.phase == "failed" or (state.phase == "starting" and state.starts_in_vain >= _HOPELESS):
                    raise NotReady(f"{name}: {state.cause}\n{self.log(name)[-2000:]}")
            if until():
                raise NotReady((self.folder / "supervisor.log").read_text()[-4000:])
            if time.monotonic() > deadline:
                reasons = "; ".join(f"{name}: {state.phase}, {state.cause}" for name, state in waiting.items())
                raise NotReady(f"not ready after {seconds:g} s: {reasons or 'nothing has started'}")
            time.sleep(0.05)

    @staticmethod
    def _is_well(state: State, *, named: bool) -> bool:
        if state.phase == "done" or (state.phase == "held" and not named):
            return True
        # A state can be a moment old: a process that was killed just now still counts as ready there.
        return state.phase == "ready" and state.process is not None and processes.is_running(state.process)

    def stop(self) -> None:
        """End everything, also what a supervisor that was killed left behind; nothing is known to run afterwards."""
        recorded = self._recorded()
        if recorded is not None:
            looks_after = Identity(**recorded["supervisor"])
            processes.end(looks_after, patience=2 * 30 + _MARGIN)
            # Read again: it may have started something since.
            for name, state in self.states.items():
                if state.process is not None and processes.is_running(state.process):
                    processes.end(state.process, first=signal.SIGINT if name == "postgres" else signal.SIGTERM)
            (self.folder / "state.json").unlink(missing_ok=True)

    def delete(self) -> None:
        """End everything, and delete its data, logs and secrets."""
        self.stop()
        Postgres(self.folder / "postgres", 0, "").remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    # What is

    def _recorded(self) -> dict[str, Any] | None:
        try:
            recorded: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        except FileNotFoundError:
            return None
        return recorded

    @property
    def is_running(self) -> bool:
        """Whether something looks after this system's processes."""
        recorded = self._recorded()
        return recorded is not None and processes.is_running(Identity(**recorded["supervisor"]))

    @property
    def states(self) -> dict[str, State]:
        """How every unit is now; empty where nothing runs."""
        recorded = self._recorded()
        if recorded is None:
            return {}
        return {
            name: State(**state | {"process": Identity(**state["process"]) if state["process"] else None})
            for name, state in recorded["units"].items()
        }

    @property
    def processes(self) -> dict[str, Identity]:
        """The process of every unit that has one."""
        return {name: state.process for name, state in self.states.items() if state.process is not None}

    @property
    def addresses(self) -> dict[str, str]:
        """Base address of every unit that serves one, `<unit> metrics` of its metrics and health, and `kafka`'s."""
        addresses: dict[str, str] = json.loads((self.folder / "addresses.json").read_text())
        return addresses

    def environment(self, name: str) -> dict[str, str]:
        """The environment of a unit, with the secrets in it: database addresses, keys."""
        environments: dict[str, dict[str, str]] = json.loads((self.folder / "environments.json").read_text())
        return environments[name]

    def write_variables(self) -> Path:
        """Write the addresses, and the secret of the members' clients, as variables of a shell; return the file."""
        return variables.write(self.folder, self.addresses, self.environment("issuer"))

    def log(self, name: str) -> str:
        """What a unit has written since it was first started."""
        file = self.folder / "logs" / f"{name}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    # What is done to it

    def kill(self, name: str, number: int = signal.SIGKILL) -> Identity:
        """Send a signal to a unit's process, and return which it was; a failed one is started again unless it is held.

        After SIGKILL it has ended when this returns. SIGSTOP and SIGCONT go to the process alone, as the faults have
        it. Raises KeyError where the unit has no process.
        """
        process = self.processes[name]
        processes.send(process, number)
        if number == signal.SIGKILL:
            processes.wait_end(process, 10)
        return process

    def hold(self, name: str) -> None:
        """Keep a unit from being started again once it has ended; one that runs goes on."""
        (self.folder / "held" / name).touch()

    def release(self, name: str) -> None:
        """Let a held unit be started again."""
        (self.folder / "held" / name).unlink(missing_ok=True)

    def restart(self, name: str, *, seconds: float = 60) -> None:
        """End a unit's process as a deployment does, start it anew, and wait until it is ready. Raises NotReady."""
        self.hold(name)
        processes.end(self.processes[name], patience=30)
        self._wait_for_phase(name, "held", seconds)
        self.release(name)
        self.wait_ready(name, seconds=seconds)

    def _wait_for_phase(self, name: str, phase: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.states[name].phase != phase:
            if time.monotonic() > deadline:
                raise NotReady(f"{name} is not {phase} after {seconds:g} s, but {self.states[name].phase}")
            time.sleep(0.02)

    def set_environment(self, name: str, besides: Mapping[str, str]) -> None:
        """What a unit's environment has besides the file's, from its next start on; replaces what was set before."""
        folder = self.folder / "environment"
        folder.mkdir(mode=0o700, exist_ok=True)
        supervisor.write_private(folder / f"{name}.json", dict(besides))
