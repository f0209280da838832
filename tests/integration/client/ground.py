"""What the tests of the `concord` command share: a served application, the command as a process, and files of rows."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import orjson
import uvicorn
from starlette.types import ASGIApp

from chassis.clock import system_clock
from chassis.database import Pool
from chassis.learners import Scheme
from contracts.provider_completion import CompletionPublished
from deploy.local.ports import free_port
from services.provider.api import create_api
from tests.eventually import eventually
from tests.integration.provider.ground import completion, esi
from tests.tokens import Issuer

ROOT = Path(__file__).parents[3]
KEY = b"a key for the tests, and nothing else"
MEMBER = "northbridge"
SECRET = "p%41: ß"  # noqa: S105  # of a client that only the tests' issuer knows


def provider(pool: Pool, issuer: Issuer, *, scheme: Scheme = "ESI", **verifier: Any) -> ASGIApp:
    """The provider's API on a database."""
    return create_api(
        pool, system_clock, issuer.verifier(**verifier), zone=ZoneInfo("UTC"), learner_id_key=KEY, scheme=scheme
    )


@asynccontextmanager
async def serving(app: ASGIApp, port: int = 0) -> AsyncIterator[str]:
    """The address at which an application is served; at a free port where none is named."""
    port = port or free_port()
    config = uvicorn.Config(
        app, port=port, log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve())  # under pytest's own handling of signals
    await eventually(lambda: server.started)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await running


class Service(NamedTuple):
    """The provider as a client meets it, and its database."""

    url: str
    pool: Pool
    issuer: Issuer

    def environment(self, **changes: str) -> dict[str, str]:
        """What tells the command where the service is and who asks; a changed name is written in small letters."""
        usual = {"CONCORD_PROVIDER_URL": self.url, "CONCORD_TOKEN": self.issuer.token("publisher", member=MEMBER)}
        return usual | {f"CONCORD_{name.upper()}": value for name, value in changes.items()}

    async def stored(self) -> int:
        """How many revisions are stored; each has its event."""
        async with self.pool.acquire() as connection:
            revisions, events = await connection.fetchval(
                "SELECT ROW((SELECT count(*) FROM completion_revision), (SELECT count(*) FROM outbox))"
            )
        assert revisions == events
        return int(revisions)

    async def stores(self, least: int) -> None:
        """Wait until at least so many revisions are stored."""

        async def enough() -> bool:
            return await self.stored() >= least

        assert await eventually(enough)  # type: ignore[arg-type]  # mypy cannot choose between its two kinds

    async def events(self) -> list[CompletionPublished]:
        """The events of what was accepted, in the order in which they leave."""
        async with self.pool.acquire() as connection:
            rows = await connection.fetch("SELECT payload FROM outbox ORDER BY id")
        return [CompletionPublished.model_validate_json(row["payload"]) for row in rows]


class Ended(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


INTERRUPTIBLE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("client.main", run_name="__main__")
"""
"""The command, with Ctrl-C as a terminal's shell leaves it: a test run in the background has it ignored, and its
children with it."""


PUBLISH: Final = ("publish",)


async def start(
    *words: str, environment: Mapping[str, str], command: Sequence[str] = PUBLISH, **settings: Any
) -> asyncio.subprocess.Process:
    """A command of `concord` as a process."""
    usual = {name: value for name, value in os.environ.items() if not name.startswith("CONCORD_")}
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", INTERRUPTIBLE, *command, *words),
        cwd=ROOT,
        env=usual | dict(environment),
        **{**pipes, **settings},
    )


async def ended(process: asyncio.subprocess.Process, content: bytes = b"") -> Ended:
    """What a command did until its end, which comes within a minute."""
    try:
        out, err = await asyncio.wait_for(process.communicate(content), 60)
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode is not None
    text = err.decode()
    assert "Traceback" not in text, text
    return Ended(process.returncode, (out or b"").decode(), text)


async def concord(
    *words: str | Path, environment: Mapping[str, str], content: bytes = b"", command: Sequence[str] = PUBLISH
) -> Ended:
    """Run a command of `concord` to its end."""
    return await ended(await start(*map(str, words), environment=environment, command=command), content)


def line(reference: str, learner: str = "ann", /, **changes: Any) -> bytes:
    """A row: a completion of a learner, with changes."""
    identity = {"scheme": "ESI", "identifier": esi(learner), "reference": f"S-{learner.lower()}"}
    return orjson.dumps({"reference": reference, **completion(**{"learner": identity, **changes})})


def written(path: Path, lines: Iterable[bytes]) -> Path:
    """A file of these lines."""
    path.write_bytes(b"".join(each + b"\n" for each in lines))
    return path
