"""Runs docker-compose.yml on a plain machine, without Docker: `python -m deploy.local.launcher up|down|run|status|…`.

`up` starts everything in the background and keeps its data from one time to the next, in .local/run; `down` ends it.
`run` does the same in the foreground until Ctrl-C. `audit` looks through what it has stored for anything lost, doubled
or out of balance. In the folder are addresses.json (where everything is), state.json (how it is), logs/, and, for this
user alone, concord.env (addresses, and the secret of the members' clients, for a shell) and environments.json (with the
databases' addresses and all the secrets).
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from deploy.local import compose
from deploy.local.supervisor import State
from deploy.local.system import NotReady, System
from deploy.local.units import COMPOSE_FILE, ROOT, made_up

RUN = ROOT / ".local" / "run"
_MARKS = {"ready": "[green]✓[/]", "done": "[green]✓[/]", "failed": "[red]✗[/]", "not ready": "[red]![/]"}


class Progress:
    """Shows how a system comes up: a table that changes in place, or one line per unit where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[str] = set()
        self._live = Live(console=console, refresh_per_second=8, transient=False)

    def __enter__(self) -> "Progress":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, states: Mapping[str, State]) -> None:
        """Show how the units are now."""
        if self._console.is_terminal:
            self._live.update(_table(states))
            return
        for name, state in states.items():
            if state.ready_after is not None and name not in self._told:
                self._told.add(name)
                self._console.print(f"{name}: {state.phase} after {state.ready_after:.1f} s", highlight=False)


def _table(states: Mapping[str, State]) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, state in states.items():
        after = "" if state.ready_after is None else f"{state.ready_after:.1f} s"
        cause = state.cause if state.phase not in ("ready", "done") else ""
        table.add_row(_MARKS.get(state.phase, "[dim]·[/]"), name, state.phase, after, f"[dim]{cause or ''}[/]")
    return table


def _addresses(system: System) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, address in system.addresses.items():
        if not name.endswith(" metrics"):
            table.add_row(name, address)
    return table


def up(system: System, console: Console) -> None:
    """Start the system and show how it comes up. Raises NotReady."""
    begun = time.monotonic()
    with Progress(console) as progress:
        system.start(progress=progress)
    console.print(f"\nready after {time.monotonic() - begun:.1f} s", highlight=False)
    console.print(_addresses(system))
    file = system.write_variables()
    shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    console.print(
        f"\n. {shown}\ngives a shell these addresses, and the secret of the members' clients", highlight=False
    )


def _run(system: System, console: Console) -> None:
    """In the foreground, until Ctrl-C or a request to end."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    try:
        up(system, console)
        console.print("\nCtrl-C ends it.")
        while system.is_running:
            time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("\nending …")
        # A second Ctrl-C must not leave half of it running.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    finally:
        system.stop()


def _audit(system: System) -> int:
    """Audit the databases of a system that runs, as `concord operations audit` does; returns its exit code."""
    databases = {name: value for name, value in system.environment("setup").items() if name.endswith("_DATABASE_URL")}
    command = [sys.executable, "-m", "client.main", "operations", "audit", "--settle", "30"]
    return subprocess.run(command, env={**os.environ, **databases}, check=False).returncode


def _environment() -> str:
    """Development values for what docker-compose.yml requires, as the lines of an .env file."""
    required = [name for name, needed in compose.variables(COMPOSE_FILE).items() if needed]
    return "".join(f"{name}={made_up()}\n" for name in required)


def main() -> None:
    """The command line; the exit code is 1 where the system does not become ready."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.launcher", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["up", "down", "run", "status", "audit", "env", "delete"])
    parser.add_argument("--folder", type=Path, default=RUN, help="where state, data and logs are (default: .local/run)")
    parser.add_argument("--brokers", type=int, default=int(os.environ.get("BROKERS", "1")), help="Kafka brokers")
    asked = parser.parse_args()
    console = Console()
    if asked.command == "env":
        sys.stdout.write(_environment())
        return
    # As with compose, the caller's environment may give a variable of the file another value.
    names = compose.variables(COMPOSE_FILE)
    values = {name: os.environ[name] for name in names if name in os.environ and not name.endswith("_HOST")}
    system = System(asked.folder, brokers=asked.brokers, values=values, ends_with_this_process=asked.command == "run")
    try:
        if asked.command == "up":
            up(system, console)
        elif asked.command == "run":
            _run(system, console)
        elif asked.command == "status":
            console.print(_table(system.states) if system.is_running else "nothing runs")
        elif asked.command == "audit":
            if not system.is_running:
                console.print("nothing runs: `make up` starts it")
                sys.exit(2)
            sys.exit(_audit(system))
        elif asked.command == "down":
            system.stop()
        else:
            system.delete()
    except (NotReady, compose.Unreadable) as error:
        console.print(f"[red]not ready:[/] {error}", markup=True, highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
