"""Checks of credit: the ledger balances, caps and ceilings hold, and all services count the same (I-4 to I-6)."""

from typing import Final

from services.operations.audit.check import Check

WITHDRAWN_WHOLE: Final = """
    SELECT grant_id || ' ' || line AS id,
        CASE
            WHEN posted.grant_id IS NULL THEN 'withdrawn without having been posted'
            WHEN posted.rows > 1 OR back.rows > 1 THEN 'posted or withdrawn twice'
            WHEN back.grant_id IS NULL AND withdrawn.grant_id IS NOT NULL THEN 'its grant is withdrawn in part'
            WHEN (back.credits, back.slots, back.levels, back.kinds)
                <> (-posted.credits, posted.slots, posted.levels, posted.kinds)
                THEN 'withdrawn otherwise than it was posted'
        END AS wrong,
        NULL AS waits
    FROM (
        SELECT grant_id, line, count(*) AS rows, sum(credits) AS credits, min(slot) AS slots, min(level) AS levels,
            min(kind) AS kinds
        FROM recognition_ledger WHERE NOT is_withdrawal GROUP BY grant_id, line
    ) AS posted
    FULL JOIN (
        SELECT grant_id, line, count(*) AS rows, sum(credits) AS credits, min(slot) AS slots, min(level) AS levels,
            min(kind) AS kinds
        FROM recognition_ledger WHERE is_withdrawal GROUP BY grant_id, line
    ) AS back USING (grant_id, line)
    LEFT JOIN (SELECT DISTINCT grant_id FROM recognition_ledger WHERE is_withdrawal) AS withdrawn USING (grant_id)
"""

BALANCES: Final = """
    SELECT enrolment_id::text AS id,
        CASE
            WHEN balance < 0 THEN 'more is withdrawn than was granted'
            WHEN balance <> coalesce(named, 0) THEN 'its balance is not what its current decisions grant'
        END AS wrong,
        NULL AS waits
    FROM (SELECT enrolment_id, sum(credits) AS balance FROM recognition_ledger GROUP BY enrolment_id) AS ledger
    LEFT JOIN (
        SELECT enrolment_id, sum(granted.credits) AS named
        FROM (SELECT DISTINCT enrolment_id, grant_id FROM current WHERE grant_id IS NOT NULL) AS one
        JOIN granted USING (enrolment_id, grant_id) GROUP BY enrolment_id
    ) AS decided USING (enrolment_id)
"""

DECISIONS_AND_GRANTS: Final = """
    SELECT d.decision_id::text AS id,
        CASE
            WHEN d.grant_id IS NULL AND d.state IN ('RECOGNISED', 'PARTIAL') THEN 'recognised without a grant'
            WHEN d.grant_id IS NOT NULL AND d.state NOT IN ('RECOGNISED', 'PARTIAL') AND NOT d.is_frozen
                THEN 'a grant without recognition'
            WHEN d.grant_id IS NOT NULL AND g.grant_id IS NULL THEN 'its grant is not there'
            WHEN d.grant_id IS NOT NULL AND NOT g.stands THEN 'its grant was withdrawn'
            WHEN d.grant_id IS NOT NULL AND NOT d.completion_id = ANY (g.completions)
                THEN 'its grant rests on other completions'
        END AS wrong,
        NULL AS waits
    FROM current AS d LEFT JOIN granted AS g ON g.grant_id = d.grant_id
"""

GRANTS_ARE_NAMED: Final = """
    SELECT g.grant_id || ' of ' || one AS id,
        CASE
            WHEN NOT g.was_posted THEN 'a grant without a posting'
            WHEN g.stands AND d.grant_id IS DISTINCT FROM g.grant_id
                THEN 'it stands, and the current decision does not grant it'
        END AS wrong,
        NULL AS waits
    FROM granted AS g
    CROSS JOIN LATERAL unnest(g.completions) AS one
    LEFT JOIN current AS d ON d.completion_id = one AND d.enrolment_id = g.enrolment_id
"""

# When each grant came and went, by the order of decisions and not by a clock. A transaction is one moment: between
# its rows nobody looks.
LIFE: Final = """
CREATE TEMPORARY TABLE life AS
WITH moment_of AS (
    SELECT completion_id, enrolment_id, number, grant_id, max(position) OVER (PARTITION BY written_by, learner_id) AS at
    FROM recognition_decision
), named AS (
    SELECT grant_id, completion_id, enrolment_id, min(at) AS posted, max(number) AS last_number
    FROM moment_of WHERE grant_id IS NOT NULL GROUP BY grant_id, completion_id, enrolment_id
), gone AS (
    SELECT named.grant_id, min(later.at) AS at
    FROM named JOIN moment_of AS later ON later.completion_id = named.completion_id
        AND later.enrolment_id = named.enrolment_id AND later.number > named.last_number
    GROUP BY named.grant_id
)
SELECT grant_id, min(named.posted) AS posted, min(gone.at) AS gone
FROM named LEFT JOIN gone USING (grant_id) GROUP BY grant_id
"""

