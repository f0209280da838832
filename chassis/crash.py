"""Crash points: where a test asks a process to die, or to stop, so that what that instant leaves can be examined."""

import os
import signal
from typing import Final

_SIGNALS: Final = {"CRASH_AT": signal.SIGKILL, "STOP_AT": signal.SIGSTOP}

_wishes: dict[tuple[str, signal.Signals], int] = {}
for _variable, _signal in _SIGNALS.items():
    for _wish in filter(None, os.environ.get(_variable, "").split(",")):
        _name, _, _nth = _wish.partition(":")
        _wishes[_name, _signal] = int(_nth or 1)


def crash_point(name: str) -> None:
    """Send this process SIGKILL (`CRASH_AT=name:n`) or SIGSTOP (`STOP_AT=name:n`) at the n-th passing."""
    if not _wishes:
        return
    for number in _SIGNALS.values():
        if (name, number) in _wishes:
            _wishes[name, number] -= 1
            if _wishes[name, number] == 0:
                os.kill(os.getpid(), number)
