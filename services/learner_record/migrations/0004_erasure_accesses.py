"""Learners who are erased, and the log of who read whose record."""

from chassis.migrate import execute
from chassis.tables import access_tables, erasure_tables

revision = "learner_record_0004"
down_revision = "learner_record_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    execute(*erasure_tables("learner_record"), *access_tables("learner_record"))
