"""The journey of a completion as JSON, for operations' own tools and for the systems of its provider."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from chassis.clock import Clock
from chassis.database import Pool
from chassis.http import problems
from chassis.identity import Principal, Role, require
from services.operations.application import Journey, read_journey
from services.operations.domain.journey import Chain, Step
from services.operations.domain.wording import what_happened


class HopAnswer(BaseModel):
    """One event of the journey."""

    what: str = Field(description="What happened, in plain words.")
    service: str = Field(description="The service that states it.")
    event_id: UUID
    event_type: str
    caused_by: UUID | None = Field(description="The event that led to it.")
    depth: int = Field(description="How many events of its chain stand above it.")
    happened_at: datetime = Field(description="When the fact was committed.")
    after_seconds: float | None = Field(description="How long after its cause; null for the first.")
    topic: str
    partition: int
    offset: int
    recorded_at: datetime = Field(description="The timestamp of its record on the topic.")
    seen_at: datetime = Field(description="When operations saw it.")
    trace_id: str | None


class ChainAnswer(BaseModel):
    """What one event led to."""

    began_at: datetime = Field(description="When the first fact was committed.")
    visible_after_seconds: float | None = Field(
        description="From the first fact to the last that was visible on a record; null while something is to come."
    )
    undecided: int = Field(description="Enrolments for which no decision has come yet.")
    trace_ids: list[str] = Field(description="The traces it ran through; one where the trace is unbroken.")
    hops: list[HopAnswer]


class JourneyAnswer(BaseModel):
    """A completion's way through the services."""

    completion_id: UUID
    provider: str
    reference: str = Field(description="The provider's own reference.")
    chains: list[ChainAnswer] = Field(description="The oldest first: a publication, a correction, a later enrolment.")


def _hop(step: Step) -> HopAnswer:
    hop = step.hop
    return HopAnswer(
        what=what_happened(hop),
        service=hop.service,
        event_id=hop.event_id,
        event_type=hop.event_type,
        caused_by=hop.caused_by,
        depth=step.depth,
        happened_at=hop.happened_at,
        after_seconds=step.after.total_seconds() if step.after is not None else None,
        topic=hop.topic,
        partition=hop.partition,
        offset=hop.offset,
        recorded_at=hop.recorded_at,
        seen_at=hop.seen_at,
        trace_id=hop.trace_id,
    )


def _chain(chain: Chain) -> ChainAnswer:
    return ChainAnswer(
        began_at=chain.root.happened_at,
        visible_after_seconds=chain.visible_after.total_seconds() if chain.visible_after is not None else None,
        undecided=chain.undecided,
        trace_ids=list(chain.trace_ids),
        hops=[_hop(step) for step in chain.steps],
    )


def _answer(journey: Journey) -> JourneyAnswer:
    return JourneyAnswer(
        completion_id=journey.completion_id,
        provider=journey.provider,
        reference=journey.reference,
        chains=[_chain(chain) for chain in journey.chains],
    )


def routes(pool: Pool, clock: Clock) -> APIRouter:
    """The routes, on this database."""
    router = APIRouter(tags=["journeys"])

    @router.get(
        "/journeys/{completion_id}",
        response_model=JourneyAnswer,
        responses=problems(401, 403, 404, 503),
        summary="Follow a completion through every hop",
    )
    async def journey(
        completion_id: UUID, principal: Annotated[Principal, Depends(require(Role.OPERATIONS, Role.PUBLISHER))]
    ) -> JourneyAnswer:
        """Every event about a completion, joined by causes: accepted, on its topic, decided, visible on the record.

        For the role operations, and for a publisher of the completion's own member.
        """
        return _answer(await read_journey(pool, clock, completion_id, principal))

    return router
