"""Every service against its own OpenAPI document, by Schemathesis: no 5xx, and no answer that is not documented."""

import asyncio
import os
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest
from fastapi import FastAPI

from chassis.clock import system_clock
from chassis.database import open_pool
from chassis.identity import Role
from chassis.settings import Settings
from deploy.local.issuer import Client
from deploy.local.ports import free_port
from tests.conftest import Database
from tests.integration.openapi.others import OTHERS
from tests.integration.openapi.stored import CALLERS, ENDLESS, Stored, store_something
from tests.integration.portal.people import SECRET, serving
from tests.tokens import Issuer

pytestmark = pytest.mark.servers

EXAMPLES: Final = int(os.environ.get("CONCORD_EXAMPLES", "5"))
"""Generated requests for each operation and caller, beside those at the edges; `make schemathesis` takes more."""
WITHOUT: Final = (
    # Values that fit the schema are refused where they contradict each other, or what is stored.
    "positive_data_acceptance",
    # Nothing is ever deleted; and who may not see a thing may well see that another one was made.
    "use_after_free", "ensure_resource_availability", "object_level_authorization",
)  # fmt: skip
SHARED: Final = r"^/(agreements/gaps$|awards/\{document_id\}/drafts)"
"""Addresses that another template matches as well (an award's id may have a slash in it), whose methods they serve."""
REFUSED: Final = {401, 403}
AT_LENGTH: Final = EXAMPLES >= 20
LARGE: Final = r"^/(agreements|awards)/"


def configuration(stored: Stored) -> str:
    """All checks but some; any 4xx refuses. Half of the time a parameter has the value that leads to what is stored. A
    bulk request is never refused whole for a bad line, which has a problem of its own in the answer."""
    checks = "".join(f"{name}.enabled = false\n" for name in WITHOUT)
    refusal = 'negative_data_rejection.expected-statuses = ["4xx"]\n'
    bound = "".join(f'"{name}" = {{ dictionary = "{name}", probability = 0.5 }}\n' for name in stored.parameters)
    values = "".join(
        f'[dictionaries."{name}"]\nvalues = {list(these)!r}\n' for name, these in stored.parameters.items()
    )
    bulk = '[[operations]]\ninclude-path-regex = ":(bulk|compare)$"\nchecks.negative_data_rejection.enabled = false\n'
    shared = f"[[operations]]\ninclude-path-regex = '{SHARED}'\n" + "".join(
        f"checks.{name}.enabled = false\n" for name in ("unsupported_method", "allow_header_conformance")
    )
    # Each body of these is a large tree, whose edges are walked at length only.
    large = "" if AT_LENGTH else f"[[operations]]\ninclude-path-regex = '{LARGE}'\ninclude-method = 'PUT'\n"
    large += "" if AT_LENGTH else "phases.coverage.enabled = false\n"
    return f"[checks]\n{checks}{refusal}[parameters]\n{bound}{values}{bulk}{shared}{large}"


def add_examples(document: dict[str, Any], stored: Stored) -> None:
    """Put what is accepted into the document as its examples: they are sent, and with one thing changed at a time."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for parameter in operation.get("parameters", ()):
                name = f"{parameter['in']}.{parameter['name']}"
                if name in stored.parameters:
                    values = enumerate(stored.parameters[name])
                    parameter["examples"] = {str(nth): {"value": value} for nth, value in values}
            body = f"{method.upper()} {path}"
            if body in stored.bodies:
                for content in operation["requestBody"]["content"].values():
                    content["example"] = stored.bodies[body]


async def schemathesis(url: str, headers: dict[str, str], words: Sequence[str], folder: Path) -> tuple[int, str]:
    """Run it against the service at an address; gives its exit code and its report."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(folder / "schemathesis.toml"),
        "run", f"{url}/openapi.json",
        "--generation-deterministic", "--max-examples", str(EXAMPLES), "--suppress-health-check", "all",
        "--no-color", "--warnings", "off", "--request-timeout", "30",
        *words, *(f"--header={name}: {value}" for name, value in headers.items()),
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(Path(__file__).with_name("ndjson.py"))},
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


class Watched:
    """An application, and with which statuses each of its operations was answered."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self.statuses: dict[tuple[str, str], set[int]] = {
            (method.upper(), path): set() for path, item in app.openapi()["paths"].items() for method in item
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def watch(message: Any) -> None:
            if message["type"] == "http.response.start" and "route" in scope:
                operation = scope["method"], re.sub(r":\w+}", "}", scope["route"].path)
                if operation in self.statuses:  # neither /health nor /docs
                    self.statuses[operation].add(message["status"])
            await send(message)

        await self._app(scope, receive, watch)

    def forget(self) -> None:
        """Begin anew: what was stored beforehand is no try."""
        for statuses in self.statuses.values():
            statuses.clear()

    def missing(self) -> list[str]:
        """What of the document was not tried in earnest: whom it is for nobody was, or there was nothing to read."""
        return [
            f"{method} {path}: add whoever may use it to CALLERS of stored.py"
            if statuses <= REFUSED
            else f"{method} {path}: store something there, in stored.py"
            for (method, path), statuses in self.statuses.items()
            if path != ENDLESS and (statuses <= REFUSED or (method == "GET" and min(statuses) >= 300))
        ]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("service", CALLERS)
async def test_a_service_answers_as_its_document_says(
    service: str, database: Callable[[str], Awaitable[Database]], tmp_path: Path
) -> None:
    own, port = await database(service), free_port()
    pool = await open_pool(own.url)
    as_itself = Client(id=service, secret=SECRET, roles=(Role.SERVICE,))
    with Issuer(clients=[as_itself]) as issuer:
        beside = free_port()
        others = f"http://127.0.0.1:{beside}"
        settings = Settings(
            service_database_url=own.url,
            oidc_issuer=issuer.url,
            oidc_client_id=service,
            oidc_client_secret=SECRET,
            learner_id_key="a key for the tests, and nothing else",
            public_url=f"http://127.0.0.1:{port}",
            provider_url=others,
            recognition_url=others,
            operations_url=others,
        )
        app = (await import_module(f"services.{service}.main").build(settings, pool, system_clock)).app
        watched = Watched(app)
        async with serving(watched, port) as url, serving(OTHERS, beside):
            stored = await store_something(service, url, issuer, pool)
            add_examples(app.openapi(), stored)
            watched.forget()
            (tmp_path / "schemathesis.toml").write_text(configuration(stored))
            reports = [await schemathesis(url, who.headers(issuer), who.words, tmp_path) for who in CALLERS[service]]
    pool.terminate()
    findings = [
        f"as {' '.join(who.roles) or 'nobody'}:\n{report}"
        for who, (code, report) in zip(CALLERS[service], reports, strict=True)
        if code
    ]
    assert not findings, "\n".join(findings)
    assert watched.missing() == []


async def test_the_portal_has_pages_and_no_interface() -> None:
    """What gets a document there gets tested here."""
    settings = Settings(service_database_url="postgresql://not-asked-here")
    pool = await open_pool("postgresql://not-asked-here")
    parts = await import_module("services.portal.main").build(settings, pool, system_clock)
    assert parts.app.openapi()["paths"] == {}
