"""From the services of docker-compose.yml to what runs on a plain machine: one unit per process.

Two images stand for servers that are not this project's, `postgres` and `apache/kafka`; in their place come the
embedded ones. Every other service's command runs as it stands, with this Python for `python`.
"""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from chassis.production import DEVELOPMENT
from deploy import health
from deploy.local import compose
from deploy.local.kafka import Broker, Kafka
from deploy.local.ports import LOOPBACK, free_port, take
from deploy.local.postgres import Postgres
from deploy.local.processes import Command

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"

# What a process has besides its `environment`: where programs, temporary files and certificates are, no more.
_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Unit:
    """One process and how it is looked after."""

    name: str
    """The service's name; the second process of a service is `<service>-2`."""
    service: str
    command: Callable[[Mapping[str, str]], Command]
    """How it is started, given what its environment has besides."""
    environment: Mapping[str, str]
    trouble: Callable[[], Awaitable[str | None]] | None
    """Says what stands in its way, None where it is ready; without it, a unit is ready once it runs."""
    depends_on: Mapping[str, compose.Condition]
    restarts: bool
    """Whether it is started again after it failed."""
    interval: float = 5
    retries: int = 3
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 10
    prepare: Callable[[], None] | None = None
    """What must be done once before it starts; it may block."""

    @property
    def url(self) -> str | None:
        """The address it serves, for a unit that serves one."""
        return self._address("HTTP_PORT")

    @property
    def metrics_url(self) -> str | None:
        """The address of its metrics and health."""
        return self._address("METRICS_PORT")

    def _address(self, port: str) -> str | None:
        return f"http://{LOOPBACK}:{self.environment[port]}" if port in self.environment else None


@dataclass(frozen=True)
class Plan:
    """What is to run; as JSON it is handed to the process that looks after it."""

    folder: Path
    compose_file: Path = COMPOSE_FILE
    only: tuple[str, ...] = ()
    """Services to run; all of the file where it is empty."""
    brokers: int = 1
    copies: Mapping[str, int] = field(default_factory=dict)
    """How many processes of a service, where more than one."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Values for the file's variables."""
    owner: int | None = None
    """The process with which everything ends; None: everything goes on until it is told to end."""


def made_up() -> str:
    """A secret for development, which production refuses."""
    return DEVELOPMENT + secrets.token_urlsafe(24)


def fill_in(plan: Plan, known: Mapping[str, str]) -> dict[str, str]:
    """Values for the file's variables: what the plan gives, what was used before, and else new ones.

    By their names: `*_PORT` is a free port (one used before only while it is still free), `*_HOST` is this machine,
    `*_FOLDER` is one of the system's own, and what has no default is a secret. Raises compose.Unreadable.
    """
    values = dict(plan.values)
    taken: set[int] = {int(value) for name, value in values.items() if name.endswith("_PORT")}
    for port in taken:
        take(port)
    required = compose.variables(plan.compose_file)
    required["POSTGRES_PASSWORD"] = True  # the embedded server's, also where the file does not name it
    brokers = [f"KAFKA_{number}{what}_PORT" for number in range(1, plan.brokers + 1) for what in ("", "_CONTROLLER")]
    copies = [
        f"{_copy(service, number)} {what}"
        for service, count in plan.copies.items()
        for number in range(2, count + 1)
        for what in ("HTTP_PORT", "METRICS_PORT")
    ]
    for name in (*required, "POSTGRES_PORT", *brokers, *copies):
        if name in values:
            continue
        if name.endswith("_PORT"):
            before = int(known.get(name, "0"))
            port = before if before and before not in taken and take(before) else free_port()
            taken.add(port)
            values[name] = str(port)
        elif name.endswith("_HOST"):
            values[name] = LOOPBACK
        elif name.endswith("_FOLDER"):
            values[name] = str(plan.folder / name.removesuffix("_FOLDER").lower())
        elif required[name]:
            values[name] = known.get(name) or made_up()
    values["KAFKA_BOOTSTRAP_SERVERS"] = _kafka(plan, values).bootstrap
    values["KAFKA_REPLICATION"] = str(min(3, plan.brokers))
    return values


def _copy(service: str, number: int) -> str:
    return service if number == 1 else f"{service}-{number}"


def _kafka(plan: Plan, values: Mapping[str, str]) -> Kafka:
    numbers = range(1, plan.brokers + 1)
    return Kafka(
        plan.folder / "kafka",
        [
            Broker(each, int(values[f"KAFKA_{each}_PORT"]), int(values[f"KAFKA_{each}_CONTROLLER_PORT"]))
            for each in numbers
        ],
    )


