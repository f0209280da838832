"""Checks of events on their way: causes, order, consumption, and that facts and events are the same (I-7 to I-10)."""

from typing import Final

from services.operations.audit.check import Check

# Which event may lead to which: nothing leads back, so no cause can follow its effect.
CAUSES: Final = """
    SELECT event.event_id::text AS id,
        CASE
            WHEN event.caused_by IS NULL AND (event.type = 'learner_record.entry.updated.v1'
                OR event.type = 'recognition.decision.made.v1'
                AND event.facts ->> 'cause' NOT IN ('officer', 'appeal')) THEN 'it names no cause'
            WHEN event.caused_by IS NULL THEN NULL
            WHEN cause.event_id IS NULL THEN 'its cause was seen nowhere'
            WHEN (cause.type, event.type) NOT IN (
                ('provider.completion.published.v1', 'recognition.decision.made.v1'),
                ('learner_record.enrolment.recorded.v1', 'recognition.decision.made.v1'),
                ('recognition.agreement.published.v1', 'recognition.decision.made.v1'),
                ('recognition.award.published.v1', 'recognition.decision.made.v1'),
                ('provider.member.registered.v1', 'recognition.decision.made.v1'),
                ('provider.completion.published.v1', 'learner_record.entry.updated.v1'),
                ('learner_record.enrolment.recorded.v1', 'learner_record.entry.updated.v1'),
                ('recognition.decision.made.v1', 'learner_record.entry.updated.v1')
            ) AND cause.thing IS NOT NULL AND event.thing IS NOT NULL THEN 'its cause cannot lead to it'
            WHEN cause.type = 'provider.completion.published.v1' AND event.type = 'recognition.decision.made.v1'
                AND split_part(event.thing, '/', 1) = cause.thing
                AND (event.facts ->> 'completion_revision')::integer < cause.sequence
                THEN 'it is about an earlier revision than its cause states'
            WHEN cause.type = 'recognition.decision.made.v1' AND event.thing <> cause.thing
                THEN 'it is about another claim than its cause'
        END AS wrong,
        CASE
            WHEN leaving.event_id IS NOT NULL THEN 'cause in the outbox'
            WHEN event.happened_at > moment - grace THEN 'younger than the grace'
        END AS waits
    FROM sent AS event
    CROSS JOIN parameter
    LEFT JOIN sent AS cause ON cause.event_id = event.caused_by
    LEFT JOIN leaving ON leaving.event_id = event.caused_by
"""

STATED_CAUSES: Final = """
    SELECT d.decision_id::text AS id,
        CASE WHEN d.cause_event_id IS DISTINCT FROM sent.caused_by THEN 'its event names another cause' END AS wrong,
        NULL AS waits
    FROM recognition_decision AS d
    JOIN sent ON sent.type = 'recognition.decision.made.v1' AND sent.thing = d.completion_id || '/' || d.enrolment_id
        AND sent.sequence = d.number
"""

# First places on the topic; what comes again is known to operations already.
ORDER_ON_TOPICS: Final = """
    SELECT topic || '/' || partition || '/' || log_offset AS id,
        CASE WHEN sequence <= lag(sequence) OVER in_the_log THEN 'it follows a newer revision of the same thing' END
            AS wrong,
        NULL AS waits
    FROM sent WHERE thing IS NOT NULL
    WINDOW in_the_log AS (PARTITION BY type, thing, partition ORDER BY log_offset)
"""

NEWEST_IS_KEPT: Final = """
    SELECT reader || ': ' || type || ' ' || thing || ' ' || sequence AS id,
        CASE WHEN NOT is_kept THEN 'an older revision stands in ' || reader END AS wrong,
        coalesce(waits, CASE WHEN committed_at > moment - grace THEN 'younger than the grace' END) AS waits
    FROM (SELECT DISTINCT ON (reader, type, thing) * FROM reading ORDER BY reader, type, thing, sequence DESC) AS newest
    CROSS JOIN parameter
"""

DECISIONS_GO_FORWARD: Final = """
    SELECT decision_id::text AS id,
        CASE
            WHEN position < lag(position) OVER claim THEN 'it was written before the one that it follows'
            WHEN completion_revision < lag(completion_revision) OVER claim
                THEN 'it goes back to an earlier revision'
        END AS wrong,
        NULL AS waits
    FROM recognition_decision
    WINDOW claim AS (PARTITION BY completion_id, enrolment_id ORDER BY number)
"""

