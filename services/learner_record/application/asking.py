"""What learners ask for: they choose what counts first, and appeal (ADR 15: learners talk to this service only)."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from chassis import accesses, outbox
from chassis.batch import lock_learners
from chassis.clock import Clock, day_of, instant
from chassis.database import Connection, Pool, in_transaction, transaction
from chassis.erasure import is_erased
from chassis.identity import Principal, member_of
from chassis.names import erased
from chassis.outbox import Outgoing
from chassis.problems import Fault, conflict, forbidden, invalid, not_found
from contracts.ids import appeal_id
from contracts.learner_record_appeal_request import AppealRequestLodged
from contracts.learner_record_choice import ChoiceMade
from services.learner_record.documents import AppealDocument, ChoiceDocument
from services.learner_record.store import asking as store
from services.learner_record.store import facts
from services.learner_record.store import progress as progress_store

JSON = dict[str, Any]


class Ask:
    """Takes what learners ask for."""

    def __init__(self, pool: Pool, clock: Clock, zone: ZoneInfo) -> None:
        self._pool = pool
        self._clock = clock
        self._zone = zone

    # Choices

    async def choose(
        self, learner_id: UUID, enrolment_id: UUID, document: ChoiceDocument, traceparent: str | None
    ) -> tuple[JSON, bool]:
        """Make a choice, or change it; with it comes whether it is new. The same choice again is no news.

        Raises the Problems 404, 409 (closed, or something of it is conferred) and 422.
        """

        async def choose(connection: Connection) -> tuple[JSON, bool]:
            await lock_learners(connection, [learner_id])
            await _is_not_erased(connection, learner_id)
            now = self._clock()
            learner = (await progress_store.read(connection, [learner_id]))[learner_id]
            enrolment = learner.enrolments.get(enrolment_id)
            if enrolment is None:
                raise not_found("You have no enrolment of this id.")
            stored = await store.choice(connection, enrolment_id)
            if stored.revision and stored.completions == document.completions:
                return _choice(enrolment_id, stored), False
            closed_on = enrolment.closed_on
            if enrolment_id in learner.conferrals or (closed_on is not None and closed_on <= self._today(now)):
                raise conflict("The enrolment is closed, so nothing is chosen for it any more.", name="closed")
            used = {one for other in learner.conferrals.values() for one in other.conferred.completions}
            _check(document, set(enrolment.claims), used)
            event = ChoiceMade(
                enrolment_id=enrolment_id,
                revision=stored.revision + 1,
                learner_id=learner_id,
                receiver=enrolment.member,
                completions=list(document.completions),
                made_at=now,
            )
            await store.add_choice(connection, event)
            await outbox.put(connection, [Outgoing(event, traceparent=traceparent)])
            await facts.raise_versions(connection, {learner_id: (event.event_id, traceparent)})
            return _choice(enrolment_id, store.StoredChoice(event.revision, document.completions, now)), True

        return await in_transaction(self._pool, choose)

    # Appeals

    async def appeal(
        self, learner_id: UUID, decision_id: UUID, document: AppealDocument, traceparent: str | None
    ) -> tuple[JSON, bool]:
        """Lodge an appeal, take it to its next stage, or withdraw it; with it comes whether that is new.

        Raises the Problems 404, 409 (superseded, too late, no such stage now) and 422.
        """

        async def lodge(connection: Connection) -> tuple[JSON, bool]:
            await lock_learners(connection, [learner_id])
            await _is_not_erased(connection, learner_id)
            now = self._clock()
            decided = await store.decided(connection, learner_id, decision_id)
            if decided is None:
                raise not_found("There is no such decision about you.")
            identity = appeal_id(decision_id)
            before = await store.request(connection, identity)
            if before is not None and (before.stage, before.withdrawn) == (document.stage, document.withdrawn):
                return await _appeal(connection, decision_id, before), False
            standing = await store.appeal(connection, identity)
            if document.withdrawn:
                _can_be_withdrawn(document, before, standing)
            elif before is None:
                self._is_in_time(decided, document, now)
            else:
                self._next_stage_is_open(document, before, standing, now)
            event = AppealRequestLodged(
                appeal_id=identity,
                revision=before.revision + 1 if before else 1,
                learner_id=learner_id,
                receiver=decided.event["receiver"],
                completion_id=UUID(decided.event["completion_id"]),
                enrolment_id=UUID(decided.event["enrolment_id"]),
                decision_id=decision_id,
                decision_number=decided.event["number"],
                stage=document.stage,
                withdrawn=document.withdrawn,
                lodged_at=now,
            )
            await store.add_request(connection, event, document.statement)
            await outbox.put(connection, [Outgoing(event, traceparent=traceparent)])
            await facts.raise_versions(connection, {learner_id: (event.event_id, traceparent)})
            lodged = store.StoredRequest(event.revision, event.stage, event.withdrawn, now)
            return await _appeal(connection, decision_id, lodged), True

        return await in_transaction(self._pool, lodge)

    async def statements(self, reader: Principal, identity: UUID) -> JSON:
        """What a learner wrote to appeal at the reader's member, by stage. Raises the Problems 403 and 404."""
        member = member_of(reader)
        async with transaction(self._pool) as connection:
            lodged = await store.lodged_at(connection, identity)
            if lodged is None:
                raise not_found("There is no such appeal.")
            receiver, learner_id = lodged
            if receiver != member:
                raise forbidden("This appeal was lodged at another member.", name="another-members")
            written = await store.statements(connection, identity)
            await accesses.note(connection, reader, "appeal statement", self._clock(), learner_id=learner_id)
        return {
            "appeal_id": identity,
            "statements": [{"stage": stage, "statement": text} for stage, text in written.items()],
        }

    def _today(self, now: datetime) -> date:
        return day_of(now, self._zone)

    def _is_in_time(self, decided: store.Decided, document: AppealDocument, now: datetime) -> None:
        if not decided.is_current:
            raise conflict("There is a newer decision; appeal against that one.", name="superseded")
        if decided.event["state"] == "RECOGNISED":
            raise conflict("All of it is recognised; there is nothing to appeal against.", name="recognised")
        if document.stage != 1:
            raise invalid([Fault("stage", document.stage, "1, the first stage")])
        days = (decided.receiver or {}).get("appeals", {}).get("days")
        decided_on = day_of(datetime.fromisoformat(decided.event["decided_at"]), self._zone)
        if days is not None and self._today(now) > decided_on + timedelta(days=days):
            until = decided_on + timedelta(days=days)
            raise conflict(f"An appeal against this decision was possible until {until}.", name="too-late")

    def _next_stage_is_open(
        self, document: AppealDocument, before: store.StoredRequest, standing: JSON | None, now: datetime
    ) -> None:
        if before.withdrawn:
            raise conflict("The appeal was withdrawn.", name="withdrawn")
        if standing is None or standing["state"] != "dismissed" or standing["stage"] != before.stage:
            raise conflict(f"Stage {before.stage} is not decided yet.", name="stage-open")
        if document.stage != before.stage + 1 or document.stage > standing["stages"]:
            after = (
                f"{before.stage + 1}" if before.stage < standing["stages"] else "no further stage: this was the last"
            )
            raise invalid([Fault("stage", document.stage, after)])
        until = store.day(standing, "next_stage_until")
        if until is not None and self._today(now) > until:
            raise conflict(f"The next stage was open until {until}.", name="too-late")


