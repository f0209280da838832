"""Members, learning opportunities and completions: what is accepted is only ever added to."""

from chassis.migrate import execute
from chassis.tables import LEARNER_IDENTIFIER, LEARNER_IDENTIFIER_LEARNER, chassis_tables

revision = "provider_0001"
down_revision = None
branch_labels = None
depends_on = None

MEMBER_REVISION = """
CREATE TABLE member_revision (
    member_id text COLLATE "C" NOT NULL,
    revision integer NOT NULL CHECK (revision >= 1),
    document jsonb NOT NULL,
    accepted_at timestamptz NOT NULL,
    PRIMARY KEY (member_id, revision)
)
"""

LEARNING_OPPORTUNITY_REVISION = """
CREATE TABLE learning_opportunity_revision (
    learning_opportunity_id text COLLATE "C" NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    revision integer NOT NULL CHECK (revision >= 1),
    member text COLLATE "C" NOT NULL,
    body_hash text NOT NULL,
    document jsonb NOT NULL,
    missing_elements jsonb NOT NULL,
    accepted_at timestamptz NOT NULL,
    PRIMARY KEY (learning_opportunity_id, version, revision)
)
"""

# A completion and whose it is: neither ever changes.
COMPLETION = """
CREATE TABLE completion (
    completion_id uuid PRIMARY KEY,
    member text COLLATE "C" NOT NULL,
    reference text COLLATE "C" NOT NULL,
    learner_id uuid NOT NULL,
    learner_reference text NOT NULL,
    UNIQUE (member, reference)
)
"""

# The event is stored as it was sent: with it the outbox can be compared and filled again, and an answer given again.
COMPLETION_REVISION = """
CREATE TABLE completion_revision (
    completion_id uuid NOT NULL REFERENCES completion,
    revision integer NOT NULL CHECK (revision >= 1),
    body_hash text NOT NULL,
    result text NOT NULL,
    completed_on date NOT NULL,
    accepted_at timestamptz NOT NULL,
    claimable_from timestamptz NOT NULL,
    warnings jsonb NOT NULL,
    event jsonb NOT NULL,
    PRIMARY KEY (completion_id, revision)
)
"""


def upgrade() -> None:
    execute(
        *chassis_tables("provider"),
        MEMBER_REVISION,
        LEARNING_OPPORTUNITY_REVISION,
        COMPLETION,
        COMPLETION_REVISION,
        LEARNER_IDENTIFIER,
        LEARNER_IDENTIFIER_LEARNER,
        "GRANT SELECT, INSERT ON member_revision, learning_opportunity_revision, completion, completion_revision,"
        " learner_identifier TO provider",
    )
