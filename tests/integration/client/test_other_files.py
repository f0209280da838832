"""`concord learning-opportunities publish` and `concord enrolments open` on the real services."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import orjson
import pytest

from chassis.database import Pool, open_pool
from tests.conftest import Database
from tests.integration.client.ground import MEMBER, Service, concord, serving, written
from tests.integration.learner_record import ground as record_ground
from tests.integration.provider.ground import Ground, esi, member, opportunity

pytestmark = pytest.mark.servers
PUBLISH = ("learning-opportunities", "publish")
OPEN = ("enrolments", "open")


@pytest.fixture
async def catalogue(service: Service) -> Service:
    """The provider, in which the consortium has entered the member."""
    async with Ground(service.pool).caller(None, "consortium") as registry:
        answer = await registry.put(f"/members/{MEMBER}", json=member(), headers={"If-None-Match": "*"})
    assert answer.status_code == 201
    return service


@pytest.fixture
async def record(
    database: Callable[[str], Awaitable[Database]],
) -> AsyncIterator[tuple[record_ground.Ground, dict[str, str]]]:
    """The learner record, and what tells the command where it is."""
    own = await database("learner_record")
    pool = await open_pool(own.url)
    ground = record_ground.Ground(pool, own.url)
    token = ground.signer.sign({"sub": "a system", "member": "strathmore", "roles": ["publisher"]})
    async with serving(ground.app) as url:
        yield ground, {"CONCORD_LEARNER_RECORD_URL": url, "CONCORD_TOKEN": token}
    pool.terminate()


async def count(pool: Pool, table: str) -> int:
    return int(await pool.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608


def offered(number: int, **changes: object) -> bytes:
    return orjson.dumps({"id": f"{MEMBER}:{number:04}", **opportunity(**changes)})


async def test_a_catalogue_is_published_and_published_again(catalogue: Service, tmp_path: Path) -> None:
    rows = [offered(n) for n in range(1_200)]
    rows[7] = offered(7, credits="0")
    rows[8] = orjson.dumps({"id": "westfield:law", **opportunity()})
    # Of one thing, so they go one behind the other.
    rows += [offered(1, revision=n, title=f"Title {n}") for n in range(2, 30)]
    file = written(tmp_path / "catalogue.ndjson", rows)
    first = await concord(file, command=PUBLISH, environment=catalogue.environment())
    assert first.code == 1
    assert "catalogue.ndjson: 1,226 accepted, 0 known already, 2 refused" in first.err
    said = sorted(first.out.splitlines())
    assert said[0].startswith(f'catalogue.ndjson:8: {MEMBER}:0007: credits is "0"; expected: text of a number above 0')
    assert said[1].startswith("catalogue.ndjson:9: westfield:law: ")
    assert len(said) == 2
    second = await concord(file, command=PUBLISH, environment=catalogue.environment())
    assert "0 accepted, 1,226 known already, 2 refused" in second.err
    assert await count(catalogue.pool, "learning_opportunity_revision") == 1_226


async def test_a_catalogue_comes_as_a_table_of_commas_and_may_be_tried_first(
    catalogue: Service, tmp_path: Path
) -> None:
    file = tmp_path / "catalogue.csv"
    file.write_text(
        "\ufeffID;Version;Revision;Kind;Title;Credits;Framework;Level;Learning outcomes\r\n"
        f'{MEMBER}:ethics;1;1;stackable;"Ethics;\r\nof data";15;FHEQ;7;Weigh interests|Name harms\r\n'
    )
    tried = await concord(file, "--dry-run", command=PUBLISH, environment=catalogue.environment())
    assert tried.code == 0, tried
    assert await count(catalogue.pool, "learning_opportunity_revision") == 0
    result = await concord(file, command=PUBLISH, environment=catalogue.environment())
    assert result.code == 0, result
    stored = await catalogue.pool.fetchval("SELECT document FROM learning_opportunity_revision")
    assert stored["title"] == "Ethics;\r\nof data"
    assert stored["learning_outcomes"] == ["Weigh interests", "Name harms"]


async def test_enrolments_are_opened_closed_and_opened_again(
    record: tuple[record_ground.Ground, dict[str, str]], tmp_path: Path
) -> None:
    ground, environment = record
    rows = [{"reference": f"E-{n}", **record_ground.enrolment("strathmore", f"l{n}")} for n in range(1_100)]
    closed = [{**rows[0], "revision": n, "closed_on": f"2026-09-{n:02}"} for n in range(2, 20)]
    wrong = {**rows[1], "reference": "E-wrong", "award": "northbridge:pgcert"}
    file = written(tmp_path / "september.ndjson", map(orjson.dumps, [*rows, *closed, wrong]))
    tried = await concord(file, "--dry-run", command=OPEN, environment=environment)
    assert tried.code == 1
    assert await count(ground.pool, "enrolment") == 0
    first = await concord(file, command=OPEN, environment=environment)
    assert first.code == 1
    assert "september.ndjson: 1,118 accepted, 0 known already, 1 refused" in first.err
    assert first.out.startswith('september.ndjson:1119: E-wrong: award is "northbridge:pgcert"; expected: ')
    second = await concord(file, command=OPEN, environment=environment)
    assert "0 accepted, 1,118 known already, 1 refused" in second.err
    assert await count(ground.pool, "enrolment") == 1_100


async def test_enrolments_come_as_a_table_of_commas(
    record: tuple[record_ground.Ground, dict[str, str]], tmp_path: Path
) -> None:
    ground, environment = record
    file = tmp_path / "september.csv"
    file.write_text(
        "reference,revision,learner.scheme,learner.identifier,learner.reference,award,opened_on,closed_on\n"
        f"E-1,1,ESI,{esi('ann')},M-ann,strathmore:pgcert-data,2026-08-15,\n"
    )
    result = await concord(file, command=OPEN, environment=environment)
    assert result.code == 0, result
    assert await count(ground.pool, "enrolment") == 1


async def test_elmo_holds_completions_and_is_said_to(
    record: tuple[record_ground.Ground, dict[str, str]], tmp_path: Path
) -> None:
    _, environment = record
    file = tmp_path / "a.xml"
    file.write_text("<elmo/>")
    result = await concord(file, command=OPEN, environment=environment)
    assert result.code == 2
    assert "An enrolment comes as NDJSON or CSV" in result.err
