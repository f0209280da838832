"""What the synthetic credit is made of."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from contracts.documents.loading import agreement_from, award_from, read_json
from services.operations.synthetic import documents
from services.provider.documents import LearningOpportunityDocument, MemberDocument


def test_its_documents_are_what_the_services_take() -> None:
    agreement = agreement_from(read_json(orjson.dumps(documents.AGREEMENT_DOCUMENT)))
    assert set(agreement.members) == {documents.MEMBER, documents.RECEIVER}
    assert award_from(read_json(orjson.dumps(documents.AWARD_DOCUMENT))).id == documents.AWARD
    for document in documents.MEMBERS.values():
        assert list(MemberDocument.model_validate(document).faults()) == []
    assert list(LearningOpportunityDocument.model_validate(documents.COURSE_DOCUMENT).faults()) == []


def test_an_hour_has_a_learner_of_its_own_and_the_same_documents_throughout() -> None:
    first, last = datetime(2026, 11, 24, 13, 0, tzinfo=UTC), datetime(2026, 11, 24, 13, 59, 59, tzinfo=UTC)
    assert documents.period(first) == documents.period(last) != documents.period(last + timedelta(seconds=1))


def record(**entry: Any) -> dict[str, Any]:
    shown = {
        "completion": {"reference": "an-hour"},
        "completion_revision": 7,
        "state": "RECOGNISED",
        "is_being_decided": False,
    } | entry
    return {"members": [{"enrolments": []}, {"enrolments": [{"entries": [shown]}]}]}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({}, True),
        ({"completion_revision": 8}, True),
        ({"completion_revision": 6}, False),
        ({"is_being_decided": True}, False),
        ({"state": "RECEIVED"}, False),
        ({"completion": {"reference": "another-hour"}}, False),
    ],
)
def test_it_is_visible_once_its_revision_is_decided_on_the_record(entry: dict[str, Any], expected: bool) -> None:
    assert documents.shows(record(**entry), "an-hour", 7) is expected
