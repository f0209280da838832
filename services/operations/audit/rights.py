"""Checks that nothing can have been changed or taken away: the roles' rights, and numbers without holes (I-16)."""

from typing import Final

from services.operations.audit.check import Check
from services.operations.audit.sources import SERVICES

# Tables that are only ever added to (ADR 20).
IMMUTABLE: Final = {
    "provider": (
        "member_revision",
        "learning_opportunity_revision",
        "completion",
        "completion_revision",
        "erased_learner",
    ),
    "recognition": (
        "completion_revision",
        "enrolment_revision",
        "agreement",
        "award",
        "evaluation",
        "decision",
        "credit_grant",
        "ledger",
        "choice_revision",
        "conferral",
        "record_access",
        "appeal",
    ),
    "learner_record": (
        "enrolment",
        "enrolment_revision",
        "completion_revision",
        "decision",
        "entry",
        "choice",
        "appeal_request",
        "appeal",
        "conferral",
        "award_progress",
        "erased_learner",
        "record_access",
    ),
    "operations": ("hop", "audit_report", "record_access"),
}

_IMMUTABLE: Final = ", ".join(f"('{service}', '{table}')" for service in SERVICES for table in IMMUTABLE[service])
_RIGHTS: Final = " UNION ALL ".join(f"SELECT '{service}' AS service, * FROM {service}_rights" for service in SERVICES)  # noqa: S608

RIGHTS: Final = f"""
    SELECT service || '.' || table_name AS id,
        CASE
            WHEN held.table_name IS NULL THEN 'the table is not there'
            WHEN held.is_owner THEN 'its service owns it'
            WHEN held.may_update THEN 'its service may update it'
            WHEN held.may_delete THEN 'its service may delete from it'
        END AS wrong,
        NULL AS waits
    FROM (VALUES {_IMMUTABLE}) AS wanted (service, table_name)
    LEFT JOIN ({_RIGHTS}) AS held USING (service, table_name)
"""  # noqa: S608 - constants of this module

# Rows with the same numbers twice are for I-2 to find.
DENSE: Final = """
    SELECT what || ' ' || thing AS id,
        CASE WHEN first <> least_number OR last - first + 1 <> numbers THEN 'a number is missing' END AS wrong,
        NULL AS waits
    FROM (
        SELECT 'decisions on' AS what, completion_id || ' for ' || enrolment_id AS thing, 1 AS least_number,
            min(number) AS first, max(number) AS last, count(DISTINCT number) AS numbers
        FROM recognition_decision GROUP BY completion_id, enrolment_id
        UNION ALL
        SELECT 'revisions of entry', entry_id::text, 1, min(revision), max(revision), count(DISTINCT revision)
        FROM learner_record_entry GROUP BY entry_id
        UNION ALL
        SELECT 'grants of', enrolment_id::text, 0, min(ordinal), max(ordinal), count(DISTINCT ordinal)
        FROM recognition_credit_grant GROUP BY enrolment_id
    ) AS each
"""

CHECKS: Final = (
    Check("I-16", "no service may change or delete what is only ever added to", RIGHTS),
    Check("I-16", "no decision, entry or grant is missing from its row", DENSE),
)
