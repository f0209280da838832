"""Recording enrolments: one way in for a single one and for a thousand (ADR 3, 12 and 13).

An enrolment pulls in what the learner has already earned elsewhere: those entries appear in the same transaction.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import orjson

from chassis import outbox
from chassis.batch import lock_learners
from chassis.clock import Clock
from chassis.crash import crash_point
from chassis.database import Connection, Pool, in_transaction
from chassis.learners import Learner, Malformed, Scheme, identify
from chassis.outbox import Outgoing
from chassis.problems import Fault, Problem, invalid
from contracts.ids import enrolment_id
from contracts.learner_record_enrolment import EnrolmentRecorded
from services.learner_record.application import keeping
from services.learner_record.application.keeping import Keeping
from services.learner_record.documents import EnrolmentDocument
from services.learner_record.domain.acceptance import Named, Standing, standing
from services.learner_record.domain.record import Enrolment
from services.learner_record.store import enrolments as store
from services.learner_record.store import facts, references
from services.learner_record.store.enrolments import Identifier, NewEnrolment, StoredEnrolment, StoredRevision

UNMATCHABLE: Final = (
    "The identifier is a placeholder: this learner cannot be matched with credit from elsewhere until the enrolment is"
    " closed and opened under the learner's own identifier and a new reference."
)
TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Row:
    """An enrolment that a member wants to record, under the member's own reference."""

    reference: str
    document: EnrolmentDocument


@dataclass(frozen=True, slots=True)
class Accepted:
    """A revision that is stored: by this request (`is_new`) or by an earlier one. The answer is the same."""

    revision: StoredRevision
    is_new: bool


Answer = Accepted | Problem


@dataclass(frozen=True, slots=True)
class _Claim:
    """A row that is sound by itself: which enrolment, whose, and the hash of its body."""

    row: Row
    enrolment_id: UUID
    learner: Learner
    body_hash: str


class RecordEnrolments:
    """Accepts revisions of enrolments, in one transaction for all rows of a request."""

    def __init__(self, pool: Pool, clock: Clock, zone: ZoneInfo, *, learner_id_key: bytes, scheme: Scheme) -> None:
        self._pool = pool
        self._clock = clock
        self._zone = zone
        self._learner_id_key = learner_id_key
        self._scheme = scheme

    async def __call__(self, member: str, rows: Sequence[Row], traceparent: str | None) -> list[Answer]:
        """Accept what can be accepted, in order, and answer every row; a refused row does not touch the others.

        Raises database errors. After one the rows may or may not be stored; sending them again is harmless.
        """
        answers: dict[int, Answer] = {}
        claims: dict[int, _Claim] = {}
        for nth, row in enumerate(rows):
            judged = self._judge(member, row)
            if isinstance(judged, Problem):
                answers[nth] = judged
            else:
                claims[nth] = judged
        if claims:
            answers |= await self._store(member, claims, traceparent)
            crash_point("learner_record_after_commit")
        return [answers[nth] for nth in range(len(rows))]

    def _judge(self, member: str, row: Row) -> "_Claim | Problem":
        """What can be said of a row without looking at what is stored."""
        faults = list(row.document.faults(member))
        stated = row.document.learner
        try:
            learner = identify(
                self._learner_id_key,
                self._scheme,
                scheme=stated.scheme,
                identifier=stated.identifier,
                member=member,
                reference=stated.reference,
            )
        except Malformed as error:
            return invalid([*faults, error.fault])
        if faults:
            return invalid(faults)
        body_hash = row.document.body_hash(str(learner.learner_id))
        return _Claim(row, enrolment_id(member, row.reference), learner, body_hash)

    async def _store(self, member: str, claims: dict[int, _Claim], traceparent: str | None) -> dict[int, Answer]:
        async def work(connection: Connection) -> dict[int, Answer]:
            await lock_learners(connection, (claim.learner.learner_id for claim in claims.values()))
            batch = await self._read(connection, member, list(claims.values()), traceparent)
            answers = {nth: batch.accept(claim) for nth, claim in claims.items()}
            await batch.write(connection)
            return answers

        for attempt in range(1, TRIES + 1):
            try:
                return await in_transaction(self._pool, work)
            except asyncpg.UniqueViolationError:
                # Somebody named the same enrolment, or the same learner's reference, with another identifier at the
                # same instant: another learner's lock. The next try sees what they stored.
                if attempt == TRIES:
                    raise
                await asyncio.sleep(0.01 * attempt)
        raise AssertionError("unreachable")

    async def _read(
        self, connection: Connection, member: str, claims: Sequence[_Claim], traceparent: str | None
    ) -> "_Batch":
        """Read what the rows are judged by and what the learners have: eight statements, whatever their number."""
        known = await store.enrolments(connection, {(one.enrolment_id, one.row.document.revision) for one in claims})
        named: dict[str, Named] = {one.row.document.learner.reference: Named() for one in claims}
        for (reference, is_placeholder), learner_id in (await store.identified(connection, member, named)).items():
            named[reference].note(learner_id, is_placeholder=is_placeholder)
        awards = await references.known_awards(connection, [one.row.document.award for one in claims])
        is_member = bool(await references.known_members(connection, [member]))
        now = self._clock()
        stored = await facts.facts(connection, sorted({one.learner.learner_id for one in claims}), None, self._zone)
        keepings = {
            learner_id: Keeping.of(learner_id, of_learner, now, self._zone) for learner_id, of_learner in stored.items()
        }
        return _Batch(member, is_member, now, traceparent, known, named, awards, keepings)


