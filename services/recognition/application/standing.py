"""LookAgain: what was published or changed since finds the claims that it concerns (ADR 9)."""

import asyncio
import contextlib
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from prometheus_client import Counter, Gauge

from chassis.batch import lock_learners
from chassis.clock import Clock, day_of
from chassis.database import PASSING, Connection, Pool, in_transaction, is_passing, transaction
from services.recognition.application import recognise
from services.recognition.application.catalogue import CatalogueReader
from services.recognition.application.recognise import Recognising
from services.recognition.domain.learner import Cause
from services.recognition.store import learners, standing

log = structlog.get_logger()

AT_A_TIME: Final = 50
"""Enrolments in one transaction: few, so that live traffic of the same learners waits no longer than it must."""
PAUSE: Final = 0.5
"""Seconds until it looks for claims again, after it found none."""
MEASURED_EVERY: Final = 15
"""Seconds between two counts of what waits."""
LEFT_OUT_FOR: Final = 600
"""Seconds after which those who were left out are tried again: what failed may have been mended meanwhile."""

LEFT_OUT = Gauge("concord_learners_left_out", "Learners whose open claims the standing query failed to look at again.")
WAITING = Gauge("concord_claims_waiting", "Claims that wait for an award or a member that is not known.")
LOOKED_AT_AGAIN = Counter(
    "concord_claims_looked_at_again_total", "Enrolments evaluated because of the catalogue.", ["cause"]
)


class StandingQuery:
    """Looks at open claims again that a publication or a member's change concerns, in small batches.

    It keeps no position: a claim is stamped with the catalogue number that its evaluation read, and one with an older
    stamp than a number that concerns it is found, whoever stamped it and whenever that was committed.
    """

    def __init__(self, catalogues: CatalogueReader, *, pool: Pool, zone: ZoneInfo, clock: Clock) -> None:
        self._catalogues = catalogues
        self._pool = pool
        self._zone = zone
        self._clock = clock
        self._at: set[UUID] = set()
        self._left_out: set[UUID] = set()
        self._left_out_at = 0.0
        self._measured_at = 0.0

    async def run(self) -> None:
        """Look, for ever. What passes is tried again; a learner whom no repetition helps is left out, with an alarm."""
        while True:
            try:
                found = await in_transaction(self._pool, self.once)
            except Exception as error:
                log.warning("the standing query tries again", error=type(error).__name__)
                found = 0 if is_passing(error) else await self._one_by_one()
            if not found:
                await self._measure()
                await asyncio.sleep(PAUSE)

    async def _measure(self) -> None:
        now = self._clock().timestamp()
        if now - self._measured_at < MEASURED_EVERY:
            return
        self._measured_at = now
        LEFT_OUT.set(len(self._left_out))
        if now - self._left_out_at >= LEFT_OUT_FOR:
            self._left_out.clear()
        with contextlib.suppress(*PASSING):
            async with transaction(self._pool) as connection:
                WAITING.set(await standing.waiting(connection))

    async def once(self, connection: Connection, *, at_a_time: int = AT_A_TIME) -> int:
        """Look at one batch, in the caller's transaction; returns how many enrolments it found."""
        found = await standing.find(connection, at_a_time, self._left_out)
        if not found:
            return 0
        self._at = {one.learner_id for one in found}
        await lock_learners(connection, self._at)
        now = self._clock()
        catalogue = await self._catalogues.read(connection)
        works = {
            learner_id: Recognising(learner, catalogue, self._zone)
            for learner_id, learner in (await learners.read(connection, self._at, self._zone)).items()
        }
        for one in found:
            cause = Cause(one.cause, one.event_id)
            today = day_of(now, self._zone)
            works[one.learner_id].look_again(one.enrolment_id, cause, today, one.traceparent)
            LOOKED_AT_AGAIN.labels(one.cause).inc()
        await recognise.write(connection, list(works.values()), now)
        return len(found)

    async def _one_by_one(self) -> int:
        """Find whose claims fail. For a while they are left out, and everybody else goes on."""

        async def one(connection: Connection) -> int:
            return await self.once(connection, at_a_time=1)

        for _ in range(AT_A_TIME):
            try:
                found = await in_transaction(self._pool, one)
            except Exception as error:
                if is_passing(error):
                    return 0
                self._left_out |= self._at
                self._left_out_at = self._clock().timestamp()
                LEFT_OUT.set(len(self._left_out))
                log.error("a learner's claims cannot be looked at again", exc_info=error)
            else:
                if not found:
                    return 0
        return AT_A_TIME
