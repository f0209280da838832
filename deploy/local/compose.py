"""Reads docker-compose.yml: what of it matters without containers, and nothing that it would have to guess.

The reader knows `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?message}` and `$$`, commands, environments,
dependencies with conditions, health checks and restarts. Images, ports, networks and volumes are the containers' own.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

Condition = Literal["service_started", "service_healthy", "service_completed_successfully"]
_REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_]\w*)(?:(?P<how>:?[-?])(?P<rest>[^{}$]*))?\})")


class Unreadable(Exception):
    """The file says something that this reader does not know; the message says what and where."""


@dataclass(frozen=True)
class HealthCheck:
    """How to learn whether a service is ready."""

    test: tuple[str, ...]
    interval: float
    """Seconds between checks of a service that is ready."""
    timeout: float
    """Seconds a check may take."""
    retries: int
    """Failures in a row after which a service that was ready no longer is."""


@dataclass(frozen=True)
class Service:
    """What the file says of a service."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    depends_on: Mapping[str, Condition]
    health: HealthCheck | None
    restart: Literal["no", "always", "on-failure", "unless-stopped"]
    stop_seconds: float
    """How long it may take to end once it is asked to."""


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _loaded(file: Path) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load(file.read_text())
    except yaml.YAMLError as error:
        raise Unreadable(f"{file.name}: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("services"), dict):
        raise Unreadable(f"{file.name} has no services")
    return document


def variables(file: Path) -> dict[str, bool]:
    """Every variable that the services refer to, and whether it is required: one that has no default."""
    found: dict[str, bool] = {}
    for text in _texts(_loaded(file)["services"]):
        for reference in _REFERENCE.finditer(text):
            if name := reference["name"]:
                found[name] = found.get(name, False) or (reference["how"] or "").endswith("?")
    return found


def read(file: Path, values: Mapping[str, str]) -> dict[str, Service]:
    """The services of the file, with the variables' values put in. Raises Unreadable."""

    def put_in(reference: "re.Match[str]") -> str:
        if reference["dollar"]:
            return "$"
        name, how = reference["name"], reference["how"] or ""
        value = values.get(name)
        if value or (value is not None and not how.startswith(":")):
            return value
        if how.endswith("?"):
            raise Unreadable(f"{file.name}: {name} is required{': ' if reference['rest'] else ''}{reference['rest']}")
        return reference["rest"] or ""

    def interpolated(value: Any) -> Any:
        if isinstance(value, str):
            if "$" in _REFERENCE.sub("", value):
                raise Unreadable(f"{file.name}: {value!r} holds a reference of a kind that is not known here")
            return _REFERENCE.sub(put_in, value)
        if isinstance(value, Mapping):
            return {key: interpolated(each) for key, each in value.items()}
        if isinstance(value, list):
            return [interpolated(each) for each in value]
        return value

    services = _loaded(file)["services"]
    read = {name: _service(file.name, name, interpolated(body)) for name, body in services.items()}
    for service in read.values():
        if unknown := service.depends_on.keys() - read.keys():
            raise Unreadable(f"{file.name}: {service.name} depends on {', '.join(sorted(unknown))}, which is not there")
    return read


def _service(file: str, name: str, body: Mapping[str, Any]) -> Service:
    def wrong(what: str) -> Unreadable:
        return Unreadable(f"{file}: services.{name}: {what}")

    environment = body.get("environment", {})
    if not isinstance(environment, dict):
        raise wrong("environment must be a mapping")
    command = body.get("command", [])
    restart = {False: "no"}.get(body.get("restart", "no"), body.get("restart", "no"))
    if restart not in ("no", "always", "on-failure", "unless-stopped"):
        raise wrong(f"restart: {restart}")
    return Service(
        name=name,
        image=str(body.get("image", "")),
        command=tuple(shlex.split(command) if isinstance(command, str) else map(str, command)),
        environment={key: _plain(value) for key, value in environment.items()},
        depends_on=_dependencies(body.get("depends_on", {}), wrong),
        health=_health(body.get("healthcheck"), wrong),
        restart=restart,
        stop_seconds=seconds(body.get("stop_grace_period", "10s")),
    )


def _plain(value: Any) -> str:
    """A value of an environment as a text: YAML's `true` is the text it was written as."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _dependencies(value: Any, wrong: Callable[[str], Unreadable]) -> dict[str, Condition]:
    if isinstance(value, list):
        return dict.fromkeys(value, "service_started")
    conditions = {name: each.get("condition", "service_started") for name, each in value.items()}
    for name, condition in conditions.items():
        if condition not in get_args(Condition):
            raise wrong(f"depends_on.{name}: {condition}")
    return conditions


def _health(value: Any, wrong: Callable[[str], Unreadable]) -> HealthCheck | None:
    if value is None or value.get("disable"):
        return None
    test = value.get("test")
    if not isinstance(test, list) or len(test) < 2 or test[0] != "CMD":
        raise wrong('healthcheck.test must be ["CMD", program, …]')
    return HealthCheck(
        test=tuple(map(str, test[1:])),
        interval=seconds(value.get("interval", "30s")),
        timeout=seconds(value.get("timeout", "30s")),
        retries=int(value.get("retries", 3)),
    )


def seconds(text: str) -> float:
    """A span of time as the file writes it (`1m30s`, `500ms`), in seconds. Raises Unreadable."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise Unreadable(f"{text!r} is not a span of time")
    return sum(float(number) * units[unit] for number, unit in parts)
