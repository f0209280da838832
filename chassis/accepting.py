"""How revisions that members send are accepted: one way in for one and for a thousand (ADR 3)."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar
from uuid import UUID

import asyncpg

from chassis import documents
from chassis.batch import lock_learners
from chassis.clock import Clock
from chassis.crash import crash_point
from chassis.database import Connection, Pool, in_transaction
from chassis.documents import LearnersDocument
from chassis.learners import Learner, Malformed, Scheme, identify
from chassis.problems import Fault, Problem, conflict, invalid, unavailable

TRIES: Final = 5


class StoredRevision(Protocol):
    """A revision that was accepted."""

    @property
    def revision(self) -> int:
        """Its number."""

    @property
    def body_hash(self) -> str:
        """SHA-256 of what was sent."""


Stored = TypeVar("Stored", bound=StoredRevision)
Document = TypeVar("Document", bound=LearnersDocument)
Sent = TypeVar("Sent", bound=documents.Document)


@dataclass(frozen=True, slots=True)
class Accepted(Generic[Stored]):
    """A revision that is stored: by this request (`is_new`) or by an earlier one. The answer is the same."""

    revision: Stored
    is_new: bool


Answer: TypeAlias = Accepted[Stored] | Problem


def known_or_contradicting(
    sent: int, body_hash: str, stored: Mapping[int, Stored], answer_of: Callable[[Stored], Mapping[str, Any]]
) -> Answer[Stored] | None:
    """The answer to a revision that is stored already, or that contradicts what is; None where it is new.

    `stored` are revisions by number, at least the newest and the one of the sent number. A repeat is a repeat whatever
    came later. 409 says what is `stored` in the words of `answer_of`.
    """
    if not stored:
        return None
    newest, same = stored[max(stored)], stored.get(sent)
    if same is not None and same.body_hash == body_hash:
        return Accepted(same, is_new=False)
    if same is not None:
        fault = Fault("revision", sent, f"the body as it was stored, or revision {newest.revision + 1}")
        detail = f"Revision {sent} is stored with another body."
        return conflict(detail, name="revision-differs", errors=[fault], stored=answer_of(same))
    if sent < newest.revision:
        fault = Fault("revision", sent, f"{newest.revision + 1} or higher")
        detail = f"Revision {sent} was never stored, and a newer one is."
        return conflict(detail, name="revision-too-low", errors=[fault], stored=answer_of(newest))
    return None


@dataclass(frozen=True, slots=True)
class Row(Generic[Sent]):
    """What a member sends under one of its own references, or ids."""

    reference: str
    document: Sent


@dataclass(frozen=True, slots=True)
class Claim(Generic[Document]):
    """A row that is sound by itself: what it is about, whose it is, and the hash of its body."""

    id: UUID
    reference: str
    document: Document
    learner: Learner
    body_hash: str


class Accepting(ABC, Generic[Document, Stored]):
    """Accepts revisions of one kind of thing, in one transaction for all rows of a request."""

    service: str
    """The service's name, by which its crash points go."""

    def __init__(self, pool: Pool, clock: Clock, *, learner_id_key: bytes, scheme: Scheme) -> None:
        self._pool = pool
        self._clock = clock
        self._key = learner_id_key
        self._scheme = scheme

    async def __call__(
        self, member: str, rows: Sequence[Row[Document]], traceparent: str | None, *, dry_run: bool = False
    ) -> list[Answer[Stored]]:
        """Accept what can be accepted, in order, and answer every row; a refused row does not touch the others.

        With `dry_run` all is done as ever, rows on those before them included, and then rolled back: the answers say
        what would have been. Raises database errors. After one the rows may or may not be stored; sending them again is
        harmless.
        """
        judged = [self.judge(member, row) for row in rows]
        claims = [one for one in judged if not isinstance(one, Problem)]
        if not claims:
            return [one for one in judged if isinstance(one, Problem)]
        answers = iter(await self._settle(member, claims, traceparent, dry_run=dry_run))
        crash_point(f"{self.service}_after_commit")
        return [one if isinstance(one, Problem) else next(answers) for one in judged]

    def judge(self, member: str, row: Row[Document]) -> Claim[Document] | Problem:
        """What can be said of a row without looking at what is stored."""
        faults, stated = self.faults(member, row.document), row.document.learner
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
        body_hash = row.document.body_hash(str(learner.learner_id))
        return Claim(self.id_of(member, row.reference), row.reference, row.document, learner, body_hash)

    async def _settle(
        self, member: str, claims: Sequence[Claim[Document]], traceparent: str | None, *, dry_run: bool
    ) -> list[Answer[Stored]]:
        async def work(connection: Connection) -> list[Answer[Stored]]:
            await lock_learners(connection, (claim.learner.learner_id for claim in claims))
            return await self.settle(connection, member, claims, traceparent)

        for attempt in range(1, TRIES + 1):
            try:
                return await in_transaction(self._pool, work, keep=not dry_run)
            except asyncpg.UniqueViolationError:
                # Somebody sent the same reference, or named the same learner's reference, with another identifier at
                # the same instant: another learner's lock. The next try sees what they stored.
                await asyncio.sleep(0.01 * attempt)
        raise unavailable("Others send the same references for other learners at this moment.", name="contended")

    @abstractmethod
    def id_of(self, member: str, reference: str) -> UUID:
        """The id of the thing that a member calls so."""

    @abstractmethod
    def faults(self, member: str, document: Document) -> list[Fault]:
        """What is wrong with a document of this member's where no field is wrong by itself."""

    @abstractmethod
    async def settle(
        self, connection: Connection, member: str, claims: Sequence[Claim[Document]], traceparent: str | None
    ) -> list[Answer[Stored]]:
        """Answer each claim and store what is new, under the lock of its learners.

        Raises asyncpg.UniqueViolationError where somebody else stored one first; it is done again then.
        """

    @abstractmethod
    def answer_of(self, stored: Stored) -> dict[str, Any]:
        """What a member is told of an accepted revision: from what is stored alone, so it is the same for ever."""
