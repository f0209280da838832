"""From a draft to what is published, superseded and ended: linted, and approved byte for byte by every party."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import rfc8785

from tests.integration.recognition.ground import (
    Ground,
    agreement,
    award,
    completion,
    enrolment,
    member,
    opportunity,
    somebody,
)

pytestmark = pytest.mark.servers

AGREEMENT = "/agreements/northbridge-strathmore"
DRAFT = f"{AGREEMENT}/drafts/1"
NEW = {"If-None-Match": "*"}


@pytest.fixture
async def ground(ground: Ground) -> Ground:
    """Three members, one of whom has nothing to do with it."""
    await ground.consume(*(member(one) for one in ("northbridge", "strathmore", "ashford")))
    return ground


async def put(ground: Ground, by: str, path: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    async with ground.caller(by, "registry") as registry:
        return await registry.put(path, json=body, headers=headers or {})


async def approve(ground: Ground, by: str, hash_: str, path: str = DRAFT) -> httpx.Response:
    return await put(ground, by, f"{path}/approval", {"document_hash": hash_})


async def publish(ground: Ground, by: str, path: str = DRAFT) -> httpx.Response:
    async with ground.caller(by, "registry") as registry:
        return await registry.post(f"{path}/publication")


async def test_a_draft_is_linted_approved_by_each_party_and_published(ground: Ground) -> None:
    drafted = await put(ground, "northbridge", DRAFT, agreement(), NEW)
    assert (drafted.status_code, drafted.headers["etag"], drafted.json()["state"]) == (201, '"1"', "linted")
    hash_ = drafted.json()["document_hash"]
    assert hash_ == hashlib.sha256(rfc8785.dumps(drafted.json()["document"])).hexdigest()
    refused = await publish(ground, "northbridge")
    assert refused.status_code == 409
    assert refused.json()["not_approved_by"] == ["northbridge", "strathmore"]
    assert (await approve(ground, "northbridge", hash_)).json()["not_approved_by"] == ["strathmore"]
    one_is_missing = await publish(ground, "northbridge")
    assert (one_is_missing.status_code, one_is_missing.json()["not_approved_by"]) == (409, ["strathmore"])
    assert "Not approved by strathmore" in one_is_missing.json()["detail"]
    ground.clock.now = datetime(2026, 9, 3, 8, 0, tzinfo=UTC)
    approved = (await approve(ground, "strathmore", hash_)).json()
    assert (approved["state"], approved["not_approved_by"]) == ("approved", [])
    published = await publish(ground, "strathmore")
    assert (published.status_code, published.json()["document_hash"]) == (201, hash_)
    assert (await publish(ground, "northbridge")).status_code == 200
    async with ground.caller("ashford", "learner") as anybody:
        read = (await anybody.get(AGREEMENT)).json()
    assert (read["state"], read["document_hash"]) == ("published", hash_)
    assert read["approvals"] == [
        {
            "member": "northbridge",
            "document_hash": hash_,
            "approved_by": "somebody of northbridge",
            "approved_at": "2026-09-02T12:00:00+00:00",
        },
        {
            "member": "strathmore",
            "document_hash": hash_,
            "approved_by": "somebody of strathmore",
            "approved_at": "2026-09-03T08:00:00+00:00",
        },
    ]


async def test_one_altered_byte_refuses_publication(ground: Ground) -> None:
    """Altered in what is sent, in the draft, or in the draft's very row: it is not what was approved."""
    await ground.approve(agreement())
    altered = await put(ground, "strathmore", AGREEMENT, agreement(title="credit"))
    assert altered.status_code == 409
    assert altered.json()["not_approved_by"] == ["northbridge", "strathmore"]
    async with ground.pool.acquire() as connection, connection.transaction():
        # As nobody can by the service's role, whose rights are to add.
        await connection.execute(
            "INSERT INTO document_draft (kind, id, version, revision, members, document, document_hash, drafted_by,"
            " drafted_at) SELECT kind, id, version, 2, members, jsonb_set(document, '{title}', '\"credit\"'),"
            " document_hash, drafted_by, drafted_at FROM document_draft"
        )
    refused = await publish(ground, "strathmore")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:concord:problem:not-approved")
    assert await ground.rows("SELECT FROM agreement") == []
    assert (await put(ground, "strathmore", AGREEMENT, agreement())).status_code == 201, "what was approved"


