"""Processes of this machine: started so that none outlives its purpose, and known by more than a number."""

import ctypes
import os
import select
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Identity:
    """One process for good: numbers are given again, a number with its start is not."""

    pid: int
    started: str
    """The boot of the machine, and the clock tick since then in which the process began."""


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the command in brackets, and may itself hold blanks and brackets.
    return text.rpartition(")")[2].split()


def identify(pid: int) -> Identity | None:
    """The process that has this number now; None where there is none, or where it has ended and waits to be reaped."""
    fields = _stat(pid)
    if fields is None or fields[0] in "ZX":
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return Identity(pid, f"{boot}:{fields[19]}")


def is_running(process: Identity) -> bool:
    """Whether this very process still runs (a stopped one does)."""
    return identify(process.pid) == process


def send(process: Identity, number: int) -> bool:
    """Send a signal to this very process; False where it has ended."""
    if not is_running(process):
        return False
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def wait_end(process: Identity, seconds: float) -> bool:
    """Wait until this process has ended, at most so many seconds; False where it still runs then."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        if not is_running(process):
            return True
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(descriptor)


def end(process: Identity, *, first: int = signal.SIGTERM, patience: float = 10) -> None:
    """End a process: ask it, continue it where it is stopped, and after `patience` seconds kill its whole group."""
    if send(process, first):
        send(process, signal.SIGCONT)
        if not wait_end(process, patience) and send(process, signal.SIGKILL):
            wait_end(process, patience)
    kill_group(process.pid)


def kill_group(leader: int) -> None:
    """Kill what is left of the group that a process led; each process started here leads a group of its own."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def dies_with_parent() -> Callable[[], None]:
    """What a child runs before its program, so that the kernel kills it when the process that started it dies."""

    def before_program() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    return before_program


@dataclass(frozen=True)
class Command:
    """How a process is started."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    user: int | None = None
    """The system user whose rights it has; None for the one that starts it."""


def start(command: Command, log: IO[Any], *, outlives_parent: bool = False) -> subprocess.Popen[bytes]:
    """Start a process that leads a session and group of its own, its output appended to `log`.

    A terminal's Ctrl-C then reaches only whoever started it, which ends it in order. Call it from a program's main
    thread only: with the thread that started it, the kernel would take the child for an orphan.
    """
    as_user: dict[str, Any] = {}
    if command.user is not None:
        as_user = {"user": command.user, "group": command.user, "extra_groups": []}
    return subprocess.Popen(
        list(command.arguments),
        env=dict(command.environment),
        cwd=command.folder,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=None if outlives_parent else dies_with_parent(),
        **as_user,
    )
