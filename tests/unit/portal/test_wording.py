"""What a learner is told, in plain words."""

from decimal import Decimal
from typing import get_args

import pytest

from chassis.pages.site import local_path
from contracts.learner_record_award_progress import Capstone
from contracts.learner_record_entry import EntryState
from contracts.recognition_appeal import AppealState
from services.portal.domain import wording


@pytest.mark.parametrize("state", get_args(EntryState))
def test_every_state_has_words_an_icon_and_a_tone(state: str) -> None:
    words = wording.wording(state)

    assert words.label != state
    assert state.lower() not in words.label.lower() or state in ("EARNED", "REVOKED", "RECEIVED")
    assert words.icon
    assert words.tone in ("good", "part", "wait", "bad", "calm")
    assert words.explanation.endswith(".")


def test_no_two_states_look_the_same() -> None:
    states = [wording.wording(state) for state in get_args(EntryState)]

    assert len({words.label for words in states}) == len(states)
    assert len({words.icon for words in states}) == len(states)


def test_a_state_that_is_not_known_here_is_shown_as_it_is() -> None:
    assert wording.wording("UNDER_APPEAL").label == "Under appeal"


@pytest.mark.parametrize(
    ("state", "result", "label"),
    [
        ("EARNED", "pass", "Earned"),
        ("EARNED", "compensated", "Earned"),
        ("EARNED", "pending", "Result still to come"),
        ("EARNED", "fail", "Not passed"),
        ("EARNED", "not_assessed", "Not assessed"),
        ("REVOKED", "pass", "Revoked"),
        ("REVOKED", "fail", "Revoked"),
    ],
)
def test_only_what_was_passed_is_called_earned(state: str, result: str, label: str) -> None:
    assert wording.own_wording(state, result).label == label


@pytest.mark.parametrize(
    ("value", "framework", "text"),
    [
        ("15.00", "FHEQ", "15 credits"),
        ("6.66", "SCQF", "6.66 credits"),
        ("7.5", "EQF", "7.5 ECTS credits"),
        ("1", "FHEQ", "1 credit"),
        ("1", "NFQ", "1 ECTS credit"),
        ("100", None, "100 credits"),
    ],
)
def test_credit_is_said_in_the_frameworks_unit(value: str, framework: str | None, text: str) -> None:
    assert wording.credit(Decimal(value), framework) == text


@pytest.mark.parametrize(
    ("names", "text"), [([], ""), (["A"], "A"), (["A", "B"], "A and B"), (["A", "B", "C"], "A, B and C")]
)
def test_names_are_listed_as_one_speaks(names: list[str], text: str) -> None:
    assert wording.listed(names) == text


@pytest.mark.parametrize("state", ["lodged", *get_args(AppealState)])
def test_every_state_of_an_appeal_has_words(state: str) -> None:
    words = wording.appeal(state)

    assert words.label == f"Appeal {state}"
    assert words.explanation.endswith(".")


def test_every_state_of_a_capstone_has_words() -> None:
    states = get_args(Capstone)

    assert {state for state in states if wording.capstone(state) is None} == {"none"}
    assert len({words.icon for state in states if (words := wording.capstone(state))}) == len(states) - 1


def test_places_are_counted_in_words_as_far_as_one_reads_them() -> None:
    assert [wording.place(number) for number in (1, 10, 11)] == ["First", "Tenth", "Number 11"]


@pytest.mark.parametrize("path", ["/", "/strathmore/", "/journeys/1/page?x=1"])
def test_after_sign_in_one_returns_to_a_page_of_this_site(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "x", "/a\nb", "/" * 2 + "x"],
)
def test_after_sign_in_one_never_lands_on_another_site(path: str) -> None:
    assert local_path(path) == "/"
