"""Agreements and awards are published, and open claims find them by themselves (ADR 9)."""

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from chassis.batch import Batch
from chassis.database import Connection, in_transaction, transaction
from services.recognition.application import references
from services.recognition.application.catalogue import CatalogueReader
from services.recognition.application.standing import LEFT_OUT_FOR
from services.recognition.events import GROUP, Desk
from services.recognition.store import catalogue as store
from tests.eventually import eventually
from tests.integration.recognition.ground import (
    ACCEPTED,
    UTC_ZONE,
    Ground,
    agreement,
    award,
    completion,
    enrolment,
    member,
    opportunity,
    somebody,
    suspension,
)

pytestmark = pytest.mark.servers


async def states(ground: Ground, learner: Any) -> list[str]:
    """Number, state, ground codes and cause of a learner's decisions, in order."""
    return [
        " ".join([str(one.number), one.state, *(g.code for g in one.grounds), f"({one.cause.kind})"])
        for one in await ground.decisions_on(learner)
    ]


# Published once


async def test_a_version_is_published_once_and_never_changes(ground: Ground) -> None:
    await ground.consume(member("northbridge"), member("strathmore"))
    first = await ground.put(agreement())
    again = await ground.put(agreement())
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.content == again.content
    other = await ground.put(agreement(minimum_mark="50"))
    assert (other.status_code, other.headers["content-type"]) == (409, "application/problem+json")
    assert other.json()["stored"]["version"] == 1
    assert (await ground.put(agreement(version=3, minimum_mark="50"))).status_code == 201
    assert (await ground.put(agreement(version=2, minimum_mark="45"))).status_code == 409
    assert (await ground.put(agreement())).content == first.content, "whatever came later"
    assert await ground.rows("SELECT topic FROM outbox") == [("recognition.agreement",)] * 2


async def test_documents_are_read_by_everybody_with_a_token(ground: Ground) -> None:
    await ground.set_up()
    await ground.put(agreement(version=2, minimum_mark="50"))
    async with ground.caller("ashford", "learner") as anybody:
        newest = (await anybody.get("/agreements/northbridge-strathmore")).json()
        first = (await anybody.get("/agreements/northbridge-strathmore", params={"version": 1})).json()
        missing = await anybody.get("/agreements/northbridge-strathmore", params={"version": 7})
        listed = (await anybody.get("/agreements", params={"member": "strathmore"})).json()
        others = (await anybody.get("/agreements", params={"member": "ashford"})).json()
        awards = (await anybody.get("/awards")).json()
        one = (await anybody.get("/awards/strathmore:pgcert")).json()
    assert (newest["version"], newest["versions"], newest["document"]["minimum_mark"]) == (2, [2, 1], "50")
    assert (first["version"], first["state"], first["document"]["minimum_mark"]) == (1, "superseded", "40")
    assert missing.status_code == 404
    assert [item["version"] for item in listed["items"]] == [2]
    assert others == {"items": [], "next": None}
    assert [item["id"] for item in awards["items"]] == ["strathmore:pgcert"]
    assert one["document"]["slots"] == ["CORE"]


async def test_lists_are_read_page_by_page(ground: Ground) -> None:
    await ground.consume(member("northbridge"), *(member(f"college-{n}") for n in range(5)))
    for n in range(5):
        assert (await ground.put(agreement("northbridge", f"college-{n}"))).status_code == 201
    seen, after = [], None
    async with ground.caller(None, "consortium") as consortium:
        while True:
            params = {"limit": 2, **({"after": after} if after else {})}
            page = (await consortium.get("/agreements", params=params)).json()
            seen += [item["id"] for item in page["items"]]
            if (after := page["next"]) is None:
                break
    assert seen == [f"northbridge-college-{n}" for n in range(5)]


