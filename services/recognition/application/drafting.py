"""DraftDocument and ApproveDraft: what is to be published is drafted, linted, and approved by each party's registry."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis.database import Connection
from contracts.documents.agreement import Agreement
from contracts.documents.award import Award
from contracts.documents.findings import Finding
from contracts.documents.loading import agreement_from, as_json, award_from
from services.recognition.application.publish import Conflicting, Refused, already, publish_agreement, publish_award
from services.recognition.domain.life import DraftState, state_of_draft
from services.recognition.hashing import document_hash
from services.recognition.lint.catalogue import Catalogue
from services.recognition.lint.documents import lint_agreement, lint_award
from services.recognition.lint.rule import Report
from services.recognition.store import catalogue, surroundings
from services.recognition.store import drafts as store
from services.recognition.store.catalogue import Published
from services.recognition.store.drafts import Approval, Draft


@dataclass(frozen=True, slots=True)
class Kind:
    """What agreements and award definitions differ in, for drafts: how each is read, linted, found and published."""

    name: store.Kind
    read: Callable[[object], Any]
    members_of: Callable[[Any], Sequence[str]]
    lint: Callable[[Any, Catalogue], Report]
    versions: Callable[[Connection, str], Awaitable[list[Published]]]
    publish: Callable[..., Awaitable[tuple[Published, bool]]]


def _parties(agreement: Agreement) -> Sequence[str]:
    return agreement.members


def _member(award: Award) -> Sequence[str]:
    return (award.member,)


AGREEMENT = Kind("agreement", agreement_from, _parties, lint_agreement, catalogue.agreement_versions, publish_agreement)
AWARD = Kind("award", award_from, _member, lint_award, catalogue.award_versions, publish_award)


@dataclass(frozen=True, slots=True)
class Standing:
    """A draft, what lint finds in it, who has approved exactly this content and who has not, and how far it is."""

    draft: Draft
    findings: Sequence[Finding]
    approvals: Sequence[Approval]
    not_approved_by: Sequence[str]
    state: DraftState


class OtherContent(Exception):
    """What is to be approved is not what stands in the draft."""

    def __init__(self, stated: str, stands: str) -> None:
        self.stated = stated
        self.stands = stands
        super().__init__(f"{stated} is to be approved, {stands} stands in the draft")


class Stale(Exception):
    """A change builds on the `expected` revision of the draft, and the `current` one is another; 0: there is none."""

    def __init__(self, expected: int, current: int) -> None:
        self.expected = expected
        self.current = current
        super().__init__(f"the draft is at revision {current}, not {expected}")


async def draft(
    connection: Connection, kind: Kind, document: Agreement | Award, *, expected: int, by: str, now: datetime
) -> tuple[Draft, bool]:
    """Store a draft, or change it; with it comes whether anything is new. The same content again is no news.

    `expected` is the revision that it builds on, 0 for a new one. Raises Stale, and Conflicting where the version or a
    higher one is published.
    """
    content = as_json(document)
    stands = await store.draft(connection, kind.name, document.id, document.version)
    if stands is not None and stands.document == content:
        return stands, False
    if (published := already(content, await kind.versions(connection, document.id))) is not None:
        raise Conflicting("This version is published; draft a higher one.", published)
    revision = 0 if stands is None else stands.revision
    if revision != expected:
        raise Stale(expected, revision)
    members = list(kind.members_of(document))
    hash_ = document_hash(content)
    new = Draft(document.id, document.version, revision + 1, members, content, hash_, by, now)
    if await store.add(connection, kind.name, new):
        return new, True
    # Somebody else was quicker, and has committed by now; that they wrote the same is no news either.
    stands = await store.draft(connection, kind.name, document.id, document.version)
    if stands is not None and stands.document == content:
        return stands, False
    raise Stale(expected, new.revision)


async def approve(
    connection: Connection, kind: Kind, draft: Draft, *, stated: str, member: str, by: str, now: datetime
) -> None:
    """Approve a draft's content as a member's registry does; `stated` is the hash of what was read and is meant.

    Raises OtherContent where the draft has another, and Refused while lint finds anything.
    """
    if stated != draft.document_hash:
        raise OtherContent(stated, draft.document_hash)
    findings = await _findings(connection, kind, draft)
    if findings:
        raise Refused(findings)
    await store.approve(connection, kind.name, draft.id, draft.version, Approval(member, stated, by, now))


async def standing_of(connection: Connection, kind: Kind, draft: Draft) -> Standing:
    """How a draft stands now, in view of what is published and known now."""
    given = await approvals_of(connection, kind.name, draft.id, draft.version, draft.document_hash)
    approved_by = {approval.member for approval in given}
    missing = [member for member in draft.members if member not in approved_by]
    versions = await kind.versions(connection, draft.id)
    is_published = any(one.version == draft.version and one.document == draft.document for one in versions)
    findings = () if is_published else await _findings(connection, kind, draft)
    state = state_of_draft(findings=len(findings), not_approved_by=missing, is_published=is_published)
    return Standing(draft, findings, given, missing, state)


async def approvals_of(
    connection: Connection, kind: store.Kind, id_: str, version: int, document_hash: str
) -> list[Approval]:
    """Who has approved exactly this content of a version, and when."""
    given = await store.approvals(connection, kind, id_, version)
    return [approval for approval in given if approval.document_hash == document_hash]


async def _findings(connection: Connection, kind: Kind, draft: Draft) -> Sequence[Finding]:
    document = kind.read(draft.document)
    surrounded_by = await surroundings.read(connection)
    # A large tree takes a while, and other requests must not wait for it.
    return (await asyncio.to_thread(kind.lint, document, surrounded_by)).findings
