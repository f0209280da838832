"""Opening, changing and closing enrolments, one by one and in bulk."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import orjson
import pytest

from contracts.ids import enrolment_id
from services.learner_record.views import EnrolmentAnswer
from tests.integration.learner_record.ground import PLACEHOLDER, ULN, Ground, award, enrolment, esi, learner_id, member

NDJSON = {"Content-Type": "application/x-ndjson"}


def learner(code: str, reference: str) -> dict[str, str]:
    return {"scheme": "ESI", "identifier": esi(code), "reference": reference}


async def test_a_new_enrolment_is_stored_with_its_event(ground: Ground, strathmore: httpx.AsyncClient) -> None:
    await ground.receive(member("strathmore"), award())
    answer = await strathmore.put("/enrolments/E-1", json=enrolment("strathmore"))
    assert answer.status_code == 201
    stated = EnrolmentAnswer.model_validate_json(answer.content)
    assert stated.enrolment_id == enrolment_id("strathmore", "E-1")
    assert (stated.accepted_at, stated.warnings, stated.learner_is_matchable) == (ground.clock.now, [], True)
    ((event, _, _),) = await ground.sent("learner_record.enrolment")
    assert (event.receiver, event.reference, event.award) == ("strathmore", "E-1", "strathmore:pgcert-data")
    assert (event.learner_id, event.learner_reference) == (learner_id("ann"), "M-ann")
    assert (await ground.version()) == 1
    read = await strathmore.get("/enrolments/E-1")
    assert (read.status_code, read.content) == (200, answer.content)


async def test_a_repeat_has_the_very_same_answer_whatever_came_later(
    ground: Ground, strathmore: httpx.AsyncClient
) -> None:
    first = await strathmore.put("/enrolments/E-1", json=enrolment("strathmore"))
    # It warned that the award was not published; the award is there when the repeat comes.
    await ground.receive(member("strathmore"), award())
    ground.clock.now += timedelta(hours=1)
    closing = enrolment("strathmore", revision=4, closed_on="2026-10-01")
    closed = await strathmore.put("/enrolments/E-1", json=closing)
    assert (first.status_code, closed.status_code) == (201, 201)
    assert len(first.json()["warnings"]) == 2
    before = await ground.counts()
    ground.clock.now += timedelta(hours=1)
    for body, answer in ((enrolment("strathmore"), first), (closing, closed)):
        again = await strathmore.put("/enrolments/E-1", json=body)
        assert (again.status_code, again.content) == (200, answer.content)
    assert await ground.counts() == before
    assert (await strathmore.get("/enrolments/E-1")).json()["closed_on"] == "2026-10-01"


@pytest.mark.parametrize(
    ("changes", "kind", "stored_revision"),
    [
        ({"opened_on": "2026-08-16"}, "revision-differs", 1),
        ({"revision": 2}, "revision-too-low", 3),
        ({"revision": 4, "award": "strathmore:msc-data"}, "award-differs", 3),
        ({"revision": 4, "learner": learner("bob", "M-ann")}, "learner-differs", 3),
        ({"revision": 4, "learner": learner("ann", "M-x")}, "learner-differs", 3),
    ],
)
async def test_what_contradicts_what_is_stored_is_refused_and_says_what_is(
    ground: Ground, strathmore: httpx.AsyncClient, changes: dict[str, Any], kind: str, stored_revision: int
) -> None:
    await strathmore.put("/enrolments/E-1", json=enrolment("strathmore"))
    await strathmore.put("/enrolments/E-1", json=enrolment("strathmore", revision=3))
    before = await ground.counts()
    answer = await strathmore.put("/enrolments/E-1", json=enrolment("strathmore", **changes))
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (409, f"urn:concord:problem:{kind}")
    assert problem["stored"]["revision"] == stored_revision
    assert problem["retryable"] is False
    if kind in ("award-differs", "learner-differs"):
        assert "close this one and use a new reference" in problem["detail"]
    assert await ground.counts() == before


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"learner": {"scheme": "ULN", "identifier": ULN, "reference": "M-1"}}, "learner.scheme"),
        ({"learner": {"scheme": "ESI", "identifier": "urn:x", "reference": "M-1"}}, "learner.identifier"),
        ({"learner": {"scheme": "ESI", "reference": "M-1"}}, "learner.identifier"),
        ({"award": "northbridge:bsc"}, "award"),
        ({"award": "pgcert"}, "award"),
        ({"closed_on": "2026-08-14"}, "closed_on"),
        ({"opened_on": "2026-02-30"}, "opened_on"),
        ({"opened_on": "2026-08-15T00:00:00Z"}, "opened_on"),
        ({"opened_on": ...}, "opened_on"),
        ({"revision": 0}, "revision"),
        ({"revision": "1"}, "revision"),
        ({"revision": 2**31}, "revision"),
        ({"status": "active"}, "status"),
    ],
)
async def test_a_malformed_value_is_refused_naming_the_field(
    ground: Ground, strathmore: httpx.AsyncClient, changes: dict[str, Any], field: str
) -> None:
    answer = await strathmore.put("/enrolments/E-1", json=enrolment("strathmore", **changes))
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert await ground.count("enrolment") == 0


async def test_a_body_that_is_no_json_and_a_reference_that_cannot_be_one_are_refused(
    strathmore: httpx.AsyncClient,
) -> None:
    headers = {"Content-Type": "application/json"}
    for content in (b"{", b'{"revision": 1, "revision": 2}', b'"\\u0000"', b"\xff"):
        assert (await strathmore.put("/enrolments/E-1", content=content, headers=headers)).status_code == 422
    assert (await strathmore.put("/enrolments/" + "E" * 201, json=enrolment("strathmore"))).status_code == 422
    assert (await strathmore.put("/enrolments/E%00", json=enrolment("strathmore"))).status_code == 422


async def test_a_members_reference_never_stands_for_two_learners(ground: Ground, strathmore: httpx.AsyncClient) -> None:
    await strathmore.put("/enrolments/E-1", json=enrolment("strathmore"))
    other = enrolment("strathmore", learner=learner("bob", "M-ann"))
    answer = await strathmore.put("/enrolments/E-2", json=other)
    assert answer.status_code == 409
    assert "two learners are never merged" in answer.json()["detail"]
    assert await ground.count("enrolment") == 1


async def test_a_placeholder_makes_a_learner_of_this_member_alone(ground: Ground) -> None:
    ground = Ground(ground.pool, ground.database_url, scheme="ULN")
    unknown = {"scheme": "ULN", "identifier": PLACEHOLDER, "reference": "M-9"}
    answers = [
        await ground.enrol("strathmore", "E-1", learner=unknown),
        await ground.enrol("northbridge", "E-1", learner=unknown),
    ]
    assert [one.status_code for one in answers] == [201, 201]
    assert not answers[0].json()["learner_is_matchable"]
    assert "cannot be matched" in answers[0].json()["warnings"][-1]
    assert await ground.count("learner") == 2
    # The identifier may come later, under a new reference of the enrolment; not the other way round.
    known = {**unknown, "identifier": ULN}
    assert (await ground.enrol("strathmore", "E-2", learner=known)).status_code == 201
    assert (await ground.enrol("strathmore", "E-3", learner=unknown)).status_code == 409
    # What was opened for the stranger is closed all the same.
    closed = await ground.enrol("strathmore", "E-1", learner=unknown, revision=2, closed_on="2026-08-20")
    assert closed.status_code == 201


async def test_the_identifier_is_in_one_table_and_in_no_event_or_answer(
    ground: Ground, strathmore: httpx.AsyncClient
) -> None:
    answer = await strathmore.put("/enrolments/E-1", json=enrolment("strathmore"))
    assert "personalUniqueCode" not in answer.text
    holders = []
    async with ground.pool.acquire() as connection:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for table in (row["tablename"] for row in tables if row["tablename"] != "alembic_version"):
            rows = await connection.fetch(f'SELECT t::text AS row FROM "{table}" AS t')  # noqa: S608 - from the catalogue
            if any("personaluniquecode" in row["row"].lower() for row in rows):
                holders.append(table)
        payload = await connection.fetchval("SELECT payload FROM outbox LIMIT 1")
    assert holders == ["learner_identifier"]
    assert b"personaluniquecode" not in payload.lower()


async def test_the_same_put_at_once_is_new_once(ground: Ground) -> None:
    answers = await asyncio.gather(*(ground.enrol("strathmore", "E-1") for _ in range(12)))
    assert sorted(one.status_code for one in answers) == [200] * 11 + [201]
    assert len({one.content for one in answers}) == 1
    assert await ground.count("enrolment_revision") == 1
    assert len(await ground.sent("learner_record.enrolment")) == 1


async def test_two_learners_under_one_reference_at_once_are_never_merged(ground: Ground) -> None:
    for nth in range(5):
        bodies = [{"learner": learner(code, f"M-{nth}")} for code in ("ann", "bob")]
        answers = await asyncio.gather(
            *(ground.enrol("strathmore", f"E-{nth}-{n}", **body) for n, body in enumerate(bodies))
        )
        assert sorted(one.status_code for one in answers) == [201, 409]


async def test_a_member_acts_in_its_own_namespace(
    ground: Ground, strathmore: httpx.AsyncClient, northbridge: httpx.AsyncClient
) -> None:
    await strathmore.put("/enrolments/E-1", json=enrolment("strathmore"))
    assert (await northbridge.get("/enrolments/E-1")).status_code == 404
    assert (await northbridge.put("/enrolments/E-1", json=enrolment("northbridge"))).status_code == 201
    assert (await northbridge.get("/enrolments")).json()["items"][0]["award"] == "northbridge:pgcert-data"


@pytest.mark.parametrize("roles", [[], ["learner"], ["officer"], ["registry"], ["operations"], ["consortium"]])
async def test_without_the_role_of_a_publisher_nothing_is_read_or_written(ground: Ground, roles: list[str]) -> None:
    async with ground.caller("strathmore", *roles) as client:
        answers = [
            await client.put("/enrolments/E-1", json=enrolment("strathmore")),
            await client.post("/enrolments:bulk", content=b"", headers=NDJSON),
            await client.get("/enrolments/E-1"),
            await client.get("/enrolments"),
            await client.get("/members/strathmore/learners/M-ann/record"),
        ]
    assert [one.status_code for one in answers] == [403] * 5


async def test_without_a_token_or_a_member_nothing_is_read_or_written(ground: Ground) -> None:
    transport = httpx.ASGITransport(app=ground.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://record.test") as nobody:
        for path in ("/enrolments", "/enrolments/E-1", "/record", "/record/stream"):
            assert (await nobody.get(path)).status_code == 401
    async with ground.caller(None, "publisher") as client:
        assert (await client.put("/enrolments/E-1", json=enrolment("strathmore"))).status_code == 403


async def test_the_list_is_read_page_by_page(ground: Ground, strathmore: httpx.AsyncClient) -> None:
    for nth in range(5):
        await ground.enrol("strathmore", f"E-{nth}")
    seen: list[str] = []
    after: str | None = None
    for _ in range(3):
        page = (await strathmore.get("/enrolments", params={"limit": 2, **({"after": after} if after else {})})).json()
        seen += [item["reference"] for item in page["items"]]
        after = page["next"]
    assert (seen, after) == ([f"E-{nth}" for nth in range(5)], None)
    assert (await strathmore.get("/enrolments", params={"after": "nonsense"})).status_code == 422


def lines(*documents: Any) -> bytes:
    return b"\n".join(one if isinstance(one, bytes) else orjson.dumps(one) for one in documents)


async def test_a_bulk_request_is_answered_line_by_line_in_order(ground: Ground, strathmore: httpx.AsyncClient) -> None:
    await ground.enrol("strathmore", "E-0")
    content = lines(
        {"reference": "E-1", **enrolment("strathmore", code="bob")},
        {"reference": "E-0", **enrolment("strathmore")},
        b"{nonsense",
        {"reference": "E-0", **enrolment("strathmore", opened_on="2026-08-16")},
        {"reference": "E-2", **enrolment("strathmore", award="northbridge:bsc")},
        {"reference": "E-1", **enrolment("strathmore", code="bob", revision=2, closed_on="2026-12-01")},
        {"reference": "E-1", **enrolment("strathmore", code="bob")},
        enrolment("strathmore"),
    )
    answer = await strathmore.post("/enrolments:bulk", content=content, headers=NDJSON)
    assert answer.status_code == 200
    answers = [orjson.loads(line) for line in answer.content.splitlines()]
    assert [one["status"] for one in answers] == [201, 200, 422, 409, 422, 201, 200, 422]
    assert [one["reference"] for one in answers] == ["E-1", "E-0", None, "E-0", "E-2", "E-1", "E-1", None]
    assert await ground.count("enrolment_revision") == 3
    again = await strathmore.post("/enrolments:bulk", content=content, headers=NDJSON)
    statuses = [orjson.loads(line)["status"] for line in again.content.splitlines()]
    assert statuses == [200, 200, 422, 409, 422, 200, 200, 422]


async def test_a_thousand_lines_are_taken_and_one_more_is_not(ground: Ground, strathmore: httpx.AsyncClient) -> None:
    many = [{"reference": f"E-{nth}", **enrolment("strathmore", code=f"l{nth}")} for nth in range(1001)]
    refused = await strathmore.post("/enrolments:bulk", content=lines(*many), headers=NDJSON)
    assert refused.status_code == 413
    assert await ground.count("enrolment") == 0
    taken = await strathmore.post("/enrolments:bulk", content=lines(*many[:1000]), headers=NDJSON)
    assert {orjson.loads(line)["status"] for line in taken.content.splitlines()} == {201}
    assert await ground.count("enrolment") == 1000
    large = await strathmore.post("/enrolments:bulk", content=b"x" * (4 * 1024 * 1024 + 1), headers=NDJSON)
    assert large.status_code == 413


@pytest.mark.parametrize("table", ["enrolment", "enrolment_revision", "completion_revision", "decision", "entry"])
async def test_what_is_stored_cannot_be_changed_by_the_service(ground: Ground, table: str) -> None:
    await ground.enrol("strathmore", "E-1")
    async with ground.pool.acquire() as connection:
        column = await connection.fetchval(
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1 LIMIT 1", table
        )
        for statement in (
            f"DELETE FROM {table}",  # noqa: S608 - the tests' own words
            f"UPDATE {table} SET {column} = {column}",  # noqa: S608
            f"SELECT 1 FROM {table} FOR UPDATE",  # noqa: S608
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
