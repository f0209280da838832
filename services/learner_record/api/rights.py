"""Learners' rights: export, the log of who read, and erasure by the consortium's registry (docs/privacy.md)."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from chassis.erasure import ErasureAnswer, answer_of
from chassis.http import as_json, body, problems
from chassis.identity import Principal, Role, require
from chassis.learners import Malformed, Scheme, identify
from chassis.problems import Fault, invalid
from services.learner_record.api.whose import LearnerOfToken
from services.learner_record.application.rights import Rights
from services.learner_record.documents import ErasureDocument

Learner = Annotated[Principal, Depends(require(Role.LEARNER))]
Consortium = Annotated[Principal, Depends(require(Role.CONSORTIUM))]


class LearnerExport(BaseModel):
    """Everything held about a learner."""

    learner_id: UUID = Field(description="Your pseudonym in the consortium.")
    exported_at: datetime
    services: dict[str, dict[str, Any]] = Field(description="By service and table, every row about you.")
    not_included: dict[str, str] = Field(description="What else there is, and why it is not here.")


class Access(BaseModel):
    """One reading of a learner's record by somebody else."""

    service: str
    what: str = Field(description="record, appeal statement, decision, journey …")
    completion_id: UUID | None = Field(description="The completion whose journey was read.")
    subject: str = Field(description="Who, as the issuer knows them.")
    member: str | None = Field(description="For which member; null for staff of the consortium and of operations.")
    roles: list[str]
    read_at: datetime


def routes(rights: Rights, learner_of: LearnerOfToken, *, learner_id_key: bytes, scheme: Scheme) -> APIRouter:
    """The routes /record/export, /record/accesses and /erasures."""
    router = APIRouter(tags=["learners' rights"])

    @router.get("/record/export", response_model=LearnerExport, responses=problems(409, 503))
    async def get_export(principal: Learner) -> Response:
        """Everything that is held about you in all services, as one JSON document. 503 where one does not answer."""
        content = await rights.export(learner_of(principal))
        headers = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="concord-export.json"'}
        return Response(content, media_type="application/json", headers=headers)

    @router.get("/record/accesses", response_model=list[Access], responses=problems(409, 503))
    async def get_accesses(principal: Learner) -> Response:
        """Who else read your record, an appeal's statement, a decision or a journey, the newest first."""
        found = await rights.accesses(learner_of(principal))
        return as_json(found, headers={"Cache-Control": "no-store"})

    @router.post(
        "/erasures",
        response_model=ErasureAnswer,
        responses={**problems(503), 201: {"model": ErasureAnswer}},
    )
    async def post_erasure(
        principal: Consortium, document: Annotated[ErasureDocument, Depends(body(ErasureDocument))]
    ) -> Response:
        """Forget who a learner is, as they asked: identifiers go, and nothing is accepted about them any more.

        What was decided stays under the pseudonym. 201, or 200 where it was done already; send it again until you have
        one of them: 503 says that a service did not answer and that the erasure is not complete.
        """
        if faults := list(document.faults()):
            raise invalid(faults)
        learner_id = document.learner_id or _learner_of(document.identifier)
        erasure, is_new = await rights.erase(learner_id, by=principal.subject, why=document.why)
        return as_json(answer_of(erasure), 201 if is_new else 200)

    def _learner_of(identifier: str | None) -> UUID:
        try:
            learner = identify(learner_id_key, scheme, scheme=scheme, identifier=identifier, member="", reference="")
        except Malformed as malformed:
            raise invalid([malformed.fault._replace(field="identifier")]) from None
        if not learner.matchable:
            expected = "an identifier of one learner; a placeholder is many people's: state learner_id"
            raise invalid([Fault("identifier", identifier, expected)])
        return learner.learner_id

    return router