def _postgres(plan: Plan, values: Mapping[str, str]) -> Postgres:
    return Postgres(plan.folder / "postgres", int(values["POSTGRES_PORT"]), values["POSTGRES_PASSWORD"])


def units(plan: Plan, values: Mapping[str, str]) -> list[Unit]:
    """What runs, in the file's order. Raises compose.Unreadable."""
    services = compose.read(plan.compose_file, values)
    if unknown := {*plan.only, *plan.copies} - services.keys():
        raise compose.Unreadable(f"{plan.compose_file.name} has no service {', '.join(sorted(unknown))}")
    made: list[Unit] = []
    for service in services.values():
        if plan.only and service.name not in plan.only:
            continue
        if service.image.startswith("postgres:"):
            made.append(_postgres_unit(service, _postgres(plan, values)))
        elif service.image.startswith("apache/kafka:"):
            made += _kafka_units(service, _kafka(plan, values))
        else:
            made += [_unit(plan, service, values, number) for number in range(1, plan.copies.get(service.name, 1) + 1)]
    if plan.only:  # what was not asked for is not waited for
        made = [
            replace(unit, depends_on={name: how for name, how in unit.depends_on.items() if name in plan.only})
            for unit in made
        ]
    return made


def _postgres_unit(service: compose.Service, server: Postgres) -> Unit:
    return Unit(
        name=service.name,
        service=service.name,
        command=lambda _: server.command(),
        environment={"URL": server.url},
        trouble=server.trouble,
        depends_on=service.depends_on,
        restarts=True,
        stop_signal=signal.SIGINT,  # ends sessions, and writes out what is in memory
        stop_seconds=30,
        prepare=server.prepare,
    )


def _kafka_units(service: compose.Service, cluster: Kafka) -> list[Unit]:
    def command(broker: Broker) -> Callable[[Mapping[str, str]], Command]:
        return lambda _: cluster.command(broker)

    def trouble(broker: Broker) -> Callable[[], Awaitable[str | None]]:
        return lambda: cluster.trouble(broker)

    return [
        Unit(
            name=_copy(service.name, broker.number),
            service=service.name,
            command=command(broker),
            environment={"BOOTSTRAP": f"{broker.host}:{broker.port}"},
            trouble=trouble(broker),
            depends_on=service.depends_on,
            restarts=True,
            stop_seconds=30,
            prepare=cluster.prepare,
        )
        for broker in cluster.brokers
    ]


def _unit(plan: Plan, service: compose.Service, values: Mapping[str, str], number: int) -> Unit:
    name = _copy(service.name, number)
    environment = dict(service.environment)
    for what in ("HTTP_PORT", "METRICS_PORT"):
        if number > 1 and what in environment:
            environment[what] = values[f"{name} {what}"]
    program, *arguments = service.command
    words = [sys.executable if program == "python" else program, *arguments]
    inherited = {key: os.environ[key] for key in _INHERITED if key in os.environ}

    def command(besides: Mapping[str, str]) -> Command:
        return Command(
            words, {**inherited, "PYTHONUNBUFFERED": "1", **environment, **besides}, plan.compose_file.parent
        )

    health_check = service.health
    return Unit(
        name=name,
        service=service.name,
        command=command,
        environment=environment,
        trouble=None if health_check is None else _check(health_check, lambda: command({})),
        depends_on=service.depends_on,
        restarts=service.restart != "no",
        interval=5 if health_check is None else health_check.interval,
        retries=3 if health_check is None else health_check.retries,
        stop_seconds=service.stop_seconds,
    )


def _check(check: compose.HealthCheck, command: Callable[[], Command]) -> Callable[[], Awaitable[str | None]]:
    if check.test == ("python", "-m", "deploy.health"):
        # The same check without a start of Python for each.
        return lambda: asyncio.to_thread(health.trouble, command().environment, check.timeout)

    async def trouble() -> str | None:
        program, *arguments = check.test
        at = command()
        process = await asyncio.create_subprocess_exec(
            sys.executable if program == "python" else program,
            *arguments,
            env=dict(at.environment),
            cwd=at.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            code = await asyncio.wait_for(process.wait(), check.timeout)
        except TimeoutError:
            process.kill()
            await process.wait()
            return f"its health check took more than {check.timeout} s"
        return None if code == 0 else f"its health check ended with {code}"

    return trouble
