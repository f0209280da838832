"""Every event as it was first seen, only ever added to; and the sessions of operations staff."""

from chassis.migrate import execute
from chassis.pages.sessions import session_tables
from chassis.tables import chassis_tables

revision = "operations_0001"
down_revision = None
branch_labels = None
depends_on = None

# The event's id is the natural key: an event that comes again, at another offset or in a replay, is known already.
HOP = """
CREATE TABLE hop (
    event_id uuid PRIMARY KEY,
    event_type text NOT NULL,
    caused_by uuid,
    happened_at timestamptz NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    log_offset bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    trace_id text,
    completion_id uuid,
    facts jsonb NOT NULL
)
"""
HOP_COMPLETION = "CREATE INDEX hop_completion ON hop (completion_id) WHERE completion_id IS NOT NULL"
HOP_CAUSE = "CREATE INDEX hop_caused_by ON hop (caused_by) WHERE caused_by IS NOT NULL"
HOP_NEWEST = "CREATE INDEX hop_newest ON hop (event_type, happened_at DESC)"


def upgrade() -> None:
    execute(
        *chassis_tables("operations"),
        *session_tables("operations"),
        HOP,
        HOP_COMPLETION,
        HOP_CAUSE,
        HOP_NEWEST,
        "GRANT SELECT, INSERT ON hop TO operations",
    )
