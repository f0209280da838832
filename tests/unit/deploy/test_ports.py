"""Ports that are given once."""

import random
import socket
import subprocess
import sys

from deploy.local.ports import LOOPBACK, free_port, take

TAKES = "import sys; from deploy.local.ports import take; print(take(int(sys.argv[1])), flush=True); sys.stdin.read()"


def test_no_port_is_given_twice_whatever_chance_says() -> None:
    before = random.getstate()
    try:
        given = []
        for _ in range(3):
            random.seed(0)  # as Hypothesis does before each of its examples
            given += [free_port() for _ in range(5)]
    finally:
        random.setstate(before)
    assert len(set(given)) == 15


def test_a_port_of_another_process_is_its_own_until_that_ends() -> None:
    port = free_port()
    words = [sys.executable, "-c", TAKES]
    at_once = subprocess.run([*words, str(port)], stdin=subprocess.DEVNULL, capture_output=True, check=True)  # noqa: S603
    assert at_once.stdout == b"False\n"

    with socket.socket() as server:  # found beside the module's own bookkeeping, so that the other may have it
        server.bind((LOOPBACK, 0))
        theirs = server.getsockname()[1]
    with subprocess.Popen([*words, str(theirs)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:  # noqa: S603
        assert other.stdout is not None
        assert other.stdout.readline() == b"True\n"
        assert not take(theirs)
        other.kill()
    assert take(theirs)


def test_a_port_on_which_somebody_listens_is_not_taken() -> None:
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen()
        assert not take(server.getsockname()[1])
