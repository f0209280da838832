"""`concord decisions follow` on the real service: each decision, in order, whatever is away or stops in between."""

import asyncio
import os
import pty
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import orjson
import pytest

from chassis.database import open_pool
from client.decisions import in_a_line
from deploy.local.ports import free_port
from tests.conftest import Database
from tests.eventually import eventually
from tests.integration.client.ground import Ended, concord, ended, serving, start
from tests.integration.recognition.ground import Ground, completion, enrolment, somebody

pytestmark = pytest.mark.servers
FOLLOW = ("decisions", "follow")


@pytest.fixture
async def ground(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Ground]:
    pool = await open_pool((await database("recognition")).url)
    ground = Ground(pool)
    await ground.set_up()
    yield ground
    pool.terminate()


@pytest.fixture
async def url(ground: Ground) -> AsyncIterator[str]:
    async with serving(ground.app) as url:
        yield url


def environment(ground: Ground, url: str, member: str = "strathmore", **more: str) -> dict[str, str]:
    token = ground.signer.sign({"sub": "a system", "member": member, "roles": ["publisher"]})
    return {"CONCORD_RECOGNITION_URL": url, "CONCORD_TOKEN": token, **more}


async def decide(ground: Ground, *references: str) -> None:
    """A decision on each of these, shown by the feed when this returns; it waits for transactions of other tests."""
    for reference in references:
        learner = somebody()
        await ground.consume(enrolment(learner), completion(learner, reference=reference))
    async with ground.caller("strathmore", "publisher") as caller:

        async def shown() -> bool:
            page = (await caller.get("/decisions", params={"limit": 1000})).json()
            return set(references) <= {one["completion_reference"] for one in page["items"]}

        assert await eventually(shown)  # type: ignore[arg-type]  # mypy cannot choose between its two kinds


def references(output: str | bytes) -> list[str]:
    return [orjson.loads(one)["completion_reference"] for one in output.splitlines()]


def unboxed(text: str) -> str:
    """What a box says, on one line."""
    return " ".join(text.replace("│", " ").split())


async def once(ground: Ground, url: str, *words: str | Path, **who: str) -> Ended:
    return await concord("--once", *words, command=FOLLOW, environment=environment(ground, url, **who))


class Follower:
    """The command as a process that goes on; what it wrote so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[bytes] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for one in self.process.stdout:
            self.lines.append(one)

    async def shows(self, *expected: str) -> None:
        """Wait until it has written exactly these."""
        await eventually(lambda: len(self.lines) >= len(expected), what=f"{expected}")
        assert references(b"".join(self.lines)) == list(expected)

    async def stop(self, how: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Stop it, and give its exit code and what it said."""
        self.process.send_signal(how)
        assert self.process.stderr is not None
        said = (await asyncio.wait_for(self.process.stderr.read(), 30)).decode()
        await asyncio.wait_for(self._reading, 30)
        code = await self.process.wait()
        assert "Traceback" not in said, said
        return code, said


async def follower(ground: Ground, url: str, *words: str | Path) -> Follower:
    return Follower(await start(*map(str, words), command=FOLLOW, environment=environment(ground, url)))


async def test_all_there_is_is_told_once_and_in_order_and_gone_on_from(ground: Ground, url: str) -> None:
    await decide(ground, *(f"c{n}" for n in range(5)))
    first = await once(ground, url, "--from-start")
    assert (first.code, references(first.out)) == (0, [f"c{n}" for n in range(5)])
    assert orjson.loads(first.out.splitlines()[0])["grant"]["lines"][0]["credits"] == "20"
    cursor = first.err.strip().removeprefix("To go on from here: --after ")
    await decide(ground, "c5", "c6")
    second = await once(ground, url, "--after", cursor)
    assert (second.code, references(second.out)) == (0, ["c5", "c6"])


