"""What the auditor copies: of each service's tables the columns that some check needs, and no personal data.

The copy of table `decision` of recognition is called `recognition_decision`, and so on.
"""

from dataclasses import dataclass
from typing import Final

SERVICES: Final = ("operations", "learner_record", "recognition", "provider")
"""Whose databases are read, in the order in which their snapshots are taken: who reads others' facts goes first, so
that what it has was committed before the owner's snapshot is taken."""


@dataclass(frozen=True, slots=True)
class Source:
    """A copy to make: its name without the service's, its columns with types, and the query that fills it."""

    service: str
    table: str
    columns: str
    query: str

    @property
    def name(self) -> str:
        """The temporary table's name."""
        return f"{self.service}_{self.table}"


_OUTBOX: Final = """
    SELECT id, event_id, event_type, key, happened_at, convert_from(payload, 'UTF8')::jsonb AS payload FROM outbox
"""
_FENCE: Final = "SELECT topic, partition, next_offset, applied, ignored, set_aside FROM fence"
_SET_ASIDE: Final = """
    SELECT queue, topic, partition, log_offset, record_key IS NOT NULL, headers IS NOT NULL, value IS NOT NULL, cause,
        state
    FROM set_aside
"""
# What the service's role may do to each table, by itself or to any column of it.
_RIGHTS: Final = """
    SELECT relname::text, has_any_column_privilege('{service}', oid, 'UPDATE'),
        has_table_privilege('{service}', oid, 'DELETE') OR has_table_privilege('{service}', oid, 'TRUNCATE'),
        pg_has_role('{service}', relowner, 'USAGE')
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
"""


def _of_every_service(service: str) -> tuple[Source, ...]:
    return (
        Source(
            service,
            "outbox",
            "id bigint, event_id uuid, event_type text, key text, happened_at timestamptz, payload jsonb",
            _OUTBOX,
        ),
        Source(
            service,
            "fence",
            "topic text, partition integer, next_offset bigint, applied bigint, ignored bigint, set_aside bigint",
            _FENCE,
        ),
        Source(
            service,
            "set_aside",
            "queue text, topic text, partition integer, log_offset bigint, has_key boolean, has_headers boolean,"
            " has_value boolean, cause text, state text",
            _SET_ASIDE,
        ),
        Source(
            service,
            "rights",
            "table_name text, may_update boolean, may_delete boolean, is_owner boolean",
            _RIGHTS.format(service=service),
        ),
    )


# What recognition must have of a completion, as one text on both sides.
_MATTERS: Final = (
    "concat_ws('|', {credits}::numeric(10, 2), {framework}, {level}, {result}, {mark}::numeric(8, 4), {completed_on},"
    " {revoked}, {course})"
)
_OF_EVENT: Final = _MATTERS.format(
    credits="(event ->> 'credits')",
    framework="event ->> 'framework'",
    level="event ->> 'level'",
    result="event ->> 'result'",
    mark="(event ->> 'mark')",
    completed_on="event ->> 'completed_on'",
    revoked="coalesce(event ->> 'revoked', 'false')::boolean",
    course="event #>> '{learning_opportunity,id}'",
)
_OF_COLUMNS: Final = _MATTERS.format(
    credits="credits",
    framework="framework",
    level="level",
    result="result",
    mark="mark",
    completed_on="completed_on",
    revoked="revoked",
    course="course",
)

_COMPLETIONS_AS_STATED: Final = f"""
    SELECT completion_id, revision, c.member, c.learner_id, r.body_hash,
        coalesce(event ->> 'revoked', 'false')::boolean, r.accepted_at, r.claimable_from, md5(event::text), {_OF_EVENT}
    FROM completion_revision AS r JOIN completion AS c USING (completion_id)
"""  # noqa: S608 - constants of this module
_COMPLETIONS_AS_DECIDED_ON: Final = f"""
    SELECT completion_id, revision, learner_id, provider, framework, credits, body_hash, {_OF_COLUMNS}
    FROM completion_revision
"""  # noqa: S608 - constants of this module

