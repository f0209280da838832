"""BacktestAgreement: a draft against what is stored, in memory, page by page; nothing is written."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog

from chassis.database import COMMAND_TIMEOUT, Pool
from services.recognition.application.catalogue import CatalogueReader, agreement_version
from services.recognition.application.publish import directions_of
from services.recognition.domain.backtest import Tested, backtested, had_it_been_in_force
from services.recognition.domain.catalogue import Catalogue
from services.recognition.domain.deciding import Change, NeverSettles
from services.recognition.domain.learner import Cause, Completion, Learner
from services.recognition.store import backtest as store
from services.recognition.store import learners

log = structlog.get_logger()

FIRST: Final = UUID(int=0)
AT_A_TIME: Final = 50
"""Learners read in one go and decided in one go, beside the event loop."""
SECONDS: Final = 1.0
"""After so long no more learners are begun with: a request has 4 seconds, and a page may be shorter than asked for."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Which completions: by the day on which they were completed, both days included."""

    since: date = date.min
    until: date = date.max

    def holds(self, completion: Completion) -> bool:
        """Whether a completion is among them."""
        return self.since <= completion.completed_on <= self.until


@dataclass(slots=True)
class Backtest:
    """What would have changed for some learners, and after whom to go on: None where these were the last.

    `failed` counts learners whose claims cannot be decided under the version, as they could not be in life.
    """

    learners: int = 0
    tested: list[Tested] = field(default_factory=list)
    failed: int = 0
    next: UUID | None = None


async def backtest(
    pool: Pool,
    catalogues: CatalogueReader,
    document: dict[str, Any],
    *,
    after: UUID,
    completions: int,
    bounds: Bounds,
    zone: ZoneInfo,
    today: date,
) -> Backtest:
    """Decide the claims in an agreement's directions anew, as if this version of it were in force.

    The learners follow `after` by id, and have at most so many completions together, but there is at least one; where
    time runs out they are fewer. Everything is read in one snapshot, in a transaction that can write nothing.
    """
    until = time.monotonic() + SECONDS
    directions = directions_of(document)
    found = Backtest()
    async with (
        pool.acquire(timeout=COMMAND_TIMEOUT) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        catalogue = had_it_been_in_force(agreement_version(document), await catalogues.read(connection))
        ids, there_are_more = await store.learners(connection, directions, after=after, completions=completions)
        change = Change(Cause("agreement"), today)
        for some in _in_parts(ids):
            known = await learners.read(connection, some, zone)
            # Deciding takes the processor, and other requests must not wait for it.
            await asyncio.to_thread(_test, found, list(known.values()), directions, catalogue, change, bounds)
            found.learners += len(some)
            if time.monotonic() > until:
                break
    if there_are_more or found.learners < len(ids):
        found.next = ids[found.learners - 1]
    return found


def _test(
    found: Backtest,
    some: Sequence[Learner],
    directions: Sequence[tuple[str, str]],
    catalogue: Catalogue,
    change: Change,
    bounds: Bounds,
) -> None:
    wanted = frozenset(directions)
    for learner in some:
        try:
            found.tested.append(backtested(learner, wanted, catalogue, change, bounds.holds))
        except (NeverSettles, ValueError) as error:
            # Such a learner would be set aside; here the others go on.
            log.warning("a learner's claims cannot be decided in a backtest", error=type(error).__name__)
            found.failed += 1


def _in_parts(ids: Sequence[UUID]) -> Iterator[list[UUID]]:
    rest = iter(ids)
    while some := list(islice(rest, AT_A_TIME)):
        yield some