CAPS: Final = """
    WITH line AS (
        SELECT g.grant_id, g.enrolment_id, life.posted, life.gone, g.counts_at_same_level, l.level, l.credits
        FROM granted AS g JOIN life USING (grant_id)
        JOIN recognition_ledger AS l ON l.grant_id = g.grant_id AND NOT l.is_withdrawal
        WHERE life.gone IS NULL OR life.gone > life.posted
    ), cap AS (
        SELECT award_id, version, 'import_cap' AS name, NULL::integer AS level, import_cap AS most
        FROM recognition_award WHERE import_cap IS NOT NULL
        UNION ALL
        SELECT award_id, version, 'same_level_cap', NULL, same_level_cap
        FROM recognition_award WHERE same_level_cap IS NOT NULL
        UNION ALL
        SELECT award_id, version, 'import_cap_by_level', each.key::integer, each.value
        FROM recognition_award CROSS JOIN LATERAL jsonb_each_text(caps_by_level) AS each
    )
    SELECT posting.grant_id || ' under ' || cap.name || coalesce(' ' || cap.level, '') AS id,
        CASE WHEN sum(line.credits) * pg_temp.under(most) > pg_temp.over(most)
            THEN 'its posting exceeds the cap' END AS wrong,
        NULL AS waits
    FROM (SELECT g.*, life.posted FROM granted AS g JOIN life USING (grant_id)
          WHERE life.gone IS NULL OR life.gone > life.posted) AS posting
    JOIN cap ON cap.award_id = posting.award_id AND cap.version = posting.award_version
    JOIN line ON line.enrolment_id = posting.enrolment_id AND line.posted <= posting.posted
        AND (line.gone IS NULL OR line.gone > posting.posted)
        AND (cap.level IS NULL OR cap.level = line.level)
        AND (cap.name <> 'same_level_cap' OR line.counts_at_same_level)
    WHERE (cap.level IS NULL OR EXISTS (
            SELECT FROM line AS own WHERE own.grant_id = posting.grant_id AND own.level = cap.level))
        AND (cap.name <> 'same_level_cap' OR posting.counts_at_same_level)
    GROUP BY posting.grant_id, cap.name, cap.level, cap.most
"""

# Exactly: both sides are multiplied by every denominator, so that nothing is divided. Under a bilateral agreement one
# ratio converts all credit; under a multilateral one a framework's unit over the receiver's. What an officer grants
# without an agreement is converted as frameworks are commonly compared.
CEILING: Final = """
    WITH rate AS (
        SELECT a.agreement_id, a.version, framework.name AS framework,
            pg_temp.over(coalesce(a.units ->> framework.name, a.ratio)) AS over,
            pg_temp.under(coalesce(a.units ->> framework.name, a.ratio)) AS under,
            a.units IS NOT NULL AS is_multilateral
        FROM (
            SELECT agreement_id, version, ratio, units FROM recognition_agreement
            UNION ALL SELECT '', 0, NULL, '{"FHEQ": "1", "SCQF": "1", "EQF": "2", "NFQ": "2"}'
        ) AS a
        CROSS JOIN (VALUES ('FHEQ'), ('SCQF'), ('EQF'), ('NFQ')) AS framework (name)
    ), named AS (
        SELECT DISTINCT ON (grant_id, completion_id) grant_id, completion_id, completion_revision, receiver
        FROM recognition_decision WHERE grant_id IS NOT NULL ORDER BY grant_id, completion_id, number
    ), every_denominator AS (
        SELECT agreement_id, version, round(exp(sum(ln(under)))) AS product
        FROM rate GROUP BY agreement_id, version
    )
    SELECT g.grant_id::text AS id,
        CASE
            WHEN g.credits * CASE WHEN bool_or(own.is_multilateral)
                    THEN max(own.over) * div(max(every.product), max(own.under)) ELSE max(every.product) END
                > sum(c.credits * rate.over * div(every.product, rate.under))
                THEN 'more than its completions come to'
            WHEN count(c.completion_id) <> cardinality(g.completions) THEN 'a completion of it is not known'
            WHEN scale(g.credits) > 2 THEN 'not in hundredths'
        END AS wrong,
        NULL AS waits
    FROM granted AS g
    JOIN named USING (grant_id)
    LEFT JOIN recognition_completion_revision AS c
        ON c.completion_id = named.completion_id AND c.revision = named.completion_revision
    LEFT JOIN recognition_member AS receiver ON receiver.member_id = named.receiver
    LEFT JOIN rate ON rate.agreement_id = coalesce(g.agreement_id, '')
        AND rate.version = coalesce(g.agreement_version, 0) AND rate.framework = c.framework
    LEFT JOIN rate AS own ON own.agreement_id = coalesce(g.agreement_id, '')
        AND own.version = coalesce(g.agreement_version, 0) AND own.framework = receiver.framework
    LEFT JOIN every_denominator AS every ON every.agreement_id = coalesce(g.agreement_id, '')
        AND every.version = coalesce(g.agreement_version, 0)
    GROUP BY g.grant_id, g.credits, g.completions
"""

