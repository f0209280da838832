"""Had this version been in force: what would have changed, without changing anything."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from contracts.ids import completion_id, enrolment_id
from services.recognition.application import backtesting
from services.recognition.store import backtest as store
from tests.integration.recognition.ground import (
    Ground,
    agreement,
    award,
    completion,
    enrolment,
    member,
    somebody,
)

pytestmark = pytest.mark.servers

AGREEMENT = "/agreements/northbridge-strathmore"
NEW = {"If-None-Match": "*"}


async def backtest(ground: Ground, document: Any, by: str | None = "strathmore", **wanted: Any) -> dict[str, Any]:
    """Draft a document and test it as the registry of a party."""
    path = f"/agreements/{document['id']}/drafts/{document['version']}"
    async with ground.caller(by, "registry" if by else "consortium") as caller:
        drafted = await caller.put(path, json=document, headers=NEW)
        assert drafted.status_code in (200, 201), drafted.text
        answer = await caller.post(f"{path}/backtest", json=wanted)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["document_hash"] == drafted.json()["document_hash"]
    return found


async def everything(ground: Ground) -> dict[str, tuple[Any, ...]]:
    """Every row of every table of the service, as a count and a hash, but the draft that is tested."""
    tables = await ground.rows(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        " AND relname <> 'document_draft' AND has_table_privilege(oid, 'SELECT')"
    )
    assert {("decision",), ("ledger",), ("claim",), ("outbox",), ("evaluation",)} <= set(tables)
    seen = {}
    for (table,) in tables:
        statement = f"SELECT count(*), md5(coalesce(string_agg(one::text, chr(10) ORDER BY one::text), '')) FROM \"{table}\" AS one"  # noqa: E501, S608
        [seen[table]] = await ground.rows(statement)
    return seen


async def test_what_would_have_changed_and_why(ground: Ground) -> None:
    await ground.set_up()
    better, worse = somebody(), somebody()
    await ground.consume(enrolment(better), completion(better, mark=Decimal("58.5")))
    await ground.consume(
        enrolment(worse),
        completion(worse, mark=Decimal("41")),
        completion(worse, "northbridge:law", mark=Decimal("39")),
    )
    before = await everything(ground)
    stricter = await backtest(ground, agreement(version=2, minimum_mark="50"))
    assert (stricter["learners"], stricter["claims"], stricter["changed"], stricter["failed"]) == (2, 3, 1, 0)
    assert stricter["states"] == [{"before": "RECOGNISED", "after": "DECLINED", "claims": 1}]
    assert (stricter["credits_gained"], stricter["credits_lost"], stricter["next"]) == ("0", "20", None)
    [change] = stricter["changes"]
    assert change["completion_reference"] == f"{worse}/northbridge:stats"
    assert change["enrolment_reference"] == f"{worse}/strathmore"
    assert (change["before"]["state"], change["before"]["credits"], change["after"]["credits"]) == (
        "RECOGNISED",
        "20",
        "0",
    )
    [reason] = change["after"]["grounds"]
    assert (reason["code"], reason["document"], reason["version"], reason["clause"]) == (
        "GRADE_BELOW_MIN",
        "northbridge-strathmore",
        2,
        "/minimum_mark",
    )
    assert "50" in reason["sentence"]
    looser = await backtest(ground, agreement(version=3, minimum_mark="30"), by=None)
    assert looser["states"] == [{"before": "DECLINED", "after": "RECOGNISED", "claims": 1}]
    assert (looser["credits_gained"], looser["credits_lost"]) == ("20", "0")
    assert await everything(ground) == before
    same = await backtest(ground, agreement(version=4))
    assert (same["claims"], same["changed"], same["changes"]) == (3, 0, [])


async def test_it_foretells_what_its_publication_does(ground: Ground) -> None:
    """The first agreement in a direction: what was referred for want of one is decided as the backtest said."""
    await ground.consume(member("northbridge"), member("strathmore"))
    await ground.put(award(import_cap="30"))
    learner = somebody()
    courses = [completion(learner, f"northbridge:{course}") for course in ("stats", "ethics", "law")]
    await ground.consume(enrolment(learner), *courses)
    foretold = await backtest(ground, agreement())
    await ground.put(agreement())
    await ground.look_again()
    made = {str(one.completion_id): one for one in await ground.decisions_on(learner) if one.number > 1}
    assert {one["completion_id"] for one in foretold["changes"]} == set(made)
    assert made
    for change in foretold["changes"]:
        decided = made[change["completion_id"]]
        assert change["after"]["state"] == decided.state
        assert [one["code"] for one in change["after"]["grounds"]] == [one.code for one in decided.grounds]


async def test_dates_of_the_draft_do_not_count_and_those_asked_for_do(ground: Ground) -> None:
    await ground.set_up()
    learner = somebody()
    old = completion(learner, mark=Decimal("45"), completed_on=date(2026, 1, 31))
    await ground.consume(enrolment(learner), old, completion(learner, "northbridge:law", mark=Decimal("45")))
    later = agreement(version=2, minimum_mark="50", in_force_from="2027-01-01")
    assert (await backtest(ground, later))["changed"] == 2
    since = await backtest(ground, later, completed_since="2026-02-01")
    assert [one["completion_id"] for one in since["changes"]] == [
        str(completion_id("northbridge", f"{learner}/northbridge:law"))
    ]
    until = await backtest(ground, later, completed_until="2026-01-31")
    assert [one["completion_id"] for one in until["changes"]] == [str(old.completion_id)]
    assert (until["claims"], until["states"]) == (1, [{"before": "RECOGNISED", "after": "DECLINED", "claims": 1}])


async def test_what_nobody_has_decided_yet_and_a_closed_enrolment_are_tested_too(ground: Ground) -> None:
    await ground.set_up()
    closed = somebody()
    await ground.consume(enrolment(closed), completion(closed, mark=Decimal("45")))
    await ground.consume(enrolment(closed, revision=2, closed_on=date(2026, 9, 2)))
    # The standing query has not come by: a claim that waits is undecided.
    waits = somebody()
    await ground.consume(member("ashford"), enrolment(waits, "ashford"), completion(waits))
    await ground.put(award("ashford"))
    stricter = await backtest(ground, agreement(version=2, minimum_mark="50"))
    assert [one["enrolment_id"] for one in stricter["changes"]] == [
        str(enrolment_id("strathmore", f"{closed}/strathmore"))
    ]
    first = await backtest(ground, agreement("northbridge", "ashford"), by="ashford")
    assert first["states"] == [{"before": "UNDECIDED", "after": "RECOGNISED", "claims": 1}]


async def test_a_backtest_is_read_page_by_page(ground: Ground) -> None:
    await ground.set_up()
    learners = [somebody() for _ in range(5)]
    for learner in learners:
        await ground.consume(enrolment(learner), completion(learner), completion(learner, "northbridge:law"))
    stricter = agreement(version=2, minimum_mark="60")
    pages = [await backtest(ground, stricter, limit=3)]
    while (after := pages[-1]["next"]) is not None:
        pages.append(await backtest(ground, stricter, limit=5, after=after))
    assert [page["learners"] for page in pages] == [1, 2, 2]
    changed = [UUID(one["enrolment_id"]) for page in pages for one in page["changes"]]
    assert sorted(changed) == sorted(enrolment_id("strathmore", f"{one}/strathmore") for one in learners * 2)
    async with ground.pool.acquire() as connection:
        nobody = await store.learners(connection, [("strathmore", "northbridge")], after=UUID(int=0), completions=10)
    assert nobody == ([], False)


async def test_where_time_runs_out_a_page_is_shorter(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtesting, "SECONDS", -1)
    monkeypatch.setattr(backtesting, "AT_A_TIME", 2)
    await ground.set_up()
    for _ in range(5):
        learner = somebody()
        await ground.consume(enrolment(learner), completion(learner))
    stricter = agreement(version=2, minimum_mark="60")
    pages = [await backtest(ground, stricter)]
    while (after := pages[-1]["next"]) is not None:
        pages.append(await backtest(ground, stricter, after=after))
    assert [(page["learners"], page["changed"]) for page in pages] == [(2, 2), (2, 2), (1, 1)]


async def test_a_backtest_is_for_those_whose_draft_it_is(ground: Ground) -> None:
    await ground.set_up()
    path = f"{AGREEMENT}/drafts/1/backtest"
    for by, role, status in (
        ("ashford", "registry", 404),
        ("northbridge", "officer", 403),
        ("northbridge", "registry", 200),
    ):
        async with ground.caller(by, role) as caller:
            assert (await caller.post(path, json={})).status_code == status
    async with ground.caller("northbridge", "registry") as caller:
        for wanted in ({"limit": 0}, {"limit": 1001}, {"after": "x"}, {"completed_since": "soon"}):
            assert (await caller.post(path, json=wanted)).status_code == 422
        assert (await caller.post(f"{AGREEMENT}/drafts/9/backtest", json={})).status_code == 404
