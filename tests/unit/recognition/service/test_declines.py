"""A decline without grounds, without a clause, or without a way to appeal cannot be built, whoever declines."""

from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import pytest

from services.recognition.application.recognise import decision_made
from services.recognition.domain.catalogue import Catalogue
from services.recognition.domain.declines import AppealRoute, Decline, NoDecline
from services.recognition.domain.learner import Cause, Made
from services.recognition.engine.model import Ground, State
from tests.unit.recognition.service.ground import Story, agreement, award, catalogue, completion, enrolment, member

ROUTE = AppealRoute("Write to the registrar", 20, ("Registrar", "Senate"))
GROUND = Ground("NOT_PASSED", State.DECLINED, "results_that_count", "consortium", None, (), "It was not passed.")
NOW = datetime(2026, 9, 10, 12, tzinfo=UTC)


def test_a_decline_has_its_grounds_their_clauses_and_how_to_appeal() -> None:
    assert Decline((GROUND,), ROUTE).grounds == (GROUND,)


@pytest.mark.parametrize(
    ("grounds", "appeals", "says"),
    [
        ((), ROUTE, "without a ground"),
        ((GROUND, replace(GROUND, clause=" ")), ROUTE, "NOT_PASSED names no clause"),
        ((replace(GROUND, document=""),), ROUTE, "NOT_PASSED names no clause"),
        ((GROUND,), None, "without a way to appeal"),
    ],
)
def test_what_lacks_one_of_them_cannot_be_built(grounds: Any, appeals: AppealRoute | None, says: str) -> None:
    with pytest.raises(NoDecline, match=says):
        Decline(grounds, appeals)


@pytest.mark.parametrize(
    "lacks",
    [{"route": " "}, {"days": 0}, {"stages": ()}, {"stages": ("Registrar", "")}],
    ids=lambda one: next(iter(one)),
)
def test_a_way_to_appeal_has_a_route_days_and_stages(lacks: dict[str, Any]) -> None:
    with pytest.raises(NoDecline, match="a way to appeal without"):
        replace(ROUTE, **lacks)
    stated = {"route": ROUTE.route, "days": ROUTE.days, "stages": ROUTE.stages}
    assert AppealRoute.of(stated) == ROUTE
    assert AppealRoute.of({**stated, **lacks}) is None
    assert AppealRoute.of({}) is None


def declined(by: str) -> Story:
    """A claim that the engine declines, or an officer."""
    if by == "engine":
        return Story(catalogue(agreement(minimum_mark="70"))).then(completion("a", mark=Fraction(58)), enrolment())
    return Story(catalogue(awards=[award()])).then(completion("a"), enrolment()).rule("a")


def at(story: Story, appeals: AppealRoute | None) -> Catalogue:
    """The story's catalogue, its receiver with this way to appeal."""
    receiver = replace(member("strathmore"), appeals=appeals)
    return replace(story.catalogue, members={**story.catalogue.members, "strathmore": receiver})


@pytest.mark.parametrize("by", ["engine", "officer"])
def test_no_event_tells_of_such_a_decline(by: str) -> None:
    story = declined(by)
    decision = story.current("a")
    assert decision is not None
    assert decision.state is State.DECLINED
    made = Made(decision, Cause("completion"), 1, None)
    told = decision_made(story.learner, made, NOW, at(story, ROUTE))
    assert told.state == "DECLINED"
    assert all(ground.clause for ground in told.grounds)
    with pytest.raises(NoDecline, match="without a way to appeal"):
        decision_made(story.learner, made, NOW, at(story, None))
    for grounds in ((), tuple(replace(ground, clause="") for ground in decision.grounds)):
        with pytest.raises(NoDecline, match="a decline"):
            decision_made(
                story.learner, replace(made, decision=replace(decision, grounds=grounds)), NOW, at(story, ROUTE)
            )


def test_what_is_no_decline_needs_no_way_to_appeal() -> None:
    story = Story(catalogue(agreement())).then(completion("a"), enrolment())
    decision = story.current("a")
    assert decision is not None
    made = Made(decision, Cause("completion"), 1, None)
    assert decision_made(story.learner, made, NOW, at(story, None)).state == "RECOGNISED"
    assert decision.claimed_on == date(2026, 9, 1)
