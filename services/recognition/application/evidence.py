"""What an officer has before them to decide a claim: evidence, rule trace and precedents, side by side (domain.md)."""

from fractions import Fraction
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from chassis.clock import instant
from chassis.database import Connection
from services.recognition.application.catalogue import CatalogueReader
from services.recognition.domain.balances import ledger_of
from services.recognition.domain.catalogue import Catalogue
from services.recognition.domain.learner import DocumentVersion
from services.recognition.domain.rulings import rooms_for
from services.recognition.engine.numbers import text_of_number
from services.recognition.store import catalogue as catalogue_store
from services.recognition.store import learners, referrals

JSON = dict[str, Any]
PRECEDENTS: Final = 20
"""Earlier decisions that are shown, at most."""


def bilateral(catalogue: Catalogue, provider: str, receiver: str) -> DocumentVersion | None:
    """The newest version of the agreement in this direction; None where there is none between these two alone."""
    versions = [one for one in catalogue.agreements if one.ratios is None and one.parties == (provider, receiver)]
    newest = max(versions, key=lambda one: one.version, default=None)
    return DocumentVersion(newest.id, newest.version) if newest else None


async def document_of(connection: Connection, version: DocumentVersion | None) -> JSON | None:
    """The published agreement of this version; a copy that the caller may change."""
    if version is None:
        return None
    key = (version.id, version.version)
    return (await catalogue_store.agreement_documents(connection, [key]))[key]


class Evidence:
    """Gathers it."""

    def __init__(self, catalogues: CatalogueReader, zone: ZoneInfo) -> None:
        self._catalogues = catalogues
        self._zone = zone

    async def of(self, connection: Connection, claim: referrals.Claim, completion_id: UUID, enrolment_id: UUID) -> JSON:
        """All of it, about a claim that has a decision; read in a transaction that sees one state of everything."""
        catalogue = await self._catalogues.read(connection)
        learner = (await learners.read(connection, [claim.learner_id], self._zone))[claim.learner_id]
        enrolment = learner.enrolments[enrolment_id]
        decision = learner.current[completion_id, enrolment_id]
        course = learner.completions[completion_id].course
        rooms = rooms_for(learner, completion_id, enrolment, catalogue)
        ledger = ledger_of(learner.grants_of(enrolment))
        award = catalogue.award(enrolment.award)
        assert award is not None  # noqa: S101 - without it there would be no decision
        agreed = decision.agreement or bilateral(catalogue, claim.provider, claim.receiver)
        agreement = await document_of(connection, agreed)
        completion = await referrals.evidence(connection, completion_id)
        but_not = (completion_id, enrolment_id)
        precedents = await referrals.precedents(connection, course, claim.receiver, but_not, PRECEDENTS)
        return {
            "evidence": {
                "completion": _completion(completion),
                "enrolment": {
                    "enrolment_id": enrolment_id,
                    "reference": enrolment.reference,
                    "learner_reference": enrolment.learner_reference,
                    "award": enrolment.award,
                    "opened_on": enrolment.opened_on,
                    "ends_on": enrolment.ends_on,
                },
                "award": {
                    "id": award.id,
                    "version": award.version,
                    "framework": award.framework,
                    "level": award.level,
                    "credits_required": _text(award.credits_required),
                    "slots": award.slots,
                },
                "ledger": {
                    "imported": _text(ledger.imported),
                    "imported_by_level": {str(at): _text(credit) for at, credit in ledger.imported_by_level.items()},
                    "granted_courses": ledger.granted_courses,
                    "slots_filled": ledger.slots_filled,
                },
                "rooms": {
                    "credits": _text(rooms.source),
                    "total": _text(rooms.total),
                    "by_level": {str(level): _text(room) for level, room in sorted(rooms.by_level.items())},
                    "slots": rooms.slots,
                    "course_has_a_grant": rooms.course_has_a_grant,
                },
            },
            "rule_trace": {
                "pinned": decision.agreement is not None,
                "agreement": None if agreement is None else _agreement(agreement, course),
            },
            "precedents": [_precedent(row) for row in precedents],
        }


def _completion(row: JSON) -> JSON:
    for name in ("credits", "mark", "workload_hours"):
        row[name] = _text(row[name])
    return {**row, "accepted_at": instant(row["accepted_at"]), "claimable_from": instant(row["claimable_from"])}


def _agreement(document: JSON, course: str) -> JSON:
    """What of an agreement speaks of a course: rules that name it, where they stand, and why it is refused."""
    rules = document["rules"]
    return {
        "id": document["id"],
        "version": document["version"],
        "title": document["title"],
        "in_force_from": document["in_force_from"],
        "in_force_until": document["in_force_until"],
        "like_for_like": rules is None,
        "rules": [
            {"clause": f"/rules/{at}", "rule": rule}
            for at, rule in enumerate(rules or ())
            if course in _courses(rule["requires"])
        ],
        "denied": next((one["reason"] for one in document["denied_courses"] if one["course"] == course), None),
    }


def _courses(requirement: JSON) -> set[str]:
    if "course" in requirement:
        return {requirement["course"]}
    branches = next(requirement[kind] for kind in ("all", "any", "of") if kind in requirement)
    return set().union(*(_courses(branch) for branch in branches))


def _precedent(row: Any) -> JSON:
    pinned = row["agreement_id"]
    return {
        "state": row["state"],
        "by_officer": row["by_officer"],
        "grounds": row["grounds"],
        "lines": row["lines"],
        "decided_at": instant(row["decided_at"]),
        "award": {"id": row["award_id"], "version": row["award_version"]},
        "agreement": None if pinned is None else {"id": pinned, "version": row["agreement_version"]},
        "course_version": row["course_version"],
        "credits": _text(row["credits"]),
        "framework": row["framework"],
        "level": row["level"],
        "mark": _text(row["mark"]),
    }


def _text(number: Any) -> str | None:
    return None if number is None else text_of_number(Fraction(number))
