"""What the launcher understands of docker-compose.yml, and what it refuses to guess."""

from pathlib import Path

import pytest

from deploy.local import compose
from deploy.local.units import COMPOSE_FILE, Plan, fill_in, units

SERVICES = """
services:
  one:
    image: concord
    command: ["python", "-m", "one"]
    environment: {A: "${A:-a}", B: "x${B_PORT:-80}y", C: "${SECRET:?}", D: "costs $$1", E: true, F: 7}
    restart: on-failure
    stop_grace_period: 1m30s
    depends_on: {two: {condition: service_healthy}}
  two:
    image: concord
    command: python -m two "a b"
    healthcheck: {test: ["CMD", "python", "-c", "pass"], interval: 500ms}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    written = tmp_path / "compose.yml"
    written.write_text(SERVICES)
    return written


def test_variables_stand_for_what_they_are_given_or_for_their_defaults(file: Path) -> None:
    one = compose.read(file, {"SECRET": "s", "B_PORT": "81"})["one"]
    assert one.environment == {"A": "a", "B": "x81y", "C": "s", "D": "costs $1", "E": "true", "F": "7"}


def test_commands_dependencies_and_times_are_read(file: Path) -> None:
    services = compose.read(file, {"SECRET": "s"})
    assert services["two"].command == ("python", "-m", "two", "a b")
    assert services["one"].depends_on == {"two": "service_healthy"}
    assert services["one"].stop_seconds == 90
    assert services["two"].health is not None
    assert services["two"].health.interval == 0.5
    assert services["two"].restart == "no"


def test_a_required_variable_without_a_value_is_named(file: Path) -> None:
    assert compose.variables(file) == {"A": False, "B_PORT": False, "SECRET": True}
    with pytest.raises(compose.Unreadable, match="SECRET is required"):
        compose.read(file, {"SECRET": ""})


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("command: ${A:+b}", "a reference of a kind that is not known here"),
        ("command: $A", "a reference of a kind that is not known here"),
        ("environment: [A=1]", "environment must be a mapping"),
        ("depends_on: {two: {condition: service_happy}}", "service_happy"),
        ("depends_on: [three]", "depends on three"),
        ('healthcheck: {test: "exit 0"}', "healthcheck.test must be"),
        ("stop_grace_period: soon", "not a span of time"),
        ("restart: sometimes", "sometimes"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, line: str, cause: str) -> None:
    file = tmp_path / "compose.yml"
    file.write_text(f"services:\n  two: {{image: b}}\n  one:\n    image: a\n    {line}\n")
    with pytest.raises(compose.Unreadable, match=cause):
        compose.read(file, {})


def test_the_launcher_finds_a_value_for_every_variable_of_the_topology(tmp_path: Path) -> None:
    values = fill_in(Plan(tmp_path), {})
    ports = [value for name, value in values.items() if name.endswith("_PORT")]
    assert len(set(ports)) == len(ports)
    for unit in units(Plan(tmp_path), values):
        assert "0.0.0.0" not in unit.environment.values()  # noqa: S104
        for name, value in unit.environment.items():
            # A container's name, or its port, would lead nowhere here.
            assert not any(host in value for host in ("@postgres:", "kafka:", "-api:", "issuer.localhost")), name


def test_secrets_and_ports_stay_from_one_start_to_the_next(tmp_path: Path) -> None:
    first = fill_in(Plan(tmp_path), {})
    assert fill_in(Plan(tmp_path), first) == first


def test_copies_of_a_service_have_ports_of_their_own(tmp_path: Path) -> None:
    plan = Plan(tmp_path, copies={"provider-api": 2, "recognition-worker": 3}, brokers=3)
    made = {unit.name: unit for unit in units(plan, fill_in(plan, {}))}
    assert {"provider-api-2", "recognition-worker-2", "recognition-worker-3", "kafka-2", "kafka-3"} <= made.keys()
    addresses = [address for unit in made.values() for address in (unit.url, unit.metrics_url) if address]
    assert len(set(addresses)) == len(addresses)


def test_no_secret_stands_in_the_topology() -> None:
    variables = compose.variables(COMPOSE_FILE)
    secret = [name for name in variables if name.endswith(("_PASSWORD", "_SECRET", "_KEY"))]
    assert len(secret) >= 10
    assert all(variables[name] for name in secret)


def test_the_image_has_what_the_lock_has() -> None:
    def pins(name: str) -> set[str]:
        lines = (COMPOSE_FILE.parent / name).read_text().splitlines()
        return {line.split()[0] for line in lines if "==" in line}

    assert pins("deploy/requirements.lock") <= pins("requirements.lock")