async def test_lint_and_strict_reading_refuse_a_document_and_say_where(ground: Ground) -> None:
    await ground.set_up()
    refused: list[tuple[Any, str]] = [
        (agreement(minimum_mrak="40"), "/minimum_mrak"),
        (agreement(credit_ratio=0.5), "/credit_ratio"),
        (agreement(credit_step="0"), "/credit_step"),
        (agreement(in_force_until="2020-01-01"), "/in_force_until"),
        (agreement(denied_courses=[{"course": "northbridge:law"}]), "/denied_courses/0/reason"),
        (agreement("northbridge", "nowhere"), "/parties/receiver"),
        (agreement(title="a\x00b"), "/title"),
        ({**agreement(), "id": "another", "version": 1}, "/parties"),
    ]
    async with ground.caller(None, "consortium") as consortium:
        for document, field in refused:
            answer = await consortium.put(f"/agreements/{document['id']}", json={**document, "version": 2})
            assert answer.status_code == 422, answer.text
            problem = answer.json()
            assert field in [error["field"] for error in problem["errors"]], problem["errors"]
            assert all(finding["rule"] and finding["message"] for finding in problem["findings"])
            assert problem["retryable"] is False
    assert len(await ground.rows("SELECT FROM agreement")) == 1


async def test_the_address_names_the_document(ground: Ground) -> None:
    await ground.set_up()
    async with ground.caller("strathmore", "registry") as registry:
        assert (await registry.put("/agreements/other", json=agreement(version=2))).status_code == 422
        assert (await registry.put("/awards/strathmore:other", json=award(version=2))).status_code == 422
        not_json = await registry.put(
            "/awards/strathmore:pgcert", content=b"id: x", headers={"Content-Type": "application/json"}
        )
        large = await registry.put("/awards/strathmore:pgcert", json=award(version=2, title="x" * 300_000))
    assert (not_json.status_code, large.status_code) == (422, 413)


async def test_who_may_publish_what(ground: Ground) -> None:
    await ground.consume(member("northbridge"), member("strathmore"))
    tries: list[tuple[str | None, list[str], str, Any, int]] = [
        ("ashford", ["registry"], "/agreements/northbridge-strathmore", agreement(), 403),
        ("northbridge", ["publisher"], "/agreements/northbridge-strathmore", agreement(), 403),
        ("northbridge", ["officer"], "/agreements/northbridge-strathmore", agreement(), 403),
        (None, ["registry"], "/agreements/northbridge-strathmore", agreement(), 403),
        ("northbridge", ["registry"], "/awards/strathmore:pgcert", award(), 403),
        ("northbridge", ["registry"], "/awards/northbridge:pgcert", {**award(), "id": "northbridge:pgcert"}, 422),
        ("strathmore", ["publisher"], "/awards/strathmore:pgcert", award(), 403),
        (None, ["consortium"], "/awards/strathmore:pgcert", award(), 403),
        ("strathmore", ["registry"], "/agreements/northbridge-strathmore", agreement(), 201),
        ("northbridge", ["registry"], "/agreements/northbridge-strathmore", agreement(version=2, title="2"), 201),
        (None, ["consortium"], "/agreements/northbridge-strathmore", agreement(version=3, title="3"), 201),
        ("strathmore", ["registry"], "/awards/strathmore:pgcert", award(), 201),
    ]
    for member_id, roles, path, document, status in tries:
        before = len(await ground.rows("SELECT FROM outbox"))
        if status == 201:
            await ground.approve(document)
        async with ground.caller(member_id, *roles) as caller:
            answer = await caller.put(path, json=document)
        assert answer.status_code == status, (member_id, roles, answer.text)
        assert len(await ground.rows("SELECT FROM outbox")) - before == (status == 201)


async def test_without_a_token_nothing_is_published_or_read(ground: Ground) -> None:
    await ground.set_up()
    async with ground.caller("strathmore", "registry") as caller:
        del caller.headers["authorization"]
        for path in ("/agreements", "/agreements/northbridge-strathmore", "/awards", "/decisions", "/waiting"):
            assert (await caller.get(path)).status_code == 401
        assert (await caller.put("/agreements/northbridge-strathmore", json=agreement())).status_code == 401


