"""What learners ask for: choices and appeals; and what they wrote, for the officers who decide."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from starlette.responses import Response

from chassis import telemetry
from chassis.http import as_json, body, problems
from chassis.identity import Principal, Role, require
from services.learner_record.api.whose import LearnerOfToken
from services.learner_record.application.asking import Ask
from services.learner_record.documents import AppealDocument, ChoiceDocument
from services.learner_record.views import AppealView

Learner = Annotated[Principal, Depends(require(Role.LEARNER))]
Officer = Annotated[Principal, Depends(require(Role.OFFICER))]


class ChoiceAnswer(BaseModel):
    """What the learner wants to count first in an enrolment."""

    enrolment_id: UUID
    revision: int
    completions: list[UUID]
    made_at: datetime


class Statement(BaseModel):
    """What the learner wrote at a stage."""

    stage: int
    statement: str


class StatementsAnswer(BaseModel):
    """What the learner wrote, by stage."""

    appeal_id: UUID
    statements: list[Statement]


def routes(ask: Ask, learner_of: LearnerOfToken) -> APIRouter:
    """The routes under /record/choices, /record/appeals and /appeals."""
    router = APIRouter(tags=["what learners ask for"])

    @router.put(
        "/record/choices/{enrolment_id}",
        response_model=ChoiceAnswer,
        responses={**problems(404, 409), 201: {"model": ChoiceAnswer}},
    )
    async def put_choice(
        principal: Learner,
        enrolment_id: UUID,
        document: Annotated[ChoiceDocument, Depends(body(ChoiceDocument))],
    ) -> Response:
        """Say which completions are to count first in an enrolment, where not everything fits; or take that back.

        It may be changed while nothing of it is conferred. What it leads to appears on the record.
        """
        answer, is_new = await ask.choose(
            learner_of(principal), enrolment_id, document, telemetry.current_traceparent()
        )
        return as_json(answer, 201 if is_new else 200)

    @router.put(
        "/record/appeals/{decision_id}",
        response_model=AppealView,
        responses={**problems(404, 409), 201: {"model": AppealView}},
    )
    async def put_appeal(
        principal: Learner,
        decision_id: UUID,
        document: Annotated[AppealDocument, Depends(body(AppealDocument))],
    ) -> Response:
        """Appeal against a decision, take the appeal to its next stage, or withdraw it.

        What you write is read by the receiver's officers alone. 409 where it is too late, where a newer decision has
        taken the place of this one, or where the stage before is not decided yet.
        """
        answer, is_new = await ask.appeal(learner_of(principal), decision_id, document, telemetry.current_traceparent())
        return as_json(answer, 201 if is_new else 200)

    @router.get("/appeals/{appeal_id}/statements", response_model=StatementsAnswer, responses=problems(404))
    async def get_statements(principal: Officer, appeal_id: UUID) -> Response:
        """What the learner wrote to appeal at your member, by stage. That you read it is shown to the learner."""
        return as_json(await ask.statements(principal, appeal_id))

    return router
