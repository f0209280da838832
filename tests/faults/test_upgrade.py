"""The previous version and this one run side by side under load, and back again (F-39, ADR 24)."""

import asyncio
import io
import itertools
import json
import os
import re
import signal
import subprocess
import tarfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import pytest

from deploy.local.system import System
from deploy.local.units import ROOT
from tests.eventually import eventually
from tests.faults.runs import SEED, VALUES, running, see_that_it_is_sound, tell
from tests.faults.state import Difference, State, examples, settled_state
from tests.faults.story import Client, Learner, learners
from tests.servers import Run
from tests.whole import WORKERS, Whole

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

LEARNERS: Final = int(os.environ.get("CONCORD_UPGRADE_LEARNERS", "50"))
AT_ONCE: Final = 3
RUNS: Final = ("chassis", "contracts", "services", "deploy", "docker-compose.yml")
"""What makes up a version: a commit that changes none of it runs what ran before."""
APIS: Final = ("provider-api", "recognition-api", "learner-record-api")
SERVED: Final = (*APIS, *WORKERS, "portal", "operations")
DATABASES: Final = ("recognition", "learner_record", "operations")
SHARED: Final = ("POSTGRES_PORT", "ISSUER_PORT")
SET_ASIDE: Final = "SELECT topic, record_key, cause, detail FROM set_aside"
MARK: Final = """
import os as _os
open(_os.path.join({folder!r}, str(_os.getpid())), "w").close()
"""


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S603, S607


def previous_version() -> str:
    """CONCORD_PREVIOUS, else the newest commit whose code that runs is another one; skips where there is none."""
    wanted = os.environ.get("CONCORD_PREVIOUS")
    try:
        if wanted:
            return _git("rev-parse", "--verify", f"{wanted}^{{commit}}").decode().strip()
        for commit in _git("rev-list", "--first-parent", "HEAD").decode().split():
            if subprocess.run(["git", "diff", "--quiet", commit, "--", *RUNS], cwd=ROOT, check=False).returncode == 1:  # noqa: S603, S607
                return commit
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        if wanted:
            raise
        pytest.skip(f"NOT RUN: no history here to take the previous version from ({error})")
    pytest.skip("NOT RUN: this clone has no commit whose code that runs is another one; fetch more of the history")


@dataclass(frozen=True)
class Version:
    """The previous version: which it is, its tree, and where each of its processes says that it runs."""

    commit: str
    tree: Path
    ran: Path


@pytest.fixture
def previous(servers: Run, say: Callable[[str], None]) -> Version:
    """The tree of the previous version; every process that runs its code leaves a file with its number."""
    commit = previous_version()
    version = Version(commit, servers.folder / "previous", servers.folder / "previous-ran")
    version.ran.mkdir()
    with tarfile.open(fileobj=io.BytesIO(_git("archive", "--format=tar", commit))) as archive:
        archive.extractall(version.tree, filter="data")
    with (version.tree / "chassis" / "__init__.py").open("a") as package:
        package.write(MARK.format(folder=str(version.ran)))
    if (version.tree / "requirements.lock").read_bytes() != (ROOT / "requirements.lock").read_bytes():
        say("the previous version runs with the libraries of this one: the lock has changed")
    return version


class Balanced(Whole):
    """A system whose clients are served by whichever processes serve at the moment, one after the other."""

    def __init__(self, system: System) -> None:
        super().__init__(system)
        self.serving: dict[str, list[str]] = {service: [system.addresses[service]] for service in APIS}
        self.served: dict[str, int] = {}
        self.broken: list[str] = []
        self._turn = itertools.count()

    @asynccontextmanager
    async def at(self, service: str, client: str) -> AsyncIterator[httpx.AsyncClient]:
        """A client of a service whose requests go to each of its processes in turn."""
        own = httpx.URL(self.system.addresses[service])

        async def to_one(request: httpx.Request) -> None:
            if request.url.port == own.port:  # others are for the issuer
                addresses = self.serving[service]
                address = addresses[next(self._turn) % len(addresses)]
                request.url = request.url.copy_with(port=httpx.URL(address).port)
                self.served[address] = self.served.get(address, 0) + 1

        async def see(response: httpx.Response) -> None:
            if response.is_server_error and response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                self.broken.append(f"{response.request.method} {response.url.path}: {response.status_code}")

        async with super().at(service, client) as http:
            http.event_hooks = {"request": [to_one], "response": [see]}
            yield http


