"""Completions in bulk as a dry run: every line is answered as it would have been, and nothing is stored."""

import asyncio
from typing import Any

import httpx
import orjson
import pytest

from tests.integration.provider.ground import PLACEHOLDER, TABLES, Ground, completion, esi, opportunity
from tests.integration.provider.test_bulk import BROKEN, NDJSON, learner, line, send

pytestmark = pytest.mark.servers


async def try_out(client: httpx.AsyncClient, *lines: bytes) -> list[dict[str, Any]]:
    """The answers to a dry run."""
    answer = await client.post("/completions:bulk?dry_run=true", content=b"\n".join(lines), headers=NDJSON)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Concord-Dry-Run"] == "true"
    return [orjson.loads(one) for one in answer.content.splitlines()]


async def everything(ground: Ground) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    async with ground.pool.acquire() as connection:
        names = [
            row["relname"]
            for row in await connection.fetch(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            )
        ]
        assert {*TABLES, "learner"} <= set(names)
        readable = [
            name for name in names if await connection.fetchval("SELECT has_table_privilege($1, 'SELECT')", name)
        ]
        assert {*TABLES, "learner"} <= set(readable)
        return {
            name: sorted(
                row[0]
                for row in await connection.fetch(f"SELECT t::text FROM {name} AS t")  # noqa: S608
            )
            for name in readable
        }


ORDERED = [
    line("C-1"),
    line("C-1", revision=2, result="fail"),
    line("C-1", revision=2, result="fail"),
    line("C-1", revision=2, result="pass"),
    line("C-1"),
    line("C-1", revision=4),
    line("C-1", revision=3),
    line("C-1", revision=5, learner=learner("bob")),
    line("C-2", learner={**learner("bob"), "reference": "S-1"}),
]
"""Lines that depend on those before them; see test_bulk.py for the same, stored."""


async def test_a_dry_run_changes_no_table(ground: Ground, northbridge: httpx.AsyncClient) -> None:
    for before in ({}, {"A": line("A")}):
        for stored in before.values():
            await send(northbridge, stored)
        held = await everything(ground)
        answers = await try_out(northbridge, line("A", revision=2), *ORDERED, *(broken for broken, _, _ in BROKEN))
        assert [one["status"] for one in answers] == [201, 201, 201, 200, 409, 200, 201, 409, 409, 409] + [422] * len(
            BROKEN
        )
        assert await everything(ground) == held


async def test_the_answers_are_those_of_the_same_request_in_earnest(
    ground: Ground, northbridge: httpx.AsyncClient, members: None
) -> None:
    await northbridge.put("/learning-opportunities/northbridge:data-ethics", json=opportunity())
    await send(northbridge, line("C-0"), line("C-9", learner=learner("zoe")))
    lines = [
        line("C-0"),
        line("C-0", mark="61"),
        line("C-0", revision=2, mark="61"),
        line("C-9", learner={**learner("zoe"), "identifier": esi("another")}),
        line("C-8", learning_opportunity={"id": "northbridge:unknown", "version": 1}),
        line("C-7", mark="101"),
        *ORDERED,
        *(broken for broken, _, _ in BROKEN),
    ]
    tried = await try_out(northbridge, *lines)
    assert tried == await try_out(northbridge, *lines)
    assert tried == await send(northbridge, *lines)
    assert {one["status"] for one in tried} == {200, 201, 409, 422}
    assert any(one.get("warnings") for one in tried)


async def test_a_learner_who_would_be_known_is_one_for_the_lines_that_follow(ground: Ground) -> None:
    uln = Ground(ground.pool, scheme="ULN")
    known = {"scheme": "ULN", "identifier": "9276308686", "reference": "S-1"}
    async with uln.caller("northbridge", "publisher") as client:
        answers = await try_out(
            client, line("C-1", learner=known), line("C-2", learner={**known, "identifier": PLACEHOLDER})
        )
        assert [one["status"] for one in answers] == [201, 409]
        # Of another request nothing remains, whether it was a dry run or not.
        (alone,) = await try_out(client, line("C-2", learner={**known, "identifier": PLACEHOLDER}))
        assert (alone["status"], alone["learner_is_matchable"]) == (201, False)


async def test_what_only_another_dry_run_would_have_stored_does_not_count(northbridge: httpx.AsyncClient) -> None:
    for _ in range(2):
        (first,) = await try_out(northbridge, line("C-1"))
        assert first["status"] == 201
    (differs,) = await try_out(northbridge, line("C-1", mark="61"))
    assert differs["status"] == 201


async def test_dry_runs_of_the_same_learners_at_once_and_one_in_earnest_do_not_meet(
    ground: Ground, northbridge: httpx.AsyncClient
) -> None:
    lines = [line(f"C-{number}", learner=learner(str(number))) for number in range(50)]
    runs = await asyncio.gather(
        *(try_out(northbridge, *lines[::step]) for step in (1, -1) * 3), send(northbridge, *lines)
    )
    for answers in runs:
        assert {one["status"] for one in answers} <= {200, 201}
    assert {one["status"] for one in runs[-1]} == {201}
    assert await ground.count("completion_revision") == await ground.count("outbox") == 50


async def test_an_answer_in_earnest_does_not_say_that_it_is_a_dry_run(northbridge: httpx.AsyncClient) -> None:
    for query in ("", "?dry_run=false"):
        answer = await northbridge.post(f"/completions:bulk{query}", content=line("C-1"), headers=NDJSON)
        assert "Concord-Dry-Run" not in answer.headers
    assert answer.json()["status"] == 200


async def test_a_dry_run_that_is_neither_true_nor_false_is_refused(
    ground: Ground, northbridge: httpx.AsyncClient
) -> None:
    answer = await northbridge.post("/completions:bulk?dry_run=perhaps", content=line("C-1"), headers=NDJSON)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["dry_run"]
    assert await ground.count("completion") == 0


async def test_a_dry_run_asks_for_the_same_right(ground: Ground) -> None:
    async with ground.caller("northbridge", "officer") as officer:
        answer = await officer.post("/completions:bulk?dry_run=true", content=line("C-1"), headers=NDJSON)
    assert answer.status_code == 403


async def test_the_parameter_and_its_header_are_described(ground: Ground) -> None:
    described = ground.app.openapi()["paths"]["/completions:bulk"]["post"]
    (parameter,) = described["parameters"]
    assert (parameter["name"], parameter["in"], parameter["schema"]["type"]) == ("dry_run", "query", "boolean")
    assert "Concord-Dry-Run" in described["responses"]["200"]["headers"]


async def test_what_was_tried_can_be_sent_in_earnest(ground: Ground, northbridge: httpx.AsyncClient) -> None:
    body = orjson.dumps({"reference": "C-1", **completion()})
    (tried,) = await try_out(northbridge, body)
    (stored,) = await send(northbridge, body)
    assert stored == tried