SOURCES: Final[tuple[Source, ...]] = (
    *(source for service in SERVICES for source in _of_every_service(service)),
    Source(
        "provider",
        "member_revision",
        "member_id text, revision integer, accepted_at timestamptz",
        "SELECT member_id, revision, accepted_at FROM member_revision",
    ),
    Source(
        "provider",
        "learning_opportunity_revision",
        "thing text, revision integer, accepted_at timestamptz",
        "SELECT learning_opportunity_id || '/' || version, revision, accepted_at FROM learning_opportunity_revision",
    ),
    Source(
        "provider",
        "completion_revision",
        "completion_id uuid, revision integer, member text, learner_id uuid, body_hash text, revoked boolean,"
        " accepted_at timestamptz, claimable_from timestamptz, content text, matters text",
        _COMPLETIONS_AS_STATED,
    ),
    Source(
        "recognition",
        "member",
        "member_id text, revision integer, framework text",
        "SELECT member_id, revision, framework FROM member",
    ),
    Source(
        "recognition",
        "learning_opportunity",
        "thing text, revision integer",
        "SELECT learning_opportunity_id || '/' || version, revision FROM learning_opportunity",
    ),
    Source(
        "recognition",
        "completion_revision",
        "completion_id uuid, revision integer, learner_id uuid, provider text, framework text, credits numeric,"
        " body_hash text, matters text",
        _COMPLETIONS_AS_DECIDED_ON,
    ),
    Source(
        "recognition",
        "enrolment_revision",
        "enrolment_id uuid, revision integer, learner_id uuid, receiver text, award text, opened_on date,"
        " closed_on date",
        "SELECT enrolment_id, revision, learner_id, receiver, award, opened_on, closed_on FROM enrolment_revision",
    ),
    Source(
        "recognition",
        "subject",
        "kind text, id text, receiver text, number bigint",
        "SELECT kind, id, receiver, number FROM subject",
    ),
    Source(
        "recognition",
        "agreement",
        "agreement_id text, version integer, catalogue_number bigint, published_at timestamptz, ratio text,"
        " units jsonb",
        "SELECT agreement_id, version, catalogue_number, published_at, document ->> 'credit_ratio',"
        " nullif(document -> 'credit_units', 'null') FROM agreement",
    ),
    Source(
        "recognition",
        "award",
        "award_id text, version integer, catalogue_number bigint, published_at timestamptz, import_cap text,"
        " same_level_cap text, caps_by_level jsonb",
        "SELECT award_id, version, catalogue_number, published_at, document ->> 'import_cap',"
        " document ->> 'same_level_cap', document -> 'import_cap_by_level' FROM award",
    ),
    Source("recognition", "evaluation", "evaluation_id uuid", "SELECT evaluation_id FROM evaluation"),
    Source(
        "recognition",
        "decision",
        "completion_id uuid, enrolment_id uuid, number integer, decision_id uuid, learner_id uuid,"
        " completion_revision integer, provider text, receiver text, state text, codes text, grade numeric, cause text,"
        " cause_event_id uuid, agreement_id text, agreement_version integer, award_id text, award_version integer,"
        " grant_id uuid, is_frozen boolean, evaluation_id uuid, catalogue_number bigint, decided_at timestamptz,"
        " position bigint, written_by bigint, conferrals uuid[]",
        "SELECT completion_id, enrolment_id, number, decision_id, learner_id, completion_revision, provider, receiver,"
        " state, (SELECT string_agg(one ->> 'code', ' ' ORDER BY one ->> 'code') FROM jsonb_array_elements(grounds)"
        " AS one), grade, cause, cause_event_id, agreement_id, agreement_version, award_id, award_version, grant_id,"
        " is_frozen, evaluation_id, catalogue_number, decided_at, position, written_by::text::bigint,"
        " conferrals FROM decision",
    ),
    Source(
        "recognition",
        "conferral",
        "enrolment_id uuid, conferred_on date",
        "SELECT enrolment_id, conferred_on FROM conferral",
    ),
    Source(
        "recognition",
        "credit_grant",
        "grant_id uuid, enrolment_id uuid, ordinal integer, completions uuid[], counts_at_same_level boolean,"
        " agreement_id text, agreement_version integer, award_id text, award_version integer",
        "SELECT grant_id, enrolment_id, ordinal, completions, counts_at_same_level, agreement_id, agreement_version,"
        " award_id, award_version FROM credit_grant",
    ),
    Source(
        "recognition",
        "ledger",
        "grant_id uuid, line integer, is_withdrawal boolean, enrolment_id uuid, slot text, credits numeric,"
        " level integer, kind text",
        "SELECT grant_id, line, is_withdrawal, enrolment_id, slot, credits, level, kind FROM ledger",
    ),
    Source(
        "recognition",
        "claim",
        "completion_id uuid, enrolment_id uuid, provider text, receiver text, award text, stamped bigint,"
        " is_open boolean, has_cap_ground boolean, waits_for text",
        "SELECT completion_id, enrolment_id, provider, receiver, award, stamped, is_open, has_cap_ground, waits_for"
        " FROM claim",
    ),
    Source("learner_record", "member", "member_id text, revision integer", "SELECT member_id, revision FROM member"),
    Source(
        "learner_record",
        "learning_opportunity",
        "thing text, revision integer",
        "SELECT learning_opportunity_id || '/' || version, revision FROM learning_opportunity",
    ),
    Source("learner_record", "award", "award_id text, version integer", "SELECT award_id, version FROM award"),
    Source(
        "learner_record",
        "enrolment_revision",
        "enrolment_id uuid, revision integer, learner_id uuid, receiver text, award text, opened_on date,"
        " closed_on date, accepted_at timestamptz, content text",
        "SELECT enrolment_id, revision, e.learner_id, e.member, e.award, r.opened_on, r.closed_on, r.accepted_at,"
        " md5(event::text) FROM enrolment_revision AS r JOIN enrolment AS e USING (enrolment_id)",
    ),
    Source(
        "learner_record",
        "completion_revision",
        "completion_id uuid, revision integer, learner_id uuid, provider text, body_hash text, content text",
        "SELECT completion_id, revision, learner_id, provider, event ->> 'body_hash', md5(event::text)"
        " FROM completion_revision",
    ),
    Source(
        "learner_record",
        "decision",
        "completion_id uuid, enrolment_id uuid, number integer, decision_id uuid, completion_revision integer,"
        " state text, stated text, grant_id uuid, is_frozen boolean, granted numeric",
        "SELECT completion_id, enrolment_id, number, decision_id, completion_revision, state, event ->> 'state',"
        " (event #>> '{grant,id}')::uuid, coalesce(event #>> '{grant,frozen}', 'false')::boolean,"
        " (SELECT sum((line ->> 'credits')::numeric) FROM jsonb_array_elements(event #> '{grant,lines}') AS line)"
        " FROM decision",
    ),
    Source(
        "learner_record",
        "entry",
        "entry_id uuid, revision integer, learner_id uuid, completion_id uuid, enrolment_id uuid, member text,"
        " completion_revision integer, decision_id uuid, decision_number integer, state text, updated_at timestamptz",
        "SELECT entry_id, revision, learner_id, completion_id, enrolment_id, member, completion_revision, decision_id,"
        " decision_number, state, updated_at FROM entry",
    ),
    Source(
        "operations",
        "hop",
        "event_id uuid, event_type text, caused_by uuid, happened_at timestamptz, topic text, partition integer,"
        " log_offset bigint, completion_id uuid, facts jsonb",
        "SELECT event_id, event_type, caused_by, happened_at, topic, partition, log_offset, completion_id, facts"
        " FROM hop",
    ),
)
"""Everything that is copied."""