async def test_more_than_a_page_is_told(ground: Ground, url: str) -> None:
    learner = somebody()
    courses = [completion(learner, f"northbridge:{n:03}", reference=f"c{n:03}") for n in range(401)]
    await ground.consume(enrolment(learner), *courses)
    await decide(ground, "last")
    result = await once(ground, url, "--from-start")
    assert references(result.out) == [*(f"c{n:03}" for n in range(401)), "last"]


async def test_a_follower_hears_what_is_decided_from_now_on(ground: Ground, url: str, tmp_path: Path) -> None:
    await decide(ground, "old")
    state = tmp_path / "cursor"
    following = await follower(ground, url, "--state", state)
    await eventually(state.exists)
    await decide(ground, "new")
    await following.shows("new")
    await decide(ground, "newer")
    await following.shows("new", "newer")
    code, said = await following.stop()
    assert (code, said) == (0, "")
    # A restart goes on where it was, also where the words say to begin at the start.
    await decide(ground, "while it was away")
    again = await once(ground, url, "--state", state, "--from-start")
    assert (again.code, references(again.out)) == (0, ["while it was away"])
    assert os.listdir(tmp_path) == ["cursor"]


async def test_what_was_written_and_not_kept_comes_again(ground: Ground, url: str, tmp_path: Path) -> None:
    """The state cannot be written at the end of the first page, as on a full disk."""
    await decide(ground, "c1", "c2")
    result = await once(ground, url, "--from-start", "--state", tmp_path / "no such folder" / "cursor")
    assert result.code == 2
    assert "cannot be written: No such file or directory" in result.err.replace("\n", "")
    assert references(result.out) == ["c1", "c2"]
    state = tmp_path / "cursor"
    again = await once(ground, url, "--from-start", "--state", state)
    assert references(again.out) == ["c1", "c2"]
    assert orjson.loads(state.read_bytes())["as"] == "both"


async def test_a_reader_that_goes_away_moves_the_state_no_further(ground: Ground, url: str, tmp_path: Path) -> None:
    await decide(ground, "c1")
    state = tmp_path / "cursor"
    reading, writing = os.pipe()
    os.close(reading)
    process = await start(
        "--once", "--from-start", "--state", str(state), command=FOLLOW, environment=environment(ground, url),
        stdout=writing,
    )  # fmt: skip
    os.close(writing)
    assert (await ended(process)).code != 0
    assert not state.exists()


async def test_a_follower_that_is_killed_leaves_none_out(ground: Ground, url: str, tmp_path: Path) -> None:
    """Killed as soon as something was written, again and again, without a chance to tidy up."""
    learner = somebody()
    courses = [completion(learner, f"northbridge:{n:03}", reference=f"c{n:03}") for n in range(401)]
    await ground.consume(enrolment(learner), *courses)
    expected = [f"c{n:03}" for n in range(401)]
    state, told = tmp_path / "cursor", list[str]()
    for kills in range(3):
        # A follower may have come to the end before it was killed: the next has something to write all the same.
        await decide(ground, f"last{kills}")
        expected.append(f"last{kills}")
        output = tmp_path / f"output-{kills}"
        words = ("--from-start", "--state", str(state), *(("--once",) if kills == 2 else ()))
        with output.open("wb") as target:
            process = await start(*words, command=FOLLOW, stdout=target, environment=environment(ground, url))
        if kills < 2:
            await eventually(lambda output=output: output.stat().st_size > 0)  # type: ignore[misc]
            process.kill()
        await asyncio.wait_for(process.wait(), 60)
        whole, _, _ = output.read_bytes().rpartition(b"\n")
        told += references(whole)
    assert list(dict.fromkeys(told)) == expected
    assert process.returncode == 0


