"""What was done about a record that was set aside: by whom, when and why."""

from chassis.migrate import execute
from chassis.tables import SET_ASIDE_ACTIONS

revision = "learner_record_0002"
down_revision = "learner_record_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    execute(SET_ASIDE_ACTIONS)
