"""PostgreSQL and Kafka for a test run: started when first asked for, once per run, ended with the run whatever happens.

Each server belongs to a keeper, a process of its own that runs this file: it starts the server, says where it is, and
ends it when the process that owns the run is gone, be that because it finished or because it was killed. The workers of
a parallel run ask for the same servers; a file lock lets one of them start each.

Where a Docker engine answers, the keeper runs the images of docker-compose.yml with testcontainers, otherwise the
servers of deploy.local: the same versions, reached in the same way. CONCORD_TEST_SERVERS=embedded|docker decides it.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import secrets
import select
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import TYPE_CHECKING

from deploy.local import processes
from deploy.local.kafka import SETTINGS, Broker, Kafka
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.postgres import INITDB, Postgres

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

RUNS = Path(__file__).parents[1] / ".local" / "tests"
FETCH_SECONDS = 240
"""For a first start of all, which fetches Kafka's jars."""
READY_SECONDS = 180
"""On a machine that is busy with the tests themselves."""


class Run:
    """The servers of one test run, which end when its owner does."""

    def __init__(self, folder: Path, owner: int) -> None:
        self.folder = folder
        self.owner = owner

    @classmethod
    def begin(cls) -> "Run":
        """A run that this process owns; what runs that have ended left behind is deleted."""
        RUNS.mkdir(parents=True, exist_ok=True)
        for left in RUNS.iterdir():
            owner = left.name.partition("-")[0]
            if owner.isdecimal() and processes.identify(int(owner)) is None:
                shutil.rmtree(left, ignore_errors=True)
        folder = RUNS / f"{os.getpid()}-{secrets.token_hex(4)}"
        folder.mkdir(mode=0o700)
        return cls(folder, os.getpid())

    def address(self, kind: str, name: str = "") -> str:
        """Where this run's server of a kind is (`postgres`, `kafka`, `kafka:3` for three brokers); the first asker
        starts it. A `name` asks for one more beside the shared one. Raises RuntimeError with what the server said.
        """
        folder = self.folder / (name or kind)
        folder.mkdir(mode=0o700, exist_ok=True)
        address = folder / "address"
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not address.exists():
                self._start_keeper(kind, folder, address)
        return address.read_text()

    def _start_keeper(self, kind: str, folder: Path, address: Path) -> None:
        log = folder / "log"
        appending = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        keeper = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "tests.servers", kind, str(folder), str(self.owner)],
            {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), appending, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        (folder / "keeper").write_text(str(keeper))
        deadline = time.monotonic() + FETCH_SECONDS
        while not address.exists():
            if processes.identify(keeper) is None or time.monotonic() > deadline:
                raise RuntimeError(f"{kind} did not start:\n{log.read_text()[-4000:]}")
            time.sleep(0.05)

    def end_server(self, name: str) -> None:
        """End one server, and wait until it has ended."""
        keeper = self.folder / name / "keeper"
        if keeper.exists() and (process := processes.identify(int(keeper.read_text()))) is not None:
            processes.end(process, patience=30)

    def end(self) -> None:
        """End all servers and delete what they wrote."""
        for server in self.folder.iterdir():
            self.end_server(server.name)
        shutil.rmtree(self.folder, ignore_errors=True)


def docker_answers() -> bool:
    """Whether tests run their servers in Docker."""
    wanted = os.environ.get("CONCORD_TEST_SERVERS", "")
    if wanted:
        return wanted == "docker"
    if not os.environ.get("DOCKER_HOST") and not Path("/var/run/docker.sock").exists():
        return False
    import docker  # the import alone takes a while, and most machines without an engine end above

    try:
        client = docker.from_env(timeout=3)
        with contextlib.closing(client):
            return bool(client.ping())
    except (docker.errors.DockerException, OSError):
        return False


async def _until_ready(trouble: Callable[[], Awaitable[str | None]], process: Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while (cause := await trouble()) is not None:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"the server is not ready after {READY_SECONDS} s: {cause}")
        await asyncio.sleep(0.05)


