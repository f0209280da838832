"""Enrolments, the facts that came over topics, and entries: all only ever added to. Copies of references are newest."""

from chassis.migrate import execute
from chassis.tables import LEARNER_IDENTIFIER, LEARNER_IDENTIFIER_LEARNER, chassis_tables

revision = "learner_record_0001"
down_revision = None
branch_labels = None
depends_on = None

# Newest copies of what other services own; they are read for titles and names, and decide nothing.
MEMBER = """
CREATE TABLE member (
    member_id text COLLATE "C" PRIMARY KEY,
    revision integer NOT NULL,
    event jsonb NOT NULL
)
"""

LEARNING_OPPORTUNITY = """
CREATE TABLE learning_opportunity (
    learning_opportunity_id text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    revision integer NOT NULL,
    event jsonb NOT NULL,
    PRIMARY KEY (learning_opportunity_id, version)
)
"""

AWARD = """
CREATE TABLE award (
    award_id text COLLATE "C" PRIMARY KEY,
    version integer NOT NULL,
    document jsonb NOT NULL
)
"""

# An enrolment, whose it is and for which award: none of it ever changes.
ENROLMENT = """
CREATE TABLE enrolment (
    enrolment_id uuid PRIMARY KEY,
    member text COLLATE "C" NOT NULL,
    reference text COLLATE "C" NOT NULL,
    learner_id uuid NOT NULL,
    learner_reference text NOT NULL,
    award text COLLATE "C" NOT NULL,
    UNIQUE (member, reference)
)
"""
ENROLMENT_LEARNER = "CREATE INDEX enrolment_learner ON enrolment (learner_id)"

# The event is stored as it was sent: with it the outbox can be compared and filled again.
ENROLMENT_REVISION = """
CREATE TABLE enrolment_revision (
    enrolment_id uuid NOT NULL REFERENCES enrolment,
    revision integer NOT NULL CHECK (revision >= 1),
    body_hash text NOT NULL,
    opened_on date NOT NULL,
    closed_on date,
    accepted_at timestamptz NOT NULL,
    is_matchable boolean NOT NULL,
    warnings jsonb NOT NULL,
    event jsonb NOT NULL,
    PRIMARY KEY (enrolment_id, revision)
)
"""

COMPLETION_REVISION = """
CREATE TABLE completion_revision (
    completion_id uuid NOT NULL,
    revision integer NOT NULL CHECK (revision >= 1),
    learner_id uuid NOT NULL,
    provider text COLLATE "C" NOT NULL,
    learner_reference text COLLATE "C" NOT NULL,
    is_matchable boolean NOT NULL,
    revoked boolean NOT NULL,
    accepted_at timestamptz NOT NULL,
    claimable_from timestamptz NOT NULL,
    event_id uuid NOT NULL,
    event jsonb NOT NULL,
    PRIMARY KEY (completion_id, revision)
)
"""
COMPLETION_LEARNER = "CREATE INDEX completion_revision_learner ON completion_revision (learner_id, completion_id)"
COMPLETION_REFERENCE = "CREATE INDEX completion_revision_reference ON completion_revision (provider, learner_reference)"

DECISION = """
CREATE TABLE decision (
    completion_id uuid NOT NULL,
    enrolment_id uuid NOT NULL,
    number integer NOT NULL CHECK (number >= 1),
    decision_id uuid NOT NULL,
    learner_id uuid NOT NULL,
    completion_revision integer NOT NULL,
    state text NOT NULL,
    event_id uuid NOT NULL,
    event jsonb NOT NULL,
    PRIMARY KEY (completion_id, enrolment_id, number)
)
"""
DECISION_LEARNER = "CREATE INDEX decision_learner ON decision (learner_id, completion_id)"

# Every revision of an entry has an event, so every one is kept; the highest is what stands.
ENTRY = """
CREATE TABLE entry (
    entry_id uuid NOT NULL,
    revision integer NOT NULL CHECK (revision >= 1),
    learner_id uuid NOT NULL,
    completion_id uuid NOT NULL,
    enrolment_id uuid,
    member text COLLATE "C" NOT NULL,
    completion_revision integer NOT NULL,
    decision_id uuid,
    decision_number integer,
    state text NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (entry_id, revision)
)
"""
ENTRY_LEARNER = "CREATE INDEX entry_learner ON entry (learner_id, completion_id)"


def upgrade() -> None:
    execute(
        *chassis_tables("learner_record"),
        MEMBER,
        LEARNING_OPPORTUNITY,
        AWARD,
        ENROLMENT,
        ENROLMENT_LEARNER,
        ENROLMENT_REVISION,
        COMPLETION_REVISION,
        COMPLETION_LEARNER,
        COMPLETION_REFERENCE,
        DECISION,
        DECISION_LEARNER,
        ENTRY,
        ENTRY_LEARNER,
        LEARNER_IDENTIFIER,
        LEARNER_IDENTIFIER_LEARNER,
        "GRANT SELECT, INSERT, UPDATE ON member, learning_opportunity, award TO learner_record",
        "GRANT SELECT, INSERT ON enrolment, enrolment_revision, completion_revision, decision, entry,"
        " learner_identifier TO learner_record",
    )
