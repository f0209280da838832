"""Gaps: what a registry could agree next, by the credit and the learners that wait for it."""

from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from chassis.clock import Clock
from chassis.database import Pool, transaction
from chassis.identity import Principal, Role, member_of, require
from contracts.event import Framework, LearningOpportunityId, MemberId, Quantity
from services.recognition.store import gaps as store

Asker = Annotated[Principal, Depends(require(Role.REGISTRY, Role.CONSORTIUM))]


class GapAnswer(BaseModel):
    """One learning opportunity at one receiver, and one thing that is not agreed about it."""

    code: str = Field(description="NO_AGREEMENT, NO_RULE or one of LEVEL_*; a claim with several counts under each.")
    provider: MemberId
    receiver: MemberId
    learning_opportunity: LearningOpportunityId
    title: str | None
    agreement: str | None = Field(description="The agreement that does not cover it; null where there is none.")
    sentence: str = Field(description="What the learner who waits longest was told.")
    learners: int
    claims: int
    credits: Quantity = Field(description="Credit of these claims in the provider's unit, that of `framework`.")
    framework: Framework
    oldest: datetime = Field(description="When the oldest of these decisions was made.")


class GapsAnswer(BaseModel):
    """What is not agreed, where most credit waits first."""

    items: list[GapAnswer]
    is_whole: bool = Field(description="False where there are more than `limit`.")


def routes(pool: Pool, clock: Clock, zone: ZoneInfo) -> APIRouter:
    """The route /agreements/gaps; it comes before that of an agreement's id."""
    router = APIRouter(tags=["agreements and awards"])

    @router.get("/agreements/gaps")
    async def get_gaps(
        caller: Asker,
        side: Annotated[
            Literal["receiver", "provider"],
            Query(alias="as", description="What waits at the member, or what it provided and waits elsewhere."),
        ] = "receiver",
        limit: Annotated[int, Query(ge=1, le=500, description="Items at most.")] = 100,
    ) -> GapsAnswer:
        """What to agree next: NO_AGREEMENT, NO_RULE and LEVEL_* by partner and learning opportunity.

        Only current decisions count, at enrolments that are still open. The consortium sees all members'.
        """
        member = None if caller.has(Role.CONSORTIUM) else member_of(caller)
        at_receiver, of_provider = (member, None) if side == "receiver" else (None, member)
        async with transaction(pool) as connection:
            found = await store.gaps(
                connection,
                receiver=at_receiver,
                provider=of_provider,
                today=clock().astimezone(zone).date(),
                limit=limit + 1,
            )
        return GapsAnswer(items=[_answer(one) for one in found[:limit]], is_whole=len(found) <= limit)

    return router


def _answer(gap: store.Gap) -> GapAnswer:
    return GapAnswer(
        code=gap.code,
        provider=gap.provider,
        receiver=gap.receiver,
        learning_opportunity=gap.course,
        title=gap.title,
        agreement=gap.agreement,
        sentence=gap.sentence,
        learners=gap.learners,
        claims=gap.claims,
        credits=gap.credits,
        framework=gap.framework,
        oldest=gap.oldest,
    )
