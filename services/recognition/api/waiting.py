"""What waits: claims that cannot be decided yet, since their award or a member is not known here."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from chassis.database import Pool, transaction
from chassis.identity import Principal, Role, member_of, require
from services.recognition.store import feed, standing

Watcher = Annotated[Principal, Depends(require(Role.OPERATIONS, Role.REGISTRY))]


class Group(BaseModel):
    """Claims that wait for the same thing."""

    receiver: str
    award: str
    provider: str
    waits_for: Literal["award", "receiver", "provider"] = Field(description="Which of these three is not known.")
    claims: int
    since: datetime


class WaitingAnswer(BaseModel):
    """All that waits, and what is still to be looked at in view of the newest publications."""

    claims: int
    groups: list[Group]
    to_be_looked_at: int = Field(description="Claims that something newly published concerns, not yet evaluated again.")


def routes(pool: Pool) -> APIRouter:
    """The route /waiting."""
    router = APIRouter(tags=["waiting"])

    @router.get("/waiting")
    async def get_waiting(caller: Watcher) -> WaitingAnswer:
        """What waits, counted; operations see all of it, a registry what waits at its member."""
        at = None if caller.has(Role.OPERATIONS) else member_of(caller)
        async with transaction(pool) as connection:
            groups = await feed.waiting(connection, at)
            count = await standing.count(connection, at)
        return WaitingAnswer(
            claims=sum(group.claims for group in groups),
            groups=[
                Group(
                    receiver=group.receiver,
                    award=group.award,
                    provider=group.provider,
                    waits_for=group.waits_for,
                    claims=group.claims,
                    since=group.since,
                )
                for group in groups
            ],
            to_be_looked_at=count,
        )

    return router
