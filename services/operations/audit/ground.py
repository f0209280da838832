"""What several checks stand on: every fact that has an event, where its event is, and how far each reader is."""

from typing import Final

YOUNG: Final = "younger than the grace"

# Credit ratios and caps are exact numbers as text: "20", "7.5" or "2/3".
OVER: Final = """
CREATE FUNCTION pg_temp.over(number text) RETURNS numeric LANGUAGE sql IMMUTABLE
RETURN split_part(number, '/', 1)::numeric
"""
UNDER: Final = """
CREATE FUNCTION pg_temp.under(number text) RETURNS numeric LANGUAGE sql IMMUTABLE
RETURN CASE WHEN number LIKE '%/%' THEN split_part(number, '/', 2)::numeric ELSE 1 END
"""

# A fact is the state of a `thing` at a `sequence`; `queue` is what its events wait in where they are set aside.
FACT: Final = """
CREATE TEMPORARY TABLE fact AS
SELECT 'provider' AS service, 'provider.member.registered.v1' AS type, member_id AS thing, revision AS sequence,
    accepted_at AS committed_at, 'provider.member:' || member_id AS queue
FROM provider_member_revision
UNION ALL
SELECT 'provider', 'provider.learning_opportunity.published.v1', thing, revision, accepted_at,
    'provider.learning_opportunity:' || regexp_replace(thing, '/[0-9]+$', '')
FROM provider_learning_opportunity_revision
UNION ALL
SELECT 'provider', 'provider.completion.published.v1', completion_id::text, revision, accepted_at,
    'learner:' || learner_id
FROM provider_completion_revision
UNION ALL
SELECT 'recognition', 'recognition.agreement.published.v1', agreement_id, version, published_at,
    'recognition.agreement:' || agreement_id
FROM recognition_agreement
UNION ALL
SELECT 'recognition', 'recognition.award.published.v1', award_id, version, published_at,
    'recognition.award:' || award_id
FROM recognition_award
UNION ALL
SELECT 'recognition', 'recognition.decision.made.v1', completion_id || '/' || enrolment_id, number, decided_at,
    'learner:' || learner_id
FROM recognition_decision
UNION ALL
SELECT 'learner_record', 'learner_record.enrolment.recorded.v1', enrolment_id::text, revision, accepted_at,
    'learner:' || learner_id
FROM learner_record_enrolment_revision
UNION ALL
SELECT 'learner_record', 'learner_record.entry.updated.v1',
    completion_id || '/' || coalesce(enrolment_id::text, 'own'), revision, updated_at, 'learner:' || learner_id
FROM learner_record_entry
"""

_THING: Final = """
CASE {type}
    WHEN 'provider.member.registered.v1' THEN {of} ->> 'member_id'
    WHEN 'provider.learning_opportunity.published.v1'
        THEN ({of} ->> 'learning_opportunity_id') || '/' || ({of} ->> 'version')
    WHEN 'provider.completion.published.v1' THEN {completion}
    WHEN 'recognition.agreement.published.v1' THEN {of} ->> 'agreement_id'
    WHEN 'recognition.award.published.v1' THEN {of} ->> 'award_id'
    WHEN 'recognition.decision.made.v1' THEN {completion} || '/' || ({of} ->> 'enrolment_id')
    WHEN 'learner_record.enrolment.recorded.v1' THEN {of} ->> 'enrolment_id'
    WHEN 'learner_record.entry.updated.v1' THEN {completion} || '/' || coalesce({of} ->> 'enrolment_id', 'own')
END
"""
_SEQUENCE: Final = """
CASE {type}
    WHEN 'recognition.decision.made.v1' THEN {of} ->> 'number'
    WHEN 'recognition.agreement.published.v1' THEN {of} ->> 'version'
    WHEN 'recognition.award.published.v1' THEN {of} ->> 'version'
    ELSE {of} ->> 'revision'
END::integer
"""
_OF_HOP: Final = {"type": "event_type", "of": "facts", "completion": "completion_id::text"}
_OF_OUTBOX: Final = {"type": "event_type", "of": "payload", "completion": "(payload ->> 'completion_id')"}

