"""What learners choose and appeal against, how far they are towards an award, and what was conferred."""

from chassis.migrate import execute

revision = "learner_record_0003"
down_revision = "learner_record_0002"
branch_labels = None
depends_on = None

CHOICE = """
CREATE TABLE choice (
    enrolment_id uuid NOT NULL REFERENCES enrolment,
    revision integer NOT NULL CHECK (revision >= 1),
    learner_id uuid NOT NULL,
    completions uuid[] NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (enrolment_id, revision)
)
"""

APPEAL_REQUEST = """
CREATE TABLE appeal_request (
    appeal_id uuid NOT NULL,
    revision integer NOT NULL CHECK (revision >= 1),
    learner_id uuid NOT NULL,
    completion_id uuid NOT NULL,
    enrolment_id uuid NOT NULL REFERENCES enrolment,
    decision_id uuid NOT NULL,
    decision_number integer NOT NULL,
    stage integer NOT NULL CHECK (stage >= 1),
    withdrawn boolean NOT NULL,
    lodged_at timestamptz NOT NULL,
    PRIMARY KEY (appeal_id, revision)
)
"""

# Apart from everything else, since it may name people: it is in no event, and goes when the learner is erased.
APPEAL_STATEMENT = """
CREATE TABLE appeal_statement (
    appeal_id uuid NOT NULL,
    stage integer NOT NULL,
    learner_id uuid NOT NULL,
    statement text NOT NULL,
    PRIMARY KEY (appeal_id, stage)
)
"""

# How appeals stand, as recognition says.
APPEAL = """
CREATE TABLE appeal (
    appeal_id uuid NOT NULL,
    revision integer NOT NULL CHECK (revision >= 1),
    learner_id uuid NOT NULL,
    event_id uuid NOT NULL,
    event jsonb NOT NULL,
    PRIMARY KEY (appeal_id, revision)
)
"""

# An enrolment's award is conferred once.
CONFERRAL = """
CREATE TABLE conferral (
    enrolment_id uuid PRIMARY KEY REFERENCES enrolment,
    conferral_id uuid NOT NULL UNIQUE,
    learner_id uuid NOT NULL,
    member text COLLATE "C" NOT NULL,
    award_id text COLLATE "C" NOT NULL,
    award_version integer NOT NULL,
    ladder text,
    conferred_on date NOT NULL,
    conferred_by text NOT NULL,
    completions uuid[] NOT NULL CHECK (cardinality(completions) > 0),
    conferred_at timestamptz NOT NULL
)
"""

# Every revision has its event; the highest is what stands.
AWARD_PROGRESS = """
CREATE TABLE award_progress (
    enrolment_id uuid NOT NULL REFERENCES enrolment,
    revision integer NOT NULL CHECK (revision >= 1),
    learner_id uuid NOT NULL,
    member text COLLATE "C" NOT NULL,
    award_id text COLLATE "C" NOT NULL,
    award_version integer NOT NULL,
    eligible boolean NOT NULL,
    capstone text NOT NULL CHECK (capstone IN ('none', 'closed', 'open', 'passed')),
    conferral_id uuid,
    lost uuid[] NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (enrolment_id, revision)
)
"""

# A work row: of this learner something changed, and the progress has not been told since.
PROGRESS_DUE = """
CREATE TABLE progress_due (
    learner_id uuid PRIMARY KEY,
    caused_by uuid,
    traceparent text,
    since timestamptz NOT NULL DEFAULT now()
)
"""


def upgrade() -> None:
    execute(
        CHOICE,
        "CREATE INDEX choice_learner ON choice (learner_id)",
        APPEAL_REQUEST,
        "CREATE INDEX appeal_request_learner ON appeal_request (learner_id)",
        APPEAL_STATEMENT,
        "CREATE INDEX appeal_statement_learner ON appeal_statement (learner_id)",
        APPEAL,
        "CREATE INDEX appeal_learner ON appeal (learner_id)",
        CONFERRAL,
        "CREATE INDEX conferral_learner ON conferral (learner_id)",
        AWARD_PROGRESS,
        "CREATE INDEX award_progress_learner ON award_progress (learner_id)",
        "CREATE INDEX award_progress_member ON award_progress (member, enrolment_id, revision DESC)",
        PROGRESS_DUE,
        "CREATE INDEX progress_due_since ON progress_due (since)",
        "CREATE INDEX enrolment_award ON enrolment (award)",
        "GRANT SELECT, INSERT ON choice, appeal_request, appeal, conferral, award_progress TO learner_record",
        "GRANT SELECT, INSERT, DELETE ON appeal_statement TO learner_record",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON progress_due TO learner_record",
    )
