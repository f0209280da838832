"""Appeals: what learners appeal against at a member, and what its officers decide."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from chassis import accesses, telemetry
from chassis.clock import instant
from chassis.database import Pool, transaction
from chassis.documents import Document
from chassis.http import Page, as_json, body, cursor, encode_cursor, etag, expected_revision, page_size, problems
from chassis.identity import Principal, Role, member_of, require
from chassis.problems import Fault, invalid
from contracts.recognition_appeal import AppealState
from services.recognition.api.decisions import DecisionAnswer, decision_answer
from services.recognition.api.referrals import (
    Days,
    EvidenceAnswer,
    Precedent,
    Reasons,
    RecognisedLine,
    RuleTrace,
    lines_of,
)
from services.recognition.application.evidence import Evidence
from services.recognition.application.officers import Decided, Officer, Officers, stored_appeal_at
from services.recognition.store import appeals as store
from services.recognition.store import feed, referrals

OfficerOfToken = Annotated[Principal, Depends(require(Role.OFFICER))]
Reader = Annotated[Principal, Depends(require(Role.OFFICER, Role.REGISTRY))]


class AppealRuling(Document):
    """What an officer decides: the appeal is upheld, and credit recognised; or it is dismissed. With reasons."""

    EXAMPLE: ClassVar[Mapping[str, object]] = {
        "upheld": True,
        "recognise": [{"slot": "GENERAL", "credits": "15", "level": 7}],
        "reasons": "The mark of the resit counts.",
    }

    upheld: bool
    recognise: Annotated[tuple[RecognisedLine, ...], Field(max_length=50)] = ()
    reasons: Reasons

    @model_validator(mode="after")
    def _recognises_what_it_upholds(self) -> Self:
        if self.upheld != bool(self.recognise):
            raise PydanticCustomError("upheld", "lines to recognise where it is upheld, and only there")
        return self


class AppealAnswer(BaseModel):
    """How an appeal stands."""

    appeal_id: UUID
    revision: int = Field(description="The ETag of an appeal.")
    completion_id: UUID
    enrolment_id: UUID
    decision_id: UUID = Field(description="The decision that is appealed against.")
    stage: int
    stages: int
    state: AppealState
    lodged_on: date
    due_on: date
    escalated: bool = Field(description="It is open, and was due before today.")
    next_stage_until: date | None
    outcome_decision_id: UUID | None
    reasons: str | None
    decided_by: str | None
    changed_at: datetime


class AppealWithEvidence(AppealAnswer):
    """With the decision that is appealed against, evidence, rule trace and precedents; null where it is not known.

    What the learner wrote is read at the learner record: GET /appeals/{appeal_id}/statements.
    """

    decision: DecisionAnswer | None
    evidence: EvidenceAnswer | None
    rule_trace: RuleTrace | None
    precedents: list[Precedent]


def routes(pool: Pool, officers: Officers, evidence: Evidence, days: Days) -> APIRouter:
    """The routes under /appeals."""
    router = APIRouter(tags=["appeals"])

    @router.get("/appeals", response_model=Page[AppealAnswer])
    async def get_appeals(
        caller: Reader,
        after: Annotated[tuple[str, str] | None, Depends(cursor(str, str))],
        limit: page_size = 50,
        state: Annotated[
            Literal["open", "upheld", "dismissed", "withdrawn", "all"], Query(description="How they stand.")
        ] = "open",
    ) -> Response:
        """The appeals against your member's decisions, what is due first before others."""
        async with transaction(pool) as connection:
            found = await store.queue(
                connection, member_of(caller), _place(after), None if state == "all" else state, limit
            )
        following = None
        if len(found) == limit:
            last = found[-1][0]
            following = encode_cursor(last.due_on.isoformat(), str(last.request.appeal_id))
        return as_json({"items": [_shown(one, days.today()) for one in found], "next": following})

    @router.get("/appeals/{appeal_id}", response_model=AppealWithEvidence, responses=problems(404))
    async def get_appeal(caller: Reader, appeal_id: UUID) -> Response:
        """An appeal against a decision of your member, with all that its officer needs but the learner's own words.

        That it was read is shown to the learner.
        """
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            stored = await stored_appeal_at(connection, member_of(caller), appeal_id)
            request = stored[0].request
            decision = await feed.decision(connection, request.decision_id)
            await accesses.note(connection, caller, "appeal", days.clock(), learner_id=request.learner_id)
            beside: dict[str, Any] = {"decision": None, "evidence": None, "rule_trace": None, "precedents": []}
            claim = await referrals.claim(connection, request.completion_id, request.enrolment_id)
            if decision is not None and claim is not None:
                answer = await decision_answer(connection, decision)
                beside["decision"] = answer.model_dump(mode="json")
                beside |= await evidence.of(connection, claim, request.completion_id, request.enrolment_id)
        return as_json({**_shown(stored, days.today()), **beside}, headers={"ETag": etag(stored[0].revision)})

    @router.put("/appeals/{appeal_id}/decision", response_model=AppealAnswer, responses=problems(404, 409, 412, 428))
    async def put_decision(
        caller: OfficerOfToken,
        appeal_id: UUID,
        expected: Annotated[int, Depends(expected_revision)],
        document: Annotated[AppealRuling, Depends(body(AppealRuling))],
    ) -> Response:
        """Uphold an appeal, which recognises credit under the same caps as any other; or dismiss it at its stage.

        The ETag is the revision of the appeal that you read. The same decision again, on the same ETag, is answered
        with what it led to.
        """
        officer = Officer(caller.subject, member_of(caller))
        decided = Decided(lines_of(document.recognise), document.reasons)
        stored = await officers.decide_appeal(officer, appeal_id, expected, decided, telemetry.current_traceparent())
        return as_json(_shown(stored, days.today()), headers={"ETag": etag(stored[0].revision)})

    return router


def _shown(stored: store.Stored, today: date) -> dict[str, Any]:
    appeal, changed_at = stored
    request = appeal.request
    return {
        "appeal_id": request.appeal_id,
        "revision": appeal.revision,
        "completion_id": request.completion_id,
        "enrolment_id": request.enrolment_id,
        "decision_id": request.decision_id,
        "stage": request.stage,
        "stages": appeal.stages,
        "state": appeal.state,
        "lodged_on": request.day,
        "due_on": appeal.due_on,
        "escalated": appeal.state == "open" and appeal.due_on < today,
        "next_stage_until": appeal.next_stage_until,
        "outcome_decision_id": appeal.outcome_decision_id,
        "reasons": appeal.reasons,
        "decided_by": appeal.decided_by,
        "changed_at": instant(changed_at),
    }


def _place(after: tuple[str, str] | None) -> tuple[date, UUID]:
    if after is None:
        return date.min, UUID(int=0)
    try:
        return date.fromisoformat(after[0]), UUID(after[1])
    except ValueError:
        raise invalid([Fault("after", encode_cursor(*after), "the `next` of a page of this list")]) from None
