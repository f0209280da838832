"""A preview is the later decision: whatever came before, publishing the completion then decides the very same."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.recognition.domain.catalogue import Catalogue
from services.recognition.domain.learner import Completion, Decision, Enrolment, Learner, Use
from services.recognition.domain.previewing import Preview, awards_in_reach, preview_award, preview_enrolled
from tests.unit.recognition.service.ground import (
    TODAY,
    Story,
    agreement,
    award,
    catalogue,
    completion,
    enrolment,
    id_of,
    member,
)

COURSES = ("a", "b", "c")
ROOMS = (None, "20", "30", "40", "60")


class Draw:
    """Draws a consortium, what a learner did in it, and the completion that is asked about."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def one(self, of: Any) -> Any:
        return of[self.random.randrange(len(of))]

    def terms(self) -> dict[str, Any]:
        terms: dict[str, Any] = {
            "credit_ratio": self.one(("1", "1", "2/3", "2")),
            "credit_step": self.one(("1", "1/2")),
            "excess_credit": self.one(("drop", "general")),
            "grade_policy": self.one(("carry", "ungraded")),
            "minimum_mark": self.one((None, "40", "50")),
            "on_revocation": self.one(("refer", "withdraw")),
            "whole_units_only": self.chance(50),
            "double_counting": self.one(([], ["within_ladder", "same_level_up_to_cap"])),
        }
        if self.chance(40):
            terms["rules"] = [self.rule(place) for place in range(1, self.random.randrange(2, 5))]
        if self.chance(15):
            terms["minimum_claim"] = "30"
        return {name: value for name, value in terms.items() if value is not None}

    def rule(self, priority: int) -> dict[str, Any]:
        branches = [{"course": f"northbridge:{self.one(COURSES)}"} for _ in range(self.random.randrange(1, 4))]
        requires = branches[0] if len(branches) == 1 else {self.one(("all", "any")): branches}
        grants = [{"slot": self.one(("M1", "M2", "GENERAL")), "credits": self.one(("10", "15", "20"))}]
        return {"priority": priority, "requires": requires, "grants": grants}

    def catalogue(self) -> Catalogue:
        awards = [
            award(**{name: cap for name in ("import_cap", "same_level_cap") if (cap := self.one(ROOMS))}),
            award(id="ashford:cert", member="ashford", level=self.one((5, 6, 7)), ladder="data"),
            award(id="strathmore:other", import_cap="20"),
        ]
        agreements = []
        if self.chance(90):
            agreements.append(agreement(**self.terms()))
        if self.chance(60):
            parties = {"provider": "northbridge", "receiver": "ashford"}
            agreements.append(agreement("n-a", parties=parties, **self.terms()))
        suspended = [(TODAY, TODAY)] if self.chance(5) else []
        members = [member("northbridge", *suspended), member("strathmore"), member("westfield")]
        if self.chance(90):
            members.append(member("ashford"))
        return catalogue(*agreements, awards=awards if self.chance(95) else awards[1:], members=members)

    def completion(self, name: str, course: str, revision: int = 1) -> Completion:
        return completion(
            name,
            revision,
            provider="westfield" if self.chance(8) else "northbridge",
            course=f"northbridge:{course}",
            credits=Fraction(self.one((10, 15, 20, 20, 30))),
            level=self.one((5, 5, 5, 6, 4)) if self.chance(95) else None,
            mark=self.one((Fraction(35), Fraction(45), Fraction(45), Fraction(58))) if self.chance(95) else None,
            result="pass" if self.chance(85) else self.one(("compensated", "pending", "fail")),
            completed_on=date(2026, 6, 30) - timedelta(days=self.random.randrange(0, 300)),
            used_for=Use("A certificate", "FHEQ", 6, None) if self.chance(10) else None,
            missing_elements=("title",) if self.chance(3) else (),
        )

    def story(self) -> Story:
        """What happened before: enrolments, other completions, revocations, choices, and now and then a conferral."""
        story = Story(self.catalogue())
        enrolments: list[Enrolment] = [enrolment()]
        if self.chance(60):
            enrolments.append(enrolment("f", receiver="ashford", award="ashford:cert", reference="f"))
        if self.chance(20):
            enrolments[0] = replace(enrolments[0], closed_on=self.one((date(2026, 9, 5), date(2026, 12, 1))))
        happenings: list[Any] = [*enrolments]
        names = (f"before {place}" for place in range(self.random.randrange(0, 4)))
        happenings += [self.completion(name, self.one(COURSES)) for name in names]
        self.random.shuffle(happenings)
        story.then(*happenings)
        before = [one for one in happenings if isinstance(one, Completion)]
        if before and self.chance(15):
            story.then(replace(before[0], revision=2, revoked=True))
        if before and self.chance(30):
            story.choose(*(one.reference for one in before[:2]))
        if before and len(enrolments) == 2 and self.chance(20):
            story.confer(before[0].reference, enrolment="f", award="ashford:cert")
        return story


