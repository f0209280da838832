"""What is consumed, what is published, and what is decided; all but references and work rows is only ever added to."""

from chassis.migrate import execute
from chassis.tables import chassis_tables

revision = "recognition_0001"
down_revision = None
branch_labels = None
depends_on = None

# --- references: copies of what others own, each at its newest revision ----------------------------------------------

MEMBER = """
CREATE TABLE member (
    member_id text COLLATE "C" PRIMARY KEY,
    revision integer NOT NULL,
    name text NOT NULL,
    framework text NOT NULL,
    suspensions jsonb NOT NULL,
    left_on date,
    referrals_to text NOT NULL,
    appeals jsonb NOT NULL
)
"""

LEARNING_OPPORTUNITY = """
CREATE TABLE learning_opportunity (
    learning_opportunity_id text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    revision integer NOT NULL,
    member text COLLATE "C" NOT NULL,
    title text,
    credits numeric(10, 2) NOT NULL,
    framework text NOT NULL,
    level integer,
    PRIMARY KEY (learning_opportunity_id, version)
)
"""

# --- learners: consumed, revision by revision ------------------------------------------------------------------------

COMPLETION_REVISION = """
CREATE TABLE completion_revision (
    completion_id uuid NOT NULL,
    revision integer NOT NULL CHECK (revision >= 1),
    learner_id uuid NOT NULL,
    provider text COLLATE "C" NOT NULL,
    reference text NOT NULL,
    learner_reference text NOT NULL,
    is_matchable boolean NOT NULL,
    course text COLLATE "C" NOT NULL,
    course_version integer NOT NULL,
    title text,
    credits numeric(10, 2) NOT NULL,
    framework text NOT NULL,
    level integer,
    result text NOT NULL,
    mark numeric(8, 4),
    completed_on date NOT NULL,
    workload_hours numeric(10, 2),
    identity_verified_at_assessment boolean NOT NULL,
    used_for jsonb,
    revoked boolean NOT NULL,
    missing_elements text[] NOT NULL,
    body_hash text NOT NULL,
    accepted_at timestamptz NOT NULL,
    claimable_from timestamptz NOT NULL,
    event_id uuid NOT NULL,
    PRIMARY KEY (completion_id, revision)
)
"""
COMPLETION_OF_LEARNER = """
CREATE INDEX completion_of_learner ON completion_revision (learner_id, completion_id, revision DESC)
"""

ENROLMENT_REVISION = """
CREATE TABLE enrolment_revision (
    enrolment_id uuid NOT NULL,
    revision integer NOT NULL CHECK (revision >= 1),
    learner_id uuid NOT NULL,
    receiver text COLLATE "C" NOT NULL,
    reference text NOT NULL,
    learner_reference text NOT NULL,
    award text COLLATE "C" NOT NULL,
    opened_on date NOT NULL,
    closed_on date,
    accepted_at timestamptz NOT NULL,
    event_id uuid NOT NULL,
    PRIMARY KEY (enrolment_id, revision)
)
"""
ENROLMENT_OF_LEARNER = """
CREATE INDEX enrolment_of_learner ON enrolment_revision (learner_id, enrolment_id, revision DESC)
"""

# --- the catalogue: published here -----------------------------------------------------------------------------------

# One row. Whoever publishes takes the next number in the same transaction, so publications are serial; `mark` is new
# with each, and so tells a number that was committed from the same number of a transaction that was not.
CATALOGUE = """
CREATE TABLE catalogue (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    number bigint NOT NULL,
    mark uuid NOT NULL
) WITH (fillfactor = 50)
"""
CATALOGUE_BEGINS = "INSERT INTO catalogue (number, mark) VALUES (0, gen_random_uuid())"

