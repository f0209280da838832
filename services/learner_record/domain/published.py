"""A completion as its member published it: the document again, from the event that came of it (documents.md)."""

from collections.abc import Mapping
from typing import Any, Final

JSON = dict[str, Any]

FIELDS: Final = (
    "reference", "revision", "learner", "learning_opportunity", "credits", "framework", "level", "result", "mark",
    "mark_scale", "completed_on", "issued_on", "workload_hours", "identity_verified_at_assessment", "used_for", "title",
    "awarding_body", "learning_outcomes", "assessment_type", "participation_form", "quality_assurance", "revoked",
    "revocation_reason",
)  # fmt: skip
"""The fields of a completion, in the order of documents.md."""


def document_of(event: Mapping[str, Any], *, scheme: str, identifier: str) -> JSON:
    """The document of a completion's event, with the learner's identifier, which no event has, in its canonical form.

    Fields that state nothing are left out. What the completion left to its learning opportunity stands in the event,
    and so in the document: it is the completion as it was accepted.
    """
    opportunity = event["learning_opportunity"]
    stated = {
        **event,
        "learner": {"scheme": scheme, "identifier": identifier, "reference": event["learner_reference"]},
        "learning_opportunity": {"id": opportunity["id"], "version": opportunity["version"]},
        "revoked": event.get("revoked") or None,
    }
    return {name: _stated(value) for name in FIELDS if not _is_nothing(value := stated.get(name))}


def _is_nothing(value: object) -> bool:
    return value is None or value in ([], {})


def _stated(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: one for name, one in value.items() if one is not None}
    return value
