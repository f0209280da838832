"""Free ports on this machine's loopback address."""

import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path

LOOPBACK = "127.0.0.1"
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 15_000
_given: set[int] = set()


def free_port() -> int:
    """A port on which nobody listens now, and which no other call of this is given while this process lives.

    It is below the range from which the kernel serves outgoing connections: one of those could otherwise take a
    server's port between two starts of it. Raises OSError where no port is found.
    """
    highest = int(_EPHEMERAL.read_text().split()[0]) if _EPHEMERAL.exists() else 32_768
    if highest - _LOWEST < 1_000:  # this machine gives nearly everything to outgoing connections
        highest = 32_768
    for _ in range(1_000):
        port = random.randrange(_LOWEST, highest)  # noqa: S311  # spreads checkouts, guards nothing
        if port not in _given and take(port):
            return port
    raise OSError("no free port on the loopback address")


def take(port: int) -> bool:
    """Keep a port for this process, where a server could listen on it now; whether that was possible.

    Processes of one user hear of each other by locks on the bytes of one file, each byte a port: the kernel lets go of
    them when their process ends, in whatever way.
    """
    try:
        fcntl.lockf(_locks(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    if not _is_free(port):
        return False
    _given.add(port)
    return True


@cache
def _locks() -> int:
    file = Path(tempfile.gettempdir()) / f"concord-ports-{os.getuid()}"
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers bind: what lingers after a server's end does not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
