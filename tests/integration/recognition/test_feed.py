"""Decisions as members read them: each once, none left out, and only those that concern them."""

import asyncio
from typing import Any

import httpx
import pytest

from chassis.batch import Batch
from chassis.database import Connection, in_transaction
from chassis.identity import walk
from services.recognition.events import GROUP, Desk
from tests.eventually import eventually
from tests.integration.recognition.ground import (
    UTC_ZONE,
    Ground,
    agreement,
    award,
    completion,
    enrolment,
    member,
    somebody,
)

pytestmark = pytest.mark.servers


async def read_on(caller: httpx.AsyncClient, after: str | None, **how: Any) -> tuple[list[str], str | None]:
    """What follows a place in the feed, as `completion reference/number`, and where to go on."""
    params = {**how, **({"after": after} if after else {})}
    answer = await caller.get("/decisions", params=params)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    return [f"{one['completion_reference']}/{one['number']}" for one in page["items"]], page["next"]


async def read_until(
    caller: httpx.AsyncClient, count: int, after: str | None = None, **how: Any
) -> tuple[list[str], str | None]:
    """The next `count` decisions. The feed waits for transactions on this server, of other tests too."""
    found: list[str] = []

    async def there() -> bool:
        nonlocal after
        more, after = await read_on(caller, after, **how)
        found.extend(more)
        return len(found) >= count

    await eventually(there)
    return found, after


async def test_the_feed_is_read_on_from_where_one_stopped(ground: Ground) -> None:
    await ground.set_up()
    learner = somebody()
    async with ground.caller("strathmore", "publisher") as receiver:
        assert await read_on(receiver, None) == ([], None)
        await ground.consume(
            enrolment(learner), *(completion(learner, f"northbridge:c{n}", reference=f"c{n}") for n in range(5))
        )
        first, after = await read_until(receiver, 2, limit=2)
        second, after = await read_on(receiver, after, limit=2)
        third, after = await read_on(receiver, after, limit=2)
        assert first + second + third == [f"c{n}/1" for n in range(5)]
        assert await read_on(receiver, after) == ([], after)
        await ground.consume(completion(learner, "northbridge:c3", 2, reference="c3"))
        assert (await read_until(receiver, 1, after))[0] == ["c3/2"]
        whole, _ = await read_on(receiver, None, limit=1000)
    assert whole == [*(f"c{n}/1" for n in range(5)), "c3/2"]


async def test_a_decision_committed_after_later_ones_were_read_is_not_missed(ground: Ground) -> None:
    """A transaction takes its rows' numbers, stays open, others commit and are read; then it commits."""
    await ground.set_up()
    slow_learner, quick_learner = somebody(), somebody()
    await ground.consume(enrolment(slow_learner, "strathmore"), enrolment(quick_learner, "strathmore"))
    has_written, may_commit = asyncio.Event(), asyncio.Event()

    class Slow(Desk):
        async def write(self, connection: Connection, works: Any) -> None:
            await super().write(connection, works)
            has_written.set()
            await may_commit.wait()

    slow = Slow(ground.catalogues, zone=UTC_ZONE, clock=ground.clock)
    record, *_ = ground.log(completion(slow_learner, reference="slow"))
    record.partition = 1
    record.offset = 0
    ground.offsets[record.topic] = 0

    async def batch(connection: Connection) -> None:
        await Batch(slow, [record], ground.clock(), group=GROUP, failures_before=0).handle(connection)

    under_way = asyncio.create_task(in_transaction(ground.pool, batch))
    await has_written.wait()
    await ground.consume(completion(quick_learner, reference="quick"))
    assert len(await ground.rows("SELECT FROM decision")) == 1, "the quick one is committed"
    async with ground.caller("strathmore", "publisher") as receiver:
        early, after = await read_on(receiver, None)
        may_commit.set()
        await under_way
        late, after = await read_until(receiver, 2, after)
        assert await read_on(receiver, after) == ([], after)
    assert (early, late) == ([], ["slow/1", "quick/1"])


async def test_the_feed_is_followed_from_now_on_and_what_is_under_way_is_not_missed(ground: Ground) -> None:
    await ground.set_up()
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner, reference="old"))
    async with ground.caller("strathmore", "publisher") as receiver:
        await read_until(receiver, 1)
        async with ground.pool.acquire() as connection, connection.transaction():
            # A transaction that took its id before, and commits after.
            await ground.handle_on(connection, completion(learner, "northbridge:ethics", reference="under way"))
            none, after = await read_on(receiver, None, **{"from": "now"})
        await ground.consume(completion(learner, "northbridge:law", reference="new"))
        assert none == []
        assert (await read_until(receiver, 2, after))[0] == ["under way/1", "new/1"]
        # Where one stopped goes before where one would begin.
        assert (await read_on(receiver, after, **{"from": "now"}))[0] == ["under way/1", "new/1"]


