"""Live records: the stream tells its reader of every newer version, whatever happens to the listening connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
import orjson
import pytest
import uvicorn

from chassis.database import transaction
from deploy.local.ports import free_port
from services.learner_record.application import watching
from tests.eventually import eventually
from tests.integration.learner_record.ground import Ground, completion, decision, esi, learner_id


class Served:
    """The interface on a port of its own, and the loop that listens beside it, as a process of the service has them."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        config = uvicorn.Config(
            ground.app, host="127.0.0.1", port=port, log_config=None, access_log=False, ws="none", lifespan="off",
            timeout_graceful_shutdown=10,
        )  # fmt: skip
        self.server = uvicorn.Server(config)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Served"]:
        serving = asyncio.create_task(self.server._serve())
        listening = asyncio.create_task(self.ground.watch.run())
        await eventually(lambda: self.server.started and self.ground.watch.is_listening)
        try:
            yield self
        finally:
            self.server.should_exit = True
            self.ground.watch.close()
            await asyncio.wait_for(serving, 60)
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    @asynccontextmanager
    async def stream(self, code: str = "ann", last: str | None = None) -> AsyncIterator["Reader"]:
        headers = self.ground.headers(None, "learner", learner=esi(code))
        if last is not None:
            headers["Last-Event-ID"] = last
        async with (
            httpx.AsyncClient(base_url=self.url, timeout=60) as client,
            client.stream("GET", "/record/stream", headers=headers) as answer,
        ):
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield Reader(answer.aiter_lines())


class Reader:
    """Reads what a browser's EventSource would."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self.lines = lines
        self.comments = 0

    async def next(self) -> int:
        """The next version; its event's id is the same."""
        data, event_id = None, None
        async with asyncio.timeout(60):
            async for line in self.lines:
                name, _, value = line.partition(": ")
                if name == "data":
                    data = orjson.loads(value)["version"]
                elif name == "id":
                    event_id = int(value)
                elif name == "":
                    self.comments += value == "still here"
                if line == "" and data is not None:
                    assert event_id == data
                    return int(data)
        raise AssertionError("the stream ended")

    async def ends(self) -> bool:
        """Whether it ends without another word, but for comments."""
        async with asyncio.timeout(60):
            return [line async for line in self.lines if line and not line.startswith(":")] == []


@pytest.fixture
async def served(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    # Long, so that what is told is told because it was notified.
    monkeypatch.setattr(watching, "PROBE_SECONDS", 3600)
    async with Served(ground).running() as served:
        yield served


async def test_the_present_version_comes_at_once_and_a_change_is_told(ground: Ground, served: Served) -> None:
    await ground.enrol("strathmore", "E-1")
    async with served.stream() as ann, served.stream("bob") as bob:
        assert (await ann.next(), await bob.next()) == (1, 0)
        await ground.receive(completion())
        assert await ann.next() == 2
        await ground.receive(decision(1))
        assert await ann.next() == 3
        # What changes for one is not told to another.
        await ground.receive(completion("C-9", code="bob"))
        assert await bob.next() == 1


async def test_the_record_that_is_read_after_a_version_was_told_is_at_least_that_new(
    ground: Ground, served: Served
) -> None:
    async with served.stream() as ann:
        await ann.next()
        for nth in range(10):
            await ground.receive(completion(f"C-{nth}"))
            told = await ann.next()
            record = await ground.record()
            assert record.version >= told == nth + 1
            assert len(record.members[0].own_credit) == nth + 1


async def test_a_version_that_is_shown_already_is_not_told_again(ground: Ground, served: Served) -> None:
    await ground.receive(completion())
    async with served.stream(last="1") as ann:
        await ground.receive(completion("C-2"))
        assert await ann.next() == 2


@pytest.mark.parametrize("last", ["0", "", "seven", "-1", "99999999999999999999", "7"])
async def test_another_last_event_id_brings_the_present_version(ground: Ground, served: Served, last: str) -> None:
    """A lower one is behind; one that never was, or is higher than there is, says nothing."""
    await ground.receive(completion())
    async with served.stream(last=last) as ann:
        assert await ann.next() == 1


async def test_what_changed_while_nobody_listened_is_told_when_it_listens_again(
    ground: Ground, served: Served, postgres_url: str
) -> None:
    async with served.stream() as ann:
        await ann.next()
        assert await terminate_listeners(ground, postgres_url) == 1
        await ground.receive(completion())
        assert await ann.next() == 1
        await eventually(lambda: ground.watch.is_listening)
        await ground.receive(completion("C-2"))
        assert await ann.next() == 2


async def terminate_listeners(ground: Ground, postgres_url: str) -> int:
    superuser = await asyncpg.connect(postgres_url)
    try:
        database = ground.database_url.rsplit("/", 1)[1].split("?")[0]
        rows = await superuser.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = $1 AND application_name = 'record listener'",
            database,
        )
        return len(rows)
    finally:
        await superuser.close()