@dataclass
class _Batch:
    """The rows of one request: judged one by one on what is stored and what the rows before them add to it."""

    member: str
    member_is_known: bool
    now: datetime
    traceparent: str | None
    known: dict[UUID, StoredEnrolment]
    named: dict[str, Named]
    awards: set[str]
    keepings: dict[UUID, Keeping]
    enrolments: list[NewEnrolment] = field(default_factory=list)
    revisions: list[tuple[StoredRevision, str, str]] = field(default_factory=list)
    identifiers: list[Identifier] = field(default_factory=list)
    events: list[EnrolmentRecorded] = field(default_factory=list)

    def accept(self, claim: _Claim) -> Answer:
        """Accept a row, answer a repeat, or say what it contradicts."""
        enrolment = self.known.get(claim.enrolment_id)
        if enrolment is not None:
            objection = _objection_to_change(claim, enrolment)
            if objection is not None:
                return objection
            number = claim.row.document.revision
            same = enrolment.revisions.get(number)
            match standing(
                sent=number,
                sent_hash=claim.body_hash,
                stored_hash=same.body_hash if same else None,
                newest=enrolment.newest.revision,
            ):
                case Standing.REPEATED if same is not None:
                    return Accepted(same, is_new=False)
                case Standing.OTHER_BODY if same is not None:
                    expected = f"the body as it was stored, or revision {enrolment.newest.revision + 1}"
                    fault = Fault("revision", number, expected)
                    detail = f"Revision {number} is stored with another body."
                    return _conflict("revision-differs", detail, fault, same)
                case Standing.TOO_LOW:
                    fault = Fault("revision", number, f"{enrolment.newest.revision + 1} or higher")
                    detail = f"Revision {number} was never stored, and a newer one is."
                    return _conflict("revision-too-low", detail, fault, enrolment.newest)
        return self._objection_to_name(claim) or self._add(claim, enrolment)

    def _objection_to_name(self, claim: _Claim) -> Problem | None:
        reference, learner = claim.row.document.learner.reference, claim.learner
        match self.named[reference].objection_to(learner.learner_id, is_placeholder=not learner.matchable):
            case None:
                return None
            case "known":
                detail = f"Learner {reference} is known by an identifier."
                expected = "the identifier that you gave before"
            case "other":
                detail = (
                    f"Your reference {reference} stands for a learner with another identifier;"
                    " two learners are never merged."
                )
                expected = (
                    "the identifier that you gave for this learner before; for another learner, another reference"
                )
        fault = Fault("learner.identifier", claim.row.document.learner.identifier, expected)
        return Problem(409, detail, name="learner-differs", errors=[fault])

    def _add(self, claim: _Claim, enrolment: StoredEnrolment | None) -> Answer:
        document, learner = claim.row.document, claim.learner
        stored = StoredRevision(
            enrolment_id=claim.enrolment_id,
            reference=claim.row.reference,
            revision=document.revision,
            body_hash=claim.body_hash,
            learner_reference=document.learner.reference,
            award=document.award,
            opened_on=document.opened_on,
            closed_on=document.closed_on,
            accepted_at=self.now,
            is_matchable=learner.matchable,
            warnings=self._warnings(claim),
        )
        event = EnrolmentRecorded(
            enrolment_id=claim.enrolment_id,
            revision=document.revision,
            receiver=self.member,
            reference=claim.row.reference,
            learner_id=learner.learner_id,
            learner_reference=document.learner.reference,
            award=document.award,
            opened_on=document.opened_on,
            closed_on=document.closed_on,
            accepted_at=self.now,
        )
        self.events.append(event)
        self.revisions.append((stored, orjson.dumps(stored.warnings).decode(), event.to_bytes().decode()))
        self._note(claim, stored, enrolment)
        self.keepings[learner.learner_id].note_enrolment(
            Enrolment(claim.enrolment_id, document.revision, self.member, document.opened_on, document.closed_on),
            self.now,
            event.event_id,
            self.traceparent,
        )
        return Accepted(stored, is_new=True)

    def _warnings(self, claim: _Claim) -> list[str]:
        warnings = []
        if not self.member_is_known:
            warnings.append(
                f"member: {self.member} is not in the consortium's registry yet; the enrolment waits for it."
            )
        if claim.row.document.award not in self.awards:
            warnings.append(f"award: {claim.row.document.award} is not published yet; the enrolment waits for it.")
        if not claim.learner.matchable:
            warnings.append(UNMATCHABLE)
        return warnings

    def _note(self, claim: _Claim, stored: StoredRevision, enrolment: StoredEnrolment | None) -> None:
        """Let the rows that follow see what this one adds."""
        learner, reference, award = claim.learner, stored.learner_reference, stored.award
        if enrolment is None:
            enrolment = self.known[claim.enrolment_id] = StoredEnrolment(learner.learner_id, reference, award)
            self.enrolments.append(
                NewEnrolment(claim.enrolment_id, self.member, stored.reference, learner.learner_id, reference, award)
            )
        enrolment.revisions[stored.revision] = stored
        name = self.named[reference]
        if not name.knows(is_placeholder=not learner.matchable):
            name.note(learner.learner_id, is_placeholder=not learner.matchable)
            self.identifiers.append(
                Identifier(
                    self.member,
                    reference,
                    not learner.matchable,
                    learner.learner_id,
                    learner.scheme,
                    learner.identifier,
                    self.now,
                )
            )

    async def write(self, connection: Connection) -> None:
        """Store what was accepted, its events, and what it changes on the learners' records."""
        await store.add_identifiers(connection, self.identifiers)
        await store.add_enrolments(connection, self.enrolments)
        await store.add_revisions(connection, self.revisions)
        # Before the entries that they cause.
        await outbox.put(connection, [Outgoing(event, traceparent=self.traceparent) for event in self.events])
        await keeping.write(connection, list(self.keepings.values()))