def what_is_decided(decision: Decision | None) -> object:
    """All of a decision but its id, and the grant's: that of a completion not yet published is not known."""
    if decision is None:
        return None
    grant = decision.grant and (decision.grant.lines, decision.grant.fills, len(decision.grant.completions))
    fields = (decision.state, decision.grounds, decision.grade, decision.agreement, decision.award)
    return *fields, decision.claimed_on, decision.is_frozen, decision.conferrals, grant


def what_is_previewed(preview: Preview) -> object:
    besides = {one.completion_id: what_is_decided(one) for one in preview.besides}
    return what_is_decided(preview.decision), preview.waits_for, besides


def later(story: Story, asked: Completion, enrolled: Enrolment) -> object:
    """What is decided when the completion is published after all: the current decision, and the others made with it."""
    there = [one.decision for one in story.made if one.decision.enrolment_id == enrolled.enrolment_id]
    claim = (asked.completion_id, enrolled.enrolment_id)
    decision, standing = story.learner.current.get(claim), story.learner.standings.get(claim)
    return (
        what_is_decided(decision),
        standing.waits_for if standing is not None and decision is None else None,
        {one.completion_id: what_is_decided(one) for one in there if one.completion_id != asked.completion_id},
    )


def the_same(draw: Draw, published_as: str = "asked about") -> list[Preview]:
    """Preview, then let it happen under this reference, by which the completion's id is made; both must be equal."""
    story, asked = draw.story(), draw.completion("asked about", draw.one(COURSES))
    enrolments = [one for one in story.learner.enrolments.values() if one.receiver != asked.provider]
    before = repr(story.learner)
    previews = preview_enrolled(story.learner, asked, story.catalogue, TODAY, [one.enrolment_id for one in enrolments])
    assert repr(story.learner) == before
    published = replace(asked, completion_id=id_of(published_as), reference=published_as)
    story.then(published)
    assert [what_is_previewed(one) for one in previews] == [later(story, published, one) for one in enrolments]
    return previews


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_preview_is_the_later_decision(random: Random) -> None:
    the_same(Draw(random))


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(["another", "one more", "and one", "the last"]))
def test_it_is_so_whatever_reference_the_provider_gives_it(random: Random, published_as: str) -> None:
    the_same(Draw(random), published_as)


def test_the_random_lives_reach_every_state_and_change_other_completions_too() -> None:
    reached: Counter[str] = Counter()
    for seed in range(400):
        for one in the_same(Draw(Random(seed))):
            reached["nothing" if one.decision is None else one.decision.state] += 1
            reached["besides"] += bool(one.besides)
            reached["waits"] += one.waits_for is not None
            reached["granted together"] += bool(
                one.decision and one.decision.grant and len(one.decision.grant.completions) > 1
            )
    for needed in ("RECOGNISED", "PARTIAL", "INCOMPLETE", "REFERRED", "DECLINED", "besides", "waits", "nothing"):
        assert reached[needed] > 3, reached
    assert reached["granted together"] > 0, reached


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_preview_for_anyone_is_what_a_new_learner_is_decided_who_enrols_today(random: Random) -> None:
    draw = Draw(random)
    known, asked = draw.catalogue(), draw.completion("asked about", draw.one(COURSES))
    for reached in awards_in_reach(asked.provider, known):
        preview = preview_award(Learner(id_of("nobody")), asked, reached, known, TODAY)
        enrolled = enrolment("new", receiver=reached.member, award=reached.id, opened_on=TODAY)
        story = Story(known).then(enrolled, asked)
        assert what_is_previewed(preview) == later(story, asked, enrolled)
        assert not preview.is_enrolled


def test_a_preview_for_an_award_counts_what_the_learner_has_completed_and_not_where_it_counts_already() -> None:
    small = award(id="ashford:cert", member="ashford", import_cap="30")
    there = agreement("n-a", parties={"provider": "northbridge", "receiver": "ashford"})
    story = Story(catalogue(agreement(), there, awards=[award(), small])).then(completion("a"), enrolment())
    preview = preview_award(story.learner, completion("b"), small, story.catalogue, TODAY)
    assert preview.decision is not None
    # Twenty of thirty are taken by `a` there too, though nothing is granted at ashford yet.
    assert [ground.code for ground in preview.decision.grounds] == ["CAP_EXCEEDED"]
    assert story.learner.enrolments.keys() == {id_of("e")}


def test_awards_in_reach_are_those_of_members_with_an_agreement_in_that_direction() -> None:
    known = catalogue(agreement(), awards=[award(version=2), award(), award(id="ashford:cert", member="ashford")])
    assert [(one.id, one.version) for one in awards_in_reach("northbridge", known)] == [("strathmore:pgcert", 2)]
    assert awards_in_reach("strathmore", known) == []
    assert awards_in_reach("nobody", known) == []
