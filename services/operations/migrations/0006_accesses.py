"""The log of who read whose journey; and hops by enrolment, so that a learner's can be given out."""

from chassis.migrate import execute
from chassis.tables import access_tables

revision = "operations_0006"
down_revision = "0005_synthetic_credit"
branch_labels = None
depends_on = None


def upgrade() -> None:
    execute(
        *access_tables("operations"),
        "CREATE INDEX hop_enrolment ON hop ((facts ->> 'enrolment_id')) WHERE facts ->> 'enrolment_id' IS NOT NULL",
    )
