"""Decisions: a feed for the members they concern, and each one with all its grounds."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from chassis import accesses
from chassis.clock import Clock
from chassis.database import Connection, Pool, transaction
from chassis.http import cursor, encode_cursor, problems
from chassis.identity import Principal, Role, member_of, require
from chassis.problems import not_found
from contracts.recognition_decision import DecisionMade
from services.recognition.application.explaining import Receiver, explain_stored
from services.recognition.domain.declines import AppealRoute, Decline
from services.recognition.store import feed

MemberStaff = Annotated[Principal, Depends(require(Role.PUBLISHER, Role.REGISTRY, Role.OFFICER))]
Reader = Annotated[
    Principal,
    Depends(require(Role.PUBLISHER, Role.REGISTRY, Role.OFFICER, Role.OPERATIONS, Role.CONSORTIUM)),
]


class Feed(BaseModel):
    """Some decisions in the order of the feed, and where to go on."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"items": [], "next": "WzcxMiw5MjIzMzcyMDM2ODU0Nzc1ODA3XQ"}}
    )

    items: list[DecisionMade]
    next: str | None = Field(
        description="The `after` of the following request, also where nothing was new; null before the first decision."
    )


class Appeal(BaseModel):
    """How one appeals against the receiver's decisions."""

    route: str
    days: int
    stages: list[str]


class DecisionAnswer(DecisionMade):
    """A decision with what a reader needs beside it; there is no decline without how to appeal (domain/declines.py)."""

    current_decision_id: UUID = Field(description="The current decision on this claim: this one, or what replaced it.")
    referrals_to: str = Field(description="Who at the receiver takes referrals.")
    appeals: Appeal
    explanation: str = Field(description="What was decided, why, and what comes next, as one plain English paragraph.")

    @model_validator(mode="after")
    def _declines_with_what_is_owed(self) -> Self:
        if self.state == "DECLINED":
            Decline(self.grounds, AppealRoute.of(self.appeals.model_dump()))
        return self


def routes(pool: Pool, clock: Clock) -> APIRouter:
    """The routes under /decisions."""
    router = APIRouter(tags=["decisions"])

    @router.get("/decisions")
    async def get_decisions(
        caller: MemberStaff,
        after: Annotated[tuple[int, int] | None, Depends(cursor(int, int))],
        limit: Annotated[int, Query(ge=1, le=1000, description="Items of a page at most.")] = 100,
        side: Annotated[
            Literal["provider", "receiver", "both"],
            Query(alias="as", description="Decisions on what the member provided, at the member, or both."),
        ] = "both",
        begin: Annotated[
            Literal["start", "now"],
            Query(
                alias="from",
                description="Where to begin without `after`: with the first decision, or with those to come – then the"
                " answer has none, and the `next` that leads to them.",
            ),
        ] = "start",
    ) -> Feed:
        """Decisions that concern the token's member, each once and none left out, in an order that never changes.

        Ask again with `next` as `after`: at once while a page is full, and every second or so after one that is not.
        """
        member = member_of(caller)
        async with transaction(pool) as connection:
            if after is None and begin == "now":
                return Feed(items=[], next=encode_cursor(*await feed.now(connection)))
            found = await feed.feed(connection, member, side, after or (0, 0), limit)
        end = found[-1][1] if found else after
        return Feed(items=[decision for decision, _ in found], next=None if end is None else encode_cursor(*end))

    @router.get("/decisions/{decision_id}", responses=problems(404))
    async def get_decision(caller: Reader, decision_id: UUID) -> DecisionAnswer:
        """One decision with all its grounds, for the members it concerns, the consortium and operations.

        That it was read is shown to the learner.
        """
        async with transaction(pool) as connection:
            decision = await feed.decision(connection, decision_id)
            if decision is None or not _concerns(decision, caller):
                raise not_found("There is no such decision, or none that concerns you.")
            await accesses.note(connection, caller, "decision", clock(), learner_id=decision.learner_id)
            return await decision_answer(connection, decision)

    return router


def _concerns(decision: DecisionMade, caller: Principal) -> bool:
    if caller.has(Role.OPERATIONS, Role.CONSORTIUM):
        return True
    return caller.member in (decision.provider, decision.receiver)


async def decision_answer(connection: Connection, decision: DecisionMade) -> DecisionAnswer:
    """A decision with what a reader needs beside it."""
    current = await feed.newest(connection, decision.completion_id, decision.enrolment_id)
    referrals_to, appeals = await feed.receiver(connection, decision.receiver)
    receiver = Receiver.of(referrals_to, appeals)
    beside: dict[str, Any] = {
        "current_decision_id": current,
        "referrals_to": referrals_to,
        "appeals": appeals,
        "explanation": explain_stored(decision, receiver, replaced=current != decision.decision_id),
    }
    return DecisionAnswer.model_validate(decision.model_dump() | beside)