# The newest number that concerns a subject: a direction (provider>receiver), an award or a member. The standing query
# compares the stamps of claims with it.
SUBJECT = """
CREATE TABLE subject (
    kind text NOT NULL CHECK (kind IN ('direction', 'award', 'member')),
    id text COLLATE "C" NOT NULL,
    receiver text COLLATE "C" NOT NULL DEFAULT '',
    number bigint NOT NULL,
    cause text NOT NULL,
    event_id uuid NOT NULL,
    traceparent text,
    PRIMARY KEY (kind, id, receiver)
) WITH (fillfactor = 70)
"""

AGREEMENT = """
CREATE TABLE agreement (
    agreement_id text COLLATE "C" NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    parties text[] NOT NULL,
    document jsonb NOT NULL,
    document_hash text NOT NULL,
    catalogue_number bigint NOT NULL UNIQUE,
    published_at timestamptz NOT NULL,
    published_by text NOT NULL,
    PRIMARY KEY (agreement_id, version)
)
"""

AWARD = """
CREATE TABLE award (
    award_id text COLLATE "C" NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    member text COLLATE "C" NOT NULL,
    document jsonb NOT NULL,
    document_hash text NOT NULL,
    catalogue_number bigint NOT NULL UNIQUE,
    published_at timestamptz NOT NULL,
    published_by text NOT NULL,
    PRIMARY KEY (award_id, version)
)
"""

# --- what is decided -------------------------------------------------------------------------------------------------

# What an evaluation was given besides the pinned versions: with them it can be decided again, to the same bytes (I-12).
EVALUATION = """
CREATE TABLE evaluation (
    evaluation_id uuid PRIMARY KEY,
    inputs jsonb NOT NULL
)
"""

# The current decision on a claim is the one with the highest number. `written_by` orders the feed (store.py).
DECISION = """
CREATE TABLE decision (
    completion_id uuid NOT NULL,
    enrolment_id uuid NOT NULL,
    number integer NOT NULL CHECK (number >= 1),
    decision_id uuid NOT NULL UNIQUE,
    learner_id uuid NOT NULL,
    completion_revision integer NOT NULL,
    provider text COLLATE "C" NOT NULL,
    receiver text COLLATE "C" NOT NULL,
    state text NOT NULL
        CHECK (state IN ('RECOGNISED', 'PARTIAL', 'INCOMPLETE', 'REFERRED', 'DECLINED', 'INVALID')),
    grounds jsonb NOT NULL,
    grade numeric(8, 4),
    cause text NOT NULL,
    cause_event_id uuid,
    agreement_id text COLLATE "C",
    agreement_version integer,
    award_id text COLLATE "C" NOT NULL,
    award_version integer NOT NULL,
    claimed_on date NOT NULL,
    claimable_from timestamptz NOT NULL,
    grant_id uuid,
    is_frozen boolean NOT NULL,
    evaluation_id uuid,
    catalogue_number bigint NOT NULL,
    decided_at timestamptz NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    written_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (completion_id, enrolment_id, number),
    UNIQUE (completion_id, enrolment_id, completion_revision, number),
    CHECK ((agreement_id IS NULL) = (agreement_version IS NULL)),
    CHECK (grant_id IS NOT NULL OR NOT is_frozen)
)
"""
DECISION_OF_LEARNER = """
CREATE INDEX decision_of_learner ON decision (learner_id, completion_id, enrolment_id, number DESC)
"""
DECISION_BY_PROVIDER = "CREATE INDEX decision_by_provider ON decision (provider, written_by, position)"
DECISION_BY_RECEIVER = "CREATE INDEX decision_by_receiver ON decision (receiver, written_by, position)"

CREDIT_GRANT = """
CREATE TABLE credit_grant (
    enrolment_id uuid NOT NULL,
    ordinal integer NOT NULL CHECK (ordinal >= 0),
    grant_id uuid NOT NULL UNIQUE,
    learner_id uuid NOT NULL,
    completions uuid[] NOT NULL CHECK (cardinality(completions) > 0),
    courses text[] NOT NULL,
    fills text[] NOT NULL,
    counts_at_same_level boolean NOT NULL,
    refers_revocation boolean NOT NULL,
    agreement_id text COLLATE "C" NOT NULL,
    agreement_version integer NOT NULL,
    award_id text COLLATE "C" NOT NULL,
    award_version integer NOT NULL,
    PRIMARY KEY (enrolment_id, ordinal)
)
"""
CREDIT_GRANT_OF_LEARNER = "CREATE INDEX credit_grant_of_learner ON credit_grant (learner_id)"

