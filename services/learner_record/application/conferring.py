"""ConferAward: a registry confers an award, and what it counts is used from then on (documents.md, "Award")."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from chassis.batch import lock_learners
from chassis.clock import Clock, day_of
from chassis.database import Connection, Pool, in_transaction, transaction
from chassis.http import current_or_stale
from chassis.outbox import Outgoing
from chassis.problems import Fault, Problem, conflict, invalid, not_found
from contracts.ids import conferral_id
from services.learner_record.application.progressing import told_anew, what_counts, write
from services.learner_record.documents import ConferralDocument
from services.learner_record.domain.progress import Conferred, Objection, Requirements, objections, progress
from services.learner_record.domain.stack import Attempt, Grant, own_credit_that_counts
from services.learner_record.store import enrolments, facts
from services.learner_record.store import progress as store
from services.learner_record.store.progress import Conferral, EnrolmentState, LearnerState


@dataclass(frozen=True, slots=True)
class Standing:
    """An enrolment with everything that its progress is told from."""

    learner: LearnerState
    enrolment: EnrolmentState

    @property
    def conferral(self) -> Conferral | None:
        """The enrolment's conferral."""
        return self.learner.conferrals.get(self.enrolment.enrolment_id)

    def answer(self) -> dict[str, Any]:
        """The progress as the registry reads it."""
        grants, own = what_counts(self.learner, self.enrolment)
        requirements, conferral, made, award = self.enrolment.requirements, self.conferral, None, None
        if requirements is not None:
            made = progress(requirements, grants, own)
            award = {"id": requirements.award_id, "version": requirements.version}
        return {
            "enrolment_id": self.enrolment.enrolment_id,
            "reference": self.enrolment.reference,
            "award": award,
            "eligible": made is not None and made.eligible,
            "capstone": made.capstone if made else "closed",
            "conditions": [
                {
                    "name": one.name,
                    "holds": one.holds,
                    "required": _text(one.required),
                    "has": _text(one.has),
                    "sentence": one.sentence,
                }
                for one in (made.conditions if made else ())
            ],
            "counted": sorted(_completions([one for one in grants if not one.frozen], own)),
            "conferral": None if conferral is None else conferral_answer(conferral),
            "lost": sorted(self.enrolment.told.lost),
        }


def _completions(grants: Iterable[Grant], own: Iterable[Attempt]) -> set[UUID]:
    """The completions that are counted with these grants and this own credit."""
    return {one for grant in grants for one in grant.completions} | {one.completion_id for one in own}


def _text(number: Any) -> str | None:
    return None if number is None else f"{number:f}"


def conferral_answer(conferral: Conferral) -> dict[str, Any]:
    """A conferral as it was made; the same for ever."""
    conferred = conferral.conferred
    return {
        "conferral_id": conferred.conferral_id,
        "award": {"id": conferred.award_id, "version": conferral.award_version},
        "conferred_on": conferral.conferred_on.isoformat(),
        "conferred_by": conferral.conferred_by,
        "completions": sorted(conferred.completions),
    }


async def standing_of(connection: Connection, member: str, reference: str, *, lock: bool = False) -> Standing:
    """An enrolment of a member's by its reference. Raises the Problem 404."""
    learner_id = await enrolments.learner_of(connection, member, reference)
    if learner_id is None:
        raise not_found("You have no enrolment of this reference.")
    if lock:
        await lock_learners(connection, [learner_id])
    learner = (await store.read(connection, [learner_id]))[learner_id]
    found = (one for one in learner.enrolments.values() if (one.member, one.reference) == (member, reference))
    return Standing(learner, next(found))