def _objection_to_change(claim: _Claim, enrolment: StoredEnrolment) -> Problem | None:
    """What never changes of an enrolment: whose it is, and for which award."""
    document = claim.row.document
    if (claim.learner.learner_id, document.learner.reference) != (enrolment.learner_id, enrolment.learner_reference):
        detail = "An enrolment's learner never changes: close this one and use a new reference."
        fault = Fault("learner", document.learner.reference, "the learner for whom the enrolment was opened")
        return _conflict("learner-differs", detail, fault, enrolment.newest)
    if document.award != enrolment.award:
        detail = "An enrolment's award never changes: close this one and use a new reference."
        return _conflict("award-differs", detail, Fault("award", document.award, enrolment.award), enrolment.newest)
    return None


def answer_of(stored: StoredRevision) -> dict[str, Any]:
    """What a member is told of an accepted revision: from what is stored alone, so it is the same for ever (I-11)."""
    return {
        "reference": stored.reference,
        "enrolment_id": str(stored.enrolment_id),
        "revision": stored.revision,
        "body_hash": stored.body_hash,
        "learner_reference": stored.learner_reference,
        "award": stored.award,
        "opened_on": stored.opened_on.isoformat(),
        "closed_on": stored.closed_on.isoformat() if stored.closed_on else None,
        "accepted_at": stored.accepted_at.isoformat().replace("+00:00", "Z"),
        "learner_is_matchable": stored.is_matchable,
        "warnings": list(stored.warnings),
    }


def _conflict(name: str, detail: str, fault: Fault, stored: StoredRevision) -> Problem:
    return Problem(409, detail, name=name, errors=[fault], more={"stored": answer_of(stored)})
