"""Audits' reports, only ever added to."""

from chassis.migrate import execute

revision = "operations_0004"
down_revision = "operations_0003"
branch_labels = None
depends_on = None

AUDIT_REPORT = """
CREATE TABLE audit_report (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    taken_at timestamptz NOT NULL,
    report jsonb NOT NULL
)
"""


def upgrade() -> None:
    execute(AUDIT_REPORT, "GRANT SELECT, INSERT ON audit_report TO operations")