async def test_publications_are_serial_and_each_takes_the_next_number(ground: Ground) -> None:
    await ground.consume(member("northbridge"), *(member(f"college-{n}") for n in range(8)))
    [(before,)] = await ground.rows("SELECT number FROM catalogue")
    answers = await asyncio.gather(*(ground.put(agreement("northbridge", f"college-{n}")) for n in range(8)))
    assert [answer.status_code for answer in answers] == [201] * 8
    assert sorted(answer.json()["catalogue_number"] for answer in answers) == list(range(before + 1, before + 9))
    same = await asyncio.gather(*(ground.put(award("college-1")) for _ in range(8)))
    assert sorted(answer.status_code for answer in same) == [200] * 7 + [201]
    assert len({answer.content for answer in same}) == 1


# What waits, and what is found


async def test_a_claim_for_an_award_that_nobody_defined_waits_visibly_and_is_decided_when_it_is(ground: Ground) -> None:
    await ground.consume(member("northbridge"), member("strathmore"))
    await ground.put(agreement())
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner))
    assert await states(ground, learner) == []
    async with ground.caller(None, "operations") as operations:
        waiting = (await operations.get("/waiting")).json()
    group = waiting["groups"][0]
    assert (waiting["claims"], waiting["to_be_looked_at"], len(waiting["groups"])) == (1, 0, 1)
    assert (group["receiver"], group["award"], group["provider"]) == ("strathmore", "strathmore:pgcert", "northbridge")
    assert (group["waits_for"], group["claims"]) == ("award", 1)
    assert await ground.look_again() == 0
    published = await ground.put(award())
    async with ground.caller("strathmore", "registry") as registry:
        assert (await registry.get("/waiting")).json()["to_be_looked_at"] == 1
    assert await ground.look_again() == 1
    assert await states(ground, learner) == ["1 RECOGNISED (award)"]
    [decision] = await ground.decisions_on(learner)
    [(caused_by, event_id)] = await ground.rows(
        "SELECT caused_by, (SELECT event_id FROM outbox WHERE topic = 'recognition.award') FROM outbox"
        " WHERE topic = 'recognition.decision'"
    )
    assert caused_by == event_id == decision.cause.event_id
    assert published.status_code == 201
    async with ground.caller("strathmore", "registry") as registry:
        assert (await registry.get("/waiting")).json() == {"claims": 0, "groups": [], "to_be_looked_at": 0}
    assert await ground.look_again() == 0


@pytest.mark.parametrize("unknown", ["northbridge", "strathmore"])
async def test_a_claim_waits_for_a_member_and_is_decided_when_it_is_entered(ground: Ground, unknown: str) -> None:
    learner = somebody()
    await ground.consume(*(member(one) for one in ("northbridge", "strathmore") if one != unknown))
    await ground.consume(enrolment(learner), completion(learner))
    [(waits_for,)] = await ground.rows("SELECT waits_for FROM claim")
    assert waits_for == "award"
    # Award and agreement are there before the members concerned: only their own registry is to know of that.
    async with transaction(ground.pool) as connection:
        await _publish_unlinted(connection, award())
        await _publish_unlinted(connection, agreement())
    await ground.look_again()
    [(waits_for,)] = await ground.rows("SELECT waits_for FROM claim")
    assert waits_for == ("provider" if unknown == "northbridge" else "receiver")
    await ground.consume(member(unknown))
    assert await ground.look_again() == 1
    assert await states(ground, learner) == ["1 RECOGNISED (member)"]


async def _publish_unlinted(connection: Connection, document: Any) -> None:
    number = await store.take_number(connection)
    kind = "agreement" if "parties" in document else "award"
    published = store.Published(document["id"], document["version"], document, "0" * 64, number, ACCEPTED, "the tests")
    if kind == "award":
        await store.add_award(connection, published, document["member"])
        await store.concern_award(connection, document["id"], number, (somebody(), None))
    else:
        await store.add_agreement(connection, published, list(document["parties"].values()))
        await store.concern_directions(connection, [("northbridge", "strathmore")], number, (somebody(), None))


async def test_a_new_agreement_finds_the_claims_in_its_direction_and_no_others(ground: Ground) -> None:
    await ground.consume(*(member(one) for one in ("northbridge", "strathmore", "ashford")))
    for one in ("strathmore", "ashford"):
        assert (await ground.put(award(one))).status_code == 201
    learner, other = somebody(), somebody()
    await ground.consume(enrolment(learner), completion(learner), enrolment(other, "ashford"), completion(other))
    assert await states(ground, learner) == ["1 REFERRED NO_AGREEMENT (completion)"]
    await ground.put(agreement())
    assert await ground.look_again() == 1
    assert await states(ground, learner) == ["1 REFERRED NO_AGREEMENT (completion)", "2 RECOGNISED (agreement)"]
    assert await states(ground, other) == ["1 REFERRED NO_AGREEMENT (completion)"]