ENTRIES_GO_FORWARD: Final = """
    SELECT entry_id || ' ' || revision AS id,
        CASE
            WHEN decision_number < lag(decision_number) OVER entry THEN 'it goes back to an earlier decision'
            WHEN decision_number IS NULL AND lag(decision_number) OVER entry IS NOT NULL
                THEN 'it forgets its decision'
            WHEN enrolment_id IS NULL AND completion_revision < lag(completion_revision) OVER entry
                THEN 'it goes back to an earlier revision'
        END AS wrong,
        NULL AS waits
    FROM learner_record_entry
    WINDOW entry AS (PARTITION BY entry_id ORDER BY revision)
"""

_FENCES: Final = " UNION ALL ".join(
    f"SELECT '{service}' AS reader, * FROM {service}_fence"  # noqa: S608
    for service in ("recognition", "learner_record", "operations")
)
_SET_ASIDE: Final = " UNION ALL ".join(
    f"SELECT '{service}' AS reader, * FROM {service}_set_aside"  # noqa: S608
    for service in ("recognition", "learner_record", "operations")
)

FENCES: Final = f"""
    SELECT reader || ': ' || topic || '/' || partition AS id,
        CASE
            WHEN next_offset <> applied + ignored + set_aside THEN 'read is not processed + ignored + set aside'
            WHEN set_aside <> coalesce(rows, 0) THEN 'set aside is not the number of rows set aside'
        END AS wrong,
        NULL AS waits
    FROM ({_FENCES}) AS fence
    LEFT JOIN (SELECT reader, topic, partition, count(*) AS rows FROM ({_SET_ASIDE}) AS each GROUP BY 1, 2, 3) AS aside
        USING (reader, topic, partition)
"""  # noqa: S608 - constants of this module

# The bytes of what is set aside; a record that had none says so by its cause.
PAYLOADS: Final = f"""
    SELECT reader || ': ' || topic || '/' || partition || '/' || log_offset AS id,
        CASE
            WHEN NOT has_headers THEN 'its headers are not kept'
            WHEN NOT has_value AND cause NOT IN ('no_value', 'no_envelope', 'bad_envelope', 'unknown_type',
                'waits_behind') THEN 'its value is not kept'
            WHEN queue IS NOT NULL AND NOT has_key THEN 'its key is not kept'
        END AS wrong,
        NULL AS waits
    FROM ({_SET_ASIDE}) AS aside
"""  # noqa: S608 - constants of this module

# A record that is counted as applied left a row of its own; after a replay from the first offset there are more rows
# than were applied since.
APPLIED: Final = """
    SELECT fence.reader || ': ' || fence.topic AS id,
        CASE WHEN rows < applied THEN (applied - rows) || ' applied without an effect' END AS wrong,
        NULL AS waits
    FROM (
        SELECT 'recognition' AS reader, topic, sum(applied) AS applied FROM recognition_fence GROUP BY topic
        UNION ALL SELECT 'learner_record', topic, sum(applied) FROM learner_record_fence GROUP BY topic
        UNION ALL SELECT 'operations', topic, sum(applied) FROM operations_fence GROUP BY topic
    ) AS fence
    JOIN (
        SELECT 'recognition' AS reader, 'provider.completion' AS topic, count(*) AS rows
        FROM recognition_completion_revision
        UNION ALL SELECT 'recognition', 'learner_record.enrolment', count(*) FROM recognition_enrolment_revision
        UNION ALL SELECT 'learner_record', 'provider.completion', count(*) FROM learner_record_completion_revision
        UNION ALL SELECT 'learner_record', 'recognition.decision', count(*) FROM learner_record_decision
        UNION ALL SELECT 'operations', topic, count(*) FROM operations_hop GROUP BY topic
    ) AS kept USING (reader, topic)
"""

CONSUMED: Final = """
    SELECT reader || ': ' || type || ' ' || thing || ' ' || sequence AS id,
        CASE WHEN NOT is_kept THEN 'its record was read, and ' || reader || ' has nothing of it' END AS wrong,
        waits
    FROM reading WHERE is_read
"""

