"""What recognition set aside, through its interface: schema drift (F-34) holds up one learner, and replay mends it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import field_validator

from chassis import set_aside_api
from chassis.database import open_pool
from contracts.provider_completion import CompletionPublished
from services.recognition.events import GROUP, Desk
from tests.conftest import Database
from tests.faults.state import QUERIES
from tests.integration.recognition.ground import UTC_ZONE, Ground, Logged, completion, enrolment, somebody

pytestmark = pytest.mark.servers

DRIFTS = {
    "new enum value": (b'"result":"pass"', b'"result":"merit"'),
    "missing field": (b'"learner_reference":"N-1",', b""),
    "changed type": (b'"level":5', b'"level":"five"'),
}
UNKNOWN_FIELD = (b'{"completion_id"', b'{"mood":"sunny","completion_id"')


class NextCompletion(CompletionPublished):
    """The contract of the next version, which knows what the writers have begun to send."""

    learner_reference: str = "N-1"

    @field_validator("result", mode="before")
    @classmethod
    def _merit(cls, value: object) -> object:
        return "pass" if value == "merit" else value

    @field_validator("level", mode="before")
    @classmethod
    def _five(cls, value: object) -> object:
        return 5 if value == "five" else value


class NextDesk(Desk):
    """Recognition's next version."""

    reads = tuple(NextCompletion if contract is CompletionPublished else contract for contract in Desk.reads)


@pytest.fixture
async def undisturbed(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Ground]:
    """The run in which nothing goes wrong."""
    pool = await open_pool((await database("recognition")).url)
    yield Ground(pool)
    pool.terminate()


@pytest.fixture
def next_version(ground: Ground) -> Ground:
    """The interface of the next version; events still go through the present one."""
    desk = NextDesk(ground.catalogues, zone=UTC_ZONE, clock=ground.clock)
    ground.app.include_router(set_aside_api.routes(desk, ground.pool, ground.clock, group=GROUP))
    return ground


def drifted(ground: Ground, event: CompletionPublished, drift: tuple[bytes, bytes]) -> Logged:
    [record] = ground.log(event)
    assert record.value is not None
    assert drift[0] in record.value
    record.value = record.value.replace(*drift)
    return record


async def tell(ground: Ground, learner: UUID, other: UUID, drift: tuple[bytes, bytes] | None) -> None:
    """Two learners are enrolled and complete two courses each; one's first completion may have drifted."""
    await ground.set_up()
    await ground.consume(enrolment(learner), enrolment(other))
    first = completion(learner)
    record = drifted(ground, first, drift) if drift else ground.log(first)[0]
    await ground.handle([record, *ground.log(completion(other))])
    await ground.consume(completion(learner, "northbridge:ethics"), completion(other, "northbridge:ethics"))
    await ground.consume(completion(learner, revision=2, mark=Decimal(61)))


async def state(ground: Ground) -> dict[str, list[tuple[str, ...]]]:
    """What stands in the service's tables, and what it published, but for times."""
    found = {
        name: sorted(tuple(map(str, row)) for row in await ground.rows(sql))
        for name, (service, sql) in QUERIES.items()
        if service == "recognition"
    }
    sent = await ground.rows("SELECT topic, key, event_id, caused_by FROM outbox WHERE topic LIKE '%decision'")
    return found | {"sent": sorted(tuple(map(str, row)) for row in sent)}


async def ask(ground: Ground, method: str, path: str, role: str = "operations", **more: Any) -> httpx.Response:
    async with ground.caller(None, role) as client:
        return await client.request(method, path, **more)


@pytest.mark.parametrize("drift", DRIFTS)
async def test_a_drift_holds_up_its_learner_alone_and_after_replay_is_as_if_it_had_not_been(
    next_version: Ground, undisturbed: Ground, drift: str
) -> None:
    ground, learner, other = next_version, somebody(), somebody()
    await tell(ground, learner, other, DRIFTS[drift])
    await tell(undisturbed, learner, other, None)
    assert [one.state for one in await ground.decisions_on(other)] == ["RECOGNISED"] * 2
    assert await ground.decisions_on(learner) == []

    [head] = (await ask(ground, "GET", "/set-aside?first_only=true&state=waiting")).json()["items"]
    assert (head["queue"], head["cause"], head["behind"]) == (f"learner:{learner}", "bad_value", 2)
    answer = await ask(ground, "POST", "/set-aside:replay", json={"all": True, "because": "the next version knows it"})
    assert answer.status_code == 200, answer.text
    [queue] = answer.json()["queues"]
    assert (queue["applied"], queue["waiting"], queue["cause"]) == (3, 0, None)
    assert await state(ground) == await state(undisturbed)
    assert len((await state(ground))["decisions"]) >= 4

    again = await ask(ground, "POST", "/set-aside:replay", json={"ids": [head["id"]], "because": "once more"})
    assert (again.json()["queues"], again.json()["not_waiting"]) == ([], [head["id"]])
    assert await state(ground) == await state(undisturbed)


