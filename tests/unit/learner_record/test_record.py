"""What stands on a record follows from what is known, whatever came first."""

from collections.abc import Iterable
from datetime import date
from itertools import permutations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.learner_record.domain.record import (
    Completion,
    Decision,
    DecisionState,
    Enrolment,
    Entry,
    Known,
    changed,
    claimed_elsewhere,
    own_credit,
)

C = [UUID(int=n) for n in (1, 2)]
E = [UUID(int=n) for n in (11, 12)]
JUNE, AUGUST, SEPTEMBER = date(2026, 6, 30), date(2026, 8, 15), date(2026, 9, 1)

Fact = Completion | Enrolment | Decision


def completion(nth: int = 0, revision: int = 1, provider: str = "northbridge", revoked: bool = False) -> Completion:
    return Completion(C[nth], revision, provider, AUGUST, revoked)


def enrolment(
    nth: int = 0,
    revision: int = 1,
    receiver: str = "strathmore",
    opened_on: date = AUGUST,
    closed_on: date | None = None,
) -> Enrolment:
    return Enrolment(E[nth], revision, receiver, opened_on, closed_on)


def decision(
    number: int, state: DecisionState = "REFERRED", completion: int = 0, enrolment: int = 0, revision: int = 1
) -> Decision:
    made = UUID(int=1000 * completion + 100 * enrolment + number + 100_000)
    return Decision(C[completion], E[enrolment], number, made, revision, state)


def learn(known: Known, fact: Fact) -> bool:
    if isinstance(fact, Completion):
        return known.learn_completion(fact)
    if isinstance(fact, Enrolment):
        return known.learn_enrolment(fact)
    return known.learn_decision(fact)


def touched(known: Known, fact: Fact) -> list[Entry]:
    """The entries that a fact can have changed, as the service looks for them."""
    if isinstance(fact, Completion):
        return list(known.entries_of_completion(fact.completion_id))
    if isinstance(fact, Enrolment):
        return list(known.entries_of_enrolment(fact.enrolment_id))
    return list(known.entries_of_claim(fact.completion_id, fact.enrolment_id))


def known_from(facts: Iterable[Fact]) -> Known:
    known = Known()
    for fact in facts:
        learn(known, fact)
    return known


STORY: tuple[Fact, ...] = (
    completion(),
    completion(revision=2),
    enrolment(),
    decision(1),
    decision(2, "RECOGNISED", revision=2),
)


@pytest.mark.parametrize("story", list(permutations(STORY)))
def test_every_order_ends_in_the_same_record(story: tuple[Fact, ...]) -> None:
    entries = known_from(story).entries()
    assert entries == {
        (C[0], None): Entry(C[0], None, "northbridge", 2, "EARNED"),
        (C[0], E[0]): Entry(C[0], E[0], "strathmore", 2, "RECOGNISED", STORY[4].decision_id, 2),  # type: ignore[union-attr]
    }


facts = st.one_of(
    st.builds(completion, st.integers(0, 1), st.integers(1, 4), revoked=st.booleans()),
    st.builds(enrolment, st.integers(0, 1), st.integers(1, 3), closed_on=st.sampled_from([None, SEPTEMBER])),
    st.builds(
        decision,
        st.integers(1, 4),
        st.sampled_from(["RECOGNISED", "PARTIAL", "REFERRED", "DECLINED"]),
        st.integers(0, 1),
        st.integers(0, 1),
    ),
)


def key(fact: Fact) -> tuple[object, ...]:
    if isinstance(fact, Decision):
        return fact.completion_id, fact.enrolment_id, fact.number
    return (fact.completion_id if isinstance(fact, Completion) else fact.enrolment_id), fact.revision


@given(st.data(), st.lists(facts, max_size=12, unique_by=key))
def test_order_and_repeats_never_change_the_end(data: st.DataObject, story: list[Fact]) -> None:
    shuffled = data.draw(st.permutations(story + story[: len(story) // 2]))
    assert known_from(shuffled).entries() == known_from(story).entries()


@given(st.lists(facts, max_size=12, unique_by=key))
def test_looking_only_at_what_a_fact_touches_misses_nothing(story: list[Fact]) -> None:
    known, standing = Known(), {}
    for fact in story:
        if learn(known, fact):
            for entry in changed(standing, touched(known, fact)):
                standing[entry.place] = entry
        assert standing.items() >= known.entries().items()


def test_what_is_known_already_or_older_is_no_news() -> None:
    known = known_from(STORY)
    assert [learn(known, fact) for fact in (*STORY, decision(1, "DECLINED"))] == [False] * 6
    assert learn(known, completion(revision=3))


def test_nothing_stands_for_an_enrolment_until_completion_and_enrolment_are_both_known() -> None:
    assert known_from([decision(1), enrolment()]).entries() == {}
    assert [entry.state for entry in known_from([decision(1), completion()]).entries().values()] == ["EARNED"]


def test_recognition_is_by_other_members() -> None:
    own = enrolment(receiver="northbridge")
    assert claimed_elsewhere(completion(), own, None) is None
    assert claimed_elsewhere(completion(), own, decision(1)) is None


def test_a_revoked_completion_is_revoked_at_its_provider_and_elsewhere_as_it_was_decided() -> None:
    known = known_from([completion(revision=2, revoked=True), enrolment(), decision(1, "RECOGNISED")])
    assert own_credit(known.completions[C[0]]).state == "REVOKED"
    assert known.entries()[C[0], E[0]].state == "RECOGNISED"
    assert known.entries()[C[0], E[0]].completion_revision == 1


@pytest.mark.parametrize(
    ("opened_on", "closed_on", "stands"),
    [
        (AUGUST, None, True),
        (AUGUST, AUGUST, True),
        (JUNE, date(2026, 8, 14), False),
        (JUNE, AUGUST, True),
        (SEPTEMBER, SEPTEMBER, True),
    ],
)
def test_one_closed_before_the_claim_date_receives_nothing(
    opened_on: date, closed_on: date | None, stands: bool
) -> None:
    enrolled = enrolment(opened_on=opened_on, closed_on=closed_on)
    assert (claimed_elsewhere(completion(), enrolled, None) is not None) is stands
    # What was decided stands all the same.
    decided = claimed_elsewhere(completion(), enrolled, decision(1, "RECOGNISED"))
    assert decided is not None
    assert decided.state == "RECOGNISED"


def test_a_copy_is_gone_on_from_without_changing_the_first() -> None:
    known = known_from(STORY[:2])
    learn(known.copy(), enrolment())
    assert known.enrolments == {}
