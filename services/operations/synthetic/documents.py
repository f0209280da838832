"""What the synthetic credit needs: members, a learning opportunity, an award and an agreement that are nobody's."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

MEMBER: Final = "synthetic"
"""The member that publishes."""
RECEIVER: Final = "synthetic-receiver"
"""The member on whose record it must appear."""
COURSE: Final = f"{MEMBER}:credit"
AWARD: Final = f"{RECEIVER}:award"
AGREEMENT: Final = "synthetic-credit"

Document = dict[str, Any]


def _member(name: str) -> Document:
    return {
        "name": name,
        "colours": {"primary": "#444444", "accent": "#999999"},
        "country": "GB",
        "framework": "FHEQ",
        "joined_on": "2024-01-01",
        "referrals_to": "Nobody: this member is for operations alone",
        "appeals": {"route": "None: this member is for operations alone", "days": 1, "stages": ["None"]},
    }


MEMBERS: Final[dict[str, Document]] = {
    MEMBER: _member("Synthetic provider"),
    RECEIVER: _member("Synthetic receiver"),
}

# Published versions never change: whoever changes a document gives it the next version.
COURSE_DOCUMENT: Final[Document] = {
    "version": 1,
    "revision": 1,
    "kind": "standalone",
    "title": "Synthetic credit",
    "awarding_body": "Synthetic provider",
    "credits": "1",
    "framework": "FHEQ",
    "level": 4,
}

AWARD_DOCUMENT: Final[Document] = {
    "id": AWARD,
    "version": 1,
    "member": RECEIVER,
    "title": "Synthetic award",
    "framework": "FHEQ",
    "level": 4,
    "ladder": None,
    "credits_required": 120,
    "minimum_by_level": {"4": 120},
    "categories": [],
    "capstone": None,
    "slots": [],
    "import_cap": 60,
    "import_cap_by_level": {},
    "same_level_cap": None,
    "minimum_level": 4,
}

AGREEMENT_DOCUMENT: Final[Document] = {
    "id": AGREEMENT,
    "version": 1,
    "title": "Synthetic credit",
    "parties": {"provider": MEMBER, "receiver": RECEIVER},
    "credit_ratio": 1,
    "credit_step": "0.01",
    "in_force_from": "2024-01-01",
    "in_force_until": "2099-12-31",
    "in_force_basis": "claim",
    "currency_years": 5,
    "on_expired": "REFERRED",
    "grade_policy": "carry",
    "whole_units_only": True,
    "excess_credit": "general",
    "on_revocation": "refer",
}


def period(now: datetime) -> str:
    """The learner that stands for this hour, by its reference: one alone would have a longer history every minute."""
    return f"{now.astimezone(UTC):%Y-%m-%dt%H}"


def _before(of_period: str) -> str:
    return (datetime.strptime(of_period, "%Y-%m-%dt%H").replace(tzinfo=UTC) - timedelta(days=1)).date().isoformat()


def _learner(scheme: str, identifier: str, of_period: str) -> Document:
    return {"scheme": scheme, "identifier": identifier, "reference": of_period}


def enrolment(scheme: str, identifier: str, of_period: str) -> Document:
    """The enrolment of a period's learner, the same whenever it is sent."""
    return {
        "revision": 1,
        "learner": _learner(scheme, identifier, of_period),
        "award": AWARD,
        "opened_on": _before(of_period),
    }


def completion(scheme: str, identifier: str, of_period: str, revision: int) -> Document:
    """A revision of a period's completion; every one leads to a decision of its own."""
    return {
        "revision": revision,
        "learner": _learner(scheme, identifier, of_period),
        "learning_opportunity": {"id": COURSE, "version": 1},
        "credits": "1",
        "framework": "FHEQ",
        "level": 4,
        "result": "pass",
        "mark": "65",
        "mark_scale": {"lowest": "0", "pass": "40", "highest": "100"},
        "completed_on": _before(of_period),
        "issued_on": _before(of_period),
        "identity_verified_at_assessment": True,
    }


def shows(record: Document, of_period: str, revision: int) -> bool:
    """Whether a record shows what was decided on this revision of the period's completion, or on a later one."""
    return any(
        entry["completion"]["reference"] == of_period
        and entry["completion_revision"] >= revision
        and entry["state"] != "RECEIVED"
        and not entry["is_being_decided"]
        for member in record["members"]
        for enrolled in member["enrolments"]
        for entry in enrolled["entries"]
    )
