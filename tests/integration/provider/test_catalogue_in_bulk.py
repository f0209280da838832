"""Learning opportunities in bulk: one transaction, one answer for each line, in order."""

import asyncio
from typing import Any

import httpx
import orjson
import pytest

from services.provider.api.answers import LearningOpportunityReceipt
from tests.integration.provider.ground import Ground, opportunity

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("members")]
BULK = "/learning-opportunities:bulk"
NDJSON = {"Content-Type": "application/x-ndjson"}


def line(code: str, **changes: Any) -> bytes:
    return orjson.dumps({"id": f"northbridge:{code}", **opportunity(**changes)})


async def send(client: httpx.AsyncClient, *lines: bytes, path: str = BULK) -> list[dict[str, Any]]:
    answer = await client.post(path, content=b"\n".join(lines), headers=NDJSON)
    assert answer.status_code == 200, answer.text
    return [orjson.loads(one) for one in answer.content.splitlines()]


async def test_every_line_is_answered_in_order(ground: Ground, northbridge: httpx.AsyncClient) -> None:
    lines = [line("b"), line("a", level=...), line("b", revision=2, title="Ethics"), line("b", version=1)]
    answers = [LearningOpportunityReceipt.model_validate(one) for one in await send(northbridge, *lines)]
    assert [(one.id, one.version, one.revision, one.status) for one in answers] == [
        ("northbridge:b", 2, 1, 201),
        ("northbridge:a", 2, 1, 201),
        ("northbridge:b", 2, 2, 201),
        ("northbridge:b", 1, 1, 201),
    ]
    assert [one.missing_elements for one in answers] == [[], ["level"], [], []]
    again = await send(northbridge, *lines)
    assert again == [one.model_dump(mode="json") | {"status": 200} for one in answers]
    assert await ground.count("learning_opportunity_revision") == await ground.count("outbox") - 2 == 4  # two members


async def test_a_single_request_and_a_line_are_accepted_in_one_way(northbridge: httpx.AsyncClient) -> None:
    (bulk,) = await send(northbridge, line("a"))
    single = await northbridge.put("/learning-opportunities/northbridge:a", json=opportunity())
    assert single.status_code == 200
    assert single.json()["body_hash"] == bulk["body_hash"]
    stored = (await northbridge.get("/learning-opportunities/northbridge:a")).json()
    assert {name: stored[name] for name in opportunity()} == opportunity()
    assert "id" not in stored


REFUSED: list[tuple[bytes, int, str | None, str]] = [
    (b"{", 422, None, ""),
    (b'"northbridge:a"', 422, None, ""),
    (orjson.dumps(opportunity()), 422, None, "id"),
    (line("a", credits="0"), 422, "northbridge:a", "credits"),
    (line("a", level=12), 422, "northbridge:a", "level"),
    (line("a", member="northbridge"), 422, "northbridge:a", "member"),
    (orjson.dumps({"id": "westfield:law", **opportunity()}), 403, "westfield:law", ""),
    (orjson.dumps({"id": "eastgate:law", **opportunity()}), 422, "eastgate:law", "id"),
    (line("known", title="Another"), 409, "northbridge:known", "revision"),
    (line("a", revision=3, learning_outcomes=["x" * 4_000] * 80), 413, "northbridge:a", ""),
]


async def test_a_refused_line_is_named_and_the_others_stand(ground: Ground, northbridge: httpx.AsyncClient) -> None:
    await send(northbridge, line("known"))
    lines = [one for refused, *_ in REFUSED for one in (refused, line("a"))]
    answers = await send(northbridge, *lines)
    assert [one["status"] for one in answers[1::2]] == [201] + [200] * (len(REFUSED) - 1)
    for answer, (_, status, name, field) in zip(answers[::2], REFUSED, strict=True):
        assert (answer["status"], answer["id"]) == (status, name)
        assert answer.get("errors", [{"field": ""}])[0]["field"] == field
    assert await ground.count("learning_opportunity_revision") == 2


async def test_a_refusal_repeats_nothing_large_of_what_is_stored(northbridge: httpx.AsyncClient) -> None:
    await send(northbridge, line("a", learning_outcomes=["x" * 4_000] * 50))
    (answer,) = await send(northbridge, line("a"))
    assert answer["status"] == 409
    assert len(orjson.dumps(answer)) < 2_000


async def test_a_dry_run_answers_the_same_and_stores_nothing(ground: Ground, northbridge: httpx.AsyncClient) -> None:
    lines = [line("a"), line("a", revision=2, title="Ethics"), line("a"), line("a", title="Law"), b"{"]
    tried = await send(northbridge, *lines, path=f"{BULK}?dry_run=true")
    assert await ground.count("learning_opportunity_revision") == 0
    assert await ground.count("outbox") == 2  # the members
    assert tried == await send(northbridge, *lines)
    assert [one["status"] for one in tried] == [201, 201, 200, 409, 422]


async def test_requests_at_once_leave_revisions_in_order(ground: Ground, northbridge: httpx.AsyncClient) -> None:
    codes = ["a", "b", "c"]
    requests = [
        [line(code, revision=revision) for code in (codes if revision % 2 else codes[::-1])] for revision in range(1, 9)
    ]
    await asyncio.gather(*(send(northbridge, *lines) for lines in requests))
    async with ground.pool.acquire() as connection:
        rows = await connection.fetch(
            "SELECT payload FROM outbox WHERE topic = 'provider.learning_opportunity' ORDER BY id"
        )
    sent: dict[str, list[int]] = {}
    for row in rows:
        event = orjson.loads(row["payload"])
        sent.setdefault(event["learning_opportunity_id"], []).append(event["revision"])
    assert sorted(sent) == [f"northbridge:{code}" for code in codes]
    assert all(revisions == sorted(revisions) and revisions[-1] == 8 for revisions in sent.values())


async def test_who_may_not_publish_in_bulk(ground: Ground) -> None:
    for role in ("registry", "officer", "consortium", "learner"):
        async with ground.caller("northbridge", role) as caller:
            assert (await caller.post(BULK, content=line("a"), headers=NDJSON)).status_code == 403
