"""What is asked of operations: the journey of a completion, and how everything goes at the moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from chassis import accesses
from chassis.clock import Clock
from chassis.database import Pool, transaction
from chassis.identity import Principal, Role
from chassis.problems import forbidden, not_found
from services.operations import store
from services.operations.domain.journey import Chain, chains, percentile
from services.operations.store import COMPLETION_PUBLISHED, Publication, TopicCount
from services.operations.synthetic import store as synthetic

MEASURED: Final = 500
"""Publications, newest first, whose time to visibility is measured for the console."""
COUNTED: Final = 1000
"""Decisions, newest first, that the console counts by state."""


@dataclass(frozen=True, slots=True)
class Journey:
    """A completion's way through the services: whose it is, and the chains of events that are about it."""

    completion_id: UUID
    provider: str
    reference: str
    chains: Sequence[Chain]


@dataclass(frozen=True, slots=True)
class Overview:
    """How everything goes: counts by topic, the newest publications, seconds to visibility, decisions by state."""

    topics: Sequence[TopicCount]
    publications: Sequence[Publication]
    median: float | None
    p99: float | None
    waiting: int
    """Of the publications measured, those that are on no record yet."""
    decisions: Mapping[str, int]
    synthetic: synthetic.Last | None
    """How the last synthetic credits went; None where none was ever sent."""


async def read_journey(pool: Pool, clock: Clock, completion_id: UUID, principal: Principal) -> Journey:
    """The journey of a completion, for operations staff and for its own provider; that it was read is noted.

    Raises the Problem 404 where nothing was seen of it, and 403 for another member's.
    """
    async with transaction(pool) as connection:
        hops = await store.journey(connection, completion_id)
        # A decision can be seen before its completion: topics are read side by side.
        published = next((hop for hop in hops if hop.event_type == COMPLETION_PUBLISHED), None)
        is_own = published is not None and published.facts["provider"] == principal.member
        if published is not None and not is_own and not principal.has(Role.OPERATIONS):
            raise forbidden("This completion is another member's.", name="another-members")
        if published is None:
            raise not_found("Nothing was seen of this completion so far.")
        await accesses.note(connection, principal, "journey", clock(), completion_id=completion_id)
    return Journey(completion_id, published.facts["provider"], published.facts["reference"], chains(hops))


async def read_overview(pool: Pool) -> Overview:
    """How everything goes at the moment."""
    async with transaction(pool) as connection:
        topics = await store.topic_counts(connection)
        publications = await store.newest(connection, MEASURED)
        decisions = await store.decisions(connection, COUNTED)
        last = await synthetic.last(connection)
    measured = [seconds for publication in publications if (seconds := publication.visible_after) is not None]
    return Overview(
        topics=topics,
        publications=publications,
        median=percentile(measured, 0.5),
        p99=percentile(measured, 0.99),
        waiting=len(publications) - len(measured),
        decisions=decisions,
        synthetic=last,
    )
