"""Revisions and references: what is new, a repeat, or a contradiction."""

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import pytest

from chassis.accepting import Accepted, known_or_contradicting
from chassis.learners import Learner
from chassis.names import Names
from chassis.problems import Problem

NOW = datetime(2026, 9, 1, tzinfo=UTC)
ANN = Learner(UUID(int=1), "ULN", "1", matchable=True)
BOB = Learner(UUID(int=2), "ULN", "2", matchable=True)
STRANGER = Learner(UUID(int=3), "ULN", "9999999999", matchable=False)


class Stored(NamedTuple):
    revision: int
    body_hash: str


@pytest.mark.parametrize(
    ("stored", "sent", "expected"),
    [
        ({}, 1, "new"),
        ({}, 7, "new"),
        ({3: "a"}, 4, "new"),
        ({3: "b"}, 9, "new"),
        ({3: "a"}, 2, "revision-too-low"),
        ({3: "a"}, 3, "repeated"),
        ({1: "a", 3: "b"}, 1, "repeated"),
        ({3: "b"}, 3, "revision-differs"),
        ({1: "b", 3: "a"}, 1, "revision-differs"),
    ],
)
def test_a_revision_is_judged_by_its_number_and_its_body(stored: dict[int, str], sent: int, expected: str) -> None:
    revisions = {number: Stored(number, body_hash) for number, body_hash in stored.items()}
    answer = known_or_contradicting(sent, "a", revisions, lambda one: {"revision": one.revision})
    match answer:
        case None:
            assert expected == "new"
        case Accepted(revision, is_new):
            assert (expected, revision, is_new) == ("repeated", revisions[sent], False)
        case Problem():
            against = sent if expected == "revision-differs" else max(stored)
            assert (answer.status, answer.name, answer.more) == (409, expected, {"stored": {"revision": against}})


def test_a_reference_stands_for_one_learner() -> None:
    names = Names("northbridge", {})
    assert names.objection_to("S-1", ANN) is None
    names.note("S-1", ANN, NOW)
    assert names.objection_to("S-1", ANN) is None
    assert names.objection_to("S-2", BOB) is None
    other, known = names.objection_to("S-1", BOB), names.objection_to("S-1", STRANGER)
    assert other is not None
    assert known is not None
    assert (other.status, other.name) == (known.status, known.name) == (409, "learner-differs")
    assert "never merged" in other.detail
    assert "known by an identifier" in known.detail


def test_an_identifier_may_follow_a_placeholder() -> None:
    names = Names("northbridge", {("S-1", True): STRANGER.learner_id})
    assert names.objection_to("S-1", STRANGER) is None
    assert names.objection_to("S-1", ANN) is None
    names.note("S-1", ANN, NOW)
    assert names.objection_to("S-1", BOB) is not None
