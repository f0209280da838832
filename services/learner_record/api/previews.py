"""Where would this count for me? A learner's question, which recognition answers."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from chassis.http import body, problems
from chassis.identity import Principal, Role, require
from contracts.preview import PreviewAnswer, Question
from services.learner_record.api.whose import LearnerOfToken
from services.learner_record.others import Others

Learner = Annotated[Principal, Depends(require(Role.LEARNER))]


def routes(others: Others, learner_of: LearnerOfToken) -> APIRouter:
    """The route /record/preview."""
    router = APIRouter(tags=["what learners ask for"])

    @router.post("/record/preview", response_model=PreviewAnswer, responses=problems(404, 409, 503))
    async def post_preview(principal: Learner, question: Annotated[Question, Depends(body(Question))]) -> Response:
        """Where this learning opportunity would count for you: in your enrolments, and for awards you could enrol for.

        It is decided as its completion would be, with all that you have completed; nothing is recorded.
        """
        learner_id = str(learner_of(principal))
        answer = await others.preview({**question.model_dump(mode="json"), "learner_id": learner_id})
        return Response(answer, media_type="application/json", headers={"Cache-Control": "no-store"})

    return router
