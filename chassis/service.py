"""A process of a service: the roles it plays, its health, and how it starts and ends (ADR 21)."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import structlog
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from chassis import telemetry
from chassis.clock import Clock, system_clock
from chassis.consumer import Consumer
from chassis.database import Pool, open_pool, transaction
from chassis.relay import Relay
from chassis.settings import Settings
from chassis.tracing import Tracing

log = structlog.get_logger()

Role = Literal["api", "worker", "all"]
Loop = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Parts:
    """What a service consists of: an `api` process serves `app`, a `worker` runs the rest, `all` does both."""

    app: ASGIApp
    consumer: Consumer | None = None
    relay: Relay | None = None
    beside_api: Sequence[Loop] = field(default_factory=tuple)
    """Loops that an API process runs; they end when they are cancelled."""
    beside_worker: Sequence[Loop] = field(default_factory=tuple)
    """Loops that a worker runs; they end when they are cancelled."""
    before_end: Sequence[Callable[[], None]] = field(default_factory=tuple)
    """What is called when the process is asked to end: its servers wait for every answer, and a stream is one."""


Build = Callable[[Settings, Pool, Clock], Awaitable[Parts]]


async def database_answers(pool: Pool) -> str | None:
    """None where the database answers, else what is wrong with it."""
    try:
        async with transaction(pool) as connection:
            await connection.fetchval("SELECT 1")
    except Exception as error:  # whatever it is, it means not ready
        return f"database: {type(error).__name__}"
    return None


def _inside(parts: Parts, pool: Pool, role: Role) -> Starlette:
    """Health and metrics on a port of their own, which only the operators' network reaches."""

    async def ready(_: Request) -> Response:
        troubles = [await database_answers(pool)]
        if role != "api":
            troubles += [part.trouble for part in (parts.consumer, parts.relay) if part is not None]
        causes = [trouble for trouble in troubles if trouble]
        return JSONResponse({"ready": not causes, "causes": causes}, status_code=503 if causes else 200)

    async def live(_: Request) -> Response:
        return JSONResponse({"live": True})

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[Route("/health/live", live), Route("/health/ready", ready), Route("/metrics", metrics)],
    )


class _Server(uvicorn.Server):
    """Uvicorn under this process's own signal handling, since an API and a worker may share it."""

    def install_signal_handlers(self) -> None:
        pass


def _server(app: ASGIApp, host: str, port: int) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            loop="none",
            http="httptools",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=10,
            server_header=False,
            lifespan="on",
        )
    )


async def _run(name: str, role: Role, build: Build) -> int:
    settings = Settings()
    provider = telemetry.set_up(name)
    pool = await open_pool(settings.service_database_url.get_secret_value(), size=settings.database_pool_size)
    parts = await build(settings, pool, system_clock)
    servers = [_server(_inside(parts, pool, role), settings.http_host, settings.metrics_port)]
    loops: list[Loop] = []
    beside: list[Loop] = []
    enders: list[Callable[[], None]] = list(parts.before_end)
    if role in ("api", "all"):
        servers.append(_server(Tracing(parts.app), settings.http_host, settings.http_port))
        beside += parts.beside_api
    if role in ("worker", "all"):
        for part in (parts.consumer, parts.relay):
            if part is not None:
                loops.append(part.run)
                enders.append(part.stop)
        beside += parts.beside_worker

    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    tasks = [asyncio.create_task(server._serve()) for server in servers]
    workers = [asyncio.create_task(_as_coroutine(loop)) for loop in loops]
    companions = [asyncio.create_task(_as_coroutine(loop)) for loop in beside]
    end = asyncio.create_task(stopping.wait())
    log.info("started", role=role)
    # A part that ends by itself is a fault; the process goes, and is started again.
    done, _ = await asyncio.wait([*tasks, *workers, *companions, end], return_when=asyncio.FIRST_COMPLETED)
    failed = [task for task in done if task is not end]
    for task in failed:
        log.critical("a part of the process ended", exc_info=task.exception())
    for server in servers:
        server.should_exit = True
    for ender in enders:
        ender()
    await asyncio.wait(tasks, timeout=15)
    for task in companions:
        task.cancel()
    _, late = await asyncio.wait(workers, timeout=15) if workers else (set(), set())
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, *workers, *companions, return_exceptions=True)
    pool.terminate()
    provider.shutdown()
    log.info("stopped", role=role)
    return 1 if failed else 0


async def _as_coroutine(loop: Loop) -> None:
    await loop()


def main(name: str, build: Build) -> None:
    """Run a process of a service in the role that the command line names; the exit code is 1 after a fault."""
    role = sys.argv[1] if len(sys.argv) == 2 else ""
    if role not in ("api", "worker", "all"):
        sys.exit(f"usage: python -m services.{name}.main api|worker|all")
    try:
        import uvloop
    except ImportError:
        sys.exit(asyncio.run(_run(name, role, build)))  # type: ignore[arg-type]  # checked above
    sys.exit(uvloop.run(_run(name, role, build)))  # type: ignore[arg-type]  # checked above
