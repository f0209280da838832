"""What this service holds about a learner, for the learner's export (docs/privacy.md)."""

from typing import Final

from chassis.export import OF_EVERY_SERVICE, Held, tables

HELD: Final[Held] = {
    **OF_EVERY_SERVICE,
    **tables("learner_identifier", "erased_learner", "completion"),
    "completion_revision": (
        "SELECT r.* FROM completion AS c JOIN completion_revision AS r USING (completion_id)"
        " WHERE c.learner_id = about.learner_id"
    ),
}
