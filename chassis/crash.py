"""Crash points: where a test asks a process to die, so that what a kill at that instant leaves can be examined."""

import os
import signal

_at: dict[str, int] = {}
for _wish in filter(None, os.environ.get("CRASH_AT", "").split(",")):
    _name, _, _nth = _wish.partition(":")
    _at[_name] = int(_nth or 1)


def crash_point(name: str) -> None:
    """Kill this process with SIGKILL at the n-th passing, where `CRASH_AT=name:n` asks for it."""
    if name in _at:
        _at[name] -= 1
        if _at[name] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