async def test_an_unknown_field_holds_up_nobody(next_version: Ground, undisturbed: Ground) -> None:
    learner, other = somebody(), somebody()
    await tell(next_version, learner, other, UNKNOWN_FIELD)
    await tell(undisturbed, learner, other, None)
    assert await state(next_version) == await state(undisturbed)
    assert (await ask(next_version, "GET", "/set-aside")).json()["items"] == []


async def test_a_record_is_shown_as_it_came_and_the_list_says_nothing_of_what_is_in_it(next_version: Ground) -> None:
    ground, learner = next_version, somebody()
    await ground.set_up()
    record = drifted(ground, completion(learner), DRIFTS["changed type"])
    record.headers = [*record.headers, ("blob", b"\xff\x00"), ("nothing", None)]
    await ground.handle([record])
    listed = await ask(ground, "GET", "/set-aside")
    [item] = listed.json()["items"]
    assert (item["topic"], item["partition"], item["offset"]) == (record.topic, record.partition, record.offset)
    assert item["detail"] == "level: int_type"
    assert "N-1" not in listed.text
    assert "Statistics" not in listed.text

    shown = (await ask(ground, "GET", f"/set-aside/{item['id']}")).json()
    assert record.value is not None
    assert shown["value"] == {"text": record.value.decode(), "base64": None}
    assert shown["key"]["text"] == str(learner)
    headers = {header["name"]: header["value"] for header in shown["headers"]}
    assert headers["ce_type"]["text"] == CompletionPublished.TYPE
    assert (headers["blob"], headers["nothing"]) == ({"text": None, "base64": "/wA="}, None)
    assert (await ask(ground, "GET", f"/set-aside/{item['id'] + 1000}")).status_code == 404


async def test_a_drop_says_what_waits_behind_and_stays_listed_with_who_and_why(next_version: Ground) -> None:
    ground, learner = next_version, somebody()
    await tell(ground, learner, somebody(), DRIFTS["missing field"])
    [head] = (await ask(ground, "GET", "/set-aside?first_only=true&state=waiting")).json()["items"]
    wanted = {"ids": [head["id"]], "because": "sent by mistake"}
    would = await ask(ground, "POST", "/set-aside:drop", json={**wanted, "dry_run": True})
    assert [(one["ids"], one["waiting"]) for one in would.json()["queues"]] == [([head["id"]], 2)]
    assert (await ask(ground, "GET", "/set-aside?state=dropped")).json()["items"] == []
    done = await ask(ground, "POST", "/set-aside:drop", json=wanted)
    assert [(one["ids"], one["waiting"]) for one in done.json()["queues"]] == [([head["id"]], 2)]
    [dropped] = (await ask(ground, "GET", "/set-aside?state=dropped")).json()["items"]
    assert (dropped["acted_by"], dropped["because"]) == ("somebody of None", "sent by mistake")
    assert dropped["acted_at"] == ground.clock.now.isoformat().replace("+00:00", "Z")
    assert await ground.decisions_on(learner) == []
    rest = await ask(ground, "POST", "/set-aside:replay", json={"filter": {"topic": head["topic"]}, "because": "go on"})
    assert [(one["applied"], one["waiting"]) for one in rest.json()["queues"]] == [(2, 0)]
    assert {one.completion_revision for one in await ground.decisions_on(learner)} == {1, 2}


async def test_the_list_goes_page_by_page_and_by_cause(next_version: Ground) -> None:
    ground = next_version
    await ground.set_up()
    learners = [somebody() for _ in range(5)]
    await ground.handle([drifted(ground, completion(learner), DRIFTS["changed type"]) for learner in learners])
    found: list[str] = []
    after = ""
    while True:
        page = (await ask(ground, "GET", f"/set-aside?limit=2&cause=bad_value{after}")).json()
        found += [item["queue"] for item in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert found == [f"learner:{learner}" for learner in learners]
    assert (await ask(ground, "GET", "/set-aside?cause=handler_error")).json()["items"] == []


@pytest.mark.parametrize(
    "wanted",
    [
        {"all": True},
        {"all": True, "because": "  "},
        {"because": "nothing chosen"},
        {"all": True, "ids": [1], "because": "two ways"},
        {"filter": {}, "because": "nothing stated"},
        {"ids": [], "because": "none"},
        {"ids": ["1"], "because": "a text"},
        {"all": False, "because": "not all"},
        {"all": True, "because": "with \u0000"},
        {"all": True, "because": "elsewhere", "after": "nonsense"},
    ],
)
async def test_what_is_not_clear_is_refused(next_version: Ground, wanted: dict[str, Any]) -> None:
    for what in ("replay", "drop"):
        answer = await ask(next_version, "POST", f"/set-aside:{what}", json=wanted)
        assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("role", ["publisher", "registry", "officer", "consortium", "learner"])
async def test_it_is_for_operations_alone(next_version: Ground, role: str) -> None:
    for method, path in (("GET", "/set-aside"), ("GET", "/set-aside/1"), ("POST", "/set-aside:drop")):
        assert (await ask(next_version, method, path, role, json={})).status_code == 403
