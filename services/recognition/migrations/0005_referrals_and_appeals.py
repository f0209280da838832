"""What people are to decide: claims that are referred to them, and appeals."""

from chassis.migrate import execute

revision = "recognition_0005"
down_revision = "recognition_0004"
branch_labels = None
depends_on = None

# Work: one row per claim that is, or was, referred. `opened_at` is when it last became so. Until when it is to be
# decided follows from that and the calendar of business days, which may change; so it is not stored.
REFERRAL = """
CREATE TABLE referral (
    completion_id uuid NOT NULL,
    enrolment_id uuid NOT NULL,
    learner_id uuid NOT NULL,
    receiver text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    course text COLLATE "C" NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    PRIMARY KEY (completion_id, enrolment_id)
) WITH (fillfactor = 70)
"""

# It follows the decisions by itself, so that it holds whoever writes them: the service's previous version too, which
# goes on writing while this one is rolled out.
FOLLOW_DECISIONS = """
CREATE FUNCTION referrals_follow_decisions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO referral AS r (completion_id, enrolment_id, learner_id, receiver, provider, course, opened_at,
        closed_at)
    SELECT last.completion_id, last.enrolment_id, last.learner_id, last.receiver, last.provider, completion.course,
        last.decided_at, CASE WHEN last.state <> 'REFERRED' THEN last.decided_at END
    FROM (
        SELECT DISTINCT ON (completion_id, enrolment_id) *
        FROM added ORDER BY completion_id, enrolment_id, number DESC
    ) AS last
    JOIN completion_revision AS completion
        ON completion.completion_id = last.completion_id AND completion.revision = last.completion_revision
    WHERE last.state = 'REFERRED' OR EXISTS (
        SELECT FROM referral AS still
        WHERE still.completion_id = last.completion_id AND still.enrolment_id = last.enrolment_id
            AND still.closed_at IS NULL
    )
    ON CONFLICT (completion_id, enrolment_id) DO UPDATE
    SET course = excluded.course, closed_at = excluded.closed_at,
        opened_at = CASE WHEN r.closed_at IS NULL THEN r.opened_at ELSE excluded.opened_at END;
    RETURN NULL;
END
$$
"""
REFERRALS_FOLLOW_DECISIONS = """
CREATE TRIGGER referrals_follow_decisions AFTER INSERT ON decision
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION referrals_follow_decisions()
"""

# What is referred already, since the first decision after the last that was another.
REFERRED_ALREADY = """
INSERT INTO referral (completion_id, enrolment_id, learner_id, receiver, provider, course, opened_at)
SELECT now.completion_id, now.enrolment_id, now.learner_id, now.receiver, now.provider, completion.course, (
    SELECT min(one.decided_at) FROM decision AS one
    WHERE one.completion_id = now.completion_id AND one.enrolment_id = now.enrolment_id AND one.number > coalesce((
        SELECT max(other.number) FROM decision AS other
        WHERE other.completion_id = now.completion_id AND other.enrolment_id = now.enrolment_id
            AND other.state <> 'REFERRED'
    ), 0)
)
FROM (
    SELECT DISTINCT ON (completion_id, enrolment_id) *
    FROM decision ORDER BY completion_id, enrolment_id, number DESC
) AS now
JOIN completion_revision AS completion
    ON completion.completion_id = now.completion_id AND completion.revision = now.completion_revision
WHERE now.state = 'REFERRED'
"""

# An appeal, revision by revision: what the learner asked for last (`request_revision`), and how it stands.
APPEAL = """
CREATE TABLE appeal (
    appeal_id uuid NOT NULL,
    revision integer NOT NULL CHECK (revision >= 1),
    learner_id uuid NOT NULL,
    receiver text COLLATE "C" NOT NULL,
    completion_id uuid NOT NULL,
    enrolment_id uuid NOT NULL,
    decision_id uuid NOT NULL,
    request_revision integer NOT NULL,
    request_event_id uuid NOT NULL,
    stage integer NOT NULL CHECK (stage >= 1),
    stages integer NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'upheld', 'dismissed', 'withdrawn')),
    lodged_on date NOT NULL,
    due_on date NOT NULL,
    next_stage_until date,
    outcome_decision_id uuid,
    reasons text,
    decided_by text,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (appeal_id, revision),
    CHECK ((state = 'upheld') = (outcome_decision_id IS NOT NULL)),
    CHECK ((state IN ('upheld', 'dismissed')) = (decided_by IS NOT NULL AND reasons IS NOT NULL))
)
"""


def upgrade() -> None:
    execute(
        REFERRAL,
        FOLLOW_DECISIONS,
        REFERRALS_FOLLOW_DECISIONS,
        REFERRED_ALREADY,
        "CREATE INDEX referral_queue ON referral (receiver, opened_at, completion_id, enrolment_id)"
        " WHERE closed_at IS NULL",
        APPEAL,
        "CREATE INDEX appeal_of_learner ON appeal (learner_id)",
        "CREATE INDEX appeal_at_receiver ON appeal (receiver, due_on)",
        # Precedents: what was decided on a course.
        "CREATE INDEX completion_by_course ON completion_revision (course, completion_id, revision)",
        "GRANT SELECT, INSERT, UPDATE ON referral TO recognition",
        "GRANT SELECT, INSERT ON appeal TO recognition",
    )
