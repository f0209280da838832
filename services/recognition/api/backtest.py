"""A draft's backtest: had this version been in force, what would have changed, and why."""

from collections import Counter
from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from chassis.clock import Clock, day_of
from chassis.database import Pool, transaction
from chassis.http import as_json, body, decode_cursor, encode_cursor, problems
from chassis.problems import Fault, invalid
from services.recognition.api.drafts import RegistryOrConsortium, Version, found_draft
from services.recognition.application.backtesting import FIRST, Backtest, Bounds, backtest
from services.recognition.application.catalogue import CatalogueReader
from services.recognition.application.drafting import AGREEMENT
from services.recognition.domain.backtest import Changed
from services.recognition.domain.learner import Decision
from services.recognition.engine.model import Ground
from services.recognition.store.learners import exactly

MOST: Final = 1_000
"""Completions of one request; where time runs out, the page ends before."""


class BacktestBody(BaseModel):
    """Which completions, and where to go on."""

    EXAMPLE: ClassVar[Mapping[str, object]] = {"completed_since": "2025-09-01"}

    completed_since: date | None = Field(None, description="Only completions of this day and later.")
    completed_until: date | None = Field(None, description="Only completions of this day and earlier.")
    limit: Annotated[int, Field(ge=1, le=MOST, description="Completions of a page; a learner's stay together.")] = MOST
    after: Annotated[str, Field(max_length=200)] | None = Field(None, description="`next` of the page before.")


class GroundAnswer(BaseModel):
    """Why a claim would be, or is, decided so."""

    code: str
    document: str
    version: int | None
    clause: str
    sentence: str


class SideAnswer(BaseModel):
    """A claim's decision on one side of the comparison; `state` is `UNDECIDED` where there is none."""

    state: str
    credits: str = Field(description="Of the grant that it rests on, in the receiver's unit.")
    grounds: list[GroundAnswer]


class ChangeAnswer(BaseModel):
    """A claim that would be decided otherwise."""

    completion_id: UUID
    completion_reference: str
    enrolment_id: UUID
    enrolment_reference: str
    provider: str
    receiver: str
    before: SideAnswer
    after: SideAnswer


class StatesAnswer(BaseModel):
    """How many of the changed claims go from one state to another, or stay in it with other grounds or credit."""

    before: str
    after: str
    claims: int


class BacktestAnswer(BaseModel):
    """What would have changed among these learners' completions; the whole is the sum of all pages."""

    id: str
    version: int
    document_hash: str
    learners: int
    claims: int = Field(description="Claims that were decided anew.")
    changed: int
    states: list[StatesAnswer]
    credits_gained: str = Field(description="In the receivers' units.")
    credits_lost: str
    failed: int = Field(description="Learners whose claims could not be decided under this version.")
    changes: list[ChangeAnswer]
    next: str | None = Field(description="The `after` of the next page; null at the end.")


def routes(pool: Pool, clock: Clock, zone: ZoneInfo) -> APIRouter:
    """The route for backtests."""
    router = APIRouter(tags=["agreements and awards"])
    catalogues = CatalogueReader()

    @router.post(
        "/agreements/{document_id}/drafts/{version}/backtest",
        response_model=BacktestAnswer,
        responses=problems(404),
    )
    async def post_backtest(
        caller: RegistryOrConsortium,
        document_id: str,
        version: Version,
        wanted: Annotated[BacktestBody, Depends(body(BacktestBody))],
    ) -> Response:
        """Had this version been in force over these completions: what would have changed, as counts and as a list.

        Stored claims in the draft's directions are decided anew in memory, as if it were in force on every day;
        nothing is written, and what officers have settled stays as it is. A page may be shorter than `limit`: go on
        while there is a `next`.
        """
        after = FIRST if wanted.after is None else _position(wanted.after)
        async with transaction(pool) as connection:
            draft = await found_draft(connection, caller, AGREEMENT, document_id, version)
        found = await backtest(
            pool,
            catalogues,
            draft.document,
            after=after,
            completions=wanted.limit,
            bounds=Bounds(wanted.completed_since or date.min, wanted.completed_until or date.max),
            zone=zone,
            today=day_of(clock(), zone),
        )
        named = {"id": draft.id, "version": draft.version, "document_hash": draft.document_hash}
        return as_json({**named, **_shown(found)})

    return router


def _position(after: str) -> UUID:
    (text,) = decode_cursor(after, str)
    try:
        return UUID(text)
    except ValueError:
        raise invalid([Fault("after", after, "the `next` of a page of this backtest")]) from None


def _shown(found: Backtest) -> dict[str, Any]:
    changes = [change for tested in found.tested for change in tested.changes]
    states = Counter((_state(change.before), change.after.state.value) for change in changes)
    return {
        "learners": found.learners,
        "claims": sum(tested.claims for tested in found.tested),
        "changed": len(changes),
        "states": [{"before": one, "after": other, "claims": n} for (one, other), n in sorted(states.items())],
        "credits_gained": _credits(sum((tested.gained for tested in found.tested), Fraction(0))),
        "credits_lost": _credits(sum((tested.lost for tested in found.tested), Fraction(0))),
        "failed": found.failed,
        "changes": [_change(change) for change in changes],
        "next": None if found.next is None else encode_cursor(str(found.next)),
    }


def _change(change: Changed) -> dict[str, Any]:
    return {
        "completion_id": change.completion.completion_id,
        "completion_reference": change.completion.reference,
        "enrolment_id": change.enrolment.enrolment_id,
        "enrolment_reference": change.enrolment.reference,
        "provider": change.completion.provider,
        "receiver": change.enrolment.receiver,
        "before": _side(change.before),
        "after": _side(change.after),
    }


def _side(decision: Decision | None) -> dict[str, Any]:
    grant = decision.grant if decision else None
    return {
        "state": _state(decision),
        "credits": _credits(grant.credits if grant else Fraction(0)),
        "grounds": [_ground(ground) for ground in decision.grounds] if decision else [],
    }


def _ground(ground: Ground) -> dict[str, Any]:
    return {
        "code": ground.code,
        "document": ground.document,
        "version": ground.version,
        "clause": ground.clause,
        "sentence": ground.sentence,
    }


def _state(decision: Decision | None) -> str:
    return "UNDECIDED" if decision is None else decision.state.value


def _credits(credits_: Fraction) -> str:
    return f"{exactly(credits_).normalize():f}"