@dataclass
class Upgrade:
    """Two versions of the services on one PostgreSQL, one Kafka and one issuer, and the story told to them."""

    whole: Balanced
    old: System
    new: System
    old_set_up: System
    parts: list[list[Learner]]
    client: Client
    told: list[str] = field(default_factory=list)

    async def tell(self, what: str, change: Callable[[], None] | None = None) -> None:
        """Tell the next part of the story while `change` goes on, and what is left of it when that is done."""
        changing = asyncio.create_task(asyncio.to_thread(change or (lambda: None)))
        part, before, began = self.parts.pop(0), self.client.sent, time.monotonic()
        while part and not changing.done():
            await self.client.send(part[:AT_ONCE], at_once=AT_ONCE)
            del part[:AT_ONCE]
        await changing
        during, changed = self.client.sent - before, time.monotonic()
        rest = part + self.parts.pop(0)
        await self.client.send(rest, at_once=len(rest))
        after, ended = self.client.sent - before - during, time.monotonic()
        await self._each_reads_what_the_other_wrote(what)
        self.told.append(
            f"{what}: {during} requests during the change ({changed - began:.0f} s), {after} after it "
            f"({ended - changed:.0f} s)"
        )
        assert change is None or during > 0
        assert after > 0

    async def _each_reads_what_the_other_wrote(self, what: str) -> None:
        set_aside = [tuple(row) for database in DATABASES for row in await self.whole.fetch(database, SET_ASIDE)]
        wrong = {
            "broken": self.whole.broken,
            "refused": self.client.refused,
            "never visible": self.client.unseen,
            "set aside": set_aside,
        }
        assert not any(wrong.values()), f"{what}: {wrong}"
        # Recognition's API, of which the story makes no use, answers in every version that serves.
        async with self.whole.at("recognition-api", "northbridge-system") as http:
            for _ in self.whole.serving["recognition-api"]:
                (await http.get("/decisions", params={"limit": 1})).raise_for_status()

    def join(self) -> None:
        """This version's set-up migrates the databases while the previous version runs; then its processes join."""
        self.new.start()
        for service in APIS:
            self.whole.serving[service].append(self.new.addresses[service])

    def leave(self) -> None:
        """The previous version's processes end, as in a deployment."""
        for service in APIS:
            self.whole.serving[service] = [self.new.addresses[service]]
        ending = {name: self.old.processes[name] for name in SERVED}
        for name in SERVED:
            self.old.hold(name)
            self.old.kill(name, signal.SIGTERM)
        self.wait(lambda: all(self.old.states[name].phase == "held" for name in ending))

    def come_back(self) -> None:
        """The previous version's set-up runs on the newer schema, and its processes join again."""
        self.old_set_up.start()
        for name in SERVED:
            self.old.release(name)
        self.wait(lambda: all(self.old.states[name].phase == "ready" for name in SERVED))
        for service in APIS:
            self.whole.serving[service].append(self.old.addresses[service])

    def give_up(self) -> None:
        """This version's processes end."""
        for service in APIS:
            self.whole.serving[service] = [self.old.addresses[service]]
        self.new.stop()

    @staticmethod
    def wait(condition: Callable[[], bool]) -> None:
        """Wait for what a thread may wait for."""
        asyncio.run(eventually(condition, within=240))