# An event that operations saw on its topic, at its first place there.
SENT: Final = f"""
CREATE TEMPORARY TABLE sent AS
SELECT event_id, event_type AS type, {_THING.format(**_OF_HOP)} AS thing, {_SEQUENCE.format(**_OF_HOP)} AS sequence,
    caused_by, happened_at, topic, partition, log_offset, facts
FROM operations_hop
"""  # noqa: S608 - constants of this module

LEAVING: Final = f"""
CREATE TEMPORARY TABLE leaving AS
SELECT service, id, event_type AS type, {_THING.format(**_OF_OUTBOX)} AS thing,
    {_SEQUENCE.format(**_OF_OUTBOX)} AS sequence, happened_at, event_id, key, payload
FROM (
    SELECT 'provider' AS service, * FROM provider_outbox
    UNION ALL SELECT 'recognition', * FROM recognition_outbox
    UNION ALL SELECT 'learner_record', * FROM learner_record_outbox
) AS outbox
"""  # noqa: S608 - constants of this module

# Where a fact's event is: `topic` and so on where it was seen there, else `waits`, and neither where it is lost.
EVENT: Final = """
CREATE TEMPORARY TABLE event AS
SELECT fact.*, sent.topic, sent.partition, sent.log_offset,
    CASE
        WHEN sent.event_id IS NOT NULL THEN NULL
        WHEN leaving.id IS NOT NULL THEN 'event in the outbox'
        WHEN aside.queue IS NOT NULL THEN 'set aside in operations'
        WHEN committed_at > moment - grace THEN 'younger than the grace'
    END AS waits
FROM fact
CROSS JOIN parameter
LEFT JOIN sent USING (type, thing, sequence)
LEFT JOIN leaving USING (type, thing, sequence)
LEFT JOIN (SELECT DISTINCT queue FROM operations_set_aside WHERE state = 'waiting') AS aside USING (queue)
"""

# What each service reads of others, and what it keeps of it: the newest.
KEPT: Final = """
CREATE TEMPORARY TABLE kept AS
SELECT 'recognition' AS reader, 'provider.member.registered.v1' AS type, member_id AS thing, revision AS sequence
FROM recognition_member
UNION ALL
SELECT 'recognition', 'provider.learning_opportunity.published.v1', thing, revision
FROM recognition_learning_opportunity
UNION ALL
SELECT 'recognition', 'provider.completion.published.v1', completion_id::text, max(revision)
FROM recognition_completion_revision GROUP BY completion_id
UNION ALL
SELECT 'recognition', 'learner_record.enrolment.recorded.v1', enrolment_id::text, max(revision)
FROM recognition_enrolment_revision GROUP BY enrolment_id
UNION ALL
SELECT 'learner_record', 'provider.member.registered.v1', member_id, revision FROM learner_record_member
UNION ALL
SELECT 'learner_record', 'provider.learning_opportunity.published.v1', thing, revision
FROM learner_record_learning_opportunity
UNION ALL
SELECT 'learner_record', 'recognition.award.published.v1', award_id, version FROM learner_record_award
UNION ALL
SELECT 'learner_record', 'provider.completion.published.v1', completion_id::text, max(revision)
FROM learner_record_completion_revision GROUP BY completion_id
UNION ALL
SELECT 'learner_record', 'recognition.decision.made.v1', completion_id || '/' || enrolment_id, max(number)
FROM learner_record_decision GROUP BY completion_id, enrolment_id
"""

