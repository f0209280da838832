"""What a member has, compared with what is stored: by reference, revision and hash, and nothing is changed by it."""

from typing import Any

import httpx
import orjson
import pytest

from services.provider.api.answers import Comparison
from tests.integration.provider.ground import Ground
from tests.integration.provider.test_bulk import NDJSON, learner, line, send

pytestmark = pytest.mark.servers
COMPARE = "/completions:compare"


async def compare(client: httpx.AsyncClient, *lines: bytes) -> list[dict[str, Any]]:
    answer = await client.post(COMPARE, content=b"\n".join(lines), headers=NDJSON)
    assert answer.status_code == 200, answer.text
    return [orjson.loads(one) for one in answer.content.splitlines()]


async def test_what_is_stored_is_same_missing_older_newer_or_different(
    ground: Ground, northbridge: httpx.AsyncClient
) -> None:
    published = await send(northbridge, *(line(f"C-{n}") for n in range(1, 4)), line("C-3", revision=2, mark="70"))
    before = await ground.count("completion_revision"), await ground.count("outbox")
    answers = [
        Comparison.model_validate_json(orjson.dumps(one))
        for one in await compare(
            northbridge,
            line("C-1"),
            line("C-0"),
            line("C-2", revision=3, mark="63"),
            line("C-3"),
            line("C-2", mark="63"),
            line("C-1", learner=learner("bob")),
        )
    ]
    assert [(one.reference, one.outcome) for one in answers] == [
        ("C-1", "same"),
        ("C-0", "missing"),
        ("C-2", "older"),
        ("C-3", "newer"),
        ("C-2", "different"),
        ("C-1", "different"),
    ]
    assert [one.stored and one.stored.revision for one in answers] == [1, None, 1, 2, 1, 1]
    assert answers[0].stored is not None
    assert answers[0].stored.model_dump(mode="json").items() <= published[0].items()
    assert (await ground.count("completion_revision"), await ground.count("outbox")) == before


async def test_the_hash_of_what_was_sent_is_that_of_its_publication(northbridge: httpx.AsyncClient) -> None:
    # Other spellings of the same values.
    spelt = line("C-1", credits="15.0", mark="62.00", mark_scale={"highest": "100", "pass": "40", "lowest": "0.0"})
    (missing,) = await compare(northbridge, spelt)
    (published,) = await send(northbridge, line("C-1"))
    assert missing["body_hash"] == published["body_hash"]
    (same,) = await compare(northbridge, spelt)
    assert same["outcome"] == "same"
    listed = (await northbridge.get("/completions")).json()["items"]
    assert [(one["reference"], one["revision"], one["body_hash"]) for one in listed] == [
        ("C-1", 1, published["body_hash"])
    ]


async def test_what_could_not_be_published_is_a_problem_of_its_line(northbridge: httpx.AsyncClient) -> None:
    foreign = {"id": "westfield:law", "version": 1}
    answers = await compare(northbridge, b"{", line("C-1", credits="0"), line("C-2", learning_opportunity=foreign))
    assert [(one["status"], one["reference"]) for one in answers] == [(422, None), (422, "C-1"), (422, "C-2")]
    assert [one["errors"][0]["field"] for one in answers] == ["", "credits", "learning_opportunity.id"]
    (alone,) = await compare(northbridge, line("C-3"))
    assert alone["outcome"] == "missing"


async def test_everybody_compares_with_their_own(northbridge: httpx.AsyncClient, westfield: httpx.AsyncClient) -> None:
    await send(northbridge, line("C-1"))
    own = {"id": "westfield:law", "version": 1}
    (answer,) = await compare(westfield, line("C-1", learning_opportunity=own))
    assert (answer["outcome"], answer["stored"]) == ("missing", None)


async def test_who_may_not_compare_and_how_much_is_compared_at_once(
    ground: Ground, northbridge: httpx.AsyncClient
) -> None:
    for role in ("registry", "officer", "consortium", "learner"):
        async with ground.caller("northbridge", role) as caller:
            assert (await caller.post(COMPARE, content=line("C-1"), headers=NDJSON)).status_code == 403
    assert (await northbridge.post(COMPARE, content=b"{}\n" * 1_001, headers=NDJSON)).status_code == 413
    assert (await northbridge.post(COMPARE, content=b"{}", headers={"Content-Type": "text/csv"})).status_code == 415
