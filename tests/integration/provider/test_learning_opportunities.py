"""The catalogue: each member publishes its own, version by version, and answers go by revision."""

import asyncio
from datetime import timedelta

import httpx
import orjson
import pytest

from contracts.provider_learning_opportunity import LearningOpportunityPublished
from services.provider.api.answers import LearningOpportunityAnswer, LearningOpportunityWithVersions
from tests.integration.provider.ground import Ground, opportunity

pytestmark = pytest.mark.usefixtures("members")
ETHICS = "/learning-opportunities/northbridge:data-ethics"


async def events(ground: Ground) -> list[LearningOpportunityPublished]:
    async with ground.pool.acquire() as connection:
        rows = await connection.fetch(
            "SELECT payload FROM outbox WHERE topic = 'provider.learning_opportunity' ORDER BY id"
        )
    return [LearningOpportunityPublished.model_validate_json(row["payload"]) for row in rows]


async def test_a_revision_is_stored_with_its_event_and_a_repeat_has_the_same_answer(
    ground: Ground, northbridge: httpx.AsyncClient
) -> None:
    first = await northbridge.put(ETHICS, json=opportunity())
    assert first.status_code == 201
    stated = LearningOpportunityAnswer.model_validate_json(first.content)
    assert (stated.member, stated.version, stated.revision, stated.missing_elements) == ("northbridge", 2, 1, [])
    ground.clock.now += timedelta(hours=1)
    second = await northbridge.put(ETHICS, json=opportunity(revision=2, title="Ethics", level=...))
    assert (second.status_code, second.json()["missing_elements"]) == (201, ["level"])
    again = await northbridge.put(ETHICS, json=opportunity(credits="15.0"))
    assert (again.status_code, again.content) == (200, first.content)
    old, new = await events(ground)
    assert (old.revision, old.title, new.revision, new.title) == (1, "Data Ethics", 2, "Ethics")
    assert old.event_id != new.event_id


async def test_what_contradicts_a_stored_revision_is_refused_with_what_is_stored(
    ground: Ground, northbridge: httpx.AsyncClient
) -> None:
    first = await northbridge.put(ETHICS, json=opportunity(revision=3))
    for body in (opportunity(revision=3, title="Ethics"), opportunity(revision=2)):
        answer = await northbridge.put(ETHICS, json=body)
        assert answer.status_code == 409
        stored = answer.json()["stored"]
        assert (stored["id"], stored["revision"]) == ("northbridge:data-ethics", 3)
        assert stored["body_hash"] == first.json()["body_hash"]
        assert "4" in answer.json()["errors"][0]["expected"]
    assert len(await events(ground)) == 1


async def test_a_version_is_a_thing_of_its_own(ground: Ground, northbridge: httpx.AsyncClient) -> None:
    for version, revision in ((2, 5), (1, 1), (3, 1)):
        answer = await northbridge.put(ETHICS, json=opportunity(version=version, revision=revision))
        assert answer.status_code == 201
    assert len({event.event_id for event in await events(ground)}) == 3
    newest = LearningOpportunityWithVersions.model_validate_json((await northbridge.get(ETHICS)).content)
    assert newest.version == 3
    assert [(one.version, one.revision) for one in newest.versions] == [(3, 1), (2, 5), (1, 1)]
    assert (await northbridge.get(ETHICS, params={"version": 2})).json()["revision"] == 5
    assert (await northbridge.get(ETHICS, params={"version": 4})).status_code == 404
    assert (await northbridge.get("/learning-opportunities/northbridge:other")).status_code == 404


@pytest.mark.parametrize(
    ("learning_opportunity_id", "status"),
    [
        ("westfield:law", 403),
        ("eastgate:law", 422),
        ("northbridge", 422),
        (":law", 422),
        ("north:bridge", 422),
        ("northbridge:", 422),
    ],
)
async def test_an_id_begins_with_ones_own_member_id(
    ground: Ground, northbridge: httpx.AsyncClient, learning_opportunity_id: str, status: int
) -> None:
    answer = await northbridge.put(f"/learning-opportunities/{learning_opportunity_id}", json=opportunity())
    assert answer.status_code == status
    assert answer.json()["status"] == status
    assert await ground.count("learning_opportunity_revision") == 0


async def test_a_publisher_whom_the_registry_does_not_know_has_no_catalogue(ground: Ground) -> None:
    async with ground.caller("eastgate", "publisher") as eastgate:
        answer = await eastgate.put("/learning-opportunities/eastgate:law", json=opportunity())
    assert answer.status_code == 422
    assert "eastgate" in answer.json()["detail"]


async def test_the_catalogue_is_listed_page_by_page(
    northbridge: httpx.AsyncClient, westfield: httpx.AsyncClient
) -> None:
    for client, code, version in (
        (northbridge, "northbridge:b/2", 1),
        (northbridge, "northbridge:a", 2),
        (northbridge, "northbridge:a", 1),
        (westfield, "westfield:law", 1),
    ):
        answer = await client.put(f"/learning-opportunities/{code}", json=opportunity(version=version))
        assert answer.status_code == 201
    await northbridge.put("/learning-opportunities/northbridge:a", json=opportunity(version=1, revision=2))
    first = (await westfield.get("/learning-opportunities", params={"limit": 2})).json()
    second = (await westfield.get("/learning-opportunities", params={"limit": 2, "after": first["next"]})).json()
    found = [
        LearningOpportunityAnswer.model_validate_json(orjson.dumps(item)) for item in first["items"] + second["items"]
    ]
    assert [(one.learning_opportunity_id, one.version, one.revision) for one in found] == [
        ("northbridge:a", 1, 2),
        ("northbridge:a", 2, 1),
        ("northbridge:b/2", 1, 1),
        ("westfield:law", 1, 1),
    ]
    assert second["next"] is None
    own = (await northbridge.get("/learning-opportunities", params={"member": "westfield"})).json()
    assert [item["learning_opportunity_id"] for item in own["items"]] == ["westfield:law"]


async def test_of_revisions_at_once_none_comes_in_behind_a_higher_one(
    ground: Ground, northbridge: httpx.AsyncClient
) -> None:
    sending = [northbridge.put(ETHICS, json=opportunity(revision=n)) for n in range(1, 17)]
    answers = await asyncio.gather(*sending)
    accepted = [one.json()["revision"] for one in answers if one.status_code == 201]
    assert {one.status_code for one in answers} <= {201, 409}
    sent = [event.revision for event in await events(ground)]
    assert sent == sorted(sent) == sorted(accepted)
    assert sent[-1] == 16
