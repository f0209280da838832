"""`concord publish` as a member runs it: files of every kind, what it says, and its exit code."""

import asyncio
import os
import pty
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from client.rows import LARGEST_ROW
from deploy.local.ports import free_port
from tests.integration.client.ground import SECRET, Service, concord, ended, line, provider, serving, start, written

pytestmark = pytest.mark.servers


async def test_a_file_is_published_and_published_again(service: Service, tmp_path: Path) -> None:
    file = written(tmp_path / "june.ndjson", (line(f"C-{n}", f"l{n % 300}") for n in range(1_500)))
    first = await concord(file, environment=service.environment())
    assert (first.code, first.out) == (0, "")
    assert "june.ndjson: 1,500 accepted, 0 known already, 0 refused" in first.err
    second = await concord(file, environment=service.environment())
    assert second.code == 0
    assert "june.ndjson: 0 accepted, 1,500 known already, 0 refused" in second.err
    assert await service.stored() == 1_500


async def test_a_file_of_another_system_is_read_as_it_is(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "a.ndjson"
    file.write_bytes(
        b"\xef\xbb\xbf" + line("C-1") + b"\r\n\r\n   \n" + line("C-2", title="Übung") + b"\r\n" + line("C-3")
    )
    result = await concord(file, environment=service.environment())
    assert result.code == 0, result
    assert {event.reference for event in await service.events()} == {"C-1", "C-2", "C-3"}


async def test_an_empty_file_is_nothing_to_do(service: Service, tmp_path: Path) -> None:
    result = await concord(written(tmp_path / "a.ndjson", []), environment=service.environment())
    assert result.code == 0
    assert "0 accepted" in result.err


async def test_refused_rows_are_named_and_the_others_go_through(service: Service, tmp_path: Path) -> None:
    lines = [line(f"C-{n}", f"l{n}") for n in range(1_200)]
    lines[100] = line("C-100", credits="0", completed_on="June")
    lines[200] = b"{"
    lines[300] = b'{"reference": "\xff"}'
    lines[400] = b'{"reference": "C-400", "title": "' + b"x" * 5_000_000 + b'"}'
    lines[500] = line("C-500", learner={"scheme": "ULN", "identifier": "9276308686", "reference": "S"})
    lines[600] = line("C-599", "l599", mark="61")
    strange: dict[str, Any] = {"\x1b[31m": 1}
    lines[700] = line("C-700", **strange)
    result = await concord(written(tmp_path / "a.ndjson", lines), environment=service.environment())
    assert result.code == 1
    assert "a.ndjson: 1,193 accepted, 0 known already, 7 refused" in result.err
    said = sorted(result.out.splitlines(), key=lambda each: (int(each.split(":")[1]), each))
    assert [each[: len(beginning)] for each, beginning in zip(said, SAID, strict=True)] == SAID
    assert all("; expected: " in each for each in said)
    assert max(map(len, said)) < 400
    assert await service.stored() == 1_193


SAID = [
    'a.ndjson:101: C-100: completed_on is "June"; expected: a day of the calendar',
    'a.ndjson:101: C-100: credits is "0"; expected: text of a number above 0 with at most two decimals',
    'a.ndjson:201: the row is "{"; expected: a JSON document in UTF-8',
    "a.ndjson:301: the row is ",
    'a.ndjson:401: the row is "{\\"reference\\": \\"C-400\\", \\"title\\": \\"xxxxx',
    'a.ndjson:501: C-500: learner.scheme is "ULN"; expected: ESI, the consortium\'s scheme',
    "a.ndjson:601: C-599: revision is 1; expected: the body as it was stored, or revision 2",
    "a.ndjson:701: C-700: \\x1b[31m is 1; expected: no field of this name",
]


async def test_what_is_written_slowly_to_standard_input_goes_at_once(service: Service) -> None:
    process = await start("-", environment=service.environment())
    assert process.stdin is not None
    for count in (1, 2):
        process.stdin.write(line(f"C-{count}") + b"\n")
        await process.stdin.drain()
        await service.stores(count)
    result = await ended(process, line("C-3", credits="0"))
    assert result.code == 1
    assert result.out.startswith("<stdin>:3: C-3: credits is")
    assert "<stdin>: 2 accepted, 0 known already, 1 refused" in result.err


async def test_ctrl_c_says_what_was_done(service: Service) -> None:
    process = await start("-", environment=service.environment())
    assert process.stdin is not None
    process.stdin.write(line("C-1") + b"\n")
    await service.stores(1)
    process.send_signal(signal.SIGINT)
    # Standard input is still open: nobody waits for it.
    assert await asyncio.wait_for(process.wait(), 20) == 130
    assert process.stderr is not None
    text = (await process.stderr.read()).decode()
    assert "<stdin>: interrupted" in text
    assert "1 accepted" in text
    assert "Traceback" not in text
    process.stdin.close()


async def test_a_pipe_with_a_name_is_a_file(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    process = await start(str(path), environment=service.environment())
    await asyncio.to_thread(path.write_bytes, line("C-1"))
    assert (await ended(process)).code == 0
    assert await service.stored() == 1


async def test_a_file_that_is_written_to_meanwhile_is_said_to_be(service: Service, tmp_path: Path) -> None:
    file = written(tmp_path / "a.ndjson", (line(f"C-{n}", f"l{n}") for n in range(2_500)))
    process = await start(str(file), environment=service.environment())
    await service.stores(1)
    with file.open("ab") as late:
        late.write(line("C-late") + b"\n")
    result = await ended(process)
    assert result.code == 0
    assert "a.ndjson was changed while it was read" in result.err


async def test_a_file_that_is_replaced_meanwhile_is_published_as_it_was(service: Service, tmp_path: Path) -> None:
    file = written(tmp_path / "a.ndjson", (line(f"C-{n}", f"l{n}") for n in range(2_500)))
    process = await start(str(file), environment=service.environment())
    await service.stores(1)
    written(tmp_path / "new", [b"{"]).replace(file)
    result = await ended(process)
    assert result.code == 0
    assert "2,500 accepted" in result.err
    assert "changed" not in result.err


async def test_on_a_terminal_a_bar_is_shown_and_refused_rows_stand_above_it(service: Service, tmp_path: Path) -> None:
    lines = [line(f"C-{n}", f"l{n}", credits="0" if n % 100 == 0 else "15") for n in range(1_500)]
    file = written(tmp_path / "a.ndjson", lines)
    ours, theirs = pty.openpty()
    terminal = {"TERM": "xterm", "COLUMNS": "100"}
    process = await start(
        str(file), environment=service.environment() | terminal, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = await asyncio.to_thread(_all_of, ours)
    assert await process.wait() == 1
    os.close(ours)
    assert "━" in shown
    assert "1,500 rows, 15 refused" in shown
    # Each stands on a line of its own, whole.
    whole = [each for each in shown.replace("\r", "\n").split("\n") if "; expected: text of a number above 0" in each]
    assert len(whole) == 15
    assert all(each.removeprefix("\x1b[2K").startswith("a.ndjson:") for each in whole), whole


def _all_of(terminal: int) -> str:
    content = b""
    while True:
        try:
            content += os.read(terminal, 65_536)
        except OSError:  # the other end is closed
            return content.decode()


async def test_a_system_signs_in_with_its_credentials(service: Service, tmp_path: Path) -> None:
    file = written(tmp_path / "a.ndjson", [line("C-1")])
    who = {"issuer": service.issuer.url, "client_id": "northbridge-system", "client_secret": SECRET, "token": ""}
    result = await concord(file, environment=service.environment(**who))
    assert result.code == 0, result
    wrong = await concord(file, environment=service.environment(**who | {"client_secret": "guessed"}))
    assert wrong.code == 2
    assert f"{service.issuer.url}/token answered 401" in wrong.err
    assert "guessed" not in wrong.err


async def test_a_token_that_ends_in_the_middle_is_renewed(service: Service, tmp_path: Path) -> None:
    asked = 0

    def now() -> float:
        """For a while the service takes every token for one that has ended."""
        nonlocal asked
        asked += 1
        return time.time() + (3_700 if asked == 5 else 0)

    file = written(tmp_path / "a.ndjson", (line(f"C-{n}", f"l{n}") for n in range(3_000)))
    who = {"issuer": service.issuer.url, "client_id": "northbridge-system", "client_secret": SECRET, "token": ""}
    async with serving(provider(service.pool, service.issuer, now=now)) as url:
        result = await concord(file, environment=service.environment(provider_url=url, **who))
    assert asked > 5
    assert result.code == 0, result
    assert await service.stored() == 3_000


async def test_who_may_not_publish_is_told_so(service: Service, tmp_path: Path) -> None:
    file = written(tmp_path / "a.ndjson", [line("C-1")])
    expired = await concord(file, environment=service.environment(token=service.issuer.expired("publisher")))
    assert expired.code == 2
    assert "/completions:bulk answered 401: " in expired.err
    officer = service.issuer.token("officer", member="northbridge")
    forbidden = await concord(file, environment=service.environment(token=officer))
    assert forbidden.code == 2
    assert "/completions:bulk answered 403: " in forbidden.err
    assert await service.stored() == 0


async def test_nobody_at_the_address_is_told_after_a_while(service: Service, tmp_path: Path) -> None:
    file = written(tmp_path / "a.ndjson", [line("C-1")])
    nowhere = f"http://127.0.0.1:{free_port()}"
    result = await concord(file, "--patience", "1", environment=service.environment(provider_url=nowhere))
    assert result.code == 2
    assert f"{nowhere}/completions:bulk gave no answer" in result.err
    assert "for 1 s" in result.err
    assert "publish the file again for the rest" in result.err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"provider_url": "localhost:8001"}, "is no address such as"),
        ({"provider_url": "http://"}, "is no address such as"),
        ({"token": ""}, "say who you are"),
        ({"token": "", "issuer": "issuer", "client_id": "a", "client_secret": "b"}, "is no address such as"),
        ({"token": "é"}, "this is no token"),
    ],
)
async def test_what_cannot_be_asked_is_said_at_once(
    service: Service, tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    file = written(tmp_path / "a.ndjson", [line("C-1")])
    result = await concord(file, environment=service.environment(**changes))
    assert result.code == 2
    assert words in result.err.replace("\n", " ")


@pytest.mark.parametrize(("name", "words"), [("nothing.ndjson", "No such file"), (".", "Is a directory")])
async def test_a_file_that_cannot_be_read_is_said_to_be(
    service: Service, tmp_path: Path, name: str, words: str
) -> None:
    result = await concord(tmp_path / name, environment=service.environment() | {"COLUMNS": "300"})
    assert result.code == 2
    assert words in result.err


async def test_a_row_of_the_largest_size_is_sent(service: Service, tmp_path: Path) -> None:
    # White space counts for the size of a row, and means nothing.
    lines = [line(f"C-{n}", f"l{n}") for n in range(50)]
    largest = [each[:-1] + b" " * (LARGEST_ROW - len(each)) + b"}" for each in lines]
    result = await concord(written(tmp_path / "a.ndjson", largest), environment=service.environment())
    assert result.code == 0, result
    assert await service.stored() == 50


async def test_help_says_what_the_command_does() -> None:
    result = await concord("--help", environment={"COLUMNS": "100"})
    assert result.code == 0
    for words in ("Usage: concord publish", "CONCORD_PROVIDER_URL", "CONCORD_CLIENT_ID", "Who you are"):
        assert words in result.out
    assert "The exit code is 0 when every row was accepted" in result.out
