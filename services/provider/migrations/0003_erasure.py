"""Learners who are erased, and the right to forget their identifiers."""

from chassis.migrate import execute
from chassis.tables import erasure_tables

revision = "provider_0003"
down_revision = "provider_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    execute(
        *erasure_tables("provider"),
        # Everything held about a learner is found by the learner.
        "CREATE INDEX completion_learner ON completion (learner_id)",
    )
