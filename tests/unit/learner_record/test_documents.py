"""Enrolments as they are sent."""

from services.learner_record.documents import EnrolmentDocument, EnrolmentLine

BODY = (
    '{"revision":1,"learner":{"scheme":"ESI","identifier":"urn:x","reference":"M-1"},'
    '"award":"strathmore:pgcert","opened_on":"2026-08-15"}'
)


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
