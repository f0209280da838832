"""A member that leaves brings in nothing new, and still answers for what it brought in (docs/members.md)."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.integration.provider.ground import Ground, completion, member

pytestmark = pytest.mark.servers


async def leave(consortium: httpx.AsyncClient, left_on: str | None) -> None:
    read = await consortium.get("/members/northbridge")
    answer = await consortium.put(
        "/members/northbridge", json=member(left_on=left_on), headers={"If-Match": read.headers["ETag"]}
    )
    assert answer.status_code == 200, answer.text


async def test_until_its_last_day_is_over_everything_is_accepted(
    ground: Ground, consortium: httpx.AsyncClient, northbridge: httpx.AsyncClient, members: None
) -> None:
    """It is 1 September; the day on which a member leaves is the first that is not its own."""
    await leave(consortium, "2026-09-02")
    assert (await northbridge.put("/completions/C-1", json=completion())).status_code == 201
    ground.clock.now += timedelta(hours=14, minutes=29)
    assert (await northbridge.put("/completions/C-2", json=completion())).status_code == 201
    ground.clock.now += timedelta(minutes=1)
    answer = await northbridge.put("/completions/C-3", json=completion())
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:concord:problem:left")
    assert "northbridge left the consortium on 2026-09-02" in answer.json()["detail"]
    assert await ground.count("completion") == 2


@pytest.mark.parametrize(
    "changes",
    [{"mark": "38", "result": "fail"}, {"revoked": True, "revocation_reason": "Issued in error"}],
    ids=["correction", "revocation"],
)
async def test_what_it_published_is_still_corrected_and_revoked(
    ground: Ground,
    consortium: httpx.AsyncClient,
    northbridge: httpx.AsyncClient,
    members: None,
    changes: dict[str, Any],
) -> None:
    first = await northbridge.put("/completions/C-1", json=completion())
    await leave(consortium, "2026-09-01")
    again = await northbridge.put("/completions/C-1", json=completion())
    assert (again.status_code, again.content) == (200, first.content), "a repeat is a repeat"
    assert (await northbridge.put("/completions/C-1", json=completion(revision=2, **changes))).status_code == 201


async def test_others_go_on_and_a_member_may_come_back(
    consortium: httpx.AsyncClient, northbridge: httpx.AsyncClient, westfield: httpx.AsyncClient, members: None
) -> None:
    await leave(consortium, "2026-09-01")
    theirs = completion(learning_opportunity={"id": "westfield:data-ethics", "version": 2})
    assert (await westfield.put("/completions/C-1", json=theirs)).status_code == 201
    assert (await northbridge.put("/completions/C-1", json=completion())).status_code == 409
    await leave(consortium, None)
    assert (await northbridge.put("/completions/C-1", json=completion())).status_code == 201
