"""The tables that the chassis needs in a service's database; a service's first migration creates them."""

OUTBOX = """
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    key text NOT NULL,
    event_id uuid NOT NULL,
    event_type text NOT NULL,
    happened_at timestamptz NOT NULL,
    caused_by uuid,
    traceparent text,
    payload bytea NOT NULL CHECK (octet_length(payload) <= 262144)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)
"""

FENCE = """
CREATE TABLE fence (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL DEFAULT 0,
    applied bigint NOT NULL DEFAULT 0,
    ignored bigint NOT NULL DEFAULT 0,
    set_aside bigint NOT NULL DEFAULT 0,
    dropped bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition),
    -- What was read is what was processed, ignored or set aside: there is no fourth bucket (I-9).
    CHECK (next_offset = applied + ignored + set_aside)
) WITH (fillfactor = 50)
"""

CLUSTER = """
CREATE TABLE cluster (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    cluster_id text NOT NULL
)
"""

LEARNER = """
CREATE TABLE learner (
    learner_id uuid PRIMARY KEY,
    version bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70)
"""

SET_ASIDE = """
CREATE TABLE set_aside (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue text,
    topic text NOT NULL,
    partition integer NOT NULL,
    log_offset bigint NOT NULL,
    record_key bytea,
    headers bytea NOT NULL,
    value bytea,
    cause text NOT NULL,
    detail text NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'replayed', 'dropped')),
    set_aside_at timestamptz NOT NULL,
    UNIQUE (topic, partition, log_offset)
)
"""
SET_ASIDE_WAITING = "CREATE INDEX set_aside_waiting ON set_aside (queue, id) WHERE state = 'waiting'"

# The one place of identifiers, in a service that has any. A member's reference names one learner; a placeholder may
# stand beside the identifier that the learner was given later.
LEARNER_IDENTIFIER = """
CREATE TABLE learner_identifier (
    member text COLLATE "C" NOT NULL,
    reference text COLLATE "C" NOT NULL,
    is_placeholder boolean NOT NULL,
    learner_id uuid NOT NULL,
    scheme text NOT NULL,
    identifier text NOT NULL,
    first_seen_at timestamptz NOT NULL,
    PRIMARY KEY (member, reference, is_placeholder)
)
"""
LEARNER_IDENTIFIER_LEARNER = "CREATE INDEX learner_identifier_learner ON learner_identifier (learner_id)"

# Who last did something about a row – also where a replay failed and it waits on – with their reason; and the record's
# own timestamp (milliseconds since the epoch), which rows of before the first replay do not have.
SET_ASIDE_ACTIONS = """
ALTER TABLE set_aside
    ADD COLUMN record_timestamp bigint,
    ADD COLUMN acted_at timestamptz,
    ADD COLUMN acted_by text,
    ADD COLUMN because text,
    ADD CHECK (state = 'waiting' OR (acted_at IS NOT NULL AND acted_by IS NOT NULL AND because IS NOT NULL))
"""

# A learner whose identifiers are gone. Nothing of them is accepted any more; what was decided stays.
ERASED_LEARNER = """
CREATE TABLE erased_learner (
    learner_id uuid PRIMARY KEY,
    erased_at timestamptz NOT NULL,
    erased_by text NOT NULL,
    why text NOT NULL
)
"""

# Who read whose record. A journey is a completion's, and whose that is operations does not know.
RECORD_ACCESS = """
CREATE TABLE record_access (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    learner_id uuid,
    completion_id uuid,
    what text NOT NULL,
    subject text NOT NULL,
    member text,
    roles text[] NOT NULL,
    read_at timestamptz NOT NULL,
    CHECK (num_nonnulls(learner_id, completion_id) = 1)
)
"""


def erasure_tables(role: str) -> tuple[str, ...]:
    """The statements by which a service that knows learners by identifier can forget one."""
    return (
        ERASED_LEARNER,
        f"GRANT SELECT, INSERT ON erased_learner TO {role}",
        f"GRANT DELETE ON learner_identifier TO {role}",
    )


def access_tables(role: str) -> tuple[str, ...]:
    """The statements that create the log of who read whose record; it is only ever added to."""
    return (
        RECORD_ACCESS,
        "CREATE INDEX record_access_learner ON record_access (learner_id) WHERE learner_id IS NOT NULL",
        "CREATE INDEX record_access_completion ON record_access (completion_id) WHERE completion_id IS NOT NULL",
        f"GRANT SELECT, INSERT ON record_access TO {role}",
    )


def chassis_tables(role: str) -> tuple[str, ...]:
    """The statements that create the chassis's tables and let the service's role use them."""
    return (
        OUTBOX,
        FENCE,
        CLUSTER,
        LEARNER,
        SET_ASIDE,
        SET_ASIDE_WAITING,
        f"GRANT SELECT, INSERT, DELETE ON outbox TO {role}",
        f"GRANT SELECT, INSERT, UPDATE ON fence, learner, set_aside TO {role}",
        f"GRANT SELECT, INSERT ON cluster TO {role}",
    )
