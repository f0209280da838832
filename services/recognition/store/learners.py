"""Learners read and written: completions, enrolments, decisions, grants, the ledger, and how claims stand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from chassis.clock import day_of
from chassis.database import Connection, columns
from contracts.ids import decision_id, grant_id
from contracts.learner_record_award_progress import AwardProgressChanged
from contracts.learner_record_choice import ChoiceMade
from contracts.learner_record_enrolment import EnrolmentRecorded
from contracts.provider_completion import CompletionPublished
from services.recognition.domain.inputs import inputs_of
from services.recognition.domain.learner import (
    Choice,
    Completion,
    Conferral,
    Decision,
    DocumentVersion,
    Enrolment,
    Grant,
    Learner,
    Made,
    Standing,
    Use,
)
from services.recognition.engine.codec import ground_to_json
from services.recognition.engine.model import Ground, Line, State

# --- reading ---------------------------------------------------------------------------------------------------------

COMPLETIONS: Final = """
SELECT DISTINCT ON (learner_id, completion_id)
    learner_id, completion_id, revision, provider, reference, learner_reference, is_matchable, course, course_version,
    credits, framework, level, result, mark, completed_on, workload_hours, identity_verified_at_assessment, used_for,
    revoked, missing_elements, claimable_from
FROM completion_revision WHERE learner_id = ANY ($1::uuid[])
ORDER BY learner_id, completion_id, revision DESC
"""

ENROLMENTS: Final = """
SELECT DISTINCT ON (learner_id, enrolment_id)
    learner_id, enrolment_id, revision, receiver, reference, learner_reference, award, opened_on, closed_on
FROM enrolment_revision WHERE learner_id = ANY ($1::uuid[])
ORDER BY learner_id, enrolment_id, revision DESC
"""

GRANTS: Final = """
SELECT g.learner_id, g.grant_id, g.enrolment_id, g.ordinal, g.completions, g.courses, g.fills, g.counts_at_same_level,
    g.refers_revocation, g.agreement_id, g.agreement_version, g.award_id, g.award_version,
    posted.slot, posted.credits, posted.level, posted.kind
FROM credit_grant AS g
LEFT JOIN ledger AS posted ON posted.grant_id = g.grant_id AND NOT posted.is_withdrawal
    AND NOT EXISTS (SELECT FROM ledger AS back WHERE back.grant_id = g.grant_id AND back.is_withdrawal)
WHERE g.learner_id = ANY ($1::uuid[])
ORDER BY g.enrolment_id, g.ordinal, posted.line
"""

DECISIONS: Final = """
SELECT DISTINCT ON (learner_id, completion_id, enrolment_id)
    learner_id, completion_id, enrolment_id, number, completion_revision, state, grounds, grade, agreement_id,
    agreement_version, award_id, award_version, claimed_on, claimable_from, grant_id, is_frozen, conferrals
