"""The sessions of learners: all that the portal keeps."""

from chassis.migrate import execute
from chassis.pages.sessions import session_tables

revision = "portal_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    execute(*session_tables("portal"))