@contextmanager
def _embedded_postgres(folder: Path) -> Iterator[str]:
    server = Postgres(folder / "server", free_port(), secrets.token_urlsafe(24))
    server.prepare()
    process = processes.start(server.command(), sys.stdout)
    try:
        asyncio.run(_until_ready(server.trouble, process))
        yield server.url
    finally:
        _end(process)
        server.remove()


@contextmanager
def _embedded_kafka(folder: Path, brokers: int) -> Iterator[str]:
    cluster = Kafka.on_free_ports(folder / "server", brokers)
    cluster.prepare()
    started = [(broker, processes.start(cluster.command(broker), sys.stdout)) for broker in cluster.brokers]
    try:
        for broker, process in started:
            asyncio.run(_until_ready(lambda broker=broker: cluster.trouble(broker), process))  # type: ignore[misc]
        yield cluster.bootstrap
    finally:
        for _, process in started:
            _end(process)
        shutil.rmtree(cluster.folder, ignore_errors=True)


def _end(process: Popen[bytes]) -> None:
    """What a run wrote is deleted with it, so nothing is lost by a quick end."""
    if process.poll() is None and (known := processes.identify(process.pid)) is not None:
        processes.end(known, first=signal.SIGKILL)
    process.wait()


def _publish(container: "DockerContainer", inside: int, outside: int | None = None) -> str:
    """Publish a container's port (on any, where none is named), and give the host to reach it at.

    Where that host is this machine, nobody else can reach it.
    """
    host = container.get_docker_client().host()
    if host in ("localhost", LOOPBACK):
        host = LOOPBACK
        container.ports[f"{inside}/tcp"] = (LOOPBACK, outside)  # type: ignore[assignment]  # Docker's SDK takes it
    else:
        container.with_bind_ports(inside, outside)
    return host


@contextmanager
def _docker_postgres() -> Iterator[str]:
    from testcontainers.core.container import DockerContainer

    password = secrets.token_urlsafe(24)
    container = (
        DockerContainer("postgres:18")
        .with_env("POSTGRES_PASSWORD", password)
        .with_env("POSTGRES_INITDB_ARGS", " ".join(INITDB))
        .with_command("postgres -c max_connections=200")
    )
    host = _publish(container, 5432)
    with container:
        at = Postgres(Path(), int(container.get_exposed_port(5432)), password, host=host)
        asyncio.run(_until_ready(at.trouble))
        yield at.url


@contextmanager
def _docker_kafka() -> Iterator[str]:
    from testcontainers.core.container import DockerContainer

    # A broker tells its clients where it is, so its port outside must be known before it starts.
    port = free_port()
    container = DockerContainer("apache/kafka:4.1.1")
    at = Kafka(Path(), [Broker(1, port, 0, _publish(container, 9092, port))])
    settings = {
        "node.id": "1",
        "process.roles": "broker,controller",
        "controller.quorum.voters": "1@localhost:9093",
        "controller.listener.names": "CONTROLLER",
        "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "advertised.listeners": f"PLAINTEXT://{at.bootstrap}",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        **SETTINGS,
    }
    for name, value in settings.items():
        container = container.with_env("KAFKA_" + name.upper().replace(".", "_"), value)
    with container:
        asyncio.run(_until_ready(lambda: at.trouble(at.brokers[0])))
        yield at.bootstrap


@contextmanager
def _server(kind: str, folder: Path) -> Iterator[str]:
    name, _, brokers = kind.partition(":")
    if name == "postgres":
        start = _docker_postgres() if docker_answers() else _embedded_postgres(folder)
    elif not brokers and docker_answers():
        start = _docker_kafka()
    else:
        start = _embedded_kafka(folder, int(brokers or "1"))
    with start as address:
        yield address


def keep(kind: str, folder: Path, owner: int) -> None:
    """Run a server of this kind until its owner is gone or this process is told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    logging.disable(logging.CRITICAL)  # clients complain of a server that is about to be ready
    watch = select.poll()
    watch.register(os.pidfd_open(owner), select.POLLIN)
    with _server(kind, folder) as address:
        unfinished = folder / "address.new"
        unfinished.write_text(address)
        unfinished.rename(folder / "address")
        watch.poll()
    shutil.rmtree(folder.parent, ignore_errors=True)


if __name__ == "__main__":
    keep(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
