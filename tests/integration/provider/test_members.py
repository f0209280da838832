"""The registry of members: entered once, changed from what was seen, read by all."""

import asyncio

import httpx
import orjson
import pytest

from contracts.provider_member import MemberRegistered
from services.provider.api.answers import FaceAnswer, MemberAnswer
from tests.integration.provider.ground import Ground, member

NEW = {"If-None-Match": "*"}


async def events(ground: Ground) -> list[MemberRegistered]:
    async with ground.pool.acquire() as connection:
        rows = await connection.fetch("SELECT payload FROM outbox WHERE topic = 'provider.member' ORDER BY id")
    return [MemberRegistered.model_validate_json(row["payload"]) for row in rows]


async def test_a_member_is_entered_and_changed_from_the_revision_that_was_seen(
    ground: Ground, consortium: httpx.AsyncClient
) -> None:
    entered = await consortium.put("/members/northbridge", json=member(), headers=NEW)
    assert (entered.status_code, entered.headers["etag"]) == (201, '"1"')
    assert MemberAnswer.model_validate_json(entered.content).revision == 1
    changed = await consortium.put(
        "/members/northbridge", json=member(left_on="2026-08-31"), headers={"If-Match": entered.headers["etag"]}
    )
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    read = await consortium.get("/members/northbridge")
    assert (read.content, read.headers["etag"]) == (changed.content, '"2"')
    first, second = await events(ground)
    assert (first.revision, first.left_on, str(second.left_on)) == (1, None, "2026-08-31")
    assert second.suspensions[0].reason == "Audit of assessment"
    assert first.accepted_at == ground.clock.now


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 428), ({"If-None-Match": '"1"'}, 428), (NEW, 412), ({"If-Match": '"1"'}, 412), ({"If-Match": "*"}, 412)],
)
async def test_a_change_needs_the_revision_that_is_current(
    ground: Ground, consortium: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    await consortium.put("/members/northbridge", json=member(), headers=NEW)
    await consortium.put("/members/northbridge", json=member(name="Second"), headers={"If-Match": '"1"'})
    answer = await consortium.put("/members/northbridge", json=member(name="Third"), headers=headers)
    assert answer.status_code == status
    assert (await consortium.get("/members/northbridge")).json()["name"] == "Second"
    assert len(await events(ground)) == 2


async def test_a_member_that_is_not_there_cannot_be_changed(ground: Ground, consortium: httpx.AsyncClient) -> None:
    answer = await consortium.put("/members/northbridge", json=member(), headers={"If-Match": '"1"'})
    assert answer.status_code == 412
    assert (await consortium.get("/members/northbridge")).status_code == 404
    assert set((await ground.counts()).values()) == {0}


async def test_a_change_that_changes_nothing_makes_no_revision(ground: Ground, consortium: httpx.AsyncClient) -> None:
    entered = await consortium.put("/members/northbridge", json=member(), headers=NEW)
    again = await consortium.put("/members/northbridge", json=member(left_on=None), headers={"If-Match": '"1"'})
    assert (again.status_code, again.content) == (200, entered.content)
    assert len(await events(ground)) == 1


async def test_of_changes_at_once_one_is_made(ground: Ground, consortium: httpx.AsyncClient) -> None:
    entering = [consortium.put("/members/northbridge", json=member(), headers=NEW) for _ in range(8)]
    assert sorted(one.status_code for one in await asyncio.gather(*entering)) == [201] + [412] * 7
    changing = [
        consortium.put("/members/northbridge", json=member(name=f"Name {n}"), headers={"If-Match": '"1"'})
        for n in range(8)
    ]
    answers = await asyncio.gather(*changing)
    assert sorted(one.status_code for one in answers) == [200] + [412] * 7
    assert await ground.count("member_revision") == len(await events(ground)) == 2


async def test_a_bad_member_is_refused(ground: Ground, consortium: httpx.AsyncClient) -> None:
    bad: list[tuple[dict[str, object], str]] = [
        ({"left_on": "2023-01-01"}, "left_on"),
        ({"framework": "CATS"}, "framework"),
        ({"country": "England"}, "country"),
        ({"ukprn": "01234567"}, "ukprn"),
        ({"ukprn": "1234567"}, "ukprn"),
        ({"colours": {"primary": "red", "accent": "#f2b134"}}, "colours.primary"),
        ({"revision": 3}, "revision"),
        ({"name": "a\x00"}, "name"),
        ({"suspensions": [{"from": "2025-02-01", "until": "2025-01-01", "reason": "Audit"}]}, "suspensions.0.until"),
        ({"appeals": {"route": "Write", "days": 20, "stages": []}}, "appeals.stages"),
    ]
    for changes, field in bad:
        answer = await consortium.put("/members/northbridge", json=member(**changes), headers=NEW)
        assert answer.status_code == 422
        assert field in {error["field"] for error in answer.json()["errors"]}
    assert set((await ground.counts()).values()) == {0}


async def test_a_members_ukprn_is_kept_and_sent(ground: Ground, consortium: httpx.AsyncClient) -> None:
    answer = await consortium.put("/members/northbridge", json=member(ukprn="99999999"), headers=NEW)
    assert answer.status_code == 201
    assert answer.json()["ukprn"] == "99999999"
    assert [event.ukprn for event in await events(ground)] == ["99999999"]


async def test_members_are_listed_page_by_page(consortium: httpx.AsyncClient, northbridge: httpx.AsyncClient) -> None:
    ids = ["westfield", "northbridge", "a-college", "zeta"]
    for member_id in ids:
        await consortium.put(f"/members/{member_id}", json=member(), headers=NEW)
    await consortium.put("/members/zeta", json=member(name="Zeta"), headers={"If-Match": '"1"'})
    first = (await northbridge.get("/members", params={"limit": 3})).json()
    second = (await northbridge.get("/members", params={"limit": 3, "after": first["next"]})).json()
    assert [one["member_id"] for one in first["items"] + second["items"]] == sorted(ids)
    assert second["next"] is None
    assert MemberAnswer.model_validate_json(orjson.dumps(second["items"][0])).name == "Zeta"


async def test_everybody_sees_a_members_face_and_nothing_more(ground: Ground, consortium: httpx.AsyncClient) -> None:
    await consortium.put("/members/northbridge", json=member(), headers=NEW)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=ground.app), base_url="http://provider.test"
    ) as stranger:
        face = await stranger.get("/members/northbridge/face")
        assert face.status_code == 200
        FaceAnswer.model_validate_json(face.content)
        assert set(face.json()) == {"member_id", "name", "colours"}
        assert (await stranger.get("/members/westfield/face")).status_code == 404
        assert (await stranger.get("/faces")).json() == [face.json()]
        assert (await stranger.get("/members/northbridge")).status_code == 401
