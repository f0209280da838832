"""Questions: where would this learning opportunity count, for this learner or for anyone; nothing is recorded."""

from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends
from pydantic import Field

from chassis import accesses
from chassis.clock import Clock
from chassis.database import COMMAND_TIMEOUT, Pool, transaction
from chassis.http import body, problems
from chassis.identity import Principal, Role, member_of, require
from chassis.problems import Fault, invalid, not_found
from contracts.preview import PreviewAnswer, Question
from services.recognition.application.preview import (
    MOST_AWARDS,
    Asked,
    NotEnrolled,
    NotOffered,
    PreviewOpportunity,
    TooManyAwards,
)

Asker = Annotated[Principal, Depends(require(Role.PUBLISHER, Role.REGISTRY, Role.SERVICE))]


class QuestionAbout(Question):
    """A question about a learner, or about anyone."""

    learner_id: Annotated[UUID | None, Field(description="Default: anyone, who has completed nothing else.")] = None


def routes(pool: Pool, clock: Clock, zone: ZoneInfo) -> APIRouter:
    """The route /preview."""
    router = APIRouter(tags=["previews"])
    preview = PreviewOpportunity(zone)

    @router.post("/preview", responses=problems(404))
    async def post_preview(
        caller: Asker, question: Annotated[QuestionAbout, Depends(body(QuestionAbout))]
    ) -> PreviewAnswer:
        """Where this learning opportunity would count, decided as its completion would be; nothing is recorded.

        Without a learner: for anyone who enrols today, for every award of members with an agreement with its provider.
        For a learner: in each enrolment, and for every other such award. Members' staff may ask about learners
        enrolled with them, and are told what would become of it at their own member; that they asked is shown to the
        learner.
        """
        learner_id = question.learner_id
        at = None if learner_id is None or caller.has(Role.SERVICE) else member_of(caller)
        if learner_id is not None and at is not None:
            async with transaction(pool) as connection:
                await accesses.note(connection, caller, "preview", clock(), learner_id=learner_id)
        async with (
            pool.acquire(timeout=COMMAND_TIMEOUT) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            try:
                return await preview(connection, Asked(question, learner_id, at), clock())
            except NotOffered:
                raise not_found("There is no such learning opportunity, or not in this version.") from None
            except NotEnrolled:
                raise not_found("There is no such learner, or none who is enrolled with you.") from None
            except TooManyAwards:
                expected = f"a member, or an award: without one, more than {MOST_AWARDS} awards are in reach"
                raise invalid([Fault("receiver", question.receiver, expected)]) from None

    return router
