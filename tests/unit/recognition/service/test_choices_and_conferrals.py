"""What a learner's choice and a conferral open (decision.md, "What is open"); expectations are worked out by hand."""

from datetime import date
from fractions import Fraction

import pytest

from services.recognition.domain.catalogue import AwardVersion
from tests.unit.recognition.service.ground import Story, agreement, award, catalogue, completion, enrolment, id_of

SMALL = award(import_cap="30")


def at_ashford(**changes: object) -> AwardVersion:
    """An award at ashford, of the level and size of strathmore's, unless the test says otherwise."""
    return award(**{"id": "ashford:cert", "member": "ashford", "title": "Another certificate", **changes})


def two_receivers(*awards: AwardVersion, **terms: object) -> Story:
    """A learner of northbridge's course `a`, enrolled at strathmore (e) and at ashford (f)."""
    there = agreement("n-a", parties={"provider": "northbridge", "receiver": "ashford"}, **terms)
    story = Story(catalogue(agreement(**terms), there, awards=awards or [award(), at_ashford()]))
    return story.then(
        completion("a"), enrolment(), enrolment("f", receiver="ashford", award="ashford:cert", reference="f")
    )


# Choices


def test_a_choice_settles_what_waited_for_one_and_may_be_changed() -> None:
    story = Story(catalogue(agreement(), awards=[SMALL])).then(completion("a"), completion("b"), enrolment())
    story.choose("b")
    assert (story.state("a"), story.state("b")) == ("2 DECLINED CAP_EXCEEDED", "2 RECOGNISED")
    assert [one.cause.kind for one in story.made] == ["choice", "choice"]
    story.choose("a", "b")
    assert (story.state("a"), story.state("b")) == ("3 RECOGNISED", "3 DECLINED CAP_EXCEEDED")
    assert story.balance() == 20
    # What is lost leaves first, so that no reader counts more than there is.
    assert story.written() == ["b DECLINED (choice)", "a RECOGNISED (choice)"]


def test_a_choice_taken_back_asks_again() -> None:
    story = Story(catalogue(agreement(), awards=[SMALL])).then(completion("a"), completion("b"), enrolment())
    story.choose("b").choose()
    assert (story.state("a"), story.state("b")) == ("3 INCOMPLETE CHOICE_REQUIRED", "3 INCOMPLETE CHOICE_REQUIRED")
    assert story.balance() == 0


def test_a_choice_that_comes_before_its_enrolment_and_its_completions_counts_when_they_are_there() -> None:
    story = Story(catalogue(agreement(), awards=[SMALL])).choose("b")
    story.then(completion("a"), completion("b"), enrolment())
    assert (story.state("a"), story.state("b")) == ("1 DECLINED CAP_EXCEEDED", "1 RECOGNISED")


def test_a_choice_with_the_same_outcome_writes_nothing() -> None:
    story = Story(catalogue(agreement(), awards=[SMALL])).then(completion("a"), completion("b"), enrolment())
    assert story.choose("b").made != []
    assert story.choose("b", "a").made == []


def test_a_choice_opens_nothing_where_no_cap_is_set() -> None:
    story = Story(catalogue(agreement())).then(completion("a"), completion("b"), enrolment())
    assert story.choose("b").made == []


def test_a_choice_opens_nothing_that_a_conferral_counted_and_nothing_at_a_closed_enrolment() -> None:
    story = Story(catalogue(agreement(), awards=[SMALL])).then(completion("a"), completion("b"), enrolment())
    story.choose("b").confer("b", enrolment="another")
    assert story.choose("a").written() == []
    story.then(enrolment(revision=2, closed_on=date(2026, 9, 5)))
    assert story.choose("a", "b").made == []


# Conferrals


def test_a_conferral_uses_the_credit_and_the_other_enrolment_is_decided_again() -> None:
    story = two_receivers()
    assert (story.state("a"), story.state("a", "f")) == ("1 RECOGNISED", "1 RECOGNISED")
    story.confer("a")
    assert story.written() == ["a DECLINED (conferral)"]
    assert story.state("a", "f") == "2 DECLINED ALREADY_USED"
    decision = story.current("a", "f")
    assert decision is not None
    assert decision.conferrals == (id_of("conferral of e"),)
    assert story.balance("f") == 0
    # Where it was conferred it stays as it was.
    assert story.state("a") == "1 RECOGNISED"


