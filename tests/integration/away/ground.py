"""Servers that a test may stop and kill, and processes of services beside them that it asks and signals."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import asyncpg
import httpx
from prometheus_client.parser import text_string_to_metric_families

from deploy.local import processes
from deploy.local.ports import free_port
from deploy.local.processes import Command
from tests.conftest import Database
from tests.eventually import eventually
from tests.integration.provider.ground import completion, esi

IN_TIME = 5.0
"""Seconds within which every request ends while the database is away (F-08)."""


@dataclass
class Server:
    """A PostgreSQL or a Kafka that belongs to the tests of a folder alone."""

    address: str
    port: int
    command: Command
    trouble: Callable[[], Awaitable[str | None]]
    log: Path
    process: Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, also after it was killed, and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = processes.start(self.command, log)

        async def answers() -> bool:
            return await self.trouble() is None

        await eventually(answers, within=200, what=f"a server that answers; see {self.log}")

    def signal(self, number: int) -> None:
        """Send a signal to the server and to each of its sessions' processes."""
        assert self.process is not None
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            os.kill(each, number)

    def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        assert self.process is not None
        self.signal(signal.SIGKILL)
        self.process.wait()

    def within(self, database: Database) -> str:
        """The address of a database for the superuser."""
        return self.address.rpartition("/")[0] + "/" + database.url.rpartition("/")[2]

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.poll() is None


class Process:
    """A process of a service."""

    def __init__(self, running: asyncio.subprocess.Process, environment: Mapping[str, str]) -> None:
        self.running = running
        self.environment = environment

    async def ask(self, path: str, port: str = "METRICS_PORT") -> httpx.Response:
        """GET something of its health or metrics."""
        async with httpx.AsyncClient(timeout=30) as client:
            return await client.get(f"http://127.0.0.1:{self.environment[port]}{path}")

    async def is_ready(self) -> bool:
        """Whether it says that it is ready."""
        assert self.running.returncode is None, "the process ended"
        try:
            return (await self.ask("/health/ready")).status_code == 200
        except httpx.TransportError:
            return False

    async def causes(self, port: str = "METRICS_PORT") -> list[str]:
        """What it says is in its way; its liveness does not depend on that."""
        answer = await self.ask("/health/ready", port)
        causes: list[str] = answer.json()["causes"]
        assert answer.status_code == (503 if causes else 200)
        assert (await self.ask("/health/live", port)).status_code == 200
        return causes

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels; fails where there is none."""
        text = (await self.ask("/metrics")).text
        found = [
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert found, f"no {name} with {labels}"
        return sum(found)

    def connections_to(self, port: int) -> int:
        """How many TCP connections it holds to a port of this machine."""
        folder = Path(f"/proc/{self.running.pid}")
        inodes = {os.readlink(fd) for fd in (folder / "fd").iterdir() if fd.is_symlink()}
        rows = [line.split() for line in (folder / "net/tcp").read_text().splitlines()[1:]]
        return sum(int(row[2].rpartition(":")[2], 16) == port and f"socket:[{row[9]}]" in inodes for row in rows)

    @property
    def memory(self) -> int:
        """Bytes that it has in memory."""
        status = Path(f"/proc/{self.running.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024


@asynccontextmanager
async def process(service: str, role: str, environment: Mapping[str, str]) -> AsyncIterator[Process]:
    """A process of a service, ready; it is killed with the block."""
    settings = {**environment, "METRICS_PORT": str(free_port())}
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"services.{service}.main", role, env={**os.environ, **settings}
    )
    try:
        started = Process(running, settings)
        await eventually(started.is_ready, within=90)
        yield started
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


def sound(answer: httpx.Response) -> bool:
    """Whether a completion was accepted; where it was not, the answer must say that it may be sent again."""
    if answer.status_code in (200, 201):
        return True
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["retryable"] is True
    return False


class Publisher:
    """A member's system that publishes completions, each of a learner of its own, and remembers what became of them."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.sent = 0
        self.refused: list[str] = []
        self.accepted: list[str] = []
        self.longest = 0.0
        """Seconds from a request's last byte to its refusal, at most."""
        self.overhead = 0.0
        """Seconds that the same process took at most, meanwhile, to say that it lives: the machine's share in that."""

    async def publish(self, reference: str | None = None) -> bool:
        """PUT one completion; whether it was accepted."""
        if reference is None:
            self.sent += 1
            reference = f"C-{self.sent}"
        learner = {"scheme": "ESI", "identifier": esi(reference.lower()), "reference": reference}
        at = {"sent": time.monotonic()}

        async def trace(event: str, _: Any) -> None:
            if event == "http11.send_request_body.complete":
                at["sent"] = time.monotonic()
            elif event == "http11.receive_response_headers.complete":
                at["answered"] = time.monotonic()

        answer = await self.http.put(
            f"/completions/{reference}", json=completion(learner=learner), extensions={"trace": trace}
        )
        accepted = sound(answer)
        if not accepted:
            self.longest = max(self.longest, at.get("answered", time.monotonic()) - at["sent"])
        (self.accepted if accepted else self.refused).append(reference)
        return accepted

    async def at_once(self, count: int) -> list[bool]:
        """PUT so many at the same time; every refusal comes in time."""
        async with self._in_time():
            return list(await asyncio.gather(*(self.publish() for _ in range(count))))

    async def until(self, ended: asyncio.Event, streams: int = 6) -> None:
        """PUT one after the other on so many connections, until the event; every refusal comes in time."""

        async def stream() -> None:
            while not ended.is_set():
                await self.publish()

        async with self._in_time():
            await asyncio.gather(*(stream() for _ in range(streams)))

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        async def watch() -> None:
            while True:
                started = time.monotonic()
                await self.http.get("/health/live")
                self.overhead = max(self.overhead, time.monotonic() - started)
                await asyncio.sleep(0.05)

        self.longest = self.overhead = 0.0
        watching = asyncio.create_task(watch())
        try:
            yield
            assert not watching.done()
        finally:
            watching.cancel()
            await asyncio.wait({watching})
        assert self.longest <= IN_TIME + self.overhead, f"{self.longest:.2f} s, of which {self.overhead:.2f} s overhead"

    async def send_again(self) -> None:
        """Send what was refused until it is accepted."""
        again, self.refused = self.refused, []
        for reference in again:
            await eventually(lambda reference=reference: self.publish(reference), within=60)  # type: ignore[misc]
        self.refused = []


async def state(connection: "asyncpg.Connection[Any]") -> tuple[int, int, int]:
    """Completions, their revisions, and events that wait in the outbox."""
    row = await connection.fetchrow(
        "SELECT (SELECT count(*) FROM completion), (SELECT count(*) FROM completion_revision), "
        "(SELECT count(*) FROM outbox)"
    )
    assert row is not None
    return row[0], row[1], row[2]
