"""What the documents refuse, and when two bodies are the same."""

from hashlib import sha256
from typing import Any

import orjson
import pytest
import rfc8785
from pydantic import ValidationError

from services.provider.documents import (
    CompletionDocument,
    CompletionLine,
    LearningOpportunityDocument,
    LearningOpportunityLine,
    MemberDocument,
)

SCALE = {"lowest": "0", "pass": "40", "highest": "100"}


def completion(**changes: Any) -> dict[str, Any]:
    body = {
        "revision": 1,
        "learner": {"scheme": "ULN", "identifier": "9276308686", "reference": "S-1"},
        "learning_opportunity": {"id": "northbridge:data-ethics", "version": 2},
        "credits": "15",
        "framework": "FHEQ",
        "level": 7,
        "result": "pass",
        "completed_on": "2026-06-30",
        "identity_verified_at_assessment": True,
    }
    return body | changes


def read(body: dict[str, Any]) -> CompletionDocument:
    return CompletionDocument.model_validate_json(orjson.dumps(body))


BAD = [
    ("credits", "-15"),
    ("credits", "0"),
    ("credits", "0.00"),
    ("credits", "7.125"),
    ("credits", "15.000"),
    ("credits", 15),
    ("credits", 7.5),
    ("credits", "1e1"),
    ("credits", "NaN"),
    ("credits", " 15"),
    ("credits", "15\n"),
    ("credits", "१५"),
    ("credits", None),
    ("framework", "CATS"),
    ("level", 0),
    ("level", 13),
    ("level", "7"),
    ("level", 7.0),
    ("result", "passed"),
    ("revision", 0),
    ("revision", True),
    ("revision", 2**31),
    ("mark", 62),
    ("mark", "62.12345"),
    ("mark_scale", {"lowest": "0", "highest": "100"}),
    ("completed_on", "2026-02-30"),
    ("completed_on", "2026-06-30T00:00:00Z"),
    ("completed_on", "20260630"),
    ("completed_on", 1782777600),
    ("completed_on", None),
    ("issued_on", "30/06/2026"),
    ("workload_hours", "-1"),
    ("identity_verified_at_assessment", "true"),
    ("identity_verified_at_assessment", None),
    ("title", ""),
    ("title", "a\x00b"),
    ("learning_outcomes", "one"),
    ("learning_opportunity", {"id": "data-ethics", "version": 1}),
    ("learning_opportunity", {"id": "northbridge:data ethics", "version": 1}),
    ("learning_opportunity", {"id": "northbridge:data-ethics", "version": 2**31}),
    ("learner", {"scheme": "ULN", "identifier": 9276308686, "reference": "S-1"}),
    ("learner", {"scheme": "ULN", "identifier": "9276308686"}),
    ("learner", {"scheme": "ULN", "identifier": "9276308686", "reference": ""}),
    ("learner", {"scheme": "ULN", "identifier": "9276308686", "reference": "S\x00"}),
    ("learner", {"scheme": "ULN", "identifier": "9276308686", "reference": "S-1", "name": "Ann"}),
    ("used_for", {"title": "PGCert", "framework": "FHEQ", "level": 7, "year": 2025}),
    ("member", "westfield"),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_malformed_value_is_refused_where_it_stands(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        read(completion(**{field: value}))
    assert {error["loc"][0] for error in refused.value.errors()} == {field}


def test_a_completion_with_only_what_it_must_state_is_sound() -> None:
    assert list(read(completion(level=None)).faults()) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"level": 2}, "level"),
        ({"level": 9}, "level"),
        ({"framework": "EQF", "level": 9}, "level"),
        ({"framework": "NFQ", "level": 11}, "level"),
        ({"used_for": {"title": "PGCert", "framework": "FHEQ", "level": 11}}, "used_for.level"),
        ({"mark": "101", "mark_scale": SCALE}, "mark"),
        ({"mark": "-0.5", "mark_scale": SCALE}, "mark"),
        ({"mark_scale": SCALE | {"pass": "101"}}, "mark_scale"),
    ],
)
def test_values_that_contradict_each_other_are_a_fault(changes: dict[str, Any], field: str) -> None:
    faults = list(read(completion(**changes)).faults())
    assert [fault.field for fault in faults] == [field]
    assert faults[0].expected


def test_a_mark_without_a_scale_and_a_scale_without_a_mark_are_sound() -> None:
    assert list(read(completion(mark="620")).faults()) == []
    assert list(read(completion(mark_scale=SCALE)).faults()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"credits": "15.0"},
        {"credits": "15.00"},
        {"mark": None},
        {"revoked": False},
        {"mark_scale": None, "used_for": None},
    ],
)
def test_another_spelling_of_the_same_values_is_the_same_body(changes: dict[str, Any]) -> None:
    assert read(completion(**changes)).body_hash("ann") == read(completion()).body_hash("ann")