async def _is_not_erased(connection: Connection, learner_id: UUID) -> None:
    if await is_erased(connection, learner_id):
        raise erased()


def _check(document: ChoiceDocument, claimed: set[UUID], used: set[UUID]) -> None:
    faults = [
        Fault("completions", str(one), "a completion that is claimed for this enrolment")
        for one in document.completions
        if one not in claimed
    ]
    if len(set(document.completions)) < len(document.completions):
        faults.append(Fault("completions", None, "each completion once"))
    if faults:
        raise invalid(faults)
    if conferred := [one for one in document.completions if one in used]:
        expected = "a completion that no conferred award has counted"
        raise conflict(
            "An award was conferred on some of it.",
            name="conferred",
            errors=[Fault("completions", str(one), expected) for one in conferred],
        )


def _can_be_withdrawn(document: AppealDocument, before: store.StoredRequest | None, standing: JSON | None) -> None:
    if before is None:
        raise conflict("There is no appeal to withdraw.", name="no-appeal")
    if document.stage != before.stage:
        raise invalid([Fault("stage", document.stage, str(before.stage))])
    if standing is not None and standing["state"] != "open" and standing["stage"] == before.stage:
        raise conflict("This stage is decided already.", name="decided")


def _choice(enrolment_id: UUID, stored: store.StoredChoice) -> JSON:
    return {
        "enrolment_id": enrolment_id,
        "revision": stored.revision,
        "completions": list(stored.completions),
        "made_at": instant(stored.made_at) if stored.made_at else None,
    }


async def _appeal(connection: Connection, decision_id: UUID, lodged: store.StoredRequest) -> JSON:
    identity = appeal_id(decision_id)
    return appeal_answer(decision_id, lodged, await store.appeal(connection, identity))


def appeal_answer(decision_id: UUID, lodged: store.StoredRequest, standing: JSON | None) -> JSON:
    """An appeal as the learner sees it: as it was lodged, and how it stands at the receiver."""
    is_about_this_stage = standing is not None and standing["stage"] == lodged.stage
    shown = standing if standing is not None and is_about_this_stage else {}
    return {
        "appeal_id": appeal_id(decision_id),
        "decision_id": decision_id,
        "stage": lodged.stage,
        "withdrawn": lodged.withdrawn,
        "lodged_at": instant(lodged.lodged_at),
        "state": shown.get("state", "lodged"),
        "due_on": shown.get("due_on"),
        "next_stage_until": shown.get("next_stage_until"),
        "reasons": shown.get("reasons"),
        "outcome_decision_id": shown.get("outcome_decision_id"),
    }
