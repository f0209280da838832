"""Answers to whole requests that Concord, or something on the way to it, may give."""

import asyncio
import time
from pathlib import Path

import orjson
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.integration.client.ground import Service, concord, ended, line, provider, serving, start, written

pytestmark = pytest.mark.servers


class Before:
    """Stands before an application and answers its first requests itself."""

    def __init__(self, app: ASGIApp, *answers: Response) -> None:
        self.app = app
        self.answers = list(answers)
        self.asked_at: list[float] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked_at.append(time.monotonic())
        if self.answers:
            await Request(scope, receive).body()
            await self.answers.pop(0)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


NDJSON = "application/x-ndjson"


@pytest.mark.parametrize(
    "first",
    [
        Response(status_code=503, headers={"Retry-After": "0"}),
        Response(status_code=503, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        Response(status_code=429),
        Response("<html>", status_code=502, media_type="text/html"),
        Response(status_code=504),
        Response(b"", media_type=NDJSON),
        Response(b'{"status": 201}\n{"stat', media_type=NDJSON),
        Response(b'[]\n"x"\n', media_type=NDJSON),
        Response(b"{}\n{}\n", media_type=NDJSON),
        Response(b'{"status": 201}\n' * 3, media_type=NDJSON),
    ],
)
async def test_what_is_no_answer_is_asked_again(service: Service, tmp_path: Path, first: Response) -> None:
    app = Before(provider(service.pool, service.issuer), first)
    async with serving(app) as url:
        file = written(tmp_path / "a.ndjson", [line("C-1"), line("C-2")])
        result = await concord(file, environment=service.environment(provider_url=url))
    assert result.code == 0, result
    assert "2 accepted, 0 known already, 0 refused" in result.err
    assert "2 sent again after a break" in result.err
    assert await service.stored() == 2


async def test_who_says_when_to_come_again_is_heeded(service: Service, tmp_path: Path) -> None:
    app = Before(provider(service.pool, service.issuer), Response(status_code=503, headers={"Retry-After": "2"}))
    async with serving(app) as url:
        file = written(tmp_path / "a.ndjson", [line("C-1")])
        assert (await concord(file, environment=service.environment(provider_url=url))).code == 0
    first, second = app.asked_at
    assert second - first >= 2


async def test_a_page_is_not_taken_for_an_answer(service: Service, tmp_path: Path) -> None:
    app = Before(provider(service.pool, service.issuer), Response("<html>", media_type="text/html"))
    async with serving(app) as url:
        result = await concord(
            written(tmp_path / "a.ndjson", [line("C-1")]), environment=service.environment(provider_url=url)
        )
    assert result.code == 2
    assert "not as Concord does" in result.err


@pytest.mark.parametrize("status", [307, 404, 500])
async def test_another_answer_ends_it(service: Service, tmp_path: Path, status: int) -> None:
    said = orjson.dumps({"detail": "Something is wrong."})
    app = Before(provider(service.pool, service.issuer), *[Response(said, status_code=status)] * 4)
    async with serving(app) as url:
        result = await concord(
            written(tmp_path / "a.ndjson", [line("C-1")]), environment=service.environment(provider_url=url)
        )
    assert result.code == 2
    assert f"/completions:bulk answered {status}: Something is wrong." in result.err


class Narrow:
    """A gateway that lets smaller requests through than Concord takes."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit
        self.refused = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if int(Request(scope).headers["content-length"]) > self.limit:
            self.refused += 1
            await Response(status_code=413)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


async def test_a_request_that_is_too_large_is_halved_until_it_fits(service: Service, tmp_path: Path) -> None:
    lines = [line(f"C-{n % 100}", f"l{n % 100}", revision=n // 100 + 1) for n in range(500)]
    lines[250] = line("C-250", title="x" * 12_000)
    narrow = Narrow(provider(service.pool, service.issuer), 10_000)
    async with serving(narrow) as url:
        result = await concord(written(tmp_path / "a.ndjson", lines), environment=service.environment(provider_url=url))
    assert narrow.refused > 4
    assert result.code == 1
    assert result.out.startswith('a.ndjson:251: the row is "{')
    assert "; expected: a smaller row: 127.0.0.1 does not take this one" in result.out
    assert result.out.count("\n") == 1
    assert "499 accepted, 0 known already, 1 refused" in result.err


async def test_a_request_that_is_under_way_does_not_stop_ctrl_c(service: Service, tmp_path: Path) -> None:
    arrived = asyncio.Event()

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        arrived.set()
        while (await receive())["type"] != "http.disconnect":
            pass

    async with serving(silent) as url:
        file = written(tmp_path / "a.ndjson", [line("C-1")])
        process = await start(str(file), environment=service.environment(provider_url=url))
        await asyncio.wait_for(arrived.wait(), 30)
        process.send_signal(2)
        result = await ended(process)
    assert result.code == 130
    assert "a.ndjson: interrupted" in result.err