async def test_a_multilateral_agreement_finds_claims_in_every_direction(ground: Ground) -> None:
    members = ["northbridge", "strathmore", "ashford"]
    await ground.consume(*(member(one) for one in members))
    for one in members:
        assert (await ground.put(award(one))).status_code == 201
    learner = somebody()
    await ground.consume(completion(learner), completion(learner, "ashford:law"), enrolment(learner))
    await ground.consume(enrolment(learner, "northbridge"))
    units = {"FHEQ": "1", "SCQF": "1", "EQF": "2", "NFQ": "2"}
    multilateral = {**agreement(), "id": "all", "parties": {"members": members}, "credit_units": units}
    del multilateral["credit_ratio"], multilateral["minimum_mark"]
    assert (await ground.put(multilateral)).status_code == 201
    assert await ground.look_again() == 2
    recognised = [one for one in await ground.decisions_on(learner) if one.state == "RECOGNISED"]
    assert sorted((one.provider, one.receiver) for one in recognised) == [
        ("ashford", "northbridge"),
        ("ashford", "strathmore"),
        ("northbridge", "strathmore"),
    ]


async def test_a_suspension_that_ends_finds_what_was_referred_for_it(ground: Ground) -> None:
    await ground.set_up()
    learner = somebody()
    await ground.consume(member("northbridge", 2, suspensions=[suspension(date(2026, 8, 1))]))
    await ground.consume(enrolment(learner), completion(learner))
    assert await states(ground, learner) == ["1 REFERRED MEMBER_SUSPENDED (completion)"]
    ended = [suspension(date(2026, 8, 1), date(2026, 8, 31))]
    await ground.consume(member("northbridge", 3, suspensions=ended, name="Northbridge renamed"))
    assert await ground.look_again() == 1
    assert (await states(ground, learner))[1:] == ["2 RECOGNISED (member)"]
    # A change that decisions do not depend on takes no number.
    numbers = await ground.rows("SELECT number FROM catalogue")
    await ground.consume(member("northbridge", 4, suspensions=ended, name="Northbridge once more"))
    assert await ground.rows("SELECT number FROM catalogue") == numbers


async def test_a_wider_cap_finds_what_stood_under_the_narrower_one(ground: Ground) -> None:
    await ground.set_up(award(import_cap="20"), agreement())
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner))
    await ground.consume(completion(learner, "northbridge:ethics"))
    assert (await states(ground, learner))[1:] == ["1 DECLINED CAP_REACHED (completion)"]
    await ground.put(award(version=2, import_cap="40"))
    assert await ground.look_again() == 1
    assert (await states(ground, learner))[2:] == ["2 RECOGNISED (award)"]
    assert await ground.look_again() == 0


async def test_what_was_decided_on_an_older_catalogue_and_committed_later_is_found(ground: Ground) -> None:
    """The batch reads the catalogue, an agreement is published and looked for, and only then the batch commits."""
    await ground.consume(member("northbridge"), member("strathmore"))
    await ground.put(award())
    learner = somebody()
    has_read, may_go_on = asyncio.Event(), asyncio.Event()

    class Slow(Desk):
        async def write(self, connection: Connection, works: Any) -> None:
            has_read.set()
            await may_go_on.wait()
            await super().write(connection, works)

    slow = Slow(CatalogueReader(), zone=UTC_ZONE, clock=ground.clock)
    records = ground.log(enrolment(learner), completion(learner))

    async def batch(connection: Connection) -> None:
        await Batch(slow, records, ground.clock(), group=GROUP, failures_before=0).handle(connection)

    under_way = asyncio.create_task(in_transaction(ground.pool, batch))
    await has_read.wait()
    assert (await ground.put(agreement())).status_code == 201
    assert await ground.look_again() == 0
    may_go_on.set()
    await under_way
    assert await states(ground, learner) == ["1 REFERRED NO_AGREEMENT (completion)"]
    assert await ground.look_again() == 1
    assert (await states(ground, learner))[1:] == ["2 RECOGNISED (agreement)"]


