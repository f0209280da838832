"""What learners choose, which awards were conferred, and what officers decide where no agreement covers it."""

from chassis.migrate import execute

revision = "recognition_0003"
down_revision = "recognition_0002"
branch_labels = None
depends_on = None

CHOICE_REVISION = """
CREATE TABLE choice_revision (
    enrolment_id uuid NOT NULL,
    revision integer NOT NULL CHECK (revision >= 1),
    learner_id uuid NOT NULL,
    completions uuid[] NOT NULL,
    made_at timestamptz NOT NULL,
    event_id uuid NOT NULL,
    PRIMARY KEY (enrolment_id, revision)
)
"""

# An enrolment's award is conferred once; what was counted then is used from then on.
CONFERRAL = """
CREATE TABLE conferral (
    enrolment_id uuid PRIMARY KEY,
    conferral_id uuid NOT NULL UNIQUE,
    learner_id uuid NOT NULL,
    award_id text COLLATE "C" NOT NULL,
    award_version integer NOT NULL,
    conferred_on date NOT NULL,
    completions uuid[] NOT NULL,
    event_id uuid NOT NULL
)
"""


def upgrade() -> None:
    execute(
        CHOICE_REVISION,
        "CREATE INDEX choice_of_learner ON choice_revision (learner_id, enrolment_id, revision DESC)",
        CONFERRAL,
        "CREATE INDEX conferral_of_learner ON conferral (learner_id)",
        "ALTER TABLE decision ADD COLUMN conferrals uuid[] NOT NULL DEFAULT '{}'",
        # An officer may grant what no agreement covers.
        "ALTER TABLE credit_grant ALTER COLUMN agreement_id DROP NOT NULL",
        "ALTER TABLE credit_grant ALTER COLUMN agreement_version DROP NOT NULL",
        "ALTER TABLE credit_grant ADD CHECK ((agreement_id IS NULL) = (agreement_version IS NULL))",
        "GRANT SELECT, INSERT ON choice_revision, conferral TO recognition",
    )
