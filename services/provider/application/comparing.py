"""Comparing what a member has with what is stored, by reference, revision and hash; nothing changes by it (ADR 3)."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias
from uuid import UUID

from chassis.accepting import Claim, Row
from chassis.clock import instant
from chassis.database import Pool, transaction
from chassis.problems import Problem
from services.provider import store
from services.provider.application.completions import PublishCompletions
from services.provider.documents import CompletionDocument, CompletionLine
from services.provider.store import Newest

Outcome: TypeAlias = Literal["same", "missing", "older", "newer", "different"]
"""How what is stored of a completion, at its newest revision, stands to what was sent."""


class CompareCompletions:
    """Compares documents, read and hashed exactly as for their publication."""

    def __init__(self, pool: Pool, publish: PublishCompletions) -> None:
        self._pool = pool
        self._publish = publish

    async def __call__(self, member: str, sent: Sequence[CompletionLine]) -> list[dict[str, Any] | Problem]:
        """What is stored of each; a Problem where it could not be published as it is."""
        judged = [self._publish.judge(member, Row(one.reference, one)) for one in sent]
        ids = {one.id for one in judged if not isinstance(one, Problem)}
        stored: dict[UUID, Newest] = {}
        if ids:
            async with transaction(self._pool) as connection:
                stored = await store.newest_of(connection, ids)
        return [one if isinstance(one, Problem) else _compared(one, stored.get(one.id)) for one in judged]


def _compared(sent: Claim[CompletionDocument], stored: Newest | None) -> dict[str, Any]:
    return {
        "status": 200,
        "outcome": _outcome(sent, stored),
        "revision": sent.document.revision,
        "body_hash": sent.body_hash,
        "stored": stored
        and {
            "revision": stored.revision,
            "body_hash": stored.body_hash,
            "accepted_at": instant(stored.accepted_at),
        },
    }


def _outcome(sent: Claim[CompletionDocument], stored: Newest | None) -> Outcome:
    revision = sent.document.revision
    if stored is None:
        return "missing"
    if stored.revision != revision:
        return "older" if stored.revision < revision else "newer"
    return "same" if stored.body_hash == sent.body_hash else "different"
