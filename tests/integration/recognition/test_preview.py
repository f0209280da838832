"""POST /preview: where would this count, for this learner or for anyone; by the same engine."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.integration.recognition.ground import Ground, agreement, award, completion, enrolment, member, somebody

pytestmark = pytest.mark.servers

TABLES = (
    "completion_revision", "enrolment_revision", "evaluation", "decision", "credit_grant", "ledger", "claim", "outbox",
)  # fmt: skip


async def asked(ground: Ground, *, by: str | None = None, role: str = "service", **question: Any) -> httpx.Response:
    body = {"learning_opportunity": {"id": "northbridge:stats"}, "mark": "58", **question}
    async with ground.caller(by, role) as client:
        return await client.post("/preview", json=body)


async def counted(ground: Ground, **question: Any) -> list[dict[str, Any]]:
    answer = await asked(ground, **question)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["would_count"]
    return found


async def rows(ground: Ground) -> list[int]:
    return [(await ground.rows(f"SELECT count(*) FROM {table}"))[0][0] for table in TABLES]  # noqa: S608 - of the test


async def two_receivers(ground: Ground) -> None:
    await ground.consume(member("ashford"))
    await ground.set_up(
        award(import_cap="30"),
        agreement(),
        award("ashford"),
        agreement("northbridge", "ashford", minimum_mark="60"),
        award("strathmore", import_cap="0") | {"id": "strathmore:small"},
    )


@pytest.mark.parametrize(
    ("changes", "stated"),
    [
        ({}, {}),
        ({"mark": Decimal(39)}, {"mark": "39"}),
        ({"mark": None}, {"mark": None}),
        ({"result": "pending", "mark": None}, {"result": "pending", "mark": None}),
        ({"completed_on": date(2019, 6, 30)}, {"completed_on": "2019-06-30"}),
        ({"workload_hours": Decimal(1)}, {"workload_hours": "1"}),
    ],
)
async def test_the_preview_is_what_is_decided_when_the_completion_is_published(
    ground: Ground, changes: dict[str, Any], stated: dict[str, Any]
) -> None:
    await ground.set_up(award(import_cap="30"), agreement(currency_years=5, hours_per_credit=["5", "20"]))
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner, "northbridge:ethics", credits=Decimal(15)))
    before = await rows(ground)
    question = {"learner_id": str(learner), "completed_on": "2026-06-30", "workload_hours": "200", **stated}
    [preview] = await counted(ground, **question)
    assert await rows(ground) == before
    published = {"claimable_from": ground.clock.now, "workload_hours": Decimal(200), **changes}
    await ground.consume(completion(learner, **published))
    later = (await ground.decisions_on(learner))[-1].model_dump(mode="json")
    for field in ("state", "grounds", "grade", "agreement", "enrolment_id", "enrolment_reference", "receiver"):
        assert preview[field] == later[field], field
    assert preview["lines"] == (later["grant"]["lines"] if later["grant"] else [])
    assert (preview["award"], preview["award_version"]) == (later["award"]["id"], later["award"]["version"])
    assert all(one["sentence"] in preview["explanation"] for one in later["grounds"])


async def test_for_anyone_it_names_every_award_with_an_agreement_the_best_first(ground: Ground) -> None:
    await two_receivers(ground)
    found = await counted(ground)
    assert [(one["award"], one["state"], one["enrolment_id"]) for one in found] == [
        ("strathmore:pgcert", "RECOGNISED", None),
        ("ashford:pgcert", "DECLINED", None),
        ("strathmore:small", "DECLINED", None),
    ]
    assert [ground["code"] for one in found for ground in one["grounds"]] == ["GRADE_BELOW_MIN", "CAP_REACHED"]
    assert found[0]["lines"] == [{"slot": "northbridge:stats", "credits": "20", "level": 5, "kind": "specific"}]
    assert [one["award"] for one in await counted(ground, receiver="ashford")] == ["ashford:pgcert"]
    assert [one["award"] for one in await counted(ground, award="strathmore:small")] == ["strathmore:small"]
    for role in ("publisher", "registry"):
        assert len(await counted(ground, by="northbridge", role=role)) == 3
    # Nobody has an agreement with this one.
    await ground.consume(member("westfield"))
    assert await counted(ground, receiver="westfield") == []


async def test_for_a_learner_it_names_enrolments_first(ground: Ground) -> None:
    await two_receivers(ground)
    learner = somebody()
    enrolled = enrolment(learner)
    await ground.consume(enrolled, completion(learner, "northbridge:law", mark=Decimal(39)))
    await ground.consume(completion(learner, "northbridge:ethics"))
    found = await counted(ground, learner_id=str(learner))
    assert [(one["award"], one["enrolment_reference"]) for one in found] == [
        ("strathmore:pgcert", enrolled.reference),
        ("ashford:pgcert", None),
        ("strathmore:small", None),
    ]
    assert [ground["code"] for ground in found[0]["grounds"]] == ["CAP_EXCEEDED"]


async def test_it_says_what_would_become_of_other_completions(ground: Ground) -> None:
    both = {"all": [{"course": "northbridge:stats"}, {"course": "northbridge:ethics"}]}
    rule = {"priority": 1, "requires": both, "grants": [{"slot": "CORE", "credits": "40"}]}
    await ground.set_up(award(), agreement(rules=[rule]))
    learner = somebody()
    waiting = completion(learner, "northbridge:ethics")
    await ground.consume(enrolment(learner), waiting)
    [one] = await counted(ground, learner_id=str(learner))
    assert one["state"] == "RECOGNISED"
    [besides] = one["besides"]
    assert (besides["completion_id"], besides["state"]) == (str(waiting.completion_id), "RECOGNISED")
    assert "recognised together with 1 other completion" in besides["explanation"]
    assert [decision.state for decision in await ground.decisions_on(learner)] == ["INCOMPLETE"]


async def test_a_completion_that_lies_ahead_is_judged_on_its_day(ground: Ground) -> None:
    await ground.set_up(award(), agreement(in_force_until="2026-12-31"))
    answer = (await asked(ground, completed_on="2027-01-31")).json()
    assert answer["assumed"]["claimed_on"] == "2027-01-31"
    [one] = answer["would_count"]
    assert [ground["code"] for ground in one["grounds"]] == ["AGREEMENT_NOT_IN_FORCE"]
    assert (await asked(ground)).json()["assumed"] == {
        "result": "pass", "mark": "58", "completed_on": "2026-09-02", "claimed_on": "2026-09-02",
    }  # fmt: skip


async def test_members_ask_about_those_enrolled_with_them_and_see_their_own_side(ground: Ground) -> None:
    await two_receivers(ground)
    learner = somebody()
    await ground.consume(enrolment(learner), enrolment(learner, "ashford"))
    at_strathmore = await counted(ground, by="strathmore", role="registry", learner_id=str(learner))
    assert {one["receiver"] for one in at_strathmore} == {"strathmore"}
    refused = await asked(ground, by="northbridge", role="registry", learner_id=str(learner))
    assert (refused.status_code, refused.json()["detail"]) == (
        404,
        "There is no such learner, or none who is enrolled with you.",
    )
    for role in ("learner", "officer", "operations"):
        assert (await asked(ground, by="strathmore", role=role, learner_id=str(learner))).status_code == 403


async def test_what_is_not_known_and_what_is_closed_is_said(ground: Ground) -> None:
    await ground.set_up()
    learner = somebody()
    await ground.consume(enrolment(learner, award="strathmore:unknown"))
    found = await counted(ground, learner_id=str(learner), award="strathmore:unknown")
    assert [(one["state"], one["waits_for"]) for one in found] == [(None, "award")]
    assert "strathmore has not published its award strathmore:unknown" in found[0]["explanation"]
    await ground.consume(enrolment(learner, revision=2, award="strathmore:unknown", closed_on=date(2026, 9, 1)))
    assert await counted(ground, learner_id=str(learner), award="strathmore:unknown") == []


@pytest.mark.parametrize(
    ("question", "status"),
    [
        ({"learning_opportunity": {"id": "northbridge:nothing"}}, 404),
        ({"learning_opportunity": {"id": "northbridge:stats", "version": 9}}, 404),
        ({"mark": 58.5}, 422),
        ({"completed_on": "30 June"}, 422),
        ({"unknown": 1}, 422),
        ({"learner_id": "nobody"}, 422),
    ],
)
async def test_a_question_that_cannot_be_answered_is_refused(
    ground: Ground, question: dict[str, Any], status: int
) -> None:
    await ground.set_up()
    assert (await asked(ground, **question)).status_code == status


async def test_a_learner_nobody_knows_is_as_anyone(ground: Ground) -> None:
    await ground.set_up()
    assert await counted(ground, learner_id=str(UUID(int=7))) == await counted(ground)