# `happened_at` is the owner's own clock on both sides; the grace is longer than any transaction may be open.
FACTS_LEAVE: Final = """
    SELECT type || ' ' || thing || ' ' || sequence AS id,
        CASE
            WHEN topic IS NULL AND waits = 'event in the outbox' AND committed_at < newest.happened_at - grace
                THEN 'its event is in the outbox, overtaken by later ones'
            WHEN topic IS NULL THEN 'its event is nowhere'
        END AS wrong,
        CASE WHEN waits <> 'event in the outbox' OR committed_at >= coalesce(newest.happened_at, committed_at) - grace
            THEN waits END AS waits
    FROM event
    CROSS JOIN parameter
    LEFT JOIN (SELECT split_part(topic, '.', 1) AS service, max(happened_at) AS happened_at FROM sent GROUP BY 1)
        AS newest USING (service)
"""

OUTBOX: Final = """
    SELECT type || ' ' || thing || ' ' || sequence AS id,
        CASE WHEN fact.thing IS NULL THEN 'an event in the outbox without its fact' END AS wrong,
        NULL AS waits
    FROM leaving LEFT JOIN fact USING (type, thing, sequence)
"""

EVENTS_HAVE_FACTS: Final = """
    SELECT event_id::text AS id,
        CASE WHEN fact.thing IS NULL THEN 'an event without its fact' END AS wrong,
        CASE
            WHEN sent.thing IS NULL THEN 'of a type that this auditor does not know'
            WHEN happened_at > moment - grace THEN 'younger than the grace'
        END AS waits
    FROM sent CROSS JOIN parameter LEFT JOIN fact USING (type, thing, sequence)
"""

SAME_COMPLETIONS: Final = """
    SELECT completion_id || ' ' || revision AS id,
        CASE
            WHEN record.content <> owner.content THEN 'the learner record has it with other content'
            WHEN recognition.matters <> owner.matters OR recognition.learner_id <> owner.learner_id
                THEN 'recognition has it with other content'
        END AS wrong,
        NULL AS waits
    FROM provider_completion_revision AS owner
    LEFT JOIN learner_record_completion_revision AS record USING (completion_id, revision)
    LEFT JOIN recognition_completion_revision AS recognition USING (completion_id, revision)
"""

SAME_ENROLMENTS: Final = """
    SELECT enrolment_id || ' ' || revision AS id,
        CASE
            WHEN (mine.learner_id, mine.receiver, mine.award, mine.opened_on) <> (owner.learner_id, owner.receiver,
                owner.award, owner.opened_on) OR mine.closed_on IS DISTINCT FROM owner.closed_on
                THEN 'recognition has it with other content'
        END AS wrong,
        NULL AS waits
    FROM learner_record_enrolment_revision AS owner
    JOIN recognition_enrolment_revision AS mine USING (enrolment_id, revision)
"""

SAME_DECISIONS: Final = """
    SELECT owner.decision_id::text AS id,
        CASE
            WHEN (mine.decision_id, mine.completion_revision, mine.state, mine.stated, mine.is_frozen)
                <> (owner.decision_id, owner.completion_revision, owner.state, owner.state, owner.is_frozen)
                OR mine.grant_id IS DISTINCT FROM owner.grant_id
                THEN 'the learner record has it with other content'
        END AS wrong,
        NULL AS waits
    FROM recognition_decision AS owner
    JOIN learner_record_decision AS mine USING (completion_id, enrolment_id, number)
"""

CHECKS: Final = (
    Check("I-7", "every event's cause was seen, and can lead to it", CAUSES),
    Check("I-7", "a decision names the cause that its event names", STATED_CAUSES),
    Check("I-8", "on its topic no event follows a newer one of its thing", ORDER_ON_TOPICS),
    Check("I-8", "every reader has the newest revision of everything", NEWEST_IS_KEPT),
    Check("I-8", "decisions on a claim go forward", DECISIONS_GO_FORWARD),
    Check("I-8", "entries go forward", ENTRIES_GO_FORWARD),
    Check("I-9", "read = processed + ignored + set aside, and each set aside is a row", FENCES),
    Check("I-9", "what is set aside has its bytes", PAYLOADS),
    Check("I-9", "whatever was applied has its effect", APPLIED),
    Check("I-9", "whatever was read is there, or older, or set aside", CONSUMED),
    Check("I-10", "every fact's event was on its topic, or is in the outbox", FACTS_LEAVE),
    Check("I-10", "every event in an outbox has its fact", OUTBOX),
    Check("I-10", "every event on a topic has its fact", EVENTS_HAVE_FACTS),
    Check("I-10", "readers have completions as their provider stated them", SAME_COMPLETIONS),
    Check("I-10", "recognition has enrolments as they were recorded", SAME_ENROLMENTS),
    Check("I-10", "the learner record has decisions as they were made", SAME_DECISIONS),
)
