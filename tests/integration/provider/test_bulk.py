"""Completions in bulk: one transaction, one answer for each line, in order."""

from typing import Any

import httpx
import orjson
import pytest

from services.provider.api.answers import BulkAnswer
from tests.integration.provider.ground import Ground, completion, esi

NDJSON = {"Content-Type": "application/x-ndjson"}


def line(reference: str, **changes: Any) -> bytes:
    return orjson.dumps({"reference": reference, **completion(**changes)})


def learner(name: str) -> dict[str, str]:
    return {"scheme": "ESI", "identifier": esi(name), "reference": f"S-{name}"}


async def send(client: httpx.AsyncClient, *lines: bytes) -> list[dict[str, Any]]:
    answer = await client.post("/completions:bulk", content=b"\n".join(lines), headers=NDJSON)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.content.endswith(b"\n")
    return [orjson.loads(one) for one in answer.content.splitlines()]


async def test_every_line_is_answered_in_order(northbridge: httpx.AsyncClient) -> None:
    references = [f"C-{number}" for number in (3, 1, 2)]
    answers = await send(northbridge, *(line(reference) for reference in references))
    assert [one["reference"] for one in answers] == references
    assert [one["status"] for one in answers] == [201, 201, 201]
    for one in answers:
        BulkAnswer.model_validate_json(orjson.dumps(one))
    again = await send(northbridge, *(line(reference) for reference in references))
    assert again == [one | {"status": 200} for one in answers]


async def test_a_single_request_and_a_line_are_accepted_in_one_way(northbridge: httpx.AsyncClient) -> None:
    (bulk,) = await send(northbridge, line("C-1"))
    single = await northbridge.put("/completions/C-1", json=completion())
    assert single.status_code == 200
    assert bulk == {"status": 201, **single.json()}


BROKEN: list[tuple[bytes, str | None, str]] = [
    (b"{", None, ""),
    (b"[]", None, ""),
    (b'"C-9"', None, ""),
    (b"\xff\xfe", None, ""),
    (b'{"reference": "C-9"', None, ""),
    (line("C-9", credits="0"), "C-9", "credits"),
    (line("C-9", level=12), "C-9", "level"),
    (line("C-9", learning_opportunity={"id": "westfield:law", "version": 1}), "C-9", "learning_opportunity.id"),
    (line("C-9", learner={"scheme": "ULN", "identifier": "9276308686", "reference": "S"}), "C-9", "learner.scheme"),
    (line("C-9", member="westfield"), "C-9", "member"),
    (line(""), "", "reference"),
    (orjson.dumps(completion()), None, "reference"),
    (line("C-9", title="a\x00b"), "C-9", "title"),
    (line("C\x00"), "C\x00", "reference"),
]


async def test_a_broken_line_is_refused_and_the_others_stand(ground: Ground, northbridge: httpx.AsyncClient) -> None:
    for number, (broken, reference, field) in enumerate(BROKEN):
        answers = await send(northbridge, line(f"A-{number}"), broken, line(f"B-{number}"))
        assert [one["status"] for one in answers] == [201, 422, 201]
        assert answers[1]["reference"] == reference
        assert field in {error["field"] for error in answers[1]["errors"]}, broken
        assert all(error["expected"] for error in answers[1]["errors"])
        assert answers[1]["retryable"] is False
    assert await ground.count("completion_revision") == await ground.count("outbox") == 2 * len(BROKEN)


async def test_lines_of_one_reference_work_in_order(ground: Ground, northbridge: httpx.AsyncClient) -> None:
    answers = await send(
        northbridge,
        line("C-1"),
        line("C-1", revision=2, result="fail"),
        line("C-1", revision=2, result="fail"),
        line("C-1", revision=2, result="pass"),
        line("C-1"),
        line("C-1", revision=4),
        line("C-1", revision=3),
        line("C-1", revision=5, learner=learner("bob")),
        line("C-2", learner={**learner("bob"), "reference": "S-1"}),
    )
    assert [one["status"] for one in answers] == [201, 201, 200, 409, 200, 201, 409, 409, 409]
    assert answers[3]["stored"] == {name: value for name, value in answers[1].items() if name != "status"}
    assert answers[6]["stored"]["revision"] == 4
    async with ground.pool.acquire() as connection:
        sent = await connection.fetch(
            "SELECT convert_from(payload, 'UTF8')::json ->> 'revision' FROM outbox ORDER BY id"
        )
        stored = await connection.fetch("SELECT revision FROM completion_revision ORDER BY revision")
    assert [int(row[0]) for row in sent] == [row[0] for row in stored] == [1, 2, 4]
    assert await ground.count("learner_identifier") == 1


@pytest.mark.parametrize("empty", [b"", b"\n", b"\n \n\r\n"])
async def test_a_request_without_lines_has_an_empty_answer(northbridge: httpx.AsyncClient, empty: bytes) -> None:
    answer = await northbridge.post("/completions:bulk", content=empty, headers=NDJSON)
    assert (answer.status_code, answer.content) == (200, b"")


async def test_blank_lines_and_carriage_returns_are_no_lines(northbridge: httpx.AsyncClient) -> None:
    answers = await send(northbridge, line("C-1") + b"\r", b"", line("C-2"), b"")
    assert [one["status"] for one in answers] == [201, 201]


async def test_a_thousand_lines_are_served_and_one_more_is_not(ground: Ground, northbridge: httpx.AsyncClient) -> None:
    lines = [line(f"C-{number}", learner=learner(str(number % 300))) for number in range(1_001)]
    too_many = await northbridge.post("/completions:bulk", content=b"\n".join(lines), headers=NDJSON)
    assert too_many.status_code == too_many.json()["status"] == 413
    assert await ground.count("completion") == 0
    answers = await send(northbridge, *lines[:1_000])
    assert {one["status"] for one in answers} == {201}
    assert [one["reference"] for one in answers] == [f"C-{number}" for number in range(1_000)]
    assert await ground.count("completion_revision") == await ground.count("outbox") == 1_000
    assert await ground.count("learner_identifier") == 300


async def test_more_than_four_mebibytes_are_refused(ground: Ground, northbridge: httpx.AsyncClient) -> None:
    long = line("C-1", learning_outcomes=["x" * 4_000] * 50)
    lines = [long] * (4 * 1024 * 1024 // len(long) + 1)
    answer = await northbridge.post("/completions:bulk", content=b"\n".join(lines), headers=NDJSON)
    assert answer.status_code == 413
    assert await ground.count("completion") == 0


async def test_a_row_too_large_for_an_event_is_refused_and_the_others_stand(
    ground: Ground, northbridge: httpx.AsyncClient
) -> None:
    large = line("C-2", learning_outcomes=["x" * 4_000] * 66)
    answers = await send(northbridge, line("C-1"), large, line("C-3"))
    assert [one["status"] for one in answers] == [201, 413, 201]
    assert await ground.count("completion") == await ground.count("outbox") == 2


@pytest.mark.parametrize("media_type", ["application/json", "text/plain"])
async def test_another_media_type_is_refused(northbridge: httpx.AsyncClient, media_type: str) -> None:
    answer = await northbridge.post("/completions:bulk", content=line("C-1"), headers={"Content-Type": media_type})
    assert answer.status_code == 415