class ConferAward:
    """Confers awards, each enrolment's once."""

    def __init__(self, pool: Pool, clock: Clock, zone: ZoneInfo) -> None:
        self._pool = pool
        self._clock = clock
        self._zone = zone

    async def read(self, member: str, reference: str) -> Standing:
        """How far an enrolment is."""
        async with transaction(self._pool) as connection:
            return await standing_of(connection, member, reference)

    async def __call__(
        self,
        member: str,
        reference: str,
        document: ConferralDocument,
        *,
        by: str,
        expected: int,
        traceparent: str | None,
    ) -> tuple[Conferral, bool]:
        """Confer; with the conferral comes whether it is new.

        Raises the Problems 404, 409 (closed, conferred otherwise, a condition that does not hold, credit that is used;
        retryable where recognition has not judged the use yet), 412 (the progress is not what was read) and 422.
        """

        async def confer(connection: Connection) -> tuple[Conferral, bool]:
            standing = await standing_of(connection, member, reference, lock=True)
            if standing.conferral is not None:
                return _as_it_is(standing.conferral, document), False
            current_or_stale(expected, standing.enrolment.told.revision)
            return await self._confer(connection, standing, document, by, traceparent), True

        return await in_transaction(self._pool, confer)

    async def _confer(
        self, connection: Connection, standing: Standing, document: ConferralDocument, by: str, traceparent: str | None
    ) -> Conferral:
        learner, enrolment, now = standing.learner, standing.enrolment, self._clock()
        requirements = enrolment.requirements
        if requirements is None:
            raise conflict("The award is not published yet, so nothing can be conferred.", name="award-unknown")
        conferred_on = self._day(document, enrolment, now)
        grants, own = _chosen(standing, requirements, document)
        others = learner.others(enrolment.enrolment_id)
        known = {completion_id: claim.conferrals for completion_id, claim in enrolment.claims.items()}
        found = objections(requirements, grants, own, known, others)
        if found:
            raise _objected(found)
        completions = _completions(grants, own)
        conferred = Conferred(
            conferral_id(enrolment.enrolment_id),
            enrolment.enrolment_id,
            requirements.award_id,
            requirements.ladder,
            frozenset(completions),
        )
        conferral = Conferral(conferred, requirements.version, conferred_on, by)
        await store.confer(connection, enrolment, conferral, now)
        learner.conferrals[enrolment.enrolment_id] = conferral
        event = told_anew(learner, enrolment, now)
        if event is None:
            raise RuntimeError(f"the conferral of {enrolment.enrolment_id} changes nothing")
        await write(connection, [event], [Outgoing(event, traceparent=traceparent)])
        await facts.raise_versions(connection, {learner.learner_id: (event.event_id, traceparent)})
        return conferral

    def _day(self, document: ConferralDocument, enrolment: EnrolmentState, now: datetime) -> date:
        today = day_of(now, self._zone)
        if enrolment.closed_on is not None and enrolment.closed_on <= today:
            raise conflict(f"The enrolment is closed since {enrolment.closed_on}.", name="enrolment-closed")
        conferred_on = document.conferred_on or today
        if conferred_on > today:
            raise invalid([Fault("conferred_on", conferred_on, f"no day after today, {today}")])
        return conferred_on


def _as_it_is(conferral: Conferral, document: ConferralDocument) -> Conferral:
    """The conferral where the document asks for the same; another one is never made of it."""
    same_credit = document.completions is None or frozenset(document.completions) == conferral.conferred.completions
    if same_credit and document.conferred_on in (None, conferral.conferred_on):
        return conferral
    stored = {name: str(value) for name, value in conferral_answer(conferral).items()}
    raise conflict("The award is conferred already, otherwise.", name="conferred-already", stored=stored)


def _chosen(
    standing: Standing, requirements: Requirements, document: ConferralDocument
) -> tuple[list[Grant], list[Attempt]]:
    """What the conferral counts: everything that counts, or of it what the document names."""
    grants, own = what_counts(standing.learner, standing.enrolment)
    grants = [grant for grant in grants if not grant.frozen]
    if document.completions is None:
        return grants, own
    wanted = frozenset(document.completions)
    # Own credit that another conferral used is asked for by name: the answer says so.
    attempts = standing.learner.attempts.get(standing.enrolment.member, ())
    own = [one for one in own_credit_that_counts(attempts, requirements.framework) if one.completion_id in wanted]
    grants = [grant for grant in grants if grant.completions & wanted]
    covered = _completions(grants, own)
    if covered != wanted:
        raise invalid([Fault("completions", str(one), _expected(one, covered)) for one in sorted(covered ^ wanted)])
    return grants, own


def _expected(completion_id: UUID, covered: Iterable[UUID]) -> str:
    if completion_id in covered:
        return "named too, since it was granted together with one that is"
    return "a completion that counts for this enrolment"


def _objected(found: list[Objection]) -> Problem:
    retryable = all(one.retryable for one in found)
    return Problem(
        409,
        " ".join(dict.fromkeys(one.reason for one in found)),
        name="use-undecided" if retryable else "not-eligible",
        retryable=retryable,
        errors=[Fault("completions", one.completion_id and str(one.completion_id), one.reason) for one in found],
    )
