"""Revisions and references: what is new, a repeat, or a contradiction."""

from uuid import UUID

import pytest

from services.learner_record.documents import EnrolmentDocument, EnrolmentLine
from services.learner_record.domain.acceptance import Named, Standing, standing

ANN, BOB = UUID(int=1), UUID(int=2)
BODY = (
    '{"revision":1,"learner":{"scheme":"ESI","identifier":"urn:x","reference":"M-1"},'
    '"award":"strathmore:pgcert","opened_on":"2026-08-15"}'
)


@pytest.mark.parametrize(
    ("sent", "stored_hash", "newest", "expected"),
    [
        (1, None, None, Standing.NEW),
        (7, None, 3, Standing.NEW),
        (3, "same", 3, Standing.REPEATED),
        (1, "same", 3, Standing.REPEATED),
        (3, "other", 3, Standing.OTHER_BODY),
        (1, "other", 3, Standing.OTHER_BODY),
        (2, None, 3, Standing.TOO_LOW),
    ],
)
def test_a_revision_is_judged_by_its_number_and_its_body(
    sent: int, stored_hash: str | None, newest: int | None, expected: Standing
) -> None:
    assert standing(sent=sent, sent_hash="same", stored_hash=stored_hash, newest=newest) is expected


def test_a_reference_stands_for_one_learner() -> None:
    named = Named()
    assert named.objection_to(ANN, is_placeholder=False) is None
    named.note(ANN, is_placeholder=False)
    assert named.objection_to(ANN, is_placeholder=False) is None
    assert named.objection_to(BOB, is_placeholder=False) == "other"
    assert named.objection_to(BOB, is_placeholder=True) == "known"


def test_an_identifier_may_come_after_a_placeholder() -> None:
    named = Named()
    named.note(BOB, is_placeholder=True)
    assert named.objection_to(BOB, is_placeholder=True) is None
    assert named.objection_to(ANN, is_placeholder=False) is None
    assert (named.knows(is_placeholder=True), named.knows(is_placeholder=False)) == (True, False)


def test_the_hash_is_of_the_values_and_not_of_their_spelling_or_the_identifier() -> None:
    document = EnrolmentDocument.model_validate_json(BODY)
    other_spelling = BODY.replace(",", " ,\n")[:-1] + ', "closed_on": null}'
    spaced = EnrolmentDocument.model_validate_json(other_spelling)
    line = EnrolmentLine.model_validate_json(BODY[:-1] + ',"reference":"E-1"}')
    other = EnrolmentDocument.model_validate_json(BODY.replace("urn:x", "urn:y"))
    assert document.body_hash("id") == spaced.body_hash("id") == line.body_hash("id") == other.body_hash("id")
    assert document.body_hash("id") != document.body_hash("another learner")
    changed = EnrolmentDocument.model_validate_json(BODY.replace("08-15", "08-16"))
    assert document.body_hash("id") != changed.body_hash("id")