async def test_members_see_what_concerns_them_as_provider_or_as_receiver(ground: Ground) -> None:
    members = ["northbridge", "strathmore", "ashford"]
    await ground.consume(*(member(one) for one in members))
    for document in (award("strathmore"), award("northbridge"), agreement(), agreement("strathmore", "northbridge")):
        assert (await ground.put(document)).status_code == 201
    one, two = somebody(), somebody()
    await ground.consume(enrolment(one), completion(one, reference="out"))
    await ground.consume(enrolment(two, "northbridge"), completion(two, "strathmore:law", reference="in"))
    async with ground.caller("strathmore", "officer") as officer:
        await read_until(officer, 2)
    seen = {}
    for member_id in members:
        async with ground.caller(member_id, "officer") as officer:
            for side in ("provider", "receiver", "both"):
                seen[member_id, side], _ = await read_on(officer, None, **{"as": side})
    assert seen == {
        ("northbridge", "provider"): ["out/1"],
        ("northbridge", "receiver"): ["in/1"],
        ("northbridge", "both"): ["out/1", "in/1"],
        ("strathmore", "provider"): ["in/1"],
        ("strathmore", "receiver"): ["out/1"],
        ("strathmore", "both"): ["out/1", "in/1"],
        ("ashford", "provider"): [],
        ("ashford", "receiver"): [],
        ("ashford", "both"): [],
    }


async def test_a_decision_is_shown_whole_to_whom_it_concerns(ground: Ground) -> None:
    await ground.set_up()
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner, result="fail"))
    await ground.consume(completion(learner, revision=2))
    first, second = await ground.decisions_on(learner)
    address = f"/decisions/{first.decision_id}"
    for who in (("northbridge", "publisher"), ("strathmore", "officer"), (None, "operations"), (None, "consortium")):
        async with ground.caller(*who) as caller:
            answer = await caller.get(address)
        assert answer.status_code == 200
        shown = answer.json()
        assert shown["grounds"][0]["code"] == "NOT_PASSED"
        assert shown["grounds"][0]["sentence"]
        assert shown["current_decision_id"] == str(second.decision_id)
        assert shown["appeals"] == {"route": "Write to the registrar", "days": 20, "stages": ["Registrar"]}
        assert {name: shown[name] for name in first.model_dump()} == first.model_dump(mode="json")
    async with ground.caller("ashford", "officer") as stranger:
        assert (await stranger.get(address)).status_code == 404
        assert (await stranger.get("/decisions/00000000-0000-4000-8000-000000000000")).status_code == 404
        assert (await stranger.get("/decisions/no-uuid")).status_code == 422


async def test_who_may_not_read_decisions(ground: Ground) -> None:
    for member_id, role, path in [
        ("strathmore", "learner", "/decisions"),
        (None, "publisher", "/decisions"),
        (None, "operations", "/decisions"),
        ("strathmore", "learner", "/decisions/00000000-0000-4000-8000-000000000000"),
        ("strathmore", "publisher", "/waiting"),
        ("strathmore", "learner", "/waiting"),
        (None, "registry", "/waiting"),
    ]:
        async with ground.caller(member_id, role) as caller:
            answer = await caller.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json"), path


async def test_a_bad_question_is_refused(ground: Ground) -> None:
    async with ground.caller("strathmore", "publisher") as caller:
        for query in ("after=nonsense", "after=WyJhIiwxXQ", "limit=0", "limit=1001", "as=owner", "from=yesterday"):
            assert (await caller.get(f"/decisions?{query}")).status_code == 422, query


async def test_a_registry_sees_what_waits_at_its_own_member_only(ground: Ground) -> None:
    await ground.consume(*(member(one) for one in ("northbridge", "strathmore", "ashford")))
    one, two = somebody(), somebody()
    await ground.consume(enrolment(one), completion(one), enrolment(two, "ashford"), completion(two))
    async with ground.caller("ashford", "registry") as registry:
        shown = (await registry.get("/waiting")).json()
    assert (shown["claims"], [group["receiver"] for group in shown["groups"]]) == (1, ["ashford"])


async def test_every_route_says_who_may_call_it(ground: Ground) -> None:
    routes = list(walk(ground.app))
    assert len(routes) > 10
    assert all(access is not None for _, _, access in routes)
