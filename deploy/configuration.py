"""Writes docs/configuration.md from the settings: `python -m deploy.configuration`, with --check only compares it.

Which services read a variable is taken from their code, and what production demands from chassis.production.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from chassis import production
from chassis.migrate import SERVICES
from chassis.settings import Settings, Surroundings
from deploy.setup import Installation

ROOT: Final = Path(__file__).parents[1]
FILE: Final = ROOT / "docs" / "configuration.md"

HEAD: Final = """\
# Configuration

Every process reads its settings from its environment. This page is generated from them: `make configuration` writes it,
`make check` compares it. docker-compose.yml shows a whole installation. A variable that is empty counts as not set; one
that is wrong ends the process with a line that names it.

"""
PRODUCTION: Final = """
## What production refuses

With `ENVIRONMENT=production` a process ends with exit code 1 before it serves where one of these is not so; it says
which, and what would be right. What it cannot find out, because Kafka or the issuer does not answer, it asks again, and
`/health/ready` says so meanwhile.

| Check | What is demanded | Of | Where |
|---|---|---|---|
"""
OTHERS: Final = """
## What others read

The OpenTelemetry SDK reads `OTEL_EXPORTER_OTLP_ENDPOINT` and the other `OTEL_*` variables as its own documentation
says; without an endpoint nothing is exported. Python's TLS reads `SSL_CERT_FILE` for the issuer's and the services'
addresses. What the local issuer reads is in docker-compose.yml; production has an issuer of its own.
"""

_READ: Final = re.compile(r"settings\.([a-z_]+)\b")
_FOR_AUDIENCE: Final = {"oidc_audience_parameter", "oidc_audience"}
_TOGETHER: Final = {
    "for_audience": _FOR_AUDIENCE,
    "asked_with_credentials": _FOR_AUDIENCE | {"oidc_client_scope"},
}
"""What the settings' own properties read."""
_IMPORT: Final = re.compile(r"^from chassis(?:\.([a-z_.]+))? import ([\w, ]+)", re.MULTILINE)
_CHASSIS_OF_ALL: Final = "service"


def _reads(text: str) -> set[str]:
    found = set(_READ.findall(text))
    return found.union(*(fields for name, fields in _TOGETHER.items() if name in found))


def _chassis(module: str) -> str:
    file = ROOT / "chassis" / f"{module.replace('.', '/')}.py"
    return file.read_text(encoding="utf-8") if file.exists() else ""


def read_by(service: str) -> set[str]:
    """The settings that a service's code reads, or what it uses of the chassis."""
    found: set[str] = set()
    for file in (ROOT / "services" / service).rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        found |= _reads(text)
        for module, names in _IMPORT.findall(text):
            for each in [module] if module else names.split(", "):
                # A process without a consumer or a relay has nothing to do with Kafka.
                found |= {name for name in _reads(_chassis(each)) if each != _CHASSIS_OF_ALL or "kafka" not in name}
    return found | {"environment"}


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    return f"`{value}`" if str(value) else "empty"


def _demanded(variable: str) -> str:
    return "; ".join(demand.demand for demand in production.ALL if variable in demand.variables)


def _services(names: Iterable[str]) -> str:
    known = list(names)
    return "all" if len(known) == len(SERVICES) else ", ".join(known).replace("_", "-") or "–"


def _table(kind: type[Surroundings], names: Iterable[str], last: str) -> str:
    readers = {service: read_by(service) for service in SERVICES}
    rows = [f"| Variable | Meaning | Default | {last}In production |", "|---|---|---|" + "---|" * (2 if last else 1)]
    for name in names:
        field = kind.model_fields[name]
        services = f"{_services(s for s in SERVICES if name in readers[s])} | " if last else ""
        meaning = (field.description or "").replace("|", "\\|")
        rows.append(f"| `{name.upper()}` | {meaning} | {_default(field)} | {services}{_demanded(name.upper())} |")
    return "\n".join(rows) + "\n"


def _where(demand: production.Demand) -> str:
    places = (
        ("every service", production.OF_EVERY_PROCESS),
        ("roles api and all", production.OF_AN_API),
        ("roles worker and all", production.OF_A_WORKER),
        ("the set-up", production.OF_THE_SET_UP),
    )
    return ", ".join(place for place, demands in places if demand in demands)


def generated() -> str:
    """The whole page."""
    own = [name for name in Installation.model_fields if name not in Surroundings.model_fields]
    checks = "".join(
        f"| `{each.name}` | {each.demand} | {', '.join(f'`{name}`' for name in each.variables)} | {_where(each)} |\n"
        for each in production.ALL
    )
    return (
        HEAD
        + "## Services\n\n"
        + _table(Settings, Settings.model_fields, "Read by | ")
        + "\n## The set-up, `python -m deploy.setup`\n\n"
        + "It reads `ENVIRONMENT` and the `KAFKA_*` variables as the services do, and besides:\n\n"
        + _table(Installation, own, "")
        + PRODUCTION
        + checks
        + OTHERS
    )


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` only compare it; 1 where it has drifted."""
    if arguments == ["--check"]:
        if FILE.exists() and FILE.read_text(encoding="utf-8") == generated():
            return 0
        sys.stdout.write("docs/configuration.md is not what the settings say: run `make configuration`\n")
        return 1
    FILE.write_text(generated(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
