"""The log of who read whose record."""

from chassis.migrate import execute
from chassis.tables import access_tables

revision = "recognition_0006"
down_revision = "recognition_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    execute(*access_tables("recognition"))
