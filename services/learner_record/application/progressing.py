"""TellProgress: whoever's record changed is looked at again, and what changed of the progress towards awards is told.

It follows the record in transactions of its own, so that keeping records waits for nothing. A learner is due once, and
is taken off the list in the transaction that tells, under the learner's lock: killed, it goes on where it was.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from prometheus_client import Gauge

from chassis import outbox
from chassis.batch import lock_learners
from chassis.clock import Clock
from chassis.database import Connection, Pool, in_transaction, is_passing, transaction
from chassis.outbox import Outgoing
from contracts.learner_record_award_progress import AwardProgressChanged, AwardVersion
from contracts.learner_record_award_progress import Conferral as ConferralPart
from services.learner_record.domain.progress import is_free, progress
from services.learner_record.domain.stack import Attempt, Grant, grants_that_stand, own_credit_that_counts
from services.learner_record.store import progress as store
from services.learner_record.store.progress import Conferral, EnrolmentState, LearnerState, Told

log = structlog.get_logger()

POSTPONED: Final = Gauge("concord_progress_postponed", "Learners whose progress cannot be told; a person must look")

AT_A_TIME: Final = 100
"""Learners in one transaction."""
PAUSE: Final = 0.1
"""Seconds between two looks, unless more learners are due than one takes: looks at a few cost as much each."""


def what_counts(state: LearnerState, enrolment: EnrolmentState) -> tuple[list[Grant], list[Attempt]]:
    """The grants that stand for an enrolment, frozen ones too, and the learner's own credit that counts for it."""
    grants = grants_that_stand({completion_id: claim.grant for completion_id, claim in enrolment.claims.items()})
    requirements = enrolment.requirements
    if requirements is None:
        return grants, []
    others = state.others(enrolment.enrolment_id)
    free = [one for one in state.attempts.get(enrolment.member, ()) if is_free(one, requirements.ladder, others)]
    return grants, own_credit_that_counts(free, requirements.framework)


def told_anew(state: LearnerState, enrolment: EnrolmentState, now: datetime) -> AwardProgressChanged | None:
    """What is to be told of an enrolment; None where it stands as it was told last, or is closed without an award."""
    conferral = state.conferrals.get(enrolment.enrolment_id)
    requirements = enrolment.requirements
    if requirements is None or (enrolment.closed_on is not None and conferral is None):
        return None
    grants, own = what_counts(state, enrolment)
    made = progress(requirements, grants, own)
    attempts = state.attempts.get(enrolment.member, ())
    lost = frozenset() if conferral is None else _lost(conferral, grants, attempts, requirements.framework)
    told = enrolment.told
    conferral_id = conferral.conferred.conferral_id if conferral else None
    new = Told(told.revision, made.eligible, made.capstone, conferral_id, lost)
    if new == told or (told.revision == 0 and not made.eligible and made.capstone in ("none", "closed") and not lost):
        return None
    return AwardProgressChanged(
        enrolment_id=enrolment.enrolment_id,
        revision=told.revision + 1,
        learner_id=state.learner_id,
        receiver=enrolment.member,
        enrolment_reference=enrolment.reference,
        award=AwardVersion(id=requirements.award_id, version=requirements.version),
        eligible=made.eligible,
        capstone=made.capstone,
        conferral=None if conferral is None else _conferral(conferral),
        lost=sorted(lost),
        changed_at=now,
    )


def _lost(
    conferral: Conferral, grants: Iterable[Grant], attempts: Iterable[Attempt], framework: str
) -> frozenset[UUID]:
    """What the conferral counted and what counts no more: revoked, corrected, frozen or decided otherwise."""
    still = {one for grant in grants if not grant.frozen for one in grant.completions}
    still |= {one.completion_id for one in attempts if one.counts_in(framework)}
    return conferral.conferred.completions - still


def _conferral(conferral: Conferral) -> ConferralPart:
    conferred = conferral.conferred
    return ConferralPart(
        id=conferred.conferral_id,
        award=AwardVersion(id=conferred.award_id, version=conferral.award_version),
        conferred_on=conferral.conferred_on,
        conferred_by=conferral.conferred_by,
        completions=sorted(conferred.completions),
    )


class TellProgress:
    """The loop of a worker; any number may run, since each learner is looked at under the learner's lock."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def run(self) -> None:
        """Look, for ever. What passes is tried again; whom no repetition helps is postponed, with an alarm."""
        while True:
            try:
                told = await in_transaction(self._pool, self.once)
            except Exception as error:
                log.warning("progress is told again", error=type(error).__name__)
                told = 0 if is_passing(error) else await self._one_by_one()
            if told < AT_A_TIME:
                await asyncio.sleep(PAUSE)

    async def once(self, connection: Connection) -> int:
        """Look at those who are due longest, in the caller's transaction; returns how many they were."""
        learner_ids = await store.due(connection, AT_A_TIME)
        if learner_ids:
            await self._tell(connection, learner_ids)
        return len(learner_ids)

    async def _one_by_one(self) -> int:
        """Find whose progress fails; they come last, and everybody else goes on."""
        async with transaction(self._pool) as connection:
            learner_ids = await store.due(connection, AT_A_TIME)
        failed = []
        for learner_id in learner_ids:
            try:
                await in_transaction(self._pool, partial(self._tell, learner_ids=[learner_id]))
            except Exception as error:
                if is_passing(error):
                    return 0
                log.error("a learner's progress cannot be told", exc_info=error)
                failed.append(learner_id)
        async with transaction(self._pool) as connection:
            POSTPONED.set(await store.postpone(connection, failed))
        return len(learner_ids)

    async def _tell(self, connection: Connection, learner_ids: Sequence[UUID]) -> None:
        await lock_learners(connection, learner_ids)
        causes = await store.take(connection, learner_ids)
        now = self._clock()
        events: list[AwardProgressChanged] = []
        outgoing: list[Outgoing] = []
        for learner_id, state in (await store.read(connection, sorted(causes))).items():
            for enrolment in state.enrolments.values():
                if (event := told_anew(state, enrolment, now)) is not None:
                    events.append(event)
                    outgoing.append(Outgoing(event, *causes[learner_id]))
        await write(connection, events, outgoing)


async def write(connection: Connection, events: Sequence[AwardProgressChanged], outgoing: Sequence[Outgoing]) -> None:
    """Store what is told, and send it."""
    await store.tell(connection, events)
    await outbox.put(connection, outgoing)
