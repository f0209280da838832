"""Recording enrolments: one way in for a single one and for a thousand (ADR 3, 12 and 13).

An enrolment pulls in what the learner has already earned elsewhere: those entries appear in the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from chassis import accepting, outbox
from chassis.accepting import Accepted, Accepting, known_or_contradicting
from chassis.clock import Clock, instant
from chassis.database import Connection, Pool
from chassis.learners import Scheme
from chassis.membership import left
from chassis.names import Names
from chassis.outbox import Outgoing
from chassis.problems import Fault, Problem, conflict
from contracts.ids import enrolment_id
from contracts.learner_record_enrolment import EnrolmentRecorded
from services.learner_record.application import keeping
from services.learner_record.application.keeping import Keeping
from services.learner_record.documents import EnrolmentDocument
from services.learner_record.domain.record import Enrolment
from services.learner_record.store import enrolments as store
from services.learner_record.store import facts, references
from services.learner_record.store.enrolments import NewEnrolment, StoredEnrolment, StoredRevision
from services.learner_record.store.references import Membership

Answer: TypeAlias = accepting.Answer[StoredRevision]
Claim: TypeAlias = accepting.Claim[EnrolmentDocument]

UNMATCHABLE: Final = (
    "The identifier is a placeholder: this learner cannot be matched with credit from elsewhere until the enrolment is"
    " closed and opened under the learner's own identifier and a new reference."
)


class RecordEnrolments(Accepting[EnrolmentDocument, StoredRevision]):
    """Accepts revisions of enrolments."""

    service = "learner_record"

    def __init__(self, pool: Pool, clock: Clock, zone: ZoneInfo, *, learner_id_key: bytes, scheme: Scheme) -> None:
        super().__init__(pool, clock, learner_id_key=learner_id_key, scheme=scheme)
        self._zone = zone

    def id_of(self, member: str, reference: str) -> UUID:
        """The enrolment's id."""
        return enrolment_id(member, reference)

    def faults(self, member: str, document: EnrolmentDocument) -> list[Fault]:
        """The document's own faults."""
        return list(document.faults(member))

    async def settle(
        self, connection: Connection, member: str, claims: Sequence[Claim], traceparent: str | None
    ) -> list[Answer]:
        """Read what the claims are judged by and what the learners have in eight statements; answer, and store."""
        known = await store.enrolments(connection, {(claim.id, claim.document.revision) for claim in claims})
        named = ((claim.document.learner.reference, claim.learner.learner_id) for claim in claims)
        names = await Names.read(connection, member, named)
        awards = await references.known_awards(connection, [claim.document.award for claim in claims])
        membership = await references.membership(connection, member)
        now = self._clock()
        learners = sorted({claim.learner.learner_id for claim in claims})
        stored = await facts.facts(connection, learners, None, self._zone)
        keepings = {
            learner_id: Keeping.of(learner_id, of_learner, now, self._zone) for learner_id, of_learner in stored.items()
        }
        batch = _Batch(member, membership, now, self._zone, traceparent, known, names, awards, keepings)
        answers = [batch.accept(claim) for claim in claims]
        await batch.write(connection)
        return answers

    def answer_of(self, stored: StoredRevision) -> dict[str, Any]:
        """The same for ever, since it is made of what is stored alone (I-11)."""
        return answer_of(stored)


@dataclass
class _Batch:
    """The rows of one request: judged one by one on what is stored and what the rows before them add to it."""

    member: str
    membership: Membership | None
    """None where it is not in the registry yet."""
    now: datetime
    zone: ZoneInfo
    traceparent: str | None
    known: dict[UUID, StoredEnrolment]
    names: Names
    awards: set[str]
    keepings: dict[UUID, Keeping]
    enrolments: list[NewEnrolment] = field(default_factory=list)
    revisions: list[tuple[StoredRevision, str, str]] = field(default_factory=list)
    events: list[EnrolmentRecorded] = field(default_factory=list)

    def accept(self, claim: Claim) -> Answer:
        """Accept a row, answer a repeat, or say what it contradicts."""
        if (erasure := self.names.erasure_of(claim.learner)) is not None:
            return erasure
        enrolment = self.known.get(claim.id)
        if enrolment is None:
            # Only here: what was opened for a stranger must still be closable when the learner is known at last, and
            # what a member opened before it left.
            objection = self.names.objection_to(claim.document.learner.reference, claim.learner)
            left_on = self.membership.left_on if self.membership else None
            return objection or left(self.member, left_on, self.now, self.zone) or self._add(claim, None)
        return (
            _objection_to_change(claim, enrolment)
            or known_or_contradicting(claim.document.revision, claim.body_hash, enrolment.revisions, answer_of)
            or self._add(claim, enrolment)
        )

    def _add(self, claim: Claim, enrolment: StoredEnrolment | None) -> Answer:
        document, learner = claim.document, claim.learner
        stored = StoredRevision(
            enrolment_id=claim.id,
            reference=claim.reference,
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
            enrolment_id=claim.id,
            revision=document.revision,
            receiver=self.member,
            reference=claim.reference,
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
            Enrolment(claim.id, document.revision, self.member, document.opened_on, document.closed_on),
            self.now,
            event.event_id,
            self.traceparent,
        )
        return Accepted(stored, is_new=True)

    def _warnings(self, claim: Claim) -> list[str]:
        warnings = []
        if self.membership is None:
            warnings.append(
                f"member: {self.member} is not in the consortium's registry yet; the enrolment waits for it."
            )
        if claim.document.award not in self.awards:
            warnings.append(f"award: {claim.document.award} is not published yet; the enrolment waits for it.")
        if not claim.learner.matchable:
            warnings.append(UNMATCHABLE)
        return warnings

    def _note(self, claim: Claim, stored: StoredRevision, enrolment: StoredEnrolment | None) -> None:
        """Let the rows that follow see what this one adds."""
        learner, reference, award = claim.learner, stored.learner_reference, stored.award
        if enrolment is None:
            enrolment = self.known[claim.id] = StoredEnrolment(learner.learner_id, reference, award)
            self.enrolments.append(
                NewEnrolment(claim.id, self.member, stored.reference, learner.learner_id, reference, award)
            )
        enrolment.revisions[stored.revision] = stored
        self.names.note(reference, learner, self.now)

    async def write(self, connection: Connection) -> None:
        """Store what was accepted, its events, and what it changes on the learners' records."""
        await self.names.write(connection)
        await store.add_enrolments(connection, self.enrolments)
        await store.add_revisions(connection, self.revisions)
        # Before the entries that they cause.
        await outbox.put(connection, [Outgoing(event, traceparent=self.traceparent) for event in self.events])
        await keeping.write(connection, list(self.keepings.values()))


def _objection_to_change(claim: Claim, enrolment: StoredEnrolment) -> Problem | None:
    """What never changes of an enrolment: whose it is, and for which award."""
    award, reference = claim.document.award, claim.document.learner.reference
    if (claim.learner.learner_id, reference) != (enrolment.learner_id, enrolment.learner_reference):
        changed, fault = "learner", Fault("learner", reference, "the learner for whom the enrolment was opened")
    elif award != enrolment.award:
        changed, fault = "award", Fault("award", award, enrolment.award)
    else:
        return None
    detail = f"An enrolment's {changed} never changes: close this one and use a new reference."
    return conflict(detail, name=f"{changed}-differs", errors=[fault], stored=answer_of(enrolment.newest))


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
        "accepted_at": instant(stored.accepted_at),
        "learner_is_matchable": stored.is_matchable,
        "warnings": list(stored.warnings),
    }
