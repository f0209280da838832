"""docker-compose.yml and its overlay hold to the Compose Specification; neither they nor the image hold a secret."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
import yaml

from deploy.local.units import COMPOSE_FILE, ROOT

OVERLAY: Final = ROOT / "deploy" / "compose.observability.yaml"
DOCKERFILE: Final = (ROOT / "deploy" / "Dockerfile").read_text()
SCHEMA: Final[dict[str, Any]] = json.loads((Path(__file__).parent / "compose" / "compose-spec.json").read_text())
TOPOLOGY: Final[dict[str, Any]] = yaml.safe_load(COMPOSE_FILE.read_text())
OVERLAID: Final[dict[str, Any]] = yaml.safe_load(OVERLAY.read_text())

SECRET: Final = re.compile(r"PASSWORD|SECRET|TOKEN|_KEY$|DATABASE_URL|OWNER_URL")


def faults(document: Any) -> list[str]:
    """What the specification's schema finds wrong."""
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(document)]


def environments(document: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Every variable of every service: service, name, value."""
    for service, body in document["services"].items():
        for name, value in body.get("environment", {}).items():
            yield service, name, value


@pytest.mark.parametrize("document", [TOPOLOGY, OVERLAID], ids=["docker-compose.yml", "compose.observability.yaml"])
def test_a_compose_file_holds_to_the_specification(document: dict[str, Any]) -> None:
    assert faults(document) == []


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ({"image": 7}, "services.it.image"),
        ({"healthcheck": {"test": ["CMD", "true"], "intervall": "5s"}}, "services.it.healthcheck"),
        ({"depends_on": {"other": {"condition": "service_happy"}}}, "services.it.depends_on"),
        ({"environment": {"A": ["b"]}}, "services.it.environment"),
    ],
)
def test_the_schema_finds_what_is_wrong(part: dict[str, Any], wrong: str) -> None:
    assert any(fault.startswith(wrong) for fault in faults({"services": {"it": part}}))


@pytest.mark.parametrize("document", [TOPOLOGY, OVERLAID], ids=["docker-compose.yml", "compose.observability.yaml"])
def test_no_secret_stands_in_a_compose_file(document: dict[str, Any]) -> None:
    for service, name, value in environments(document):
        if SECRET.search(name) and not name.startswith("GF_"):
            # A variable without a default, alone or as the password of an address.
            secret = re.sub(r"^postgresql://\w+:(\$\{\w+:\?\})@.*$", r"\1", str(value))
            assert re.fullmatch(r"\$\{\w+:\?\}", secret), f"{service}: {name}"


def test_everything_is_published_on_this_machine_alone() -> None:
    ports = [
        port
        for document in (TOPOLOGY, OVERLAID)
        for body in document["services"].values()
        for port in body.get("ports", [])
    ]
    assert len(ports) == 9
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_container_of_ours_says_how_it_is_and_may_do_nothing_it_need_not() -> None:
    ours = {name: body for name, body in TOPOLOGY["services"].items() if body["image"] == "concord"}
    assert len(ours) == len(TOPOLOGY["services"]) - 2
    for name, body in ours.items():
        assert body["read_only"] is True, name
        assert body["cap_drop"] == ["ALL"], name
        assert name == "setup" or body["healthcheck"]["test"] == ["CMD", "python", "-m", "deploy.health"], name


def test_the_image_needs_no_frontend_fetched_and_runs_as_a_numbered_user() -> None:
    assert not re.search(r"^#\s*syntax=", DOCKERFILE, re.MULTILINE)
    final = DOCKERFILE.split("\nFROM ")[-1]
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert re.search(r'^HEALTHCHECK .* CMD \["python", "-m", "deploy.health"\]$', final, re.MULTILINE)
    # A place that packages come from may hold a password; only the first stage knows it.
    assert "ARG" not in final
