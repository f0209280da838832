"""A process of a service: the roles it plays, its health, and how it starts and ends (ADR 21)."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import structlog
import uvicorn
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from chassis import production, telemetry
from chassis.clock import Clock, system_clock
from chassis.consumer import Consumer
from chassis.database import Pool, open_pool, transaction
from chassis.health import Check, Checks
from chassis.kafka import Access
from chassis.limits import Limits
from chassis.measures import Lag, Stored
from chassis.production import Admission, Refused
from chassis.relay import Relay
from chassis.settings import Settings, read
from chassis.tracing import Tracing

log = structlog.get_logger()

Role = Literal["api", "worker", "all"]
Loop = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Parts:
    """What a service consists of: an `api` process serves `app`, a `worker` runs the rest, `all` does both."""

    app: FastAPI
    consumer: Consumer | None = None
    relay: Relay | None = None
    beside_api: Sequence[Loop] = field(default_factory=tuple)
    """Loops that an API process runs; they end when they are cancelled."""
    beside_worker: Sequence[Loop] = field(default_factory=tuple)
    """Loops that a worker runs; they end when they are cancelled."""
    before_end: Sequence[Callable[[], None]] = field(default_factory=tuple)
    """What is called when the process is asked to end: its servers wait for every answer, and a stream is one."""

    @property
    def works(self) -> Sequence[Consumer | Relay]:
        """What a worker does besides its companions; a service without any has no tables of the chassis's either."""
        return [part for part in (self.consumer, self.relay) if part is not None]


Build = Callable[[Settings, Pool, Clock], Awaitable[Parts]]


async def database_answers(pool: Pool) -> None:
    """A check: raises what the database raises."""
    async with transaction(pool) as connection:
        await connection.fetchval("SELECT 1")


async def broker_answers(bootstrap: str, access: Access) -> str | None:
    """A check: whether a new connection to Kafka gets in, since one that lasts may not notice that nothing comes."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=2_000, **access.options)
    try:
        await admin.start()
    except KafkaError as error:
        return await access.why(bootstrap, error)
    finally:
        await admin.close()
    return None


def _admission(settings: Settings, parts: Parts, role: Role) -> Admission:
    """What production demands of a process in this role."""
    demands = list(production.OF_EVERY_PROCESS)
    if role != "worker":
        demands += production.OF_AN_API
    if role != "api" and parts.works:
        demands += production.OF_A_WORKER
    return Admission(settings, demands)


def _checks(parts: Parts, pool: Pool, role: Role, bootstrap: str, access: Access, admission: Admission) -> Checks:
    """An API needs its database; a worker needs Kafka as well, and its consumer and relay at work."""
    checks: dict[str, Check] = {admission.name: _trouble_of(admission), "database": lambda: database_answers(pool)}
    if role != "api" and parts.works:
        checks["kafka"] = lambda: broker_answers(bootstrap, access)
        checks |= {part.name: _trouble_of(part) for part in parts.works}
    return Checks(checks)


def _trouble_of(part: Admission | Consumer | Relay) -> Check:
    async def check() -> str | None:
        return part.trouble

    return check


def _inside(checks: Checks) -> Starlette:
    """Health and metrics on a port of their own, which only the operators' network reaches."""

    async def ready(_: Request) -> Response:
        causes = await checks.troubles()
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


def _server(app: ASGIApp, host: str, port: int, *, believed: str = "") -> _Server:
    """A server; of proxies that are `believed` it takes from where a request comes."""
    return _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            proxy_headers=bool(believed),
            forwarded_allow_ips=believed,
            loop="none",
            http="httptools",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=10,
            server_header=False,
            lifespan="on",
        )
    )


async def _run(name: str, role: Role, build: Build, settings: Settings, access: Access) -> int:
    provider = telemetry.set_up(name)
    pool = await open_pool(settings.service_database_url.get_secret_value(), size=settings.database_pool_size)
    parts = await build(settings, pool, system_clock)
    bootstrap = settings.kafka_bootstrap_servers
    admission = _admission(settings, parts, role)
    checks = _checks(parts, pool, role, bootstrap, access, admission)
    inside = _server(_inside(checks), settings.http_host, settings.metrics_port)
    servers = [inside]
    loops: list[Loop] = []
    beside: list[Loop] = []
    if parts.works:
        # Also in an API process: what its outbox holds must be known when no worker runs.
        beside.append(Stored(settings.service_database_url.get_secret_value(), system_clock).run)
    enders: list[Callable[[], None]] = list(parts.before_end)
    if role in ("api", "all"):
        parts.app.state.limits = Limits.of(settings.rate_limit, settings.rate_burst)
        believed = settings.forwarded_allow_ips
        servers.append(_server(Tracing(parts.app), settings.http_host, settings.http_port, believed=believed))
        beside += parts.beside_api
    if role in ("worker", "all"):
        for part in parts.works:
            loops.append(part.run)
            enders.append(part.stop)
        beside += parts.beside_worker
        if parts.consumer is not None:
            beside.append(Lag(parts.consumer.topics, pool, bootstrap, access, system_clock).run)

    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    end = asyncio.create_task(stopping.wait())
    # Its health can be asked before anything else is served.
    tasks = [asyncio.create_task(inside._serve())]
    admitted = asyncio.create_task(admission.run())
    done, _ = await asyncio.wait([*tasks, admitted, end], return_when=asyncio.FIRST_COMPLETED)
    workers: list[asyncio.Task[None]] = []
    companions = [admitted]
    if done == {admitted} and admitted.exception() is None:
        tasks += [asyncio.create_task(server._serve()) for server in servers[1:]]
        workers = [asyncio.create_task(_as_coroutine(loop)) for loop in loops]
        companions = [asyncio.create_task(_as_coroutine(loop)) for loop in beside]
        log.info("started", role=role)
        # A part that ends by itself is a fault; the process goes, and is started again.
        done, _ = await asyncio.wait([*tasks, *workers, *companions, end], return_when=asyncio.FIRST_COMPLETED)
    failed = [task for task in done - {end} if task is not admitted or task.exception() is not None]
    for task in failed:
        if isinstance(error := task.exception(), Refused):
            log.critical("production refuses to start", causes=str(error).splitlines())
        else:
            log.critical("a part of the process ended", exc_info=error)
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
        settings = read(Settings, os.environ)
        access = Access.of(settings)
    except ValueError as wrong:
        sys.exit(str(wrong))
    running = _run(name, role, build, settings, access)  # type: ignore[arg-type]  # checked above
    try:
        import uvloop
    except ImportError:
        sys.exit(asyncio.run(running))
    sys.exit(uvloop.run(running))
