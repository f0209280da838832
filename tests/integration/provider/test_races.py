"""The same thing said at once, through two API processes: one of them is first, and all get one answer."""

import asyncio
from collections import Counter

import httpx
import orjson
import pytest

from chassis.database import Pool, open_pool
from contracts.provider_completion import CompletionPublished
from tests.conftest import Database
from tests.integration.provider.ground import Ground, completion, esi

NDJSON = {"Content-Type": "application/x-ndjson"}


def learner(name: str, reference: str | None = None) -> dict[str, str]:
    return {"scheme": "ESI", "identifier": esi(name), "reference": reference or f"S-{name}"}


@pytest.fixture
async def two(own_database: Database, pool: Pool):  # type: ignore[no-untyped-def]
    """Two API processes' worth of the service on one database: each with its own pool; a caller of each."""
    other = await open_pool(own_database.url)
    first, second = Ground(pool), Ground(other)
    async with first.caller("northbridge", "publisher") as one, second.caller("northbridge", "publisher") as two:
        yield one, two
    other.terminate()


Two = tuple[httpx.AsyncClient, httpx.AsyncClient]


async def sent(pool: Pool) -> list[CompletionPublished]:
    async with pool.acquire() as connection:
        rows = await connection.fetch("SELECT payload FROM outbox ORDER BY id")
    return [CompletionPublished.model_validate_json(row["payload"]) for row in rows]


async def test_the_same_put_a_hundred_times_at_once_is_one_row_and_one_answer(ground: Ground, two: Two) -> None:
    answers = await asyncio.gather(*(two[n % 2].put("/completions/C-1", json=completion()) for n in range(100)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 99}
    assert len({answer.content for answer in answers}) == 1
    counts = await ground.counts()
    assert counts["completion"] == counts["completion_revision"] == counts["outbox"] == 1


async def test_the_same_put_for_many_new_learners_at_once(ground: Ground, two: Two) -> None:
    for number in range(20):
        body = completion(learner=learner(f"n{number}"))
        answers = await asyncio.gather(*(client.put(f"/completions/C-{number}", json=body) for client in two * 3))
        assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 5}
        assert len({answer.content for answer in answers}) == 1
    assert await ground.count("completion_revision") == await ground.count("outbox") == 20


async def test_two_bodies_at_one_revision_at_once_leave_one(ground: Ground, two: Two) -> None:
    sending = [two[n % 2].put("/completions/C-1", json=completion(mark=str(n))) for n in range(20)]
    answers = await asyncio.gather(*sending)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}
    first = next(answer.json() for answer in answers if answer.status_code == 201)
    assert all(answer.json()["stored"] == first for answer in answers if answer.status_code == 409)
    assert await ground.count("completion_revision") == 1


async def test_two_learners_for_one_completion_at_once_leave_one(ground: Ground, two: Two) -> None:
    for number in range(15):
        sending = [
            two[n % 2].put(
                f"/completions/C-{number}", json=completion(revision=n + 1, learner=learner(f"{number}-{n}"))
            )
            for n in range(6)
        ]
        answers = await asyncio.gather(*sending)
        assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 5}
    assert len({event.learner_id for event in await sent(ground.pool)}) == 15
    assert await ground.count("completion_revision") == 15


async def test_one_reference_for_two_learners_at_once_stands_for_one(ground: Ground, two: Two) -> None:
    for number in range(15):
        sending = [
            two[n % 2].put(
                f"/completions/C-{number}-{n}", json=completion(learner=learner(f"{number}-{n}", f"S-{number}"))
            )
            for n in range(6)
        ]
        answers = await asyncio.gather(*sending)
        assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 5}
    assert await ground.count("learner_identifier") == await ground.count("completion") == 15


async def test_revisions_at_once_leave_in_order(ground: Ground, two: Two) -> None:
    sending = [two[n % 2].put("/completions/C-1", json=completion(revision=n + 1)) for n in range(40)]
    answers = await asyncio.gather(*sending)
    assert {answer.status_code for answer in answers} <= {201, 409}
    revisions = [event.revision for event in await sent(ground.pool)]
    assert revisions == sorted(revisions)
    assert revisions[-1] == 40
    assert len(revisions) == sum(answer.status_code == 201 for answer in answers)


async def test_requests_in_bulk_that_overlap_neither_deadlock_nor_double(ground: Ground, two: Two) -> None:
    lines = [orjson.dumps({"reference": f"C-{n}", **completion(learner=learner(str(n % 20)))}) for n in range(60)]
    contents = [b"\n".join(lines), b"\n".join(reversed(lines)), b"\n".join(lines[20:] + lines[:20])]
    answers = await asyncio.gather(
        *(two[n % 2].post("/completions:bulk", content=contents[n % 3], headers=NDJSON) for n in range(12))
    )
    rows = [orjson.loads(row) for answer in answers for row in answer.content.splitlines()]
    assert Counter(row["status"] for row in rows) == {201: 60, 200: 660}
    assert await ground.count("completion_revision") == await ground.count("outbox") == 60
    by_reference = {row["reference"]: row["completion_id"] for row in rows}
    assert len(by_reference) == len(set(by_reference.values())) == 60
