"""Whether a hop's trace was sampled: only then a viewer has it. Of hops seen before, nobody knows."""

from chassis.migrate import execute

revision = "0002_trace_sampled"
down_revision = "operations_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    execute("ALTER TABLE hop ADD COLUMN trace_sampled boolean NOT NULL DEFAULT false")
