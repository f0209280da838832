"""What people ask of the service and decide in it: officers with their tokens, learners through their appeals."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx

from contracts.ids import appeal_id
from contracts.learner_record_appeal_request import AppealRequestLodged
from contracts.recognition_appeal import AppealChanged
from contracts.recognition_decision import DecisionMade
from tests.integration.recognition.ground import Ground

LODGED = datetime(2026, 9, 3, 10, 0, tzinfo=UTC)


def general(credits_: str = "20", level: int = 5) -> dict[str, Any]:
    """Credit that counts towards volume only."""
    return {"slot": "GENERAL", "credits": credits_, "level": level}


def recognise(*lines: dict[str, Any], reasons: str = "The syllabus covers it.") -> dict[str, Any]:
    """A ruling that recognises these lines, or 20 credits of general credit."""
    return {"recognise": list(lines or [general()]), "reasons": reasons}


def decline(reasons: str = "Half of the syllabus is missing.") -> dict[str, Any]:
    """A ruling that recognises nothing."""
    return {"decline": True, "reasons": reasons}


class Desk:
    """An officer at work."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def queue(self, **query: Any) -> list[dict[str, Any]]:
        """What is referred, as far as the query says."""
        answer = await self.client.get("/referrals", params=query)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    async def read(self, claim: DecisionMade) -> httpx.Response:
        """A referral with its evidence."""
        return await self.client.get(f"/referrals/{claim.completion_id}/{claim.enrolment_id}")

    async def decide(self, claim: DecisionMade, ruling: dict[str, Any], number: int | None = None) -> httpx.Response:
        """Decide on the decision, or on the number, that was read."""
        path = f"/referrals/{claim.completion_id}/{claim.enrolment_id}/decision"
        headers = {"If-Match": f'"{claim.number if number is None else number}"'}
        return await self.client.put(path, json=ruling, headers=headers)

    async def propose(self, claim: DecisionMade, **query: Any) -> httpx.Response:
        """A rule from what was decided."""
        path = f"/referrals/{claim.completion_id}/{claim.enrolment_id}/proposed-rule"
        return await self.client.post(path, params=query)

    async def decide_appeal(self, appeal: UUID, revision: int, ruling: dict[str, Any]) -> httpx.Response:
        """Decide an appeal at the revision that was read."""
        return await self.client.put(f"/appeals/{appeal}/decision", json=ruling, headers={"If-Match": f'"{revision}"'})


@asynccontextmanager
async def at_the_desk(ground: Ground, member: str = "strathmore", role: str = "officer") -> AsyncIterator[Desk]:
    """An officer of a member, or somebody of another role."""
    async with ground.caller(member, role) as client:
        yield Desk(client)


async def current(ground: Ground, learner: UUID, provider: str | None = None) -> DecisionMade:
    """A learner's newest decision; the newest on what this member provided."""
    mine = [one for one in await ground.decisions_on(learner) if provider in (None, one.provider)]
    return mine[-1]


def appeals_against(decision: DecisionMade, revision: int = 1, **changes: Any) -> AppealRequestLodged:
    """The learner appeals against a decision."""
    return AppealRequestLodged(
        **{
            "appeal_id": appeal_id(decision.decision_id),
            "revision": revision,
            "learner_id": decision.learner_id,
            "receiver": decision.receiver,
            "completion_id": decision.completion_id,
            "enrolment_id": decision.enrolment_id,
            "decision_id": decision.decision_id,
            "decision_number": decision.number,
            "stage": 1,
            "lodged_at": LODGED,
            **changes,
        }
    )


async def told(ground: Ground) -> list[tuple[AppealChanged, UUID | None]]:
    """How appeals stand, as it was told in order, each with the event that caused it."""
    rows = await ground.rows("SELECT payload, caused_by FROM outbox WHERE topic = $1 ORDER BY id", AppealChanged.TOPIC)
    return [(AppealChanged.model_validate_json(payload), caused_by) for payload, caused_by in rows]
