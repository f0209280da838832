"""The consortium's catalogue: what each member offers, version by version; one way in for one and for a thousand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from chassis import accepting, outbox
from chassis.accepting import Accepted, Row, known_or_contradicting
from chassis.clock import Clock, instant
from chassis.database import Connection, Pool, in_transaction
from chassis.outbox import LARGEST_EVENT, Outgoing
from chassis.problems import Fault, Problem, forbidden, invalid
from contracts.provider_learning_opportunity import LearningOpportunityPublished
from services.provider import store
from services.provider.documents import LearningOpportunityDocument
from services.provider.domain.description import missing_from_catalogue
from services.provider.store import LearningOpportunity

Answer: TypeAlias = accepting.Answer[LearningOpportunity]
Sent: TypeAlias = Row[LearningOpportunityDocument]


class PublishLearningOpportunities:
    """Accepts revisions of versions; answers by revision as completions do."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def __call__(
        self, member: str, rows: Sequence[Sent], traceparent: str | None, *, dry_run: bool = False
    ) -> list[Answer]:
        """Accept what can be accepted, in order and in one transaction; a refused row does not touch the others.

        A row is refused with 403 where its id begins with another member's, 422 where it begins with nobody's or values
        contradict each other, 409 where the revision contradicts what is stored. With `dry_run` nothing is stored.
        """

        async def work(connection: Connection) -> list[Answer]:
            ids = {row.reference for row in rows}
            members = await store.known_members(connection, {_prefix(one) for one in ids})
            # Of strangers' ids none is locked: whoever sends them would be in their owners' way.
            own = {one for one in ids if _prefix(one) == member}
            await store.lock_learning_opportunities(connection, own)
            asked = {
                (row.reference, row.document.version, row.document.revision) for row in rows if row.reference in own
            }
            known = await store.opportunity_revisions(connection, asked)
            batch = _Batch(member, self._clock(), members, known)
            answers = [batch.accept(row) for row in rows]
            await batch.write(connection, traceparent)
            return answers

        return await in_transaction(self._pool, work, keep=not dry_run)

    def answer_of(self, stored: LearningOpportunity) -> dict[str, Any]:
        """What a member is told of an accepted revision, without the document that it sent."""
        return receipt_of(stored)


@dataclass
class _Batch:
    """The rows of one request: judged one by one on what is stored and what the rows before them add to it."""

    member: str
    now: datetime
    members: set[str]
    known: dict[tuple[str, int], dict[int, LearningOpportunity]]
    new: list[LearningOpportunity] = field(default_factory=list)
    events: list[LearningOpportunityPublished] = field(default_factory=list)

    def accept(self, row: Sent) -> Answer:
        """Accept a row, answer a repeat, or say what it contradicts."""
        return self._not_own(row.reference) or self._faults(row.document.faults()) or self._settle(row)

    def _not_own(self, learning_opportunity_id: str) -> Problem | None:
        prefix = _prefix(learning_opportunity_id)
        if prefix not in self.members:
            expected = f"an id that begins with your own, `{self.member}:`, once the consortium has entered you"
            fault = Fault("id", learning_opportunity_id, expected)
            return invalid([fault], f"No member of the consortium has the id {prefix}.")
        if prefix != self.member:
            detail = f"Learning opportunities that begin with `{prefix}:` are that member's."
            return forbidden(detail, name="another-members")
        return None

    @staticmethod
    def _faults(faults: Iterable[Fault]) -> Problem | None:
        return invalid(found) if (found := tuple(faults)) else None

    def _settle(self, row: Sent) -> Answer:
        document = row.document
        known = self.known.setdefault((row.reference, document.version), {})
        answer = known_or_contradicting(document.revision, document.fingerprint, known, receipt_of)
        if answer is not None:
            return answer
        stored = LearningOpportunity(
            learning_opportunity_id=row.reference,
            version=document.version,
            revision=document.revision,
            member=self.member,
            body_hash=document.fingerprint,
            document=document.body,
            missing_elements=list(missing_from_catalogue(document.description, document.level)),
            accepted_at=self.now,
        )
        event = _event(stored, document)
        size = len(event.to_bytes())
        if size > LARGEST_EVENT:
            return Problem(413, f"It fills {size} bytes; at most {LARGEST_EVENT} can be passed on.")
        known[document.revision] = stored
        self.new.append(stored)
        self.events.append(event)
        return Accepted(stored, is_new=True)

    async def write(self, connection: Connection, traceparent: str | None) -> None:
        """Store what was accepted, and its events with it."""
        await store.add_learning_opportunities(connection, self.new)
        await outbox.put(connection, [Outgoing(event, traceparent=traceparent) for event in self.events])


def _prefix(learning_opportunity_id: str) -> str:
    return learning_opportunity_id.partition(":")[0]


def _event(stored: LearningOpportunity, document: LearningOpportunityDocument) -> LearningOpportunityPublished:
    return LearningOpportunityPublished(
        learning_opportunity_id=stored.learning_opportunity_id,
        version=stored.version,
        revision=stored.revision,
        member=stored.member,
        kind=document.kind,
        title=document.title,
        awarding_body=document.awarding_body,
        credits=document.credits,
        framework=document.framework,
        level=document.level,
        workload_hours=document.workload_hours,
        learning_outcomes=document.learning_outcomes,
        assessment_type=document.assessment_type,
        participation_form=document.participation_form,
        quality_assurance=document.quality_assurance,
        subject=document.subject,
        skills=document.skills,
        language=document.language,
        starts_on=document.starts_on,
        url=document.url,
        accepted_at=stored.accepted_at,
    )


def receipt_of(stored: LearningOpportunity) -> dict[str, Any]:
    """Which revision is stored, by its hash, and what Annex I asks for and it does not state."""
    return {
        "id": stored.learning_opportunity_id,
        "version": stored.version,
        "revision": stored.revision,
        "body_hash": stored.body_hash,
        "missing_elements": stored.missing_elements,
        "accepted_at": instant(stored.accepted_at),
    }


def as_answer(stored: LearningOpportunity) -> dict[str, Any]:
    """A version at one revision as answers show it, with what Annex I asks for and it does not state."""
    return {
        "learning_opportunity_id": stored.learning_opportunity_id,
        "member": stored.member,
        **stored.document,
        "missing_elements": stored.missing_elements,
        "body_hash": stored.body_hash,
        "accepted_at": instant(stored.accepted_at),
    }
