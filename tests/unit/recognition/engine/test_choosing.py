"""Which agreement applies, and in which order evaluations follow one another."""

from datetime import date
from typing import Literal

import pytest

from services.recognition.engine.choosing import (
    AgreementIndex,
    Candidate,
    Evaluation,
    agreement_for,
    evaluations_of,
)
from services.recognition.engine.model import Agreement
from tests.unit.recognition.engine.build import agreement, completion

ENDED = date(2024, 1, 1)
KIND: dict[str, Literal["bilateral", "multilateral"]] = {"b": "bilateral", "m": "multilateral"}


def candidate(name: str) -> Candidate:
    """`b2` is version 2 of a bilateral agreement in force; `b2-` is one that has ended; `m…` are multilateral."""
    terms = agreement(id=name[0], version=int(name[1]), **({"in_force_until": ENDED} if name.endswith("-") else {}))
    return Candidate(terms, KIND[name[0]])


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ("m9 b1", "b1"),
        ("m1 b9-", "m1"),
        ("m9- b1-", "b1"),
        ("m1- m2-", "m2"),
        ("b1 b2", "b2"),
        ("b1 b2-", "b1"),
        ("b1- b2-", "b2"),
        ("m1 m2 b3-", "m2"),
    ],
)
def test_bilateral_in_force_then_multilateral_in_force_then_either_the_newest_first(names: str, chosen: str) -> None:
    candidates = [candidate(name) for name in names.split()]
    expected = candidate(chosen).agreement
    for order in (candidates, candidates[::-1]):
        found = agreement_for([completion()], order)
        assert found is not None
        assert (found.id, found.version) == (expected.id, expected.version)


def test_without_a_candidate_there_is_no_agreement() -> None:
    assert agreement_for([completion()], []) is None


def test_one_completion_that_it_is_in_force_for_is_enough() -> None:
    early = completion("c1", completed_on=date(2023, 1, 1), claimed_on=date(2023, 6, 1))
    late = completion("c2")
    old, new = candidate("b1-"), candidate("m1")
    assert agreement_for([late, early], [old, new]) is old.agreement
    assert agreement_for([late], [old, new]) is new.agreement


def test_providers_that_arrive_at_one_version_are_one_evaluation_and_the_rest_follow_in_order() -> None:
    many, last, older, newer = (agreement(id=id_, version=v) for id_, v in (("a", 2), ("b", 1), ("b", 9), ("b", 10)))
    open_now = {name: [completion(name, name)] for name in ("north", "south", "east", "west", "far", "home")}
    candidates = {
        "north": [Candidate(many, "multilateral")],
        "south": [Candidate(many, "multilateral")],
        "east": [Candidate(newer, "bilateral")],
        "west": [Candidate(older, "bilateral")],
        "far": [Candidate(last, "bilateral")],
    }
    assert evaluations_of({**open_now, "quiet": []}, candidates) == (
        Evaluation(many, (*open_now["north"], *open_now["south"])),
        Evaluation(last, (*open_now["far"],)),
        Evaluation(older, (*open_now["west"],)),
        Evaluation(newer, (*open_now["east"],)),
        Evaluation(None, (*open_now["home"],)),
    )


def test_an_index_finds_what_is_between_two_members() -> None:
    index = AgreementIndex()
    there, back, among, others = (agreement(id=id_) for id_ in ("there", "back", "among", "others"))
    index.add_bilateral(there, "north", "south")
    index.add_bilateral(back, "south", "north")
    index.add_multilateral(among, ["north", "south", "east"])
    index.add_multilateral(others, ["north", "west"])

    def found(provider: str, receiver: str) -> list[tuple[Agreement, str]]:
        return [(one.agreement, one.kind) for one in index.candidates(provider, receiver)]

    assert found("north", "south") == [(there, "bilateral"), (among, "multilateral")]
    assert found("south", "north") == [(back, "bilateral"), (among, "multilateral")]
    assert found("south", "east") == [(among, "multilateral")]
    assert found("north", "west") == [(others, "multilateral")]
    assert found("south", "west") == []
    assert found("far", "north") == []