FROM decision WHERE learner_id = ANY ($1::uuid[])
ORDER BY learner_id, completion_id, enrolment_id, number DESC
"""

STANDINGS: Final = """
SELECT learner_id, completion_id, enrolment_id, stamped, is_open, has_cap_ground, waits_for
FROM claim WHERE learner_id = ANY ($1::uuid[])
"""

# An enrolment's newest choice, and its conferral; either may be known before the enrolment is.
CHOICES_AND_CONFERRALS: Final = """
(SELECT DISTINCT ON (learner_id, enrolment_id)
    learner_id, enrolment_id, revision, completions, NULL::uuid AS conferral_id, NULL AS award_id,
    NULL::integer AS award_version, NULL::date AS conferred_on
FROM choice_revision WHERE learner_id = ANY ($1::uuid[])
ORDER BY learner_id, enrolment_id, revision DESC)
UNION ALL
SELECT learner_id, enrolment_id, NULL, completions, conferral_id, award_id, award_version, conferred_on
FROM conferral WHERE learner_id = ANY ($1::uuid[])
"""


async def read(connection: Connection, learner_ids: Iterable[UUID], zone: ZoneInfo) -> dict[UUID, Learner]:
    """All that is known of these learners, who must be locked by an earlier statement; six round trips."""
    learners = {learner_id: Learner(learner_id) for learner_id in learner_ids}
    wanted = list(learners)
    for row in await connection.fetch(COMPLETIONS, wanted):
        completion = _completion(row, zone)
        learners[row["learner_id"]].completions[completion.completion_id] = completion
    for row in await connection.fetch(CHOICES_AND_CONFERRALS, wanted):
        _add_choice_or_conferral(learners[row["learner_id"]], row)
    for row in await connection.fetch(ENROLMENTS, wanted):
        learners[row["learner_id"]].enrol(Enrolment(*row[1:]))
    grants = _add_grants(learners, await connection.fetch(GRANTS, wanted))
    for row in await connection.fetch(DECISIONS, wanted):
        decision = _decision(row, grants)
        learners[row["learner_id"]].current[decision.completion_id, decision.enrolment_id] = decision
    for row in await connection.fetch(STANDINGS, wanted):
        standing = Standing(row["stamped"], row["is_open"], row["has_cap_ground"], row["waits_for"])
        learners[row["learner_id"]].standings[row["completion_id"], row["enrolment_id"]] = standing
    return learners


def _add_choice_or_conferral(learner: Learner, row: Any) -> None:
    enrolment_id, completions = row["enrolment_id"], row["completions"]
    if row["conferral_id"] is None:
        learner.choices[enrolment_id] = Choice(enrolment_id, row["revision"], tuple(completions))
    else:
        award = DocumentVersion(row["award_id"], row["award_version"])
        learner.confer(Conferral(row["conferral_id"], enrolment_id, award, row["conferred_on"], frozenset(completions)))


def _completion(row: Any, zone: ZoneInfo) -> Completion:
    used_for = row["used_for"]
    return Completion(
        completion_id=row["completion_id"],
        revision=row["revision"],
        provider=row["provider"],
        reference=row["reference"],
        learner_reference=row["learner_reference"],
        is_matchable=row["is_matchable"],
        course=row["course"],
        course_version=row["course_version"],
        credits=Fraction(row["credits"]),
        framework=row["framework"],
        level=row["level"],
        result=row["result"],
        mark=_fraction(row["mark"]),
        completed_on=row["completed_on"],
        workload_hours=_fraction(row["workload_hours"]),
        identity_verified_at_assessment=row["identity_verified_at_assessment"],
        used_for=None if used_for is None else Use(**used_for),
        revoked=row["revoked"],
        missing_elements=tuple(row["missing_elements"]),
        claimable_from=row["claimable_from"],
        claimable_on=day_of(row["claimable_from"], zone),
    )


def _fraction(number: Decimal | None) -> Fraction | None:
    return None if number is None else Fraction(number)


def _add_grants(learners: dict[UUID, Learner], rows: Iterable[Any]) -> dict[UUID, Grant]:
    """Give learners the grants that stand, and count those that ever did; a grant without lines was withdrawn."""
    lines: dict[UUID, list[Line]] = {}
    first: dict[UUID, Any] = {}
    for row in rows:
        first.setdefault(row["grant_id"], row)
        if row["slot"] is not None:
            line = Line(row["slot"], Fraction(row["credits"]), row["level"], row["kind"])
            lines.setdefault(row["grant_id"], []).append(line)
    grants = {}
    for id_, row in first.items():
        learner = learners[row["learner_id"]]
        made = learner.grants_made.get(row["enrolment_id"], 0)
        learner.grants_made[row["enrolment_id"]] = max(made, row["ordinal"] + 1)
        if id_ in lines:
            grant = grants[id_] = Grant(
                enrolment_id=row["enrolment_id"],
                ordinal=row["ordinal"],
                completions=tuple(row["completions"]),
                courses=tuple(row["courses"]),
                lines=tuple(lines[id_]),
                fills=tuple(row["fills"]),
                counts_at_same_level=row["counts_at_same_level"],
                refers_revocation=row["refers_revocation"],
                agreement=_version(row["agreement_id"], row["agreement_version"]),
                award=DocumentVersion(row["award_id"], row["award_version"]),
            )
            learner.grants[grant.enrolment_id, grant.ordinal] = grant
    return grants


def _decision(row: Any, grants: dict[UUID, Grant]) -> Decision:
    return Decision(
        completion_id=row["completion_id"],
        enrolment_id=row["enrolment_id"],
        number=row["number"],
        completion_revision=row["completion_revision"],
        state=State(row["state"]),
        grounds=tuple(_ground(ground) for ground in row["grounds"]),
        grade=_fraction(row["grade"]),
        agreement=_version(row["agreement_id"], row["agreement_version"]),
        award=DocumentVersion(row["award_id"], row["award_version"]),
        claimed_on=row["claimed_on"],
        claimable_from=row["claimable_from"],
        grant=None if row["grant_id"] is None else grants[row["grant_id"]],
        is_frozen=row["is_frozen"],
        conferrals=tuple(row["conferrals"]),
    )


def _version(id_: str | None, version: int | None) -> DocumentVersion | None:
    return None if id_ is None or version is None else DocumentVersion(id_, version)


def _ground(fields: dict[str, Any]) -> Ground:
    return Ground(**{**fields, "state": State(fields["state"]), "compared": tuple(fields["compared"].items())})


# --- writing ---------------------------------------------------------------------------------------------------------

INSERT_COMPLETIONS: Final = """
INSERT INTO completion_revision (completion_id, revision, learner_id, provider, reference, learner_reference,
    is_matchable, course, course_version, title, credits, framework, level, result, mark, completed_on, workload_hours,
    identity_verified_at_assessment, used_for, revoked, missing_elements, body_hash, accepted_at, claimable_from,
    event_id)