@pytest.mark.parametrize(
    "changes",
    [{"credits": "15.5"}, {"revision": 2}, {"mark": "62"}, {"revoked": True}, {"level": None}, {"title": "Ethics"}],
)
def test_other_values_are_another_body(changes: dict[str, Any]) -> None:
    assert read(completion(**changes)).body_hash("ann") != read(completion()).body_hash("ann")


def test_the_hash_is_of_the_pseudonym_and_not_of_the_identifier() -> None:
    other = completion(learner={"scheme": "ULN", "identifier": "9999999999", "reference": "S-1"})
    assert read(other).body_hash("ann") == read(completion()).body_hash("ann")
    assert read(other).body_hash("bob") != read(completion()).body_hash("ann")


def test_a_line_of_a_bulk_request_has_the_body_of_a_single_one() -> None:
    line = CompletionLine.model_validate_json(orjson.dumps(completion(reference="C-1")))
    assert line.body_hash("ann") == read(completion()).body_hash("ann")


def opportunity(**changes: Any) -> LearningOpportunityDocument:
    body = {"version": 1, "revision": 1, "kind": "stackable", "credits": "15", "framework": "FHEQ"} | changes
    return LearningOpportunityDocument.model_validate_json(orjson.dumps(body))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "javascript:alert(1)"),
        ("url", 'https://example.org/"onclick='),
        ("skills", ["data ethics"]),
        ("subject", "Ethics"),
        ("language", "English"),
        ("version", 0),
        ("kind", "course"),
        ("starts_on", "soon"),
        ("id", "northbridge:data-ethics"),
    ],
)
def test_a_learning_opportunity_refuses_malformed_values(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        opportunity(**{field: value})
    assert {error["loc"][0] for error in refused.value.errors()} == {field}


def test_a_learning_opportunity_may_leave_out_elements_but_not_contradict_its_framework() -> None:
    assert list(opportunity().faults()) == []
    assert [fault.field for fault in opportunity(level=9).faults()] == ["level"]


def test_a_members_periods_do_not_end_before_they_begin() -> None:
    body = {
        "name": "Northbridge University",
        "colours": {"primary": "#123b6d", "accent": "#f2b134"},
        "country": "GB",
        "framework": "FHEQ",
        "joined_on": "2024-01-01",
        "left_on": "2023-12-31",
        "suspensions": [
            {"from": "2025-02-01", "until": "2025-02-01", "reason": "One day"},
            {"from": "2025-02-01", "until": "2025-01-01", "reason": "Backwards"},
        ],
        "referrals_to": "Recognition office",
        "appeals": {"route": "Write to the registrar", "days": 20, "stages": ["Registrar"]},
    }
    member = MemberDocument.model_validate_json(orjson.dumps(body))
    assert [fault.field for fault in member.faults()] == ["left_on", "suspensions.1.until"]


def test_the_hash_of_a_body_is_made_as_documents_md_says() -> None:
    title = 'Übung \u2028 \x7f \t\n\x1f \\ " / 🙂 \ufb33'
    sent = completion(
        reference="C-1", credits="15.00", mark="62.50", mark_scale={"lowest": "0.0", "pass": "40", "highest": "100"},
        title=title, used_for={"title": "PGCert", "framework": "FHEQ", "level": 7, "ladder": None},
    )  # fmt: skip
    stated = {
        "revision": 1,
        "learner": {"learner_id": "6f2d1c1e-6a2b-8d0e-9d59-3b8f5f0c7a11", "reference": "S-1"},
        "learning_opportunity": {"id": "northbridge:data-ethics", "version": 2},
        "credits": "15",
        "framework": "FHEQ",
        "level": 7,
        "result": "pass",
        "mark": "62.5",
        "mark_scale": {"lowest": "0", "pass": "40", "highest": "100"},
        "completed_on": "2026-06-30",
        "identity_verified_at_assessment": True,
        "title": title,
        "used_for": {"title": "PGCert", "framework": "FHEQ", "level": 7},
        "revoked": False,
    }
    line = CompletionLine.model_validate_json(orjson.dumps(sent))
    assert line.body_hash("6f2d1c1e-6a2b-8d0e-9d59-3b8f5f0c7a11") == sha256(rfc8785.dumps(stated)).hexdigest()


def test_the_hash_of_a_learning_opportunity_is_made_as_documents_md_says() -> None:
    stated = {
        "version": 1, "revision": 2, "kind": "capstone", "title": "Übung", "credits": "7.5", "framework": "EQF",
        "skills": [],
    }  # fmt: skip
    sent = {"id": "northbridge:ethics", **stated, "credits": "7.50", "level": None}
    line = LearningOpportunityLine.model_validate_json(orjson.dumps(sent))
    assert line.fingerprint == sha256(rfc8785.dumps(stated)).hexdigest()
