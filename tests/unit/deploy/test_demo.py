"""The demo's consortium and its learners, as data: complete, plausible, and the same every time."""

import random
from collections import Counter
from datetime import date
from itertools import islice
from typing import Any, Final

import orjson
import pytest

from deploy.demo.consortium import consortium
from deploy.demo.live import upcoming
from deploy.demo.people import Learner, Story, story
from services.provider.documents import CompletionLine, LearningOpportunityLine, MemberDocument

TODAY: Final = date(2026, 11, 24)
# Of the eleven of Annex I (domain.md), those of a learning opportunity; the country of issue is its member's, and whose
# it is and when it was issued is the completion's.
ELEMENTS: Final = (
    "title", "awarding_body", "learning_outcomes", "workload_hours", "level", "assessment_type", "participation_form",
    "quality_assurance",
)  # fmt: skip
OFFERED: Final[dict[str, dict[str, Any]]] = consortium()["learning_opportunities"]


@pytest.fixture(scope="module")
def told() -> Story:
    return story(TODAY)


def rows_of(told: Story, learner: Learner) -> dict[str, dict[str, Any]]:
    """What a learner completed, by the id of the learning opportunity."""
    return {
        row["learning_opportunity"]["id"]: row
        for rows in told.completions.values()
        for row in rows
        if row["learner"]["identifier"] == learner.identifier
    }


def test_five_members_in_three_frameworks_have_their_own_names_and_colours() -> None:
    members = consortium()["members"]
    assert len(members) == 5
    assert {member["framework"] for member in members.values()} == {"FHEQ", "SCQF", "EQF"}
    for what in ("name", "colours"):
        assert len({orjson.dumps(member[what]) for member in members.values()}) == 5
    for member in members.values():
        assert not list(MemberDocument.model_validate_json(orjson.dumps(member)).faults())


def test_what_is_offered_states_every_element_of_annex_i_and_its_kind() -> None:
    assert 140 <= len(OFFERED) <= 160
    for course, stated in OFFERED.items():
        line = LearningOpportunityLine.model_validate_json(orjson.dumps({"id": course, **stated}))
        assert not list(line.faults()), course
        assert all(stated[element] for element in ELEMENTS), course
    assert {stated["kind"] for stated in OFFERED.values()} == {"standalone", "stackable", "capstone"}


def test_no_two_learning_opportunities_are_called_the_same_or_promise_the_same() -> None:
    outcomes = Counter(outcome for stated in OFFERED.values() for outcome in stated["learning_outcomes"])
    assert max(outcomes.values()) == 1
    assert len({stated["title"] for stated in OFFERED.values()}) == len(OFFERED)
    # How it is assessed goes by subject.
    assert len({stated["assessment_type"] for stated in OFFERED.values()}) >= 20


def test_one_member_offers_all_its_provision_in_small_blocks_from_level_4_to_level_7() -> None:
    blocks = [stated for course, stated in OFFERED.items() if course.startswith("ashmere:")]
    assert {block["level"] for block in blocks} == {4, 5, 6, 7}
    assert all(int(block["credits"]) <= 20 for block in blocks)
    assert all("each block assessed" in block["participation_form"] for block in blocks)


def test_a_pgcert_ends_in_a_capstone_at_its_member() -> None:
    [award] = [award for award in consortium()["awards"] if award["id"] == "glenmore:pgcert-data"]
    assert OFFERED[award["capstone"]]["kind"] == "capstone"


def test_the_story_is_the_same_for_a_seed_and_another_one_for_another(told: Story) -> None:
    assert story(TODAY) == told
    assert story(TODAY, seed=1) != told


def test_there_are_500_learners_with_3000_completions_that_the_door_takes(told: Story) -> None:
    assert len({learner.identifier for learner in told.learners}) == len({one.name for one in told.learners}) == 500
    rows = [row for rows in told.completions.values() for row in rows]
    assert len(rows) == 3_000
    for row in rows:
        assert not list(CompletionLine.model_validate_json(orjson.dumps(row)).faults()), row
        assert row["completed_on"] <= (row["issued_on"] or row["completed_on"]) <= TODAY.isoformat()
    for member, sent in told.completions.items():
        assert len({row["reference"] for row in sent}) == len(sent), member


def test_what_is_completed_is_what_its_member_offers(told: Story) -> None:
    for member, rows in told.completions.items():
        for row in rows:
            course = row["learning_opportunity"]["id"]
            assert course.startswith(f"{member}:")
            assert (row["credits"], row["level"]) == (OFFERED[course]["credits"], OFFERED[course]["level"])


def test_the_first_learner_completed_at_three_members_and_is_enrolled_at_a_fourth(told: Story) -> None:
    [home] = [
        member
        for member, rows in told.enrolments.items()
        if any(row["learner"]["identifier"] == told.first.identifier for row in rows)
    ]
    providers = {course.partition(":")[0] for course in rows_of(told, told.first)}
    assert len(providers) == 3
    assert home not in providers


def test_exactly_one_learner_is_enrolled_nowhere_and_completed_something_all_the_same(told: Story) -> None:
    enrolled = {row["learner"]["identifier"] for rows in told.enrolments.values() for row in rows}
    assert [learner for learner in told.learners if learner.identifier not in enrolled] == [told.unenrolled]
    assert len(rows_of(told, told.unenrolled)) == 5


def test_what_goes_on_live_is_every_second_time_of_the_watched_learner_and_never_twice_the_same(told: Story) -> None:
    coming = list(islice(upcoming(told, random.Random(1)), 60))
    assert coming == list(islice(upcoming(told, random.Random(1)), 60))
    assert len(set(coming)) == 60
    assert [learner for learner, _ in coming[::2]] == [told.watched] * 30
    learners = {learner for learner, _ in coming}
    assert told.first not in learners, "she would not stay as she is described"
    assert told.unenrolled not in learners
    enrolled = {(row["learner"]["identifier"], member) for member, rows in told.enrolments.items() for row in rows}
    for learner, course in coming:
        assert course not in rows_of(told, learner)
        assert (learner.identifier, course.partition(":")[0]) not in enrolled, "it would be own credit there"
