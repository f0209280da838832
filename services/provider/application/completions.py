"""Publishing completions: one way in for a single one and for a thousand (ADR 3, 12, 13 and 14)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

import asyncpg
import orjson

from chassis import outbox
from chassis.batch import lock_learners
from chassis.clock import Clock
from chassis.crash import crash_point
from chassis.database import Connection, Pool, in_transaction
from chassis.learners import Learner, Malformed, Scheme, identify
from chassis.outbox import LARGEST_EVENT, Outgoing
from chassis.problems import Fault, Problem, invalid, unavailable
from contracts import provider_completion as contract
from contracts.ids import completion_id
from contracts.provider_completion import CompletionPublished
from services.provider import store
from services.provider.documents import CompletionDocument
from services.provider.domain.description import NOTHING_STATED, Description, missing_from_completion
from services.provider.domain.naming import Named
from services.provider.domain.revisions import Outcome, Standing, claimable_from, standing
from services.provider.store import Completion, Identifier, NewCompletion, NewRevision, StoredRevision

UNMATCHABLE: Final = (
    "The identifier is a placeholder: this learner cannot be matched at another member, so nothing is recognised there"
    " until the completion is revoked and published under the learner's own identifier and a new reference."
)
TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Row:
    """A completion that a member wants to publish, under the member's own reference."""

    reference: str
    document: CompletionDocument


@dataclass(frozen=True, slots=True)
class Accepted:
    """A revision that is stored: by this request (`is_new`) or by an earlier one. The answer is the same."""

    revision: StoredRevision
    is_new: bool


Answer = Accepted | Problem


@dataclass(frozen=True, slots=True)
class _Claim:
    """A row that is sound by itself: whose completion it is, and the hash of its body."""

    row: Row
    completion_id: UUID
    learner: Learner
    body_hash: str


class PublishCompletions:
    """Accepts revisions of completions, in one transaction for all rows of a request."""

    def __init__(self, pool: Pool, clock: Clock, *, learner_id_key: bytes, scheme: Scheme) -> None:
        self._pool = pool
        self._clock = clock
        self._key = learner_id_key
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
            crash_point("provider_after_commit")
        return [answers[nth] for nth in range(len(rows))]

    def _judge(self, member: str, row: Row) -> "_Claim | Problem":
        """What can be said of a row without looking at what is stored."""
        document = row.document
        faults = list(document.faults())
        opportunity = document.learning_opportunity.id
        if not opportunity.startswith(f"{member}:"):
            faults.append(
                Fault(
                    "learning_opportunity.id",
                    opportunity,
                    f"a learning opportunity of your own: `{member}:` and its code",
                )
            )
        stated = document.learner
        try:
            learner = identify(
                self._key,
                self._scheme,
                scheme=stated.scheme,
                identifier=stated.identifier,
                member=member,
                reference=stated.reference,
            )
        except Malformed as malformed:
            return invalid([*faults, malformed.fault])
        if faults:
            return invalid(faults)
        body_hash = document.fingerprint(str(learner.learner_id))
        return _Claim(row, completion_id(member, row.reference), learner, body_hash)

    async def _store(self, member: str, claims: dict[int, _Claim], traceparent: str | None) -> dict[int, Answer]:
        async def work(connection: Connection) -> dict[int, Answer]:
            await lock_learners(connection, (claim.learner.learner_id for claim in claims.values()))
            batch = await self._read(connection, member, list(claims.values()))
            answers = {nth: batch.accept(claim) for nth, claim in claims.items()}
            await batch.write(connection, traceparent)
            return answers

        for attempt in range(1, TRIES + 1):
            try:
                return await in_transaction(self._pool, work)
            except asyncpg.UniqueViolationError:
                # Somebody named the same completion, or the same learner's reference, with another identifier at the
                # same instant: another learner's lock. The next try sees what they stored.
                await asyncio.sleep(0.01 * attempt)
        raise unavailable("Others publish the same completions for other learners at this moment.", name="contended")

    async def _read(self, connection: Connection, member: str, claims: Sequence[_Claim]) -> "_Batch":
        """Read what the rows are judged by: three statements, however many rows there are."""
        known = await store.completions(
            connection, {(claim.completion_id, claim.row.document.revision) for claim in claims}
        )
        offered = {
            (document.learning_opportunity.id, document.learning_opportunity.version)
            for document in (claim.row.document for claim in claims)
        }
        described = await store.descriptions(connection, offered)
        references = {claim.row.document.learner.reference for claim in claims}
        named: dict[str, Named[UUID]] = {reference: Named() for reference in references}
        for (reference, is_placeholder), learner_id in (await store.identified(connection, member, references)).items():
            named[reference].note(learner_id, is_placeholder=is_placeholder)
        return _Batch(member, self._clock(), known, described, named)