async def test_a_service_that_is_away_is_waited_for(ground: Ground, tmp_path: Path) -> None:
    port = free_port()
    following = await follower(ground, f"http://127.0.0.1:{port}", "--from-start", "--state", tmp_path / "cursor")
    assert following.process.stderr is not None
    first = (await asyncio.wait_for(following.process.stderr.readline(), 30)).decode()
    assert "gave no answer" in first
    assert "trying again" in first
    for number in (1, 2):
        async with serving(ground.app, port):
            await decide(ground, f"c{number}")
            await following.shows(*(f"c{n}" for n in range(1, number + 1)))
    code, said = await following.stop(signal.SIGTERM)
    assert code == 0
    assert "answered again after" in said


async def test_patience_ends_where_it_is_stated(ground: Ground) -> None:
    result = await once(ground, f"http://127.0.0.1:{free_port()}", "--patience", "0.5")
    assert result.code == 2
    assert "for 0.5 s" in result.err


async def test_one_side_alone_is_followed(ground: Ground, url: str, tmp_path: Path) -> None:
    await decide(ground, "c1")
    sides = {
        (member, side): references((await once(ground, url, "--from-start", "--as", side, member=member)).out)
        for member in ("northbridge", "strathmore")
        for side in ("provider", "receiver")
    }
    assert sides == {
        ("northbridge", "provider"): ["c1"],
        ("northbridge", "receiver"): [],
        ("strathmore", "provider"): [],
        ("strathmore", "receiver"): ["c1"],
    }
    state = tmp_path / "cursor"
    await once(ground, url, "--state", state, "--as", "receiver")
    other = await once(ground, url, "--state", state, "--as", "provider")
    assert other.code == 2
    assert "was kept with --as receiver" in unboxed(other.err)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--after", "nonsense"), "begin with --from-start"),
        (("--after", "x", "--from-start"), "two places to begin"),
    ],
)
async def test_a_place_that_is_none_is_said_to_be(ground: Ground, url: str, words: tuple[str, ...], said: str) -> None:
    result = await once(ground, url, *words)
    assert (result.code, result.out) == (2, "")
    assert said in unboxed(result.err)


async def test_a_file_of_another_kind_is_no_state(ground: Ground, url: str, tmp_path: Path) -> None:
    for number, content in enumerate((b"", b"{}", b"[1]", b'{"after": 1, "as": "both"}')):
        state = tmp_path / f"state-{number}"
        state.write_bytes(content)
        result = await once(ground, url, "--state", state)
        assert result.code == 2
        assert state.read_bytes() == content


async def test_who_may_not_follow_is_told_so(ground: Ground, url: str) -> None:
    token = ground.signer.sign({"sub": "somebody", "roles": ["learner"]})
    result = await concord("--once", command=FOLLOW, environment=environment(ground, url, CONCORD_TOKEN=token))
    assert result.code == 2
    assert "/decisions?" in result.err
    assert "answered 403" in result.err


async def test_a_terminal_shows_a_line_of_each(ground: Ground, url: str) -> None:
    await decide(ground, "c1")
    ours, theirs = pty.openpty()
    process = await start(
        "--once", "--from-start", command=FOLLOW, stdout=theirs, environment=environment(ground, url, COLUMNS="120")
    )
    result = await ended(process)
    os.close(theirs)
    shown = await asyncio.to_thread(_all_of, ours)
    os.close(ours)
    assert result.code == 0
    (line,) = shown.split("\r\n")[:-1]
    for words in ("RECOGNISED", "northbridge c1 → strathmore", "20 at level 5"):
        assert words in line, shown


def _all_of(terminal: int) -> str:
    content = b""
    while True:
        try:
            content += os.read(terminal, 65_536)
        except OSError:  # the other end is closed
            return content.decode()


def test_a_line_shows_no_escape_of_a_member() -> None:
    decision = {
        "state": "DECLINED", "grant": None, "provider": "n", "completion_reference": "\x1b[31mC", "receiver": "s",
        "enrolment_reference": "E", "decided_at": "2026-09-02T12:00:00Z", "grounds": [{"sentence": "\x07No."}],
    }  # fmt: skip
    assert in_a_line(decision).plain == "2026-09-02 12:00  DECLINED    n \\x1b[31mC → s E  \\x07No."