# What the learner record has of a claim: the decision with the highest number. A grant is counted once, whichever of
# its completions' decisions name it.
TOTALS: Final = """
    WITH latest AS (
        SELECT DISTINCT ON (completion_id, enrolment_id) * FROM learner_record_decision
        ORDER BY completion_id, enrolment_id, number DESC
    ), on_record AS (
        SELECT enrolment_id, sum(granted) FILTER (WHERE NOT is_frozen) AS counts,
            sum(granted) FILTER (WHERE is_frozen) AS frozen
        FROM (
            SELECT enrolment_id, grant_id, bool_or(is_frozen) AS is_frozen, max(granted) AS granted
            FROM latest WHERE grant_id IS NOT NULL GROUP BY enrolment_id, grant_id
        ) AS grants
        GROUP BY enrolment_id
    ), in_ledger AS (
        SELECT enrolment_id, sum(credits) FILTER (WHERE NOT is_frozen) AS counts,
            sum(credits) FILTER (WHERE is_frozen) AS frozen
        FROM granted WHERE stands GROUP BY enrolment_id
    ), under_way AS (
        SELECT split_part(thing, '/', 2) AS enrolment, min(waits) AS waits
        FROM reading WHERE reader = 'learner_record' AND type = 'recognition.decision.made.v1' AND waits IS NOT NULL
        GROUP BY 1
    )
    SELECT enrolment_id::text AS id,
        CASE
            WHEN coalesce(on_record.counts, 0) <> coalesce(in_ledger.counts, 0)
                THEN 'the record counts other credit than the ledger'
            WHEN coalesce(on_record.frozen, 0) <> coalesce(in_ledger.frozen, 0)
                THEN 'the record freezes other credit than the ledger'
        END AS wrong,
        under_way.waits
    FROM on_record FULL JOIN in_ledger USING (enrolment_id)
    LEFT JOIN under_way ON under_way.enrolment = enrolment_id::text
"""

STATES: Final = """
    SELECT d.decision_id::text AS id,
        CASE
            WHEN kept.number IS DISTINCT FROM d.number THEN 'the record does not have the current decision'
            WHEN n.decision_number IS DISTINCT FROM d.number THEN 'the entry does not show the current decision'
            WHEN n.state <> d.state THEN 'the entry shows another state'
        END AS wrong,
        coalesce(reading.waits, of_completion.waits) AS waits
    FROM current AS d
    LEFT JOIN (
        SELECT completion_id, enrolment_id, max(number) AS number FROM learner_record_decision
        GROUP BY completion_id, enrolment_id
    ) AS kept USING (completion_id, enrolment_id)
    LEFT JOIN standing_entry AS n USING (completion_id, enrolment_id)
    LEFT JOIN reading ON reading.reader = 'learner_record' AND reading.type = 'recognition.decision.made.v1'
        AND reading.thing = d.completion_id || '/' || d.enrolment_id AND reading.sequence = d.number
    LEFT JOIN reading AS of_completion ON of_completion.reader = 'learner_record'
        AND of_completion.type = 'provider.completion.published.v1'
        AND of_completion.thing = d.completion_id::text AND of_completion.sequence = d.completion_revision
"""

STATEMENTS: Final = (LIFE, "ANALYZE life")

CHECKS: Final = (
    Check("I-4", "what is withdrawn was posted, and is withdrawn whole", WITHDRAWN_WHOLE),
    Check("I-4", "an enrolment's balance is what its current decisions grant", BALANCES),
    Check("I-4", "a current decision grants what stands, and nothing unrecognised", DECISIONS_AND_GRANTS),
    Check("I-4", "every grant that stands is granted by its current decisions", GRANTS_ARE_NAMED),
    Check("I-4", "no posting exceeds a cap of the award version that it pins", CAPS),
    Check("I-5", "no grant is more than its completions converted", CEILING),
    Check("I-6", "the record counts and freezes what the ledger does", TOTALS),
    Check("I-6", "the record shows the current decision and its state", STATES),
)
