"""What this service holds about a learner, for the learner's export (docs/privacy.md)."""

from typing import Final

from chassis.export import OF_EVERY_SERVICE, Held, tables

HELD: Final[Held] = {
    **OF_EVERY_SERVICE,
    **tables(
        "completion_revision",
        "enrolment_revision",
        "choice_revision",
        "conferral",
        "claim",
        "decision",
        "credit_grant",
        "ledger",
        "referral",
        "appeal",
        "record_access",
    ),
    # What an evaluation was given: the case with all its completions.
    "evaluation": (
        "SELECT * FROM evaluation WHERE evaluation_id IN"
        " (SELECT evaluation_id FROM decision WHERE learner_id = about.learner_id)"
    ),
}