@asynccontextmanager
async def upgrading(folder: Path, previous: Version) -> AsyncIterator[Upgrade]:
    """The previous version runs; this one stands ready."""
    old = System(
        folder / "old", compose_file=previous.tree / "docker-compose.yml", values=VALUES, ends_with_this_process=True
    )
    started = [old]
    try:
        await asyncio.to_thread(old.start)
        known = json.loads((old.folder / "values.json").read_text())
        # The servers and the secrets are the same ones; processes of both versions cannot listen on one port.
        values = {
            name: value
            for name, value in known.items()
            if not name.endswith("_PORT") or name in SHARED or name.startswith("KAFKA_")
        } | VALUES
        new = System(folder / "new", only=("setup", *SERVED), values=values, ends_with_this_process=True)
        old_set_up = System(
            folder / "back",
            compose_file=previous.tree / "docker-compose.yml",
            only=("setup",),
            values=known,
            ends_with_this_process=True,
        )
        started += [new, old_set_up]
        whole = Balanced(old)
        await whole.found()
        yield Upgrade(whole, old, new, old_set_up, [], Client(whole, SEED))
    finally:
        for system in reversed(started):
            await asyncio.to_thread(system.delete)


async def undisturbed(folder: Path, stream: list[Learner]) -> State:
    """The end state of the story when this version alone is told it."""
    units = ("postgres", "kafka", "issuer", "setup", *APIS, *WORKERS, "operations")
    async with running(folder, only=units) as whole:
        await tell(Client(whole, SEED), stream)
        return await settled_state(whole)


async def _consumed(address: str) -> float:
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"{address}/metrics")).text
    return sum(float(n) for n in re.findall(r"^messaging_client_consumed_messages_total\{.*\} (\S+)$", text, re.M))


def _pids(system: System) -> set[str]:
    return {str(system.processes[name].pid) for name in SERVED}


async def test_two_versions_run_side_by_side_and_the_previous_one_comes_back(
    servers: Run, previous: Version, say: Callable[[str], None]
) -> None:
    stream = learners(SEED, LEARNERS)
    parts = [stream[n::10] for n in range(10)]
    async with upgrading(servers.folder / "upgrade", previous) as upgrade:
        upgrade.parts = [list(part) for part in parts]
        old, new, whole = upgrade.old, upgrade.new, upgrade.whole
        await upgrade.tell("the previous version")
        first = _pids(old)
        await upgrade.tell("both, on the migrated schema", upgrade.join)
        both = {
            f"{name} of the {which} version": await _consumed(system.addresses[f"{name} metrics"])
            for which, system in (("previous", old), ("new", new))
            for name in ("recognition-worker", "learner-record-worker")
        }
        ran, others = {file.name for file in previous.ran.iterdir()}, _pids(new)
        await upgrade.tell("this version", upgrade.leave)
        await upgrade.tell("both again", upgrade.come_back)
        second = _pids(old)
        await upgrade.tell("the previous version, on the migrated schema", upgrade.give_up)
        state = await settled_state(whole)
        assert upgrade.client.acknowledged == upgrade.client.sent
        await see_that_it_is_sound(whole)
        ran_again = {file.name for file in previous.ran.iterdir()}
    # Which code each process ran, by its own word.
    assert first <= ran
    assert second <= ran_again
    assert not first & second
    assert not others & ran_again
    # Both took part: otherwise nothing was shown.
    assert len(whole.served) == 2 * len(APIS), whole.served
    assert all(both.values()), both
    expected = await undisturbed(servers.folder / "undisturbed-upgrade", stream)
    assert len(expected["decisions"]) > LEARNERS
    # Operations is of the previous version throughout, and may not know every kind of event.
    for each in (expected, state):
        del each["hops"]
    difference = Difference.between(expected, state)
    assert difference.is_none, f"{difference}: {examples(expected, state)}"
    for line in (
        f"previous version: {previous.commit[:12]}",
        *upgrade.told,
        f"changes answered: {upgrade.client.acknowledged}; refused 0 set aside 0; {difference}",
    ):
        say(line)
