"""GET /agreements/gaps: what to agree next, with the learners and the credit that wait for it."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.integration.recognition.ground import (
    Ground,
    agreement,
    completion,
    enrolment,
    member,
    opportunity,
    somebody,
)

pytestmark = pytest.mark.servers


async def gaps(ground: Ground, by: str | None = "strathmore", role: str = "registry", **query: Any) -> dict[str, Any]:
    async with ground.caller(by, role) as client:
        answer = await client.get("/agreements/gaps", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def summary(found: dict[str, Any]) -> list[str]:
    return [
        f"{one['provider']}>{one['receiver']} {one['learning_opportunity']} {one['code']} {one['learners']}"
        f" {one['claims']} {one['credits']} {one['framework']}"
        for one in found["items"]
    ]


async def some_gaps(ground: Ground) -> None:
    """northbridge has an agreement without a rule for law; westfield has none."""
    await ground.consume(
        member("westfield", framework="EQF"), opportunity("westfield:law", framework="EQF", title="Law, abroad")
    )
    rule = {"priority": 1, "requires": {"course": "northbridge:stats"}, "grants": None}
    await ground.set_up()
    assert (await ground.put(agreement(version=2, rules=[rule]))).status_code == 201
    for mark in (Decimal(58), Decimal(39)):
        learner = somebody()
        await ground.consume(enrolment(learner))
        # What is recognised, and what is declined for its mark or result, is no gap.
        await ground.consume(
            completion(learner, mark=mark), completion(learner, result="fail", reference=f"{learner}: again")
        )
        await ground.consume(completion(learner, "northbridge:law"))
    await ground.consume(completion(learner, "westfield:law", framework="EQF", credits=Decimal("10.5")))
    await ground.consume(completion(learner, "westfield:law", framework="EQF", reference="second", credits=Decimal(10)))


async def test_gaps_are_told_by_partner_and_course_where_most_credit_waits_first(ground: Ground) -> None:
    await some_gaps(ground)
    found = await gaps(ground)
    assert summary(found) == [
        # Twenty and a half ECTS are worth more than forty UK credits.
        "westfield>strathmore westfield:law NO_AGREEMENT 1 2 20.5 EQF",
        "northbridge>strathmore northbridge:law NO_RULE 2 2 40 FHEQ",
    ]
    assert found["is_whole"]
    westfield, northbridge = found["items"]
    assert (westfield["title"], westfield["agreement"]) == ("Law, abroad", None)
    assert northbridge["agreement"] == "northbridge-strathmore"
    assert northbridge["sentence"].startswith(
        "The agreement has a rule for other courses, and none names northbridge:law"
    )
    assert northbridge["oldest"] == "2026-09-02T12:00:00Z"
    some = await gaps(ground, limit=1)
    assert (summary(some), some["is_whole"]) == (summary(found)[:1], False)


async def test_a_provider_sees_what_of_its_credit_waits_elsewhere_and_the_consortium_all(ground: Ground) -> None:
    await some_gaps(ground)
    assert summary(await gaps(ground, "westfield", **{"as": "provider"})) == [
        "westfield>strathmore westfield:law NO_AGREEMENT 1 2 20.5 EQF"
    ]
    assert summary(await gaps(ground, "westfield")) == []
    assert len((await gaps(ground, None, "consortium"))["items"]) == 2
    async with ground.caller("strathmore", "publisher") as client:
        assert (await client.get("/agreements/gaps")).status_code == 403


async def test_what_is_agreed_then_waits_no_more(ground: Ground) -> None:
    await some_gaps(ground)
    assert (await ground.put(agreement(version=3))).status_code == 201
    await ground.look_again()
    assert summary(await gaps(ground)) == ["westfield>strathmore westfield:law NO_AGREEMENT 1 2 20.5 EQF"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"level": None}, "LEVEL_MISSING"),
        ({"framework": "EQF", "level": 5}, "LEVEL_AMBIGUOUS"),
    ],
)
async def test_levels_that_nobody_agreed_on_are_gaps(ground: Ground, changes: dict[str, Any], code: str) -> None:
    await ground.set_up()
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner, **changes))
    assert [one["code"] for one in (await gaps(ground))["items"]] == [code]


async def test_nothing_waits_at_an_enrolment_that_is_closed(ground: Ground) -> None:
    await some_gaps(ground)
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner, "northbridge:law"))
    assert "northbridge>strathmore northbridge:law NO_RULE 3 3 60 FHEQ" in summary(await gaps(ground))
    await ground.consume(enrolment(learner, revision=2, closed_on=date(2026, 9, 2)))
    assert "northbridge>strathmore northbridge:law NO_RULE 2 2 40 FHEQ" in summary(await gaps(ground))


async def test_an_agreement_may_not_be_taken_for_the_gaps(ground: Ground) -> None:
    await ground.set_up()
    async with ground.caller("strathmore", "registry") as client:
        assert (await client.get("/agreements/northbridge-strathmore")).json()["version"] == 1
        assert "items" in (await client.get("/agreements/gaps")).json()
