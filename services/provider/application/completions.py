"""Publishing completions: one way in for a single one and for a thousand (ADR 3, 12, 13 and 14)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias, cast
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
from chassis.outbox import LARGEST_EVENT, Outgoing
from chassis.problems import Fault, Problem, conflict
from contracts import provider_completion as contract
from contracts.ids import completion_id
from contracts.provider_completion import CompletionPublished
from services.provider import store
from services.provider.documents import CompletionDocument
from services.provider.domain.description import NOTHING_STATED, Description, missing_from_completion
from services.provider.domain.revisions import Outcome, claimable_from
from services.provider.store import Completion, NewCompletion, NewRevision, Offered, StoredRevision

Answer: TypeAlias = accepting.Answer[StoredRevision]
Claim: TypeAlias = accepting.Claim[CompletionDocument]

UNMATCHABLE: Final = (
    "The identifier is a placeholder: this learner cannot be matched at another member, so nothing is recognised there"
    " until the completion is revoked and published under the learner's own identifier and a new reference."
)


class PublishCompletions(Accepting[CompletionDocument, StoredRevision]):
    """Accepts revisions of completions."""

    service = "provider"

    def __init__(self, pool: Pool, clock: Clock, zone: ZoneInfo, *, learner_id_key: bytes, scheme: Scheme) -> None:
        super().__init__(pool, clock, learner_id_key=learner_id_key, scheme=scheme)
        self._zone = zone

    def id_of(self, member: str, reference: str) -> UUID:
        """The completion's id."""
        return completion_id(member, reference)

    def faults(self, member: str, document: CompletionDocument) -> list[Fault]:
        """What the document's own faults are, and a learning opportunity that is not the member's."""
        faults, opportunity = list(document.faults()), document.learning_opportunity.id
        if not opportunity.startswith(f"{member}:"):
            expected = f"a learning opportunity of your own: `{member}:` and its code"
            faults.append(Fault("learning_opportunity.id", opportunity, expected))
        return faults

    async def settle(
        self, connection: Connection, member: str, claims: Sequence[Claim], traceparent: str | None
    ) -> list[Answer]:
        """Read what the claims are judged by in three statements, however many there are; answer, and store."""
        known = await store.completions(connection, {(claim.id, claim.document.revision) for claim in claims})
        offered = await store.offered(
            connection,
            member,
            {
                (document.learning_opportunity.id, document.learning_opportunity.version)
                for document in (claim.document for claim in claims)
            },
        )
        named = ((claim.document.learner.reference, claim.learner.learner_id) for claim in claims)
        names = await Names.read(connection, member, named)
        batch = _Batch(member, self._clock(), self._zone, known, offered, names)
        answers = [batch.accept(claim) for claim in claims]
        await batch.write(connection, traceparent)
        return answers

    def answer_of(self, stored: StoredRevision) -> dict[str, Any]:
        """The same for ever, since it is made of what is stored alone (I-11)."""
        return answer_of(stored)


