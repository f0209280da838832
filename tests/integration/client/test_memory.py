"""A long file needs no more memory than a short one."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.integration.client.ground import ROOT, line, serving
from tests.integration.client.test_files import table

MEGABYTE = 1024
"""In the kilobytes of /proc."""

MEASURED = """
import sys
from client.main import app
sys.argv = ["concord", "publish", "-"]
try:
    app()
finally:
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
    print(peak.split()[1])
"""


async def _accepting(scope: Scope, receive: Receive, send: Send) -> None:
    """Accepts every row, of which it looks at none; the service itself would take minutes for so many.

    It is slower than a file is read, as the service is, so that what is read ahead has to be bounded.
    """
    count = (await Request(scope, receive).body()).count(b"\n") + 1
    await asyncio.sleep(0.05)
    answer = b'{"reference":"C-1","status":201,"warnings":["learning_opportunity: it is not published"]}\n'
    await Response(answer * count, media_type="application/x-ndjson")(scope, receive, send)


def _csv(count: int) -> Iterator[bytes]:
    """So many rows of a table, some of which are long, in blocks of a thousand."""
    header, row = table(1, {0: {"reference": "C-@", "learner.identifier": "l@", "title": "@"}}).splitlines()
    begun, middle, end, rest = row.split(b"@")
    yield header + b"\n"
    for first in range(0, count, 1_000):
        yield b"".join(
            begun + b"%d" % (n % 9_973) + middle + b"%d" % n + end + b'"Data\nEthics"' + rest + b"\n"
            for n in range(first, first + 1_000)
        )
        yield begun + b"l" + middle + b"l" + end + b"x" * 100_000 + rest + b"\n"


def _ndjson(count: int) -> Iterator[bytes]:
    """So many rows, some of which are long, in blocks of a thousand."""
    begun, _, rest = line("C-@", "l@").partition(b"@")
    middle, _, end = rest.partition(b"@")
    for first in range(0, count, 1_000):
        yield b"".join(
            begun + b"%d" % n + middle + b"%d" % (n % 9_973) + end + b"\n" for n in range(first, first + 1_000)
        )
        yield b'{"title": "' + b"x" * 200_000 + b'"}\n'


async def _peak(url: str, count: int, blocks: Callable[[int], Iterator[bytes]]) -> int:
    """The peak of resident memory for publishing so many rows, in kilobytes."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", MEASURED),
        cwd=ROOT,
        env={**os.environ, "CONCORD_PROVIDER_URL": url, "CONCORD_TOKEN": "any"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    for block in blocks(count):
        process.stdin.write(block)
        await process.stdin.drain()
    process.stdin.close()
    peak, said = int(await process.stdout.read()), (await process.stderr.read()).decode()
    assert await process.wait() == 0
    assert f"{count + count // 1_000:,} accepted" in said
    return peak


@pytest.mark.parametrize(("blocks", "few", "many"), [(_ndjson, 2_000, 200_000), (_csv, 10_000, 100_000)])
async def test_a_long_file_needs_no_more_memory_than_a_short_one(
    blocks: Callable[[int], Iterator[bytes]], few: int, many: int
) -> None:
    async with serving(_accepting) as url:
        short = await _peak(url, few, blocks)
        long = await _peak(url, many, blocks)
    assert long - short < 30 * MEGABYTE, (short, long)
