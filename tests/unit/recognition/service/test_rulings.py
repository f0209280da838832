"""What an officer decides (decision.md, "What is open"); every expectation is worked out by hand."""

from datetime import date
from fractions import Fraction

import pytest

from services.recognition.domain.rulings import CannotRule
from services.recognition.engine.model import Kind, Line
from tests.unit.recognition.service.ground import Story, agreement, award, catalogue, completion, enrolment


def line(credits_: int | str, slot: str = "GENERAL", level: int = 5) -> Line:
    kind: Kind = "general" if slot == "GENERAL" else "specific"
    return Line(slot, Fraction(credits_), level, kind)


def referred(**changes: object) -> Story:
    """A completion that no agreement covers."""
    return Story(catalogue(awards=[award(slots=["CORE"], **changes)])).then(completion("a"), enrolment())


def test_an_officer_recognises_what_no_agreement_covers() -> None:
    story = referred().rule("a", line(20))
    assert story.state("a") == "2 RECOGNISED OFFICER"
    assert story.balance() == 20
    assert story.written() == ["a RECOGNISED (officer)"]
    decision = story.current("a")
    assert decision is not None
    [ground] = decision.grounds
    assert ground.sentence.endswith("The syllabus covers it.")
    assert (decision.agreement, decision.grade) == (None, None)


def test_less_than_the_completions_credit_is_a_part_and_nothing_is_a_decline() -> None:
    assert referred().rule("a", line("12.5")).state("a") == "2 PARTIAL OFFICER"
    story = referred().rule("a")
    assert story.state("a") == "2 DECLINED OFFICER"
    assert story.balance() == 0


def test_without_reasons_nothing_is_decided() -> None:
    with pytest.raises(ValueError, match="without reasons"):
        referred().rule("a", reasons="  ")


def test_what_an_officer_settled_stays_settled_until_a_new_revision() -> None:
    story = referred().rule("a", line(20))
    story.look_again(catalogue(agreement(minimum_mark="60"), awards=[award(slots=["CORE"])], number=11))
    assert story.state("a") == "2 RECOGNISED OFFICER"
    story.choose("a")
    assert story.state("a") == "2 RECOGNISED OFFICER"
    story.then(completion("a", 2, mark=Fraction(59)))
    assert story.state("a") == "3 DECLINED GRADE_BELOW_MIN"
    assert story.balance() == 0


@pytest.mark.parametrize(
    ("changes", "lines", "says"),
    [
        ({}, [line(21)], "at most 20, the completion's own credit"),
        ({"import_cap": "10"}, [line(20)], "at most 10: strathmore:pgcert/import_cap"),
        ({"import_cap_by_level": {"5": "8"}}, [line(20)], "at most 8: strathmore:pgcert/import_cap_by_level/5"),
        ({}, [line(20, "ELECTIVE")], "a slot of strathmore:pgcert, or GENERAL"),
        ({}, [line(10, "CORE"), line(10, "CORE")], "a slot that is not filled yet"),
        ({}, [line("0.125")], "in whole hundredths"),
        ({}, [line(0)], "more than 0"),
        ({}, [line(-20)], "more than 0"),
    ],
)
def test_an_officer_posts_under_the_same_caps(changes: dict[str, object], lines: list[Line], says: str) -> None:
    story = referred(**changes)
    with pytest.raises(CannotRule, match=says.replace("/", ".")):
        story.rule("a", *lines)
    assert story.state("a") == "1 REFERRED NO_AGREEMENT"
    assert story.balance() == 0


def test_a_course_that_has_a_grant_gets_no_second_one() -> None:
    story = Story(catalogue(agreement(course_versions=[1, 1]))).then(enrolment(), completion("a"))
    story.then(completion("again", course="northbridge:a", course_version=2))
    with pytest.raises(CannotRule, match="has no grant here yet"):
        story.rule("again", line(20))


def test_a_slot_that_another_grant_fills_is_taken() -> None:
    story = referred().then(completion("b")).rule("a", line(20, "CORE"))
    with pytest.raises(CannotRule, match="not filled yet"):
        story.rule("b", line(20, "CORE"))


def test_a_frozen_grant_goes_when_an_officer_decides_and_what_else_it_rested_on_is_decided_again() -> None:
    both = {
        "rules": [
            {
                "priority": 1,
                "requires": {"all": [{"course": "northbridge:a"}, {"course": "northbridge:b"}]},
                "grants": [{"slot": "CORE", "credits": "40"}],
            }
        ]
    }
    story = Story(catalogue(agreement(**both), awards=[award(slots=["CORE"])]))
    story.then(enrolment(), completion("a"), completion("b")).then(completion("a", 2, revoked=True))
    assert (story.state("a"), story.state("b")) == ("3 REFERRED REVOKED", "2 REFERRED GRANT_FROZEN")
    story.rule("a", reasons="The credit was revoked.")
    assert (story.state("a"), story.state("b")) == ("4 DECLINED OFFICER", "3 INCOMPLETE RULE_NOT_SATISFIED")
    assert story.balance() == 0
    story.rule("b", line(20, "CORE"), reasons="Enough by itself.")
    assert (story.state("a"), story.state("b")) == ("4 DECLINED OFFICER", "4 RECOGNISED OFFICER")
    assert story.balance() == 20


def test_an_officer_who_takes_credit_away_gives_the_room_to_what_waited() -> None:
    story = Story(catalogue(agreement(), awards=[award(import_cap="20")])).then(enrolment(), completion("a"))
    story.then(completion("b"))
    assert story.state("b") == "1 DECLINED CAP_REACHED"
    story.rule("a", line(5))
    assert story.state("a") == "2 PARTIAL OFFICER"
    assert story.state("b") == "2 DECLINED CAP_EXCEEDED"
    story.rule("a")
    assert story.state("b") == "3 RECOGNISED"


def test_an_officers_grant_carries_the_grade_where_the_agreement_does() -> None:
    story = Story(catalogue(agreement(course_versions=[2, 2]))).then(enrolment(), completion("a"))
    assert story.state("a") == "1 REFERRED VERSION_NOT_COVERED"
    decision = story.rule("a", line(20)).current("a")
    assert decision is not None
    assert (decision.grade, decision.grant and decision.grant.refers_revocation) == (58, True)


def test_a_closed_enrolment_is_decided_on_appeal_only() -> None:
    story = Story(catalogue(agreement())).then(enrolment(), completion("a", mark=Fraction(39)))
    story.then(enrolment(revision=2, closed_on=date(2026, 9, 5)))
    with pytest.raises(CannotRule, match="or an appeal"):
        story.rule("a", line(20))
    assert story.rule("a", line(20), on_appeal=True).state("a") == "2 RECOGNISED OFFICER"


def test_a_revocation_of_what_an_officer_granted_without_an_agreement_is_referred() -> None:
    story = referred().rule("a", line(20)).then(completion("a", 2, revoked=True))
    assert story.state("a") == "3 REFERRED REVOKED"
    assert story.balance() == 20
    decision = story.current("a")
    assert decision is not None
    assert decision.is_frozen
