"""Checks of decisions: none is missing, none twice, none of nothing, and a revocation reaches all (I-1 to I-3, I-12,
I-18).
"""

from typing import Final

from services.operations.audit.check import Check

# A claim is a completion and an enrolment of its learner at another member. It gives a first decision unless the
# enrolment was closed before the claim date (decision.md, "Closed enrolments"), and one for every revision unless the
# enrolment is closed and nothing was granted. Its receiver closes an enrolment, or the conferral of its award does.
CLAIM: Final = """
CREATE TEMPORARY TABLE claim AS
SELECT c.completion_id, e.enrolment_id, c.revision, c.revoked, ends.ends_on IS NOT NULL AS is_closed,
    d.number, d.completion_revision, d.state, d.grant_id, d.is_frozen, d.catalogue_number,
    k.stamped, k.is_open, k.waits_for,
    coalesce(
        of_completion.waits,
        of_enrolment.waits,
        CASE WHEN d.number IS NULL AND k.stamped < newest.number THEN 'to be looked at again' END,
        CASE WHEN d.number IS NULL THEN 'enrolment waits: ' || k.waits_for || ' unknown' END
    ) AS waits,
    newest.number AS concerned
FROM completion AS c
CROSS JOIN parameter
JOIN enrolment AS e ON e.learner_id = c.learner_id AND e.receiver <> c.member
LEFT JOIN recognition_conferral AS conferred ON conferred.enrolment_id = e.enrolment_id
CROSS JOIN LATERAL (SELECT least(e.closed_on, conferred.conferred_on) AS ends_on) AS ends
LEFT JOIN current AS d ON d.completion_id = c.completion_id AND d.enrolment_id = e.enrolment_id
LEFT JOIN recognition_claim AS k ON k.completion_id = c.completion_id AND k.enrolment_id = e.enrolment_id
LEFT JOIN reading AS of_completion ON of_completion.reader = 'recognition'
    AND of_completion.type = 'provider.completion.published.v1' AND of_completion.thing = c.completion_id::text
    AND of_completion.sequence = c.revision
LEFT JOIN reading AS of_enrolment ON of_enrolment.reader = 'recognition'
    AND of_enrolment.type = 'learner_record.enrolment.recorded.v1' AND of_enrolment.thing = e.enrolment_id::text
    AND of_enrolment.sequence = e.revision
LEFT JOIN LATERAL (
    SELECT max(s.number) AS number FROM recognition_subject AS s
    WHERE (s.kind = 'direction' AND s.id = c.member AND s.receiver = e.receiver)
        OR (s.kind = 'award' AND s.id = e.award) OR (s.kind = 'member' AND s.id IN (c.member, e.receiver))
) AS newest ON true
WHERE ends.ends_on IS NULL OR ends.ends_on >= greatest((c.claimable_from AT TIME ZONE zone)::date, e.opened_on)
"""

EVERY_CLAIM_IS_DECIDED: Final = """
    SELECT completion_id || ' for ' || enrolment_id AS id,
        CASE
            WHEN number IS NULL THEN 'no decision'
            WHEN completion_revision < revision AND (grant_id IS NOT NULL OR NOT is_closed)
                THEN 'no decision since its newest revision'
        END AS wrong,
        waits
    FROM claim
"""

# What may still be decided otherwise is found by a later publication through its stamp, and only so (ADR 9).
OPEN_CLAIMS_ARE_STAMPED: Final = """
    SELECT completion_id || ' for ' || enrolment_id AS id,
        CASE
            WHEN NOT coalesce(is_open, false) THEN 'open, and no publication will find it'
            WHEN stamped < catalogue_number THEN 'stamped below the number that it was decided at'
            WHEN waits_for IS NOT NULL AND number IS NOT NULL THEN 'decided, and stamped as waiting'
        END AS wrong,
        NULL AS waits
    FROM claim WHERE state IN ('INCOMPLETE', 'REFERRED') AND NOT is_frozen AND NOT is_closed
"""