# How each fact stands with each of its readers: `waits` says what a reader that lacks it still waits for.
READING: Final = """
CREATE TEMPORARY TABLE reading AS
WITH reads (reader, type) AS (
    VALUES ('recognition', 'provider.member.registered.v1'),
        ('recognition', 'provider.learning_opportunity.published.v1'),
        ('recognition', 'provider.completion.published.v1'),
        ('recognition', 'learner_record.enrolment.recorded.v1'),
        ('learner_record', 'provider.member.registered.v1'),
        ('learner_record', 'provider.learning_opportunity.published.v1'),
        ('learner_record', 'recognition.award.published.v1'),
        ('learner_record', 'provider.completion.published.v1'),
        ('learner_record', 'recognition.decision.made.v1')
), fences AS (
    SELECT 'recognition' AS reader, topic, partition, next_offset FROM recognition_fence
    UNION ALL SELECT 'learner_record', topic, partition, next_offset FROM learner_record_fence
), aside AS (
    SELECT DISTINCT 'recognition' AS reader, queue FROM recognition_set_aside WHERE state = 'waiting'
    UNION SELECT DISTINCT 'learner_record', queue FROM learner_record_set_aside WHERE state = 'waiting'
), dropped AS (
    SELECT 'recognition' AS reader, topic, partition, log_offset FROM recognition_set_aside WHERE state = 'dropped'
    UNION ALL
    SELECT 'learner_record', topic, partition, log_offset FROM learner_record_set_aside WHERE state = 'dropped'
)
SELECT reader, event.type, event.thing, event.sequence, event.committed_at,
    event.topic IS NOT NULL AND event.log_offset < coalesce(fences.next_offset, 0) AS is_read,
    coalesce(kept.sequence, 0) >= event.sequence AS is_kept,
    CASE
        WHEN kept.sequence >= event.sequence THEN NULL
        WHEN event.waits IS NOT NULL THEN event.waits
        WHEN aside.queue IS NOT NULL THEN 'learner or thing set aside in ' || reader
        WHEN dropped.log_offset IS NOT NULL THEN 'dropped by a person in ' || reader
        WHEN event.topic IS NOT NULL AND event.log_offset >= coalesce(fences.next_offset, 0)
            THEN 'event on its way to ' || reader
    END AS waits
FROM event
JOIN reads USING (type)
LEFT JOIN kept USING (reader, type, thing)
LEFT JOIN fences USING (reader, topic, partition)
LEFT JOIN aside USING (reader, queue)
LEFT JOIN dropped USING (reader, topic, partition, log_offset)
"""

# The newest of each, as its owner has it.
COMPLETION: Final = """
CREATE TEMPORARY TABLE completion AS
SELECT DISTINCT ON (completion_id) * FROM provider_completion_revision ORDER BY completion_id, revision DESC
"""
ENROLMENT: Final = """
CREATE TEMPORARY TABLE enrolment AS
SELECT DISTINCT ON (enrolment_id) * FROM learner_record_enrolment_revision ORDER BY enrolment_id, revision DESC
"""
CURRENT: Final = """
CREATE TEMPORARY TABLE current AS
SELECT DISTINCT ON (completion_id, enrolment_id) * FROM recognition_decision
ORDER BY completion_id, enrolment_id, number DESC
"""
STANDING_ENTRY: Final = """
CREATE TEMPORARY TABLE standing_entry AS
SELECT DISTINCT ON (completion_id, enrolment_id) * FROM learner_record_entry
ORDER BY completion_id, enrolment_id, revision DESC
"""

# Each grant with what its lines come to, whether it stands, and whether it is frozen.
GRANTED: Final = """
CREATE TEMPORARY TABLE granted AS
SELECT g.*, coalesce(posted.credits, 0) AS credits, posted.grant_id IS NOT NULL AS was_posted,
    back.grant_id IS NULL AND posted.grant_id IS NOT NULL AS stands, coalesce(named.is_frozen, false) AS is_frozen
FROM recognition_credit_grant AS g
LEFT JOIN (SELECT grant_id, sum(credits) AS credits FROM recognition_ledger WHERE NOT is_withdrawal GROUP BY grant_id)
    AS posted USING (grant_id)
LEFT JOIN (SELECT DISTINCT grant_id FROM recognition_ledger WHERE is_withdrawal) AS back USING (grant_id)
LEFT JOIN (SELECT grant_id, bool_or(is_frozen) AS is_frozen FROM current WHERE grant_id IS NOT NULL GROUP BY grant_id)
    AS named USING (grant_id)
"""

STATEMENTS: Final = (
    OVER,
    UNDER,
    FACT,
    SENT,
    LEAVING,
    "ANALYZE",
    EVENT,
    KEPT,
    "ANALYZE event",
    "ANALYZE kept",
    READING,
    COMPLETION,
    ENROLMENT,
    CURRENT,
    STANDING_ENTRY,
    GRANTED,
    "ANALYZE",
)
"""In their order; before them stands `parameter`: one row with the moment of the audit, the grace and the zone."""
