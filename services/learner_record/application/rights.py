"""Learners' rights: everything held about them, who read it, and to be forgotten (docs/privacy.md)."""

from typing import Any, Final
from uuid import UUID

import orjson

from chassis import erasure, export
from chassis.clock import Clock, instant
from chassis.database import COMMAND_TIMEOUT, Pool, in_transaction
from chassis.erasure import Erasure
from chassis.export import ACCESSES, About
from services.learner_record.held import HELD
from services.learner_record.others import PROVIDER, Others

OWN: Final = "learner_record"

THINGS: Final = """
SELECT ARRAY(SELECT DISTINCT completion_id FROM completion_revision WHERE learner_id = $1) AS completions,
       ARRAY(SELECT enrolment_id FROM enrolment WHERE learner_id = $1) AS enrolments
"""
"""By these operations finds what it knows: it has no learners."""

ERASE_STATEMENTS: Final = "DELETE FROM appeal_statement WHERE learner_id = $1"

NOT_FOUND_BY_LEARNER: Final = {
    "portal": "Sessions, for hours, sealed under a key that only your browser has: nobody can tell whose one is.",
    "kafka": "The events from which these rows were made, for the time that docs/privacy.md says.",
    "backups": "Copies of the databases, for the time that docs/privacy.md says.",
}
"""What else there is about a learner, and why it is not in the document."""


class Rights:
    """Answers learners, and the consortium's registry, about what is held."""

    def __init__(self, pool: Pool, clock: Clock, others: Others) -> None:
        self._pool = pool
        self._clock = clock
        self._others = others

    async def export(self, learner_id: UUID) -> bytes:
        """Everything that the services hold about a learner, as one JSON document.

        It is whole or it is not given: raises the Problem 503 where a service does not answer.
        """
        services = await self._gathered(learner_id, only_accesses=False)
        document = {
            "learner_id": str(learner_id),
            "exported_at": instant(self._clock()),
            "services": {name: orjson.Fragment(held) for name, held in services.items()},
            "not_included": NOT_FOUND_BY_LEARNER,
        }
        return orjson.dumps(document)

    async def accesses(self, learner_id: UUID) -> list[dict[str, Any]]:
        """Who read what of a learner, the newest first; raises the Problem 503 where a service does not answer."""
        services = await self._gathered(learner_id, only_accesses=True)
        return sorted(
            (
                {"service": name, **{field: value for field, value in row.items() if field not in ("id", "learner_id")}}
                for name, held in services.items()
                for row in orjson.loads(held).get(ACCESSES, ())
            ),
            key=lambda row: str(row["read_at"]),
            reverse=True,
        )

    async def erase(self, learner_id: UUID, *, by: str, why: str) -> tuple[Erasure, bool]:
        """Forget who a learner is, in both services that know; with the erasure comes whether it is new.

        The provider goes first, and the answer comes when both are done: whoever gets none, or the Problem 503, asks
        again, which changes nothing where it was done.
        """
        wanted = Erasure(learner_id, self._clock(), by, why)
        await self._others.erase({**erasure.answer_of(wanted), "learner_id": str(learner_id)})
        return await in_transaction(
            self._pool, lambda connection: erasure.erase(connection, wanted, also=(ERASE_STATEMENTS,))
        )

    async def _gathered(self, learner_id: UUID, *, only_accesses: bool) -> dict[str, bytes]:
        held = {ACCESSES: HELD[ACCESSES]} if only_accesses else HELD
        async with self._pool.acquire(timeout=COMMAND_TIMEOUT) as connection:
            things = await connection.fetchrow(THINGS, learner_id)
            assert things is not None  # noqa: S101 - it selects without FROM
            about = About(learner_id, tuple(things["completions"]), tuple(things["enrolments"]))
            own = await export.read(connection, held, about)
        others = await self._others.export(about, only_accesses=only_accesses)
        if only_accesses:
            others.pop(PROVIDER, None)
        return {OWN: own, **others}
