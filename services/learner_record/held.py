"""What this service holds about a learner, for the learner's export (docs/privacy.md)."""

from typing import Final

from chassis.export import OF_EVERY_SERVICE, Held, tables

HELD: Final[Held] = {
    **OF_EVERY_SERVICE,
    **tables(
        "learner_identifier",
        "erased_learner",
        "enrolment",
        "completion_revision",
        "decision",
        "entry",
        "choice",
        "appeal_request",
        "appeal_statement",
        "appeal",
        "conferral",
        "award_progress",
        "record_access",
    ),
    "enrolment_revision": (
        "SELECT r.* FROM enrolment AS e JOIN enrolment_revision AS r USING (enrolment_id)"
        " WHERE e.learner_id = about.learner_id"
    ),
}