@dataclass
class _Batch:
    """The rows of one request: judged one by one on what is stored and what the rows before them add to it."""

    member: str
    now: datetime
    known: dict[UUID, Completion]
    described: dict[tuple[str, int], Description]
    named: dict[str, Named[UUID]]
    completions: list[NewCompletion] = field(default_factory=list)
    revisions: list[NewRevision] = field(default_factory=list)
    identifiers: list[Identifier] = field(default_factory=list)
    events: list[CompletionPublished] = field(default_factory=list)

    def accept(self, claim: _Claim) -> Answer:
        """Accept a row, answer a repeat, or say what it contradicts."""
        document, completion = claim.row.document, self.known.get(claim.completion_id)
        number = document.revision
        if completion is not None:
            learner = (claim.learner.learner_id, document.learner.reference)
            if learner != (completion.learner_id, completion.learner_reference):
                return _conflict(
                    "learner-differs",
                    "A completion's learner never changes: revoke this one and use a new reference.",
                    Fault("learner", document.learner.reference, "the learner that the completion was published for"),
                    completion.newest,
                )
            same = completion.revisions.get(number)
            match standing(
                sent=number,
                sent_hash=claim.body_hash,
                stored_hash=same.body_hash if same else None,
                newest=completion.newest.revision,
            ):
                case Standing.REPEATED if same is not None:
                    return Accepted(same, is_new=False)
                case Standing.OTHER_BODY if same is not None:
                    return _conflict(
                        "revision-differs",
                        f"Revision {number} is stored with another body.",
                        Fault(
                            "revision",
                            number,
                            f"the body as it was stored, or revision {completion.newest.revision + 1}",
                        ),
                        same,
                    )
                case Standing.TOO_LOW:
                    return _conflict(
                        "revision-too-low",
                        f"Revision {number} was never stored, and a newer one is.",
                        Fault("revision", number, f"{completion.newest.revision + 1} or higher"),
                        completion.newest,
                    )
            return self._add(claim, completion)
        # Only here: what was published for a stranger must still be revocable when the learner is known at last.
        return self._objection_to_name(claim) or self._add(claim, completion)

    def _objection_to_name(self, claim: _Claim) -> Problem | None:
        reference = claim.row.document.learner.reference
        objection = self.named[reference].objection_to(
            claim.learner.learner_id, is_placeholder=not claim.learner.matchable
        )
        if objection is None:
            return None
        if objection == "known":
            fault = Fault("learner.identifier", claim.learner.identifier, "the identifier that you gave before")
            return Problem(
                409, f"Learner {reference} is known by an identifier.", name="learner-differs", errors=[fault]
            )
        fault = Fault(
            "learner.identifier",
            claim.learner.identifier,
            "the identifier that you gave for this learner before; for another learner, another reference",
        )
        return Problem(
            409,
            f"Your reference {reference} stands for a learner with another identifier; two learners are never merged.",
            name="learner-differs",
            errors=[fault],
        )

    def _add(self, claim: _Claim, completion: Completion | None) -> Answer:
        document, learner = claim.row.document, claim.learner
        opportunity = (document.learning_opportunity.id, document.learning_opportunity.version)
        offered = self.described.get(opportunity)
        warnings = []
        if offered is None:
            warnings.append(
                f"learning_opportunity: {opportunity[0]} version {opportunity[1]} is not published;"
                " what the completion left to it stays open until its next revision."
            )
        if not learner.matchable:
            warnings.append(UNMATCHABLE)
        stated = document.description.filled_in_from(offered or NOTHING_STATED)
        before = completion.newest.outcome if completion else None
        claimable = claimable_from(before, document.result, document.completed_on, self.now)
        stored = StoredRevision(
            completion_id=claim.completion_id,
            reference=claim.row.reference,
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

    def _note(self, claim: _Claim, stored: StoredRevision, completion: Completion | None) -> None:
        """Let the rows that follow see what this one adds."""
        learner, reference = claim.learner, claim.row.document.learner.reference
        if completion is None:
            completion = self.known[claim.completion_id] = Completion(learner.learner_id, reference)
            self.completions.append(
                NewCompletion(claim.completion_id, self.member, claim.row.reference, learner.learner_id, reference)
            )
        completion.revisions[stored.revision] = stored
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

    async def write(self, connection: Connection, traceparent: str | None) -> None:
        """Store what was accepted, and its events with it."""
        await store.add_identifiers(connection, self.identifiers)
        await store.add_completions(connection, self.completions, self.revisions)
        await outbox.put(connection, [Outgoing(event, traceparent=traceparent) for event in self.events])


def _event(member: str, claim: _Claim, stored: StoredRevision, stated: Description) -> CompletionPublished:
    document = claim.row.document
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


def instant(moment: datetime) -> str:
    """An instant as answers write it."""
    return moment.isoformat().replace("+00:00", "Z")


def _conflict(name: str, detail: str, fault: Fault, stored: StoredRevision) -> Problem:
    return Problem(409, detail, name=name, errors=[fault], more={"stored": answer_of(stored)})
