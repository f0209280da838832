"""An appeal at the receiver: taken up stage by stage, upheld, dismissed or withdrawn (domain.md)."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal
from uuid import UUID

from services.recognition.domain.declines import AppealRoute

AppealState = Literal["open", "upheld", "dismissed", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Request:
    """What the learner asks for at a revision of theirs: this stage, or that the appeal ends.

    `event_id` is the event that brought it, `day` the day on which they asked.
    """

    appeal_id: UUID
    revision: int
    event_id: UUID
    learner_id: UUID
    receiver: str
    completion_id: UUID
    enrolment_id: UUID
    decision_id: UUID
    stage: int
    withdrawn: bool
    day: date


@dataclass(frozen=True, slots=True)
class Appeal:
    """How an appeal stands, at a revision: the last request, and what became of it.

    `due_on` is the last day on which its stage is decided in time; `next_stage_until` the last day on which a
    dismissed one can be taken further, None where it cannot.
    """

    request: Request
    revision: int
    stages: int
    state: AppealState
    due_on: date
    next_stage_until: date | None = None
    outcome_decision_id: UUID | None = None
    reasons: str | None = None
    decided_by: str | None = None


def requested(before: Appeal | None, request: Request, route: AppealRoute | None, due_on: date) -> Appeal | None:
    """The appeal as a request leaves it; None where the request is known, older, or withdraws what is decided.

    How many stages there are is the receiver's route's as it is when each stage is lodged.
    """
    if before is not None and before.request.revision >= request.revision:
        return None
    revision = before.revision + 1 if before else 1
    stages = max(len(route.stages) if route else 1, request.stage)
    if not request.withdrawn:
        return Appeal(request, revision, stages, "open", due_on)
    if before is None:
        return Appeal(request, revision, stages, "withdrawn", due_on)
    if before.state != "open":
        return None
    return replace(before, request=request, revision=revision, state="withdrawn")


def upheld(appeal: Appeal, outcome: UUID, reasons: str, decided_by: str) -> Appeal:
    """The appeal is upheld: an officer's decision took the place of the one that was appealed against."""
    return replace(
        appeal,
        revision=appeal.revision + 1,
        state="upheld",
        outcome_decision_id=outcome,
        reasons=reasons,
        decided_by=decided_by,
    )


def dismissed(appeal: Appeal, route: AppealRoute | None, today: date, reasons: str, decided_by: str) -> Appeal:
    """The appeal is dismissed at its stage; the next one, if there is one, is open for the receiver's days."""
    goes_on = route is not None and appeal.request.stage < appeal.stages
    return replace(
        appeal,
        revision=appeal.revision + 1,
        state="dismissed",
        next_stage_until=today + timedelta(days=route.days) if route is not None and goes_on else None,
        reasons=reasons,
        decided_by=decided_by,
    )
