"""Connections that are cut, servers that are killed, and answers that say to come again: every row is accepted once."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from chassis.database import Pool
from client.publishing import GaveUp, Observer, Refused, publish
from client.rows import Row
from client.session import Connection
from deploy.local.issuer import Client
from deploy.local.ports import free_port
from tests.conftest import Database
from tests.integration.client.ground import KEY, MEMBER, Service, concord, ended, line, start, written
from tests.integration.client.proxy import Proxy
from tests.tokens import Issuer

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_cut_connections_lose_nothing_and_double_nothing(service: Service, tmp_path: Path, seed: int) -> None:
    count, learners = 2_440, 61
    # Every learner has one completion whose revisions come in order: another order would be refused.
    rows = [line(f"C-{n % learners}", f"l{n % learners}", revision=n // learners + 1) for n in range(count)]
    file = written(tmp_path / "a.ndjson", rows)
    proxy = Proxy(urlsplit(service.url).port or 0, seed=seed, cuts=4, within=120_000)
    async with proxy.serving() as url:
        result = await concord(file, environment=service.environment(provider_url=url))
    assert result.code == 0, result
    assert Counter(proxy.cut) == {"request": 4, "answer": 4}
    assert "sent again after a break" in result.err
    assert await service.stored() == count
    said = {words[1]: int(words[0].replace(",", "")) for words in _counts(result.err)}
    assert said["accepted"] + said["known already"] == count
    assert said["known already"] > 0  # whose first answer was cut
    assert said["refused"] == 0
    revisions: dict[str, list[int]] = {}
    for event in await service.events():
        revisions.setdefault(event.reference, []).append(event.revision)
    assert all(each == list(range(1, count // learners + 1)) for each in revisions.values())


def _counts(text: str) -> list[list[str]]:
    last = text.splitlines()[-1].partition(": ")[2]
    return [part.split(" ", 1) for part in last.split(" in ")[0].split(", ")]


@asynccontextmanager
async def _process(environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of the provider's API; it is killed with the block."""
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.provider.main", "api"),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def test_a_server_that_is_killed_and_started_again_is_waited_for(
    own_database: Database, pool: Pool, issuer: Issuer, tmp_path: Path
) -> None:
    port = free_port()
    environment = {
        "SERVICE_DATABASE_URL": own_database.url,
        "OIDC_ISSUER": issuer.url,
        "LEARNER_ID_KEY": KEY.decode(),
        "HTTP_PORT": str(port),
        "METRICS_PORT": str(free_port()),
    }
    service = Service(f"http://127.0.0.1:{port}", pool, issuer)
    file = written(tmp_path / "a.ndjson", (line(f"C-{n}", f"l{n % 200}") for n in range(2_000)))
    # The command starts before there is a server, which then dies between a commit and its answer.
    publishing = await start(str(file), environment=service.environment())
    async with _process({**environment, "CRASH_AT": "provider_after_commit:2"}) as dying:
        assert await asyncio.wait_for(dying.wait(), 60) == -9
    stored = await service.stored()
    assert 0 < stored < 2_000
    async with _process(environment):
        result = await ended(publishing)
    assert result.code == 0, result
    assert "gave no answer" in result.err
    assert "trying again" in result.err
    assert ", 0 known already" not in result.err
    assert await service.stored() == 2_000


async def test_patience_ends_with_a_server_that_never_answers() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    refused: list[Refused] = []
    connection = Connection(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "", "", "", "any")
    async with server, connection.open() as http:
        publishing = publish([Row(1, line("C-1"), "ann")], http, "/x", Observer(refused.append), patience=1.5)
        with pytest.raises(GaveUp, match=r"gave no answer \(ReadTimeout\), for 1.5 s"):
            await asyncio.wait_for(publishing, 60)
    assert refused == []


async def test_an_issuer_that_comes_late_is_waited_for(service: Service, tmp_path: Path) -> None:
    client = Client.model_validate({"id": "c", "secret": "s", "member": MEMBER, "roles": ["publisher"]})
    late = Issuer(clients=[client])
    who = {"issuer": late.url, "client_id": "c", "client_secret": "s", "token": ""}
    file = written(tmp_path / "a.ndjson", [line("C-1")])
    process = await start(str(file), environment=service.environment(**who))
    assert process.stderr is not None
    first = await asyncio.wait_for(process.stderr.readline(), 30)
    assert f"{late.url}/.well-known/openid-configuration gave no answer" in first.decode()
    with late:
        result = await ended(process)
    # Its tokens are another issuer's for this service, which says so.
    assert result.code == 2
    assert "answered 401" in result.err


async def test_a_database_that_is_away_is_waited_for(service: Service, tmp_path: Path) -> None:
    """The service answers 503 with Retry-After while it waits for a connection in vain."""
    file = written(tmp_path / "a.ndjson", (line(f"C-{n}", f"l{n}") for n in range(600)))
    held = [await service.pool.acquire() for _ in range(service.pool.get_max_size())]
    process = await start(str(file), environment=service.environment())
    assert process.stderr is not None
    first = await asyncio.wait_for(process.stderr.readline(), 30)
    assert "/completions:bulk answered 503; trying again" in first.decode()
    for connection in held:
        await service.pool.release(connection)
    result = await ended(process)
    assert result.code == 0, result
    assert await service.stored() == 600


async def test_a_row_is_sent_to_the_path_that_is_given(service: Service) -> None:
    async with Connection(service.url, token=service.issuer.token("publisher", member=MEMBER)).open() as http:
        with pytest.raises(httpx.HTTPStatusError, match="404"):
            await publish([Row(1, line("C-1"), "ann")], http, "/nothing:bulk", Observer(lambda _: None))