async def test_a_slow_reader_skips_to_the_newest(ground: Ground) -> None:
    listening = asyncio.create_task(ground.watch.run())
    stream = await ground.watch.open(learner_id("ann"), None)
    versions = ground.watch.versions(stream)
    assert await anext(versions) == 0
    for nth in range(20):
        await ground.receive(completion(f"C-{nth}"))
    await eventually(lambda: stream.newest == 20)
    assert await anext(versions) == 20
    await versions.aclose()  # type: ignore[attr-defined]
    assert ground.watch.streams == 0
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_one_question_is_asked_for_all_streams_however_many_there_are(
    ground: Ground, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    original = watching.records.newer_versions

    async def count(connection, shown):  # type: ignore[no-untyped-def]
        asked.append(len(shown))
        return await original(connection, shown)

    async with served.stream() as one, served.stream() as two, served.stream("bob") as other:
        for reader in (one, two, other):
            await reader.next()
        monkeypatch.setattr(watching.records, "newer_versions", count)
        async with transaction(ground.pool) as connection:
            for _ in range(5):
                await connection.execute("SELECT pg_notify('record_changed', '')")
        await eventually(lambda: asked)
        await ground.receive(completion())
        assert (await one.next(), await two.next()) == (1, 1)
    assert asked[0] == 2
    assert len(asked) <= 3


async def test_a_quiet_stream_says_that_it_is_still_there(
    ground: Ground, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "QUIET_SECONDS", 0.05)
    async with served.stream() as ann:
        await ann.next()
        waiting = asyncio.create_task(ann.next())
        await eventually(lambda: ann.comments >= 3)
        await ground.receive(completion())
        assert await waiting == 1


async def test_a_notification_that_never_came_is_made_up_for(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection cut half-way delivers nothing and says nothing; so it is tried from time to time."""
    monkeypatch.setattr(watching, "PROBE_SECONDS", 0.05)
    async with Served(ground).running() as served, served.stream() as ann:
        assert await ann.next() == 0
        async with transaction(ground.pool) as connection:
            await connection.execute("INSERT INTO learner (learner_id, version) VALUES ($1, 7)", learner_id("ann"))
        assert await ann.next() == 7


async def test_a_reader_who_goes_leaves_nothing_behind(ground: Ground, served: Served) -> None:
    async with served.stream() as ann:
        await ann.next()
        assert ground.watch.streams == 1
    await eventually(lambda: ground.watch.streams == 0)


async def test_a_stream_that_was_never_read_leaves_nothing_behind(ground: Ground) -> None:
    versions = ground.watch.versions(await ground.watch.open(learner_id("ann"), None))
    assert ground.watch.streams == 1
    del versions
    assert ground.watch.streams == 0


async def test_when_the_process_ends_its_streams_end_by_themselves(ground: Ground) -> None:
    served = Served(ground)
    async with served.running():
        stream = served.stream()
        ann = await stream.__aenter__()
        await ann.next()
        served.server.should_exit = True
        ground.watch.close()
        assert await ann.ends()
        await stream.__aexit__(None, None, None)
        async with ground.caller(None, "learner", learner=esi("ann")) as client:
            answer = await client.get("/record/stream")
        assert (answer.status_code, answer.json()["retryable"]) == (503, True)


async def test_more_streams_than_a_process_can_hold_are_sent_away(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "MOST_STREAMS", 1)
    first = await ground.watch.open(learner_id("ann"), None)
    async with ground.caller(None, "learner", learner=esi("ann")) as client:
        answer = await client.get("/record/stream")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert first.newest == 0


@pytest.mark.parametrize(
    ("roles", "learner", "status", "kind"),
    [
        (["learner"], None, 403, "no-learner-identifier"),
        (["learner"], [], 403, "no-learner-identifier"),
        (["learner"], "urn:schac:personalUniqueCode:int:studentID:x:1", 403, "no-learner-identifier"),
        (["learner"], [esi("ann"), esi("bob")], 409, "several-learner-identifiers"),
        (["publisher"], esi("ann"), 403, "role-needed"),
        (["officer", "operations", "consortium", "registry"], esi("ann"), 403, "role-needed"),
    ],
)
@pytest.mark.parametrize("path", ["/record", "/record/stream"])
async def test_a_record_is_for_one_learner_who_is_named(
    ground: Ground, roles: list[str], learner: object, status: int, kind: str, path: str
) -> None:
    async with ground.caller("strathmore", *roles, learner=learner) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:concord:problem:{kind}")
    assert "personaluniquecode:int" not in answer.text.lower()


async def test_a_member_reads_what_stands_at_it_by_its_own_reference(ground: Ground) -> None:
    await ground.enrol("strathmore", "E-1")
    await ground.enrol("westfield", "E-7")
    await ground.receive(completion(), decision(1))
    async with ground.caller("strathmore", "publisher") as client:
        mine = await client.get("/members/strathmore/learners/M-ann/record")
        assert [one["member"] for one in mine.json()["members"]] == ["strathmore"]
        assert mine.json()["members"][0]["enrolments"][0]["entries"][0]["state"] == "RECOGNISED"
        assert (await client.get("/members/strathmore/learners/M-nobody/record")).status_code == 404
        assert (await client.get("/members/northbridge/learners/S-ann/record")).status_code == 403
    # By a completion of its own, a provider knows its learner too.
    async with ground.caller("northbridge", "publisher") as client:
        own = (await client.get("/members/northbridge/learners/S-ann/record")).json()
        assert [one["state"] for one in own["members"][0]["own_credit"]] == ["EARNED"]
        assert (await client.get("/members/northbridge/learners/M-ann/record")).status_code == 404
