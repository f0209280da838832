"""How the last synthetic credit went: one row, which the processes of operations also take their turns by."""

from chassis.migrate import execute

revision = "0005_synthetic_credit"
down_revision = "operations_0004"
branch_labels = None
depends_on = None

SYNTHETIC_CREDIT = """
CREATE TABLE synthetic_credit (
    is_the_one boolean PRIMARY KEY DEFAULT true CHECK (is_the_one),
    tried_at timestamptz,
    visible_at timestamptz,
    seconds double precision,
    trouble text
)
"""


def upgrade() -> None:
    execute(
        SYNTHETIC_CREDIT,
        "INSERT INTO synthetic_credit DEFAULT VALUES",
        "GRANT SELECT, UPDATE ON synthetic_credit TO operations",
    )