SELECT completion_id, revision, learner_id, provider, reference, learner_reference, is_matchable, course,
    course_version, title, credits, framework, level, result, mark, completed_on, workload_hours, identity_verified,
    used_for::jsonb, revoked, string_to_array(missing_elements, ' '), body_hash, accepted_at, claimable_from, event_id
FROM unnest(
    $1::uuid[], $2::integer[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::boolean[], $8::text[],
    $9::integer[], $10::text[], $11::numeric[], $12::text[], $13::integer[], $14::text[], $15::numeric[], $16::date[],
    $17::numeric[], $18::boolean[], $19::text[], $20::boolean[], $21::text[], $22::text[], $23::timestamptz[],
    $24::timestamptz[], $25::uuid[]
) AS new (completion_id, revision, learner_id, provider, reference, learner_reference, is_matchable, course,
    course_version, title, credits, framework, level, result, mark, completed_on, workload_hours, identity_verified,
    used_for, revoked, missing_elements, body_hash, accepted_at, claimable_from, event_id)
"""

INSERT_ENROLMENTS: Final = """
INSERT INTO enrolment_revision (enrolment_id, revision, learner_id, receiver, reference, learner_reference, award,
    opened_on, closed_on, accepted_at, event_id)
SELECT * FROM unnest(
    $1::uuid[], $2::integer[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::date[], $9::date[],
    $10::timestamptz[], $11::uuid[]
)
"""

INSERT_EVALUATIONS: Final = """
INSERT INTO evaluation (evaluation_id, inputs)
SELECT id, inputs::jsonb FROM unnest($1::uuid[], $2::text[]) AS new (id, inputs)
"""

INSERT_DECISIONS: Final = """
INSERT INTO decision (completion_id, enrolment_id, number, decision_id, learner_id, completion_revision, provider,
    receiver, state, grounds, grade, cause, cause_event_id, agreement_id, agreement_version, award_id, award_version,
    claimed_on, claimable_from, grant_id, is_frozen, evaluation_id, catalogue_number, decided_at, conferrals)
SELECT completion_id, enrolment_id, number, decision_id, learner_id, completion_revision, provider, receiver, state,
    grounds::jsonb, grade, cause, cause_event_id, agreement_id, agreement_version, award_id, award_version, claimed_on,
    claimable_from, grant_id, is_frozen, evaluation_id, catalogue_number, decided_at, conferrals::uuid[]
FROM unnest(
    $1::uuid[], $2::uuid[], $3::integer[], $4::uuid[], $5::uuid[], $6::integer[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::numeric[], $12::text[], $13::uuid[], $14::text[], $15::integer[], $16::text[], $17::integer[],
    $18::date[], $19::timestamptz[], $20::uuid[], $21::boolean[], $22::uuid[], $23::bigint[], $24::timestamptz[],
    $25::text[]
) WITH ORDINALITY AS new (completion_id, enrolment_id, number, decision_id, learner_id, completion_revision, provider,
    receiver, state, grounds, grade, cause, cause_event_id, agreement_id, agreement_version, award_id, award_version,
    claimed_on, claimable_from, grant_id, is_frozen, evaluation_id, catalogue_number, decided_at, conferrals, place)
ORDER BY place
"""

INSERT_CHOICES: Final = """
INSERT INTO choice_revision (enrolment_id, revision, learner_id, completions, made_at, event_id)
SELECT enrolment_id, revision, learner_id, completions::uuid[], made_at, event_id
FROM unnest($1::uuid[], $2::integer[], $3::uuid[], $4::text[], $5::timestamptz[], $6::uuid[])
    AS new (enrolment_id, revision, learner_id, completions, made_at, event_id)
"""

INSERT_CONFERRALS: Final = """
INSERT INTO conferral (enrolment_id, conferral_id, learner_id, award_id, award_version, conferred_on, completions,
    event_id)
SELECT enrolment_id, conferral_id, learner_id, award_id, award_version, conferred_on, completions::uuid[], event_id
FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::integer[], $6::date[], $7::text[], $8::uuid[]
) AS new (enrolment_id, conferral_id, learner_id, award_id, award_version, conferred_on, completions, event_id)
"""

INSERT_GRANTS: Final = """
INSERT INTO credit_grant (enrolment_id, ordinal, grant_id, learner_id, completions, courses, fills,
    counts_at_same_level, refers_revocation, agreement_id, agreement_version, award_id, award_version)
SELECT enrolment_id, ordinal, grant_id, learner_id, completions::uuid[], courses::text[], fills::text[],
    counts_at_same_level, refers_revocation, agreement_id, agreement_version, award_id, award_version
FROM unnest(
    $1::uuid[], $2::integer[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::boolean[],
    $9::boolean[], $10::text[], $11::integer[], $12::text[], $13::integer[]
) AS new (enrolment_id, ordinal, grant_id, learner_id, completions, courses, fills, counts_at_same_level,
    refers_revocation, agreement_id, agreement_version, award_id, award_version)
"""

INSERT_LEDGER: Final = """
INSERT INTO ledger (grant_id, line, is_withdrawal, learner_id, enrolment_id, slot, credits, level, kind, posted_at)
SELECT * FROM unnest(
    $1::uuid[], $2::integer[], $3::boolean[], $4::uuid[], $5::uuid[], $6::text[], $7::numeric[], $8::integer[],
    $9::text[], $10::timestamptz[]
)
"""

UPSERT_CLAIMS: Final = """
INSERT INTO claim (completion_id, enrolment_id, learner_id, provider, receiver, award, stamped, is_open,
    has_cap_ground, waits_for, since)
SELECT * FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::boolean[],
    $9::boolean[], $10::text[], $11::timestamptz[]
)
ON CONFLICT (completion_id, enrolment_id) DO UPDATE
SET stamped = excluded.stamped, is_open = excluded.is_open, has_cap_ground = excluded.has_cap_ground,
    waits_for = excluded.waits_for
"""


@dataclass(frozen=True, slots=True)
class Consumed:
    """Revisions that were new, each with the id of the event that brought it."""

    completions: Sequence[tuple[CompletionPublished, UUID]] = ()
    enrolments: Sequence[tuple[EnrolmentRecorded, UUID]] = ()
    choices: Sequence[tuple[ChoiceMade, UUID]] = ()
    conferrals: Sequence[tuple[AwardProgressChanged, UUID]] = ()


async def write(connection: Connection, learners: Sequence[Learner], consumed: Consumed, now: datetime) -> None:
    """Add what is new of these learners: revisions, decisions in the order made, grants, ledger rows, standings."""
    if consumed.completions:
        rows = [_completion_row(event, event_id) for event, event_id in consumed.completions]
        await connection.execute(INSERT_COMPLETIONS, *columns(rows, 25))
    if consumed.enrolments:
        rows = [_enrolment_row(event, event_id) for event, event_id in consumed.enrolments]
        await connection.execute(INSERT_ENROLMENTS, *columns(rows, 11))
    if consumed.choices:
        rows = [_choice_row(event, event_id) for event, event_id in consumed.choices]
        await connection.execute(INSERT_CHOICES, *columns(rows, 6))
    if consumed.conferrals:
        rows = [_conferral_row(event, event_id) for event, event_id in consumed.conferrals]
        await connection.execute(INSERT_CONFERRALS, *columns(rows, 8))
    posted = [(learner, grant) for learner in learners for grant in learner.posted]
    if posted:
        await connection.execute(INSERT_GRANTS, *columns([_grant_row(*one) for one in posted], 13))
    ledger = [row for learner in learners for row in _ledger_rows(learner, now)]
    if ledger:
        await connection.execute(INSERT_LEDGER, *columns(ledger, 10))
    evaluations, decisions = _decision_rows(learners, now)
    if evaluations:
        await connection.execute(INSERT_EVALUATIONS, *columns(evaluations, 2))
    if decisions:
        await connection.execute(INSERT_DECISIONS, *columns(decisions, 25))
    claims = [row for learner in learners for row in _claim_rows(learner, now)]
    if claims:
        await connection.execute(UPSERT_CLAIMS, *columns(claims, 11))


def _completion_row(event: CompletionPublished, event_id: UUID) -> tuple[Any, ...]:
    used_for = event.used_for
    kept = None if used_for is None else used_for.model_dump_json(include={"title", "framework", "level", "ladder"})
    return (
        event.completion_id,
        event.revision,
        event.learner_id,
        event.provider,
        event.reference,
        event.learner_reference,
        event.learner_is_matchable,
        event.learning_opportunity.id,
        event.learning_opportunity.version,
        event.title,
        event.credits,
        event.framework,
        event.level,
        event.result,
        event.mark,
        event.completed_on,
        event.workload_hours,
        event.identity_verified_at_assessment,
        kept,
        event.revoked,
        " ".join(event.missing_elements),
        event.body_hash,
        event.accepted_at,
        event.claimable_from,
        event_id,
    )


def _enrolment_row(event: EnrolmentRecorded, event_id: UUID) -> tuple[Any, ...]:
    return (
        event.enrolment_id,
        event.revision,
        event.learner_id,
        event.receiver,
        event.reference,
        event.learner_reference,
        event.award,
        event.opened_on,
        event.closed_on,
        event.accepted_at,
        event_id,
    )


def _choice_row(event: ChoiceMade, event_id: UUID) -> tuple[Any, ...]:
    completions = _array(str(one) for one in event.completions)
    return event.enrolment_id, event.revision, event.learner_id, completions, event.made_at, event_id


def _conferral_row(event: AwardProgressChanged, event_id: UUID) -> tuple[Any, ...]:
    conferral = event.conferral
    if conferral is None:
        raise ValueError(f"nothing was conferred by {event_id}")
    return (
        event.enrolment_id,
        conferral.id,
        event.learner_id,
        conferral.award.id,
        conferral.award.version,
        conferral.conferred_on,
        _array(str(one) for one in conferral.completions),
        event_id,
    )


def id_of(grant: Grant) -> UUID:
    """The grant's id, made from its enrolment, its completions and how many grants came before it."""
    return _grant_id(grant.enrolment_id, grant.completions, grant.ordinal)


@lru_cache(maxsize=4096)
def _grant_id(enrolment_id: UUID, completions: tuple[UUID, ...], ordinal: int) -> UUID:
    # A batch asks for the same one several times: for its row, its lines, its decisions and their events.
    return grant_id(enrolment_id, tuple(str(one) for one in completions), ordinal)


def _grant_row(learner: Learner, grant: Grant) -> tuple[Any, ...]:
    return (
        grant.enrolment_id,
        grant.ordinal,
        id_of(grant),
        learner.learner_id,
        # Arrays in an array would have to be of one length, so each travels as its literal.
        _array(str(one) for one in grant.completions),
        _array(grant.courses),
        _array(grant.fills),
        grant.counts_at_same_level,
        grant.refers_revocation,
        grant.agreement.id if grant.agreement else None,
        grant.agreement.version if grant.agreement else None,
        grant.award.id,
        grant.award.version,
    )


def _array(texts: Iterable[str]) -> str:
    """The literal of a PostgreSQL array of texts."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"


def _ledger_rows(learner: Learner, now: datetime) -> Iterable[tuple[Any, ...]]:
    for grants, is_withdrawal in ((learner.posted, False), (learner.withdrawn, True)):
        for grant in grants:
            for number, line in enumerate(grant.lines):
                credits_ = -exactly(line.credits) if is_withdrawal else exactly(line.credits)
                yield (
                    id_of(grant),
                    number,
                    is_withdrawal,
                    learner.learner_id,
                    grant.enrolment_id,
                    line.slot,
                    credits_,
                    line.level,
                    line.kind,
                    now,
                )


def exactly(credits_: Fraction) -> Decimal:
    """Credit as the ledger holds it. Raises ValueError where it is not a whole number of hundredths."""
    hundredths = credits_ * 100
    if hundredths.denominator != 1:
        raise ValueError(f"{credits_} credits are not in hundredths")
    return Decimal(hundredths.numerator).scaleb(-2)


def _decision_rows(learners: Iterable[Learner], now: datetime) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Rows of evaluations, each once, and of decisions, which name theirs."""
    evaluations: list[tuple[Any, ...]] = []
    decisions: list[tuple[Any, ...]] = []
    for learner in learners:
        ids: dict[int, UUID] = {}
        for made in learner.made:
            decision = made.decision
            id_ = decision_id(decision.completion_id, decision.enrolment_id, decision.number)
            evaluation_id = None
            if made.case is not None:
                # An evaluation is called by the first decision that came of it.
                evaluation_id = ids.setdefault(id(made.case), id_)
                if evaluation_id == id_:
                    evaluations.append((id_, orjson.dumps(inputs_of(made.case)).decode()))
            decisions.append(_decision_row(learner, made, id_, evaluation_id, now))
    return evaluations, decisions


def _decision_row(
    learner: Learner, made: Made, id_: UUID, evaluation_id: UUID | None, now: datetime
) -> tuple[Any, ...]:
    decision = made.decision
    return (
        decision.completion_id,
        decision.enrolment_id,
        decision.number,
        id_,
        learner.learner_id,
        decision.completion_revision,
        learner.completions[decision.completion_id].provider,
        learner.enrolments[decision.enrolment_id].receiver,
        decision.state.value,
        orjson.dumps([ground_to_json(ground) for ground in decision.grounds]).decode(),
        None if decision.grade is None else Decimal(decision.grade.numerator) / Decimal(decision.grade.denominator),
        made.cause.kind,
        made.cause.event_id,
        decision.agreement.id if decision.agreement else None,
        decision.agreement.version if decision.agreement else None,
        decision.award.id,
        decision.award.version,
        decision.claimed_on,
        decision.claimable_from,
        None if decision.grant is None else id_of(decision.grant),
        decision.is_frozen,
        evaluation_id,
        made.catalogue_number,
        now,
        _array(str(one) for one in decision.conferrals),
    )


def _claim_rows(learner: Learner, now: datetime) -> Iterable[tuple[Any, ...]]:
    for completion_id, enrolment_id in sorted(learner.moved):
        enrolment = learner.enrolments[enrolment_id]
        standing = learner.standings[completion_id, enrolment_id]
        yield (
            completion_id,
            enrolment_id,
            learner.learner_id,
            learner.completions[completion_id].provider,
            enrolment.receiver,
            enrolment.award,
            standing.stamped,
            standing.is_open,
            standing.has_cap_ground,
            standing.waits_for,
            now,
        )
