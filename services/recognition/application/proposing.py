"""ProposeRule: what an officer decided once becomes a rule that decides the next such claim (domain.md, Referral)."""

from fractions import Fraction
from typing import Any
from uuid import UUID

from chassis.database import Connection
from chassis.problems import conflict
from services.recognition.application.catalogue import CatalogueReader
from services.recognition.application.evidence import bilateral, document_of
from services.recognition.domain.learner import OFFICER
from services.recognition.engine.numbers import text_of_number
from services.recognition.store import feed, referrals

JSON = dict[str, Any]


async def propose(
    connection: Connection,
    catalogues: CatalogueReader,
    claim: referrals.Claim,
    completion_id: UUID,
    enrolment_id: UUID,
    *,
    with_minimum_mark: bool,
) -> JSON:
    """The agreement of the claim's direction with one rule more, as its next version; nothing is stored.

    The claim's current decision must be an officer's. The rule requires the completion's course, with its mark as the
    least where that is wanted and there is one, and grants the officer's lines. It comes after all other rules. Raises
    the Problem 409 where there is nothing to make a rule of, or nowhere to put it.
    """
    made = await feed.decision(connection, await feed.newest(connection, completion_id, enrolment_id))
    if made is None or made.grant is None or all(ground.code != OFFICER for ground in made.grounds):
        raise conflict("No officer has recognised credit here, so there is nothing to propose.", name="no-ruling")
    catalogue = await catalogues.read(connection)
    agreed = bilateral(catalogue, claim.provider, claim.receiver)
    document = await document_of(connection, agreed)
    if document is None:
        raise conflict(
            f"There is no agreement from {claim.provider} to {claim.receiver} that could have rules.",
            name="no-agreement",
        )
    if document["rules"] is None:
        raise conflict(
            f"{document['id']} recognises every course like for like; one rule would end that.",
            name="like-for-like",
        )
    completion = await referrals.evidence(connection, made.completion_id)
    mark = completion["mark"] if with_minimum_mark else None
    rule = {
        "priority": max((one["priority"] for one in document["rules"]), default=0) + 1,
        "requires": {
            "course": completion["course"],
            "minimum_mark": None if mark is None else text_of_number(Fraction(mark)),
            "maximum_mark": None,
        },
        "grants": [
            {"slot": line.slot, "credits": text_of_number(Fraction(line.credits)), "level": line.level}
            for line in made.grant.lines
        ],
    }
    return {
        "agreement_id": document["id"],
        "version": document["version"] + 1,
        "rule": rule,
        "document": {**document, "version": document["version"] + 1, "rules": [*document["rules"], rule]},
    }