WAITING_CLAIMS: Final = """
    SELECT k.completion_id || ' for ' || k.enrolment_id AS id,
        CASE
            WHEN k.waits_for = 'award' AND award.first <= k.stamped THEN 'it saw the award, and still waits for it'
            WHEN k.waits_for = 'receiver' AND receiver.number <= k.stamped
                THEN 'it saw the receiver, and still waits for it'
            WHEN k.waits_for = 'provider' AND provider.number <= k.stamped
                THEN 'it saw the provider, and still waits for it'
        END AS wrong,
        NULL AS waits
    FROM recognition_claim AS k
    LEFT JOIN (SELECT award_id, min(catalogue_number) AS first FROM recognition_award GROUP BY award_id) AS award
        ON award.award_id = k.award
    LEFT JOIN recognition_subject AS receiver ON receiver.kind = 'member' AND receiver.id = k.receiver
    LEFT JOIN recognition_subject AS provider ON provider.kind = 'member' AND provider.id = k.provider
"""

NOTHING_TWICE: Final = """
    SELECT what || ' ' || thing AS id, CASE WHEN rows > 1 THEN rows || ' times' END AS wrong, NULL AS waits
    FROM (
        SELECT 'decision' AS what, completion_id || ' for ' || enrolment_id || ' ' || number AS thing,
            count(*) AS rows
        FROM recognition_decision GROUP BY completion_id, enrolment_id, number
        UNION ALL
        SELECT 'completion in recognition', completion_id || ' ' || revision, count(*)
        FROM recognition_completion_revision GROUP BY completion_id, revision
        UNION ALL
        SELECT 'decision on the record', completion_id || ' for ' || enrolment_id || ' ' || number, count(*)
        FROM learner_record_decision GROUP BY completion_id, enrolment_id, number
        UNION ALL
        SELECT 'entry at', completion_id || ' for ' || coalesce(enrolment_id::text, 'itself'),
            count(DISTINCT entry_id)
        FROM learner_record_entry GROUP BY completion_id, enrolment_id
        UNION ALL
        SELECT 'grant', enrolment_id || ' ' || ordinal, count(*)
        FROM recognition_credit_grant GROUP BY enrolment_id, ordinal
    ) AS each
"""

# A revision gives a new decision whatever its outcome; anything else only another outcome does.
NEW_NUMBERS_HAVE_CAUSES: Final = """
    SELECT decision_id::text AS id,
        CASE
            WHEN cause NOT IN ('completion', 'revision', 'revocation', 'enrolment', 'agreement', 'award', 'member',
                'choice', 'officer', 'appeal', 'given_back', 'conferral') THEN 'for no cause that there is'
            WHEN cause_event_id IS NULL AND cause NOT IN ('officer', 'appeal') THEN 'it names no event as its cause'
            WHEN (completion_revision, state, codes, grade, grant_id, is_frozen, conferrals)
                IS NOT DISTINCT FROM (lag(completion_revision) OVER claim, lag(state) OVER claim,
                    lag(codes) OVER claim, lag(grade) OVER claim, lag(grant_id) OVER claim,
                    lag(is_frozen) OVER claim, lag(conferrals) OVER claim) AND number > 1
                AND cause NOT IN ('choice', 'officer', 'appeal', 'conferral')
                THEN 'nothing is other than in the one before'
        END AS wrong,
        NULL AS waits
    FROM recognition_decision
    WINDOW claim AS (PARTITION BY completion_id, enrolment_id ORDER BY number)
"""

