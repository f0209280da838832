"""`docker compose up`, as it stands in the README: built, started, used through the published ports, and stopped."""

import json
import secrets
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from chassis.identity import Role
from deploy.demo.consortium import consortium
from deploy.demo.publishing import publish_consortium
from deploy.local.issuer import Person, people_in
from deploy.local.units import ROOT
from tests.compose.project import BUILD_SECONDS, Project, missing
from tests.eventually import eventually
from tests.integration.portal.people import browser, sign_in
from tests.whole import completion, enrolment

pytestmark = [pytest.mark.docker, pytest.mark.timeout(2 * BUILD_SECONDS)]

READY_SECONDS = 600.0
"""For all containers on a busy machine."""


@pytest.fixture(autouse=True)
def names_under_localhost(monkeypatch: pytest.MonkeyPatch) -> None:
    """`issuer.localhost` is this machine (RFC 6761); browsers know it by themselves, C libraries often do not."""
    resolve = socket.getaddrinfo

    def resolved(host: Any, *more: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host or ""
        return resolve("127.0.0.1" if name.endswith(".localhost") else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The project, built and started; whatever happens, nothing of it is left."""
    if cause := missing():
        pytest.skip(f"NOT RUN: {cause}")
    project = Project.prepare(f"concord-test-{secrets.token_hex(4)}", tmp_path_factory.mktemp("compose"))
    try:
        project("build", seconds=BUILD_SECONDS)
        try:
            project("up", "--detach", "--no-build", seconds=READY_SECONDS)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            pytest.fail(f"{error}\n{project('logs', '--tail', '10')}")
        yield project
    finally:
        project("down", "--volumes", "--remove-orphans")
        assert project.left() == []


@pytest.fixture(scope="module")
def learner() -> Person:
    """A learner whom the issuer of docker-compose.yml lets sign in."""
    people = people_in(ROOT / "deploy" / "local" / "people.yaml")
    return next(person for person in people if Role.LEARNER in person.roles)


async def test_every_container_becomes_ready_and_setup_ends(project: Project) -> None:
    def waiting() -> dict[str, str]:
        states = project.states()
        setup = states.pop("setup")
        assert setup["State"] != "exited" or setup["ExitCode"] == 0, project("logs", "setup")
        troubles = {name: state["Status"] for name, state in states.items() if state["Health"] != "healthy"}
        return troubles if setup["State"] == "exited" else troubles | {"setup": setup["Status"]}

    try:
        await eventually(lambda: not waiting(), within=READY_SECONDS, every=1)
    except AssertionError:
        pytest.fail(f"not ready: {waiting()}\n{project('logs', '--tail', '15', *waiting())}")
    assert len(project.states()) == 12


async def test_a_completion_that_is_published_stands_on_the_learners_page(project: Project, learner: Person) -> None:
    doors = project.doors
    await publish_consortium(consortium(), doors)
    known = {"scheme": "ESI", "identifier": learner.schac_personal_unique_code}
    completed = completion("compose", "delmere:cloud", learner={**known, "reference": "DE-1"})
    enrolled = enrolment("compose", "northbridge:bsc-data-science", learner={**known, "reference": "NO-1"})
    async with doors.at(doors.learner_record, "northbridge-system").open() as http:
        body = {name: value for name, value in enrolled.items() if name != "reference"}
        assert (await http.put(f"/enrolments/{enrolled['reference']}", json=body)).status_code == 201
    async with doors.at(doors.provider, "delmere-system").open() as http:
        body = {name: value for name, value in completed.items() if name != "reference"}
        assert (await http.put(f"/completions/{completed['reference']}", json=body)).status_code == 201

    async with doors.at(doors.learner_record, "northbridge-system").open() as http:

        async def decided() -> bool:
            record = await http.get("/members/northbridge/learners/NO-1/record")
            return record.is_success and '"RECOGNISED"' in record.text

        await eventually(decided, within=60, what="a decision on the record")
    async with browser() as client:
        page = await sign_in(client, f"{project.url('PORTAL', 'localhost')}/sign-in?return_to=/northbridge/", learner)
    assert page.status_code == 200
    assert consortium()["learning_opportunities"]["delmere:cloud"]["title"] in page.text


def test_the_image_runs_as_nobody_special_says_how_it_is_and_is_small(project: Project) -> None:
    image = json.loads(_docker("image", "inspect", "concord"))[0]["Config"]
    assert image["User"] == "10001:10001"
    assert image["Healthcheck"]["Test"] == ["CMD", "python", "-m", "deploy.health"]
    # What stands on the base image, in MiB.
    assert sum(int(line.split()[0]) for line in _in_the_image("du", "-sm", "/opt/concord", "/app").splitlines()) < 160
    assert _in_the_image("find", "/opt/concord", "/app", "-writable", "-not", "-type", "l") == ""


def test_no_secret_is_in_the_image(project: Project) -> None:
    told = _docker("image", "inspect", "concord") + _docker("history", "--no-trunc", "concord")
    assert "PIP_INDEX_URL" not in told
    assert not [name for name, value in project.values.items() if not name.endswith("_PORT") and value in told]
    assert _in_the_image("find", "/app", "-name", ".env*") == ""


def _docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True, timeout=60).stdout


def _in_the_image(*words: str) -> str:
    return _docker("run", "--rm", "--network", "none", "concord", *words)