async def test_what_a_transaction_read_of_its_own_change_is_forgotten_with_it(ground: Ground) -> None:
    await ground.set_up()
    reader = ground.catalogues

    async with ground.pool.acquire() as connection:
        undone = connection.transaction()
        await undone.start()
        changed = member("ashford")
        await references.keep(connection, [(changed, (changed.event_id, None))])
        assert "ashford" in (await reader.read(connection)).members
        await undone.rollback()
    await ground.put(award(version=2))
    async with transaction(ground.pool) as connection:
        catalogue = await reader.read(connection)
    assert "ashford" not in catalogue.members
    newest = catalogue.award("strathmore:pgcert")
    assert newest is not None
    assert newest.version == 2


async def test_an_unchanged_catalogue_is_not_read_again(ground: Ground) -> None:
    await ground.set_up()
    async with transaction(ground.pool) as connection:
        first = await ground.catalogues.read(connection)
        assert await ground.catalogues.read(connection) is first


async def test_a_learner_whose_claims_cannot_be_looked_at_again_holds_up_nobody(ground: Ground) -> None:
    await ground.consume(member("northbridge"), member("strathmore"))
    await ground.put(award())
    broken, sound = somebody(), somebody()
    for learner in (broken, sound):
        await ground.consume(enrolment(learner), completion(learner))
    # A claim for an enrolment that is not there stands for any fault that belongs to one learner.
    async with ground.pool.acquire() as connection:
        await connection.execute("UPDATE claim SET enrolment_id = $2 WHERE learner_id = $1", broken, somebody())
    await ground.put(agreement())
    task = asyncio.create_task(ground.standing.run())
    try:

        async def decided() -> bool:
            return len(await states(ground, sound)) == 2

        await eventually(decided)
        await ground.consume(enrolment(broken, reference="another"))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await states(ground, sound) == ["1 REFERRED NO_AGREEMENT (completion)", "2 RECOGNISED (agreement)"]


async def test_who_was_left_out_is_tried_again_after_a_while(ground: Ground) -> None:
    await ground.consume(member("northbridge"), member("strathmore"))
    await ground.put(award())
    learner, other = somebody(), somebody()
    for one in (learner, other):
        await ground.consume(enrolment(one), completion(one))
    [(sound,)] = await ground.rows("SELECT enrolment_id FROM claim WHERE learner_id = $1", learner)
    async with ground.pool.acquire() as connection:
        broken = "UPDATE claim SET enrolment_id = $2 WHERE learner_id = $1"
        await connection.execute(broken, learner, somebody())
        await ground.put(agreement())
        task = asyncio.create_task(ground.standing.run())
        try:
            await eventually(lambda: _has(ground, other, 2))
            await eventually(lambda: learner in ground.standing._left_out)
            await connection.execute(broken, learner, sound)
            ground.clock.now += timedelta(seconds=LEFT_OUT_FOR)
            await eventually(lambda: _has(ground, learner, 2))
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert await states(ground, learner) == ["1 REFERRED NO_AGREEMENT (completion)", "2 RECOGNISED (agreement)"]


async def _has(ground: Ground, learner: UUID, decisions: int) -> bool:
    return len(await states(ground, learner)) == decisions


async def test_a_late_agreement_that_covers_since_reaches_back(ground: Ground) -> None:
    await ground.consume(member("northbridge"), member("strathmore"), opportunity("northbridge:stats"))
    await ground.put(award())
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner))
    await ground.put(agreement(in_force_from="2026-10-01"))
    await ground.look_again()
    await ground.put(agreement(version=2, in_force_from="2026-10-01", covers_since="2026-09-01"))
    await ground.look_again()
    assert await states(ground, learner) == [
        "1 REFERRED NO_AGREEMENT (completion)",
        "2 REFERRED AGREEMENT_NOT_IN_FORCE (agreement)",
        "3 RECOGNISED (agreement)",
    ]
    assert await ground.balance(learner) == Decimal(20)