@pytest.mark.parametrize(
    ("other", "terms", "state"),
    [
        ({"ladder": "data"}, {"double_counting": ["within_ladder"]}, "2 RECOGNISED"),
        ({"ladder": "other"}, {"double_counting": ["within_ladder"]}, "2 DECLINED ALREADY_USED"),
        ({"level": 7}, {"double_counting": ["towards_higher_award"]}, "2 RECOGNISED"),
        ({"level": 5}, {"double_counting": ["towards_higher_award"]}, "2 DECLINED ALREADY_USED"),
        ({"credits_required": "90"}, {"double_counting": ["towards_higher_award"]}, "2 RECOGNISED"),
        ({"credits_required": "60"}, {"double_counting": ["towards_higher_award"]}, "2 DECLINED ALREADY_USED"),
        ({"same_level_cap": "20"}, {"double_counting": ["same_level_up_to_cap"]}, "2 RECOGNISED"),
    ],
)
def test_double_counting_is_permitted_as_the_agreement_says(
    other: dict[str, object], terms: dict[str, object], state: str
) -> None:
    """The conferred award is at level 6, requires 60 and is on the ladder `data`."""
    story = two_receivers(award(ladder="data"), at_ashford(**other), **terms).confer("a")
    assert story.state("a", "f") == state
    decision = story.current("a", "f")
    assert decision is not None
    # A decision with another state or not: it says that it knew.
    assert decision.conferrals == (id_of("conferral of e"),)


def test_a_conferral_that_comes_before_its_enrolment_counts_too() -> None:
    story = Story(catalogue(agreement())).confer("a")
    story.then(completion("a"), enrolment("f", reference="f"))
    assert story.state("a", "f") == "1 DECLINED ALREADY_USED"


def test_a_conferral_closes_its_enrolment_and_what_is_corrected_there_is_still_decided() -> None:
    story = Story(catalogue(agreement())).then(completion("a"), enrolment()).confer("a")
    story.then(completion("late", claimable_on=date(2026, 9, 12)), today=date(2026, 9, 12))
    assert story.state("late") == ""
    story.then(completion("a", 2, revoked=True), today=date(2026, 9, 12))
    assert story.state("a") == "2 REFERRED REVOKED"


def test_a_receiver_that_opens_the_enrolment_again_does_not_undo_the_conferral() -> None:
    story = Story(catalogue(agreement())).then(completion("a"), enrolment()).confer("a")
    story.then(enrolment(revision=2), completion("late", claimable_on=date(2026, 9, 12)), today=date(2026, 9, 12))
    assert story.state("late") == ""


def test_a_conferral_opens_nothing_in_an_enrolment_that_is_closed() -> None:
    story = two_receivers()
    closed = {"receiver": "ashford", "award": "ashford:cert", "reference": "f", "closed_on": date(2026, 9, 5)}
    story.then(enrolment("f", 2, **closed)).confer("a")
    assert story.made == []
    assert story.state("a", "f") == "1 RECOGNISED"


def test_room_that_a_conferral_gives_back_goes_to_what_waited() -> None:
    there = agreement("n-a", parties={"provider": "northbridge", "receiver": "ashford"})
    story = Story(catalogue(agreement(), there, awards=[award(), at_ashford(import_cap="20")]))
    story.then(completion("a"), enrolment(), enrolment("f", receiver="ashford", award="ashford:cert", reference="f"))
    story.then(completion("b", credits=Fraction(15)))
    assert story.state("b", "f") == "1 DECLINED CAP_REACHED"
    story.confer("a")
    assert (story.state("a", "f"), story.state("b", "f")) == ("2 DECLINED ALREADY_USED", "2 RECOGNISED")


def test_recognition_elsewhere_is_no_use() -> None:
    story = two_receivers()
    assert (story.balance(), story.balance("f")) == (20, 20)