DECISIONS_TRACE: Final = """
    SELECT d.decision_id::text AS id,
        CASE
            WHEN source.completion_id IS NULL THEN 'on a revision that its provider does not have'
            WHEN mine.completion_id IS NULL THEN 'on a revision that recognition does not have'
            WHEN mine.body_hash <> source.body_hash THEN 'on a payload that is not its provider''s'
            WHEN source.learner_id <> d.learner_id THEN 'for another learner'
            WHEN source.member <> d.provider THEN 'of another provider'
            WHEN e.enrolment_id IS NULL THEN 'for an enrolment that there is not'
            WHEN e.learner_id <> d.learner_id OR e.receiver <> d.receiver THEN 'for another''s enrolment'
        END AS wrong,
        CASE WHEN e.enrolment_id IS NULL AND d.decided_at > moment - grace THEN 'younger than the grace' END AS waits
    FROM recognition_decision AS d
    CROSS JOIN parameter
    LEFT JOIN recognition_completion_revision AS mine
        ON mine.completion_id = d.completion_id AND mine.revision = d.completion_revision
    LEFT JOIN provider_completion_revision AS source
        ON source.completion_id = d.completion_id AND source.revision = d.completion_revision
    LEFT JOIN enrolment AS e ON e.enrolment_id = d.enrolment_id
"""

ENTRIES_TRACE: Final = """
    SELECT n.entry_id || ' ' || n.revision AS id,
        CASE
            WHEN source.completion_id IS NULL THEN 'on a revision that its provider does not have'
            WHEN source.learner_id <> n.learner_id THEN 'for another learner'
            WHEN n.enrolment_id IS NULL AND n.member <> source.member THEN 'own credit at another member'
            WHEN n.enrolment_id IS NOT NULL AND e.learner_id IS DISTINCT FROM n.learner_id
                THEN 'for another''s enrolment'
            WHEN n.decision_id IS NOT NULL AND d.decision_id IS NULL THEN 'on a decision that was not made'
            WHEN n.decision_id IS NOT NULL AND (d.state, d.completion_revision) <> (n.state, n.completion_revision)
                THEN 'it says something else than its decision'
        END AS wrong,
        NULL AS waits
    FROM learner_record_entry AS n
    LEFT JOIN provider_completion_revision AS source
        ON source.completion_id = n.completion_id AND source.revision = n.completion_revision
    LEFT JOIN enrolment AS e ON e.enrolment_id = n.enrolment_id
    LEFT JOIN recognition_decision AS d ON d.completion_id = n.completion_id AND d.enrolment_id = n.enrolment_id
        AND d.number = n.decision_number AND d.decision_id = n.decision_id
"""

COMPLETIONS_TRACE: Final = """
    SELECT reader || ': ' || mine.completion_id || ' ' || mine.revision AS id,
        CASE
            WHEN source.completion_id IS NULL THEN 'its provider does not have it'
            WHEN source.body_hash <> mine.body_hash THEN 'its payload is not its provider''s'
        END AS wrong,
        NULL AS waits
    FROM (
        SELECT 'recognition' AS reader, completion_id, revision, body_hash FROM recognition_completion_revision
        UNION ALL SELECT 'learner_record', completion_id, revision, body_hash FROM learner_record_completion_revision
    ) AS mine
    LEFT JOIN provider_completion_revision AS source USING (completion_id, revision)
"""

# What a decision can be made again from; that it gives the same bytes is not for SQL to say.
INPUTS_ARE_KEPT: Final = """
    SELECT d.decision_id::text AS id,
        CASE
            WHEN d.evaluation_id IS NULL AND NOT d.is_frozen AND d.cause NOT IN ('officer', 'appeal')
                THEN 'it names no evaluation'
            WHEN d.evaluation_id IS NOT NULL AND v.evaluation_id IS NULL THEN 'its inputs are not kept'
            WHEN a.award_id IS NULL THEN 'it pins an award version that there is not'
            WHEN a.catalogue_number > d.catalogue_number THEN 'it pins an award version published after it'
            WHEN d.agreement_id IS NOT NULL AND g.agreement_id IS NULL
                THEN 'it pins an agreement version that there is not'
            WHEN g.catalogue_number > d.catalogue_number THEN 'it pins an agreement version published after it'
            WHEN d.cause IN ('officer', 'appeal') OR d.is_frozen THEN NULL
            WHEN d.agreement_id IS NULL AND d.grant_id IS NOT NULL THEN 'it grants, and pins no agreement version'
            WHEN d.grant_id IS NOT NULL AND (granted.agreement_id, granted.award_id)
                IS DISTINCT FROM (d.agreement_id, d.award_id) THEN 'its grant pins other documents'
        END AS wrong,
        NULL AS waits
    FROM recognition_decision AS d
    LEFT JOIN recognition_evaluation AS v USING (evaluation_id)
    LEFT JOIN recognition_award AS a ON a.award_id = d.award_id AND a.version = d.award_version
    LEFT JOIN recognition_agreement AS g ON g.agreement_id = d.agreement_id AND g.version = d.agreement_version
    LEFT JOIN recognition_credit_grant AS granted ON granted.grant_id = d.grant_id
"""

