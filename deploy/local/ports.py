"""Free ports on this machine's loopback address."""

import random
import socket
from collections.abc import Collection
from pathlib import Path

LOOPBACK = "127.0.0.1"
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 15_000


def free_port(taken: Collection[int] = ()) -> int:
    """A port on which nobody listens now, and which is not among `taken`.

    It is below the range from which the kernel serves outgoing connections: one of those could otherwise take a
    server's port between two starts of it. Raises OSError where no port is found.
    """
    highest = int(_EPHEMERAL.read_text().split()[0]) if _EPHEMERAL.exists() else 32_768
    if highest - _LOWEST < 1_000:  # this machine gives nearly everything to outgoing connections
        highest = 32_768
    for _ in range(1_000):
        port = random.randrange(_LOWEST, highest)  # noqa: S311  # spreads checkouts, guards nothing
        if port not in taken and is_free(port):
            return port
    raise OSError("no free port on the loopback address")


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers bind: what lingers after a server's end does not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