@dataclass
class _Batch:
    """The rows of one request: judged one by one on what is stored and what the rows before them add to it."""

    member: str
    now: datetime
    zone: ZoneInfo
    known: dict[UUID, Completion]
    offered: Offered
    names: Names
    completions: list[NewCompletion] = field(default_factory=list)
    revisions: list[NewRevision] = field(default_factory=list)
    events: list[CompletionPublished] = field(default_factory=list)

    def accept(self, claim: Claim) -> Answer:
        """Accept a row, answer a repeat, or say what it contradicts."""
        if (erasure := self.names.erasure_of(claim.learner)) is not None:
            return erasure
        completion = self.known.get(claim.id)
        if completion is None:
            # Only here: what was published for a stranger must still be revocable when the learner is known at last,
            # and what a member published before it left.
            objection = self.names.objection_to(claim.document.learner.reference, claim.learner)
            return objection or left(self.member, self.offered.left_on, self.now, self.zone) or self._add(claim, None)
        reference = claim.document.learner.reference
        if (claim.learner.learner_id, reference) != (completion.learner_id, completion.learner_reference):
            detail = "A completion's learner never changes: revoke this one and use a new reference."
            fault = Fault("learner", reference, "the learner that the completion was published for")
            stored = answer_of(completion.newest)
            return conflict(detail, name="learner-differs", errors=[fault], stored=stored)
        answer = known_or_contradicting(claim.document.revision, claim.body_hash, completion.revisions, answer_of)
        return answer or self._add(claim, completion)

    def _add(self, claim: Claim, completion: Completion | None) -> Answer:
        document, learner = claim.document, claim.learner
        opportunity = (document.learning_opportunity.id, document.learning_opportunity.version)
        described = self.offered.descriptions.get(opportunity)
        warnings = []
        if described is None:
            warnings.append(
                f"learning_opportunity: {opportunity[0]} version {opportunity[1]} is not published;"
                " what the completion left to it stays open until its next revision."
            )
        if not learner.matchable:
            warnings.append(UNMATCHABLE)
        stated = document.description.filled_in_from(described or NOTHING_STATED)
        before = completion.newest.outcome if completion else None
        claimable = claimable_from(before, document.result, document.completed_on, self.now)
        stored = StoredRevision(
            completion_id=claim.id,
            reference=claim.reference,
            revision=document.revision,
            body_hash=claim.body_hash,
            outcome=Outcome(document.result, document.completed_on, claimable),
            accepted_at=self.now,
            is_matchable=learner.matchable,
            missing_elements=missing_from_completion(stated, document.issued_on),
            warnings=warnings,
        )
        event = _event(self.member, claim, stored, stated)
        payload = event.to_bytes()
        if len(payload) > LARGEST_EVENT:
            return Problem(413, f"The completion fills {len(payload)} bytes; at most {LARGEST_EVENT} can be passed on.")
        self.events.append(event)
        self.revisions.append(NewRevision(stored, payload.decode(), orjson.dumps(warnings).decode()))
        self._note(claim, stored, completion)
        return Accepted(stored, is_new=True)

    def _note(self, claim: Claim, stored: StoredRevision, completion: Completion | None) -> None:
        """Let the rows that follow see what this one adds."""
        learner, reference = claim.learner, claim.document.learner.reference
        if completion is None:
            completion = self.known[claim.id] = Completion(learner.learner_id, reference)
            self.completions.append(
                NewCompletion(claim.id, self.member, claim.reference, learner.learner_id, reference)
            )
        completion.revisions[stored.revision] = stored
        self.names.note(reference, learner, self.now)

    async def write(self, connection: Connection, traceparent: str | None) -> None:
        """Store what was accepted, and its events with it."""
        await self.names.write(connection)
        await store.add_completions(connection, self.completions, self.revisions)
        await outbox.put(connection, [Outgoing(event, traceparent=traceparent) for event in self.events])


def _event(member: str, claim: Claim, stored: StoredRevision, stated: Description) -> CompletionPublished:
    document = claim.document
    scale, use = document.mark_scale, document.used_for
    return CompletionPublished(
        completion_id=stored.completion_id,
        revision=stored.revision,
        provider=member,
        reference=stored.reference,
        learner_id=claim.learner.learner_id,
        learner_reference=document.learner.reference,
        learner_is_matchable=stored.is_matchable,
        learning_opportunity=contract.LearningOpportunityVersion(
            id=document.learning_opportunity.id, version=document.learning_opportunity.version
        ),
        title=stated.title,
        awarding_body=stated.awarding_body,
        credits=document.credits,
        framework=document.framework,
        level=document.level,
        result=document.result,
        mark=document.mark,
        mark_scale=contract.MarkScale(lowest=scale.lowest, pass_=scale.passing, highest=scale.highest)
        if scale
        else None,
        completed_on=document.completed_on,
        issued_on=document.issued_on,
        workload_hours=stated.workload_hours,
        identity_verified_at_assessment=document.identity_verified_at_assessment,
        learning_outcomes=list(stated.learning_outcomes) if stated.learning_outcomes else None,
        assessment_type=stated.assessment_type,
        participation_form=stated.participation_form,
        quality_assurance=stated.quality_assurance,
        used_for=contract.Use(
            awarding_member=use.awarding_member,
            title=use.title,
            framework=use.framework,
            level=use.level,
            ladder=use.ladder,
        )
        if use
        else None,
        revoked=document.revoked,
        revocation_reason=document.revocation_reason,
        missing_elements=cast("list[contract.Element]", list(stored.missing_elements)),
        body_hash=stored.body_hash,
        accepted_at=stored.accepted_at,
        claimable_from=stored.outcome.claimable_from,
    )


def answer_of(stored: StoredRevision) -> dict[str, Any]:
    """What a member is told of an accepted revision: from what is stored alone, so it is the same for ever (I-11)."""
    return {
        "reference": stored.reference,
        "completion_id": str(stored.completion_id),
        "revision": stored.revision,
        "body_hash": stored.body_hash,
        "accepted_at": instant(stored.accepted_at),
        "claimable_from": instant(stored.outcome.claimable_from),
        "learner_is_matchable": stored.is_matchable,
        "missing_elements": list(stored.missing_elements),
        "warnings": list(stored.warnings),
    }