# A revoked completion's dependents: every decision on it, every grant that rests on it, and its own entry.
REVOCATIONS_REACH_DECISIONS: Final = """
    SELECT completion_id || ' for ' || enrolment_id AS id,
        CASE
            WHEN number IS NULL THEN 'no decision'
            WHEN completion_revision < revision AND (grant_id IS NOT NULL OR NOT is_closed)
                THEN 'its current decision does not know of the revocation'
            WHEN state IN ('RECOGNISED', 'PARTIAL') THEN 'it is still recognised'
        END AS wrong,
        waits
    FROM claim WHERE revoked
"""

REVOCATIONS_REACH_GRANTS: Final = """
    SELECT c.completion_id || ' in ' || granted.grant_id AS id,
        CASE WHEN granted.stands AND NOT granted.is_frozen THEN 'the grant that rests on it still counts' END AS wrong,
        reading.waits
    FROM completion AS c
    JOIN granted ON c.completion_id = ANY (granted.completions)
    LEFT JOIN reading ON reading.reader = 'recognition' AND reading.type = 'provider.completion.published.v1'
        AND reading.thing = c.completion_id::text AND reading.sequence = c.revision
    WHERE c.revoked
"""

REVOCATIONS_REACH_RECORDS: Final = """
    SELECT c.completion_id::text AS id,
        CASE WHEN own.state IS DISTINCT FROM 'REVOKED' THEN 'its own entry is not revoked' END AS wrong,
        reading.waits
    FROM completion AS c
    LEFT JOIN standing_entry AS own ON own.completion_id = c.completion_id AND own.enrolment_id IS NULL
    LEFT JOIN reading ON reading.reader = 'learner_record' AND reading.type = 'provider.completion.published.v1'
        AND reading.thing = c.completion_id::text AND reading.sequence = c.revision
    WHERE c.revoked
"""

STATEMENTS: Final = (CLAIM, "ANALYZE claim")

CHECKS: Final = (
    Check("I-1", "every completion is decided for every enrolment elsewhere", EVERY_CLAIM_IS_DECIDED),
    Check("I-1", "every open claim is found by what is published later", OPEN_CLAIMS_ARE_STAMPED),
    Check("I-1", "no claim waits for what it saw", WAITING_CLAIMS),
    Check("I-2", "no decision, grant or entry is there twice", NOTHING_TWICE),
    Check("I-2", "every new number has a cause, and changes something", NEW_NUMBERS_HAVE_CAUSES),
    Check("I-3", "every decision is on an accepted completion's payload", DECISIONS_TRACE),
    Check("I-3", "every entry is on an accepted completion and its decision", ENTRIES_TRACE),
    Check("I-3", "every completion at a reader is its provider's", COMPLETIONS_TRACE),
    Check("I-12", "every decision's inputs and pinned versions are kept", INPUTS_ARE_KEPT),
    Check("I-18", "decisions on a revoked completion know of it", REVOCATIONS_REACH_DECISIONS),
    Check("I-18", "no grant counts that rests on a revoked completion", REVOCATIONS_REACH_GRANTS),
    Check("I-18", "the record shows a revoked completion as revoked", REVOCATIONS_REACH_RECORDS),
)