async def test_a_changed_draft_is_to_be_approved_anew(ground: Ground) -> None:
    first = (await put(ground, "northbridge", DRAFT, agreement(), NEW)).json()["document_hash"]
    await approve(ground, "northbridge", first)
    stale = await put(ground, "strathmore", DRAFT, agreement(minimum_mark="45"), NEW)
    assert (stale.status_code, stale.headers["etag"]) == (412, '"1"')
    unconditional = await put(ground, "strathmore", DRAFT, agreement(minimum_mark="45"))
    assert unconditional.status_code == 428
    changed = await put(ground, "strathmore", DRAFT, agreement(minimum_mark="45"), {"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["etag"], changed.json()["state"]) == (200, '"2"', "linted")
    second = changed.json()["document_hash"]
    assert (changed.json()["approvals"], changed.json()["not_approved_by"]) == ([], ["northbridge", "strathmore"])
    other = await approve(ground, "northbridge", first)
    assert other.status_code == 409
    assert (other.json()["stated"], other.json()["stored"]["document_hash"]) == (first, second)
    assert first in other.json()["detail"]
    assert second in other.json()["detail"]
    back = await put(ground, "northbridge", DRAFT, agreement(), {"If-Match": '"2"'})
    assert back.json()["not_approved_by"] == ["strathmore"], "these bytes northbridge has approved"
    again = await put(ground, "northbridge", DRAFT, agreement(), NEW)
    assert (again.status_code, again.headers["etag"]) == (200, '"3"'), "the same content is no news"


async def test_what_lint_finds_stands_in_the_draft_and_bars_approval(ground: Ground) -> None:
    denied = agreement(denied_courses=[{"course": "northbridge:law", "reason": "It is taught here."}])
    drafted = (await put(ground, "northbridge", DRAFT, denied, NEW)).json()
    assert drafted["state"] == "draft"
    assert [finding["pointer"] for finding in drafted["findings"]] == ["/denied_courses/0/course"]
    refused = await approve(ground, "strathmore", drafted["document_hash"])
    assert refused.status_code == 422
    assert refused.json()["findings"] == drafted["findings"]
    await ground.consume(opportunity("northbridge:law"))
    assert (await approve(ground, "strathmore", drafted["document_hash"])).status_code == 200
    unread = await put(ground, "northbridge", f"{AGREEMENT}/drafts/2", agreement(version=2, minimum_mrak="1"), NEW)
    assert unread.status_code == 422
    misplaced = await put(ground, "northbridge", f"{AGREEMENT}/drafts/2", agreement(version=3), NEW)
    assert [error["field"] for error in misplaced.json()["errors"]] == ["version"]


async def test_who_may_draft_read_and_approve(ground: Ground) -> None:
    hash_ = (await put(ground, "northbridge", DRAFT, agreement(), NEW)).json()["document_hash"]
    assert (await approve(ground, "ashford", hash_)).status_code == 404
    assert (await put(ground, "ashford", f"{AGREEMENT}/drafts/2", agreement(version=2), NEW)).status_code == 403
    taken_over = agreement("northbridge", "ashford", id="northbridge-strathmore")
    assert (await put(ground, "ashford", DRAFT, taken_over, {"If-Match": '"1"'})).status_code == 403
    async with ground.caller(None, "consortium") as consortium:
        assert (await consortium.get(DRAFT)).json()["document_hash"] == hash_
        assert (await consortium.put(f"{DRAFT}/approval", json={"document_hash": hash_})).status_code == 403
        drafted = await consortium.put(f"{AGREEMENT}/drafts/2", json=agreement(version=2), headers=NEW)
        assert drafted.status_code == 201
    async with ground.caller("northbridge", "officer") as officer:
        assert (await officer.put(f"{DRAFT}/approval", json={"document_hash": hash_})).status_code == 403
    async with ground.caller("strathmore", "registry") as registry:
        first = (await registry.get(f"{AGREEMENT}/drafts", params={"limit": 1})).json()
        rest = (await registry.get(f"{AGREEMENT}/drafts", params={"after": first["next"]})).json()
        assert (await registry.put(f"{DRAFT}/approval", json={"document_hash": "short"})).status_code == 422
        assert (await registry.get(f"{AGREEMENT}/drafts/7")).status_code == 404
    assert [item["version"] for item in first["items"] + rest["items"]] == [1, 2]
    async with ground.caller("ashford", "registry") as registry:
        assert (await registry.get(DRAFT)).status_code == 404
        assert (await registry.get(f"{AGREEMENT}/drafts")).json()["items"] == []
    assert await ground.rows("SELECT FROM approval") == []


async def test_every_member_approves_a_multilateral_agreement(ground: Ground) -> None:
    members = ["northbridge", "strathmore", "ashford"]
    units = {"FHEQ": "1", "SCQF": "1", "EQF": "2", "NFQ": "2"}
    document = {**agreement(), "id": "all", "parties": {"members": members}, "credit_units": units}
    del document["credit_ratio"], document["minimum_mark"]
    path = "/agreements/all/drafts/1"
    hash_ = (await put(ground, "ashford", path, document, NEW)).json()["document_hash"]
    for number, one in enumerate(members):
        refused = await publish(ground, "ashford", path)
        assert (refused.status_code, refused.json()["not_approved_by"]) == (409, members[number:])
        await approve(ground, one, hash_, path)
    assert (await publish(ground, "ashford", path)).status_code == 201


async def test_an_award_definition_is_approved_by_its_member(ground: Ground) -> None:
    path = "/awards/strathmore:pgcert/drafts/1"
    assert (await put(ground, "northbridge", path, award(), NEW)).status_code == 403
    drafted = (await put(ground, "strathmore", path, award(), NEW)).json()
    refused = await put(ground, "strathmore", "/awards/strathmore:pgcert", award())
    assert (refused.status_code, refused.json()["not_approved_by"]) == (409, ["strathmore"])
    async with ground.caller(None, "consortium") as consortium:
        assert (await consortium.get(path)).status_code == 404
    assert (await approve(ground, "northbridge", drafted["document_hash"], path)).status_code == 404
    assert (await approve(ground, "strathmore", drafted["document_hash"], path)).json()["state"] == "approved"
    assert (await publish(ground, "strathmore", path)).status_code == 201
    async with ground.caller("strathmore", "registry") as registry:
        read = (await registry.get("/awards/strathmore:pgcert")).json()
        assert (await registry.get(path)).json()["state"] == "published"
    assert [(one["member"], one["approved_by"]) for one in read["approvals"]] == [
        ("strathmore", "somebody of strathmore")
    ]


async def test_a_published_version_is_superseded_and_an_ended_one_runs_off(ground: Ground) -> None:
    await ground.put(agreement())
    ends = agreement(version=2, in_force_until="2026-12-31", run_off_years=1)
    assert (await ground.put(ends)).status_code == 201

    async def states() -> list[str]:
        async with ground.caller("ashford", "learner") as anybody:
            read = [(await anybody.get(AGREEMENT, params={"version": one})).json()["state"] for one in (1, 2)]
            listed = (await anybody.get("/agreements")).json()["items"]
        assert [item["state"] for item in listed] == read[1:]
        return read

    assert await states() == ["superseded", "published"]
    ground.clock.now = datetime(2027, 1, 1, tzinfo=UTC)
    assert await states() == ["superseded", "run-off"]
    ground.clock.now = datetime(2027, 12, 31, 23, tzinfo=UTC)
    assert await states() == ["superseded", "run-off"]
    ground.clock.now = datetime(2028, 1, 1, tzinfo=UTC)
    assert await states() == ["superseded", "ended"]
    late = await put(ground, "northbridge", DRAFT, agreement(minimum_mark="50"), {"If-Match": '"1"'})
    assert (late.status_code, late.json()["stored"]["version"]) == (409, 1), "a published version never changes"


async def test_a_decision_pins_version_and_clause_of_each_ground(ground: Ground) -> None:
    await ground.put(award())
    await ground.put(agreement(minimum_mark="50"))
    await ground.put(agreement(version=2, minimum_mark="60"))
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner))
    [decision] = await ground.decisions_on(learner)
    [ground_of_it] = decision.grounds
    assert decision.agreement is not None
    assert (decision.agreement.id, decision.agreement.version) == ("northbridge-strathmore", 2)
    assert (ground_of_it.document, ground_of_it.version, ground_of_it.clause) == (
        "northbridge-strathmore",
        2,
        "/minimum_mark",
    )