# A line is posted once, and withdrawn at most once, by the same row with the sign turned: balances are sums.
LEDGER = """
CREATE TABLE ledger (
    grant_id uuid NOT NULL REFERENCES credit_grant (grant_id),
    line integer NOT NULL,
    is_withdrawal boolean NOT NULL,
    learner_id uuid NOT NULL,
    enrolment_id uuid NOT NULL,
    slot text NOT NULL,
    -- Without a precision, which would round in silence.
    credits numeric NOT NULL CHECK (scale(credits) <= 2),
    level integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('specific', 'general')),
    posted_at timestamptz NOT NULL,
    PRIMARY KEY (grant_id, line, is_withdrawal),
    CHECK (credits <> 0 AND (credits < 0) = is_withdrawal)
)
"""
LEDGER_OF_LEARNER = "CREATE INDEX ledger_of_learner ON ledger (learner_id)"

# --- work ------------------------------------------------------------------------------------------------------------

# How a claim stands towards the catalogue. A claim that is neither open nor under a cap may be without a row.
CLAIM = """
CREATE TABLE claim (
    completion_id uuid NOT NULL,
    enrolment_id uuid NOT NULL,
    learner_id uuid NOT NULL,
    provider text COLLATE "C" NOT NULL,
    receiver text COLLATE "C" NOT NULL,
    award text COLLATE "C" NOT NULL,
    stamped bigint NOT NULL,
    is_open boolean NOT NULL,
    has_cap_ground boolean NOT NULL,
    waits_for text CHECK (waits_for IN ('award', 'receiver', 'provider')),
    since timestamptz NOT NULL,
    PRIMARY KEY (completion_id, enrolment_id)
) WITH (fillfactor = 70)
"""
CLAIM_INDEXES = (
    "CREATE INDEX claim_of_learner ON claim (learner_id)",
    "CREATE INDEX claim_open_by_direction ON claim (provider, receiver, stamped) WHERE is_open",
    "CREATE INDEX claim_open_by_provider ON claim (provider, stamped) WHERE is_open",
    "CREATE INDEX claim_open_by_receiver ON claim (receiver, stamped) WHERE is_open",
    "CREATE INDEX claim_by_award ON claim (award, stamped) WHERE is_open OR has_cap_ground",
    "CREATE INDEX claim_waiting ON claim (receiver, waits_for) WHERE waits_for IS NOT NULL",
)


def upgrade() -> None:
    execute(
        *chassis_tables("recognition"),
        MEMBER,
        LEARNING_OPPORTUNITY,
        COMPLETION_REVISION,
        COMPLETION_OF_LEARNER,
        ENROLMENT_REVISION,
        ENROLMENT_OF_LEARNER,
        CATALOGUE,
        CATALOGUE_BEGINS,
        SUBJECT,
        AGREEMENT,
        AWARD,
        EVALUATION,
        DECISION,
        DECISION_OF_LEARNER,
        DECISION_BY_PROVIDER,
        DECISION_BY_RECEIVER,
        CREDIT_GRANT,
        CREDIT_GRANT_OF_LEARNER,
        LEDGER,
        LEDGER_OF_LEARNER,
        CLAIM,
        *CLAIM_INDEXES,
        "GRANT SELECT, INSERT ON completion_revision, enrolment_revision, agreement, award, evaluation, decision,"
        " credit_grant, ledger TO recognition",
        "GRANT SELECT, INSERT, UPDATE ON member, learning_opportunity, subject, claim TO recognition",
        "GRANT SELECT, UPDATE ON catalogue TO recognition",
    )
