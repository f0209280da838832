"""PublishAgreement and PublishAward: what its members approved is published once, takes a number, and never changes."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from itertools import permutations
from typing import Any

from chassis import outbox, telemetry
from chassis.database import Connection
from chassis.outbox import Outgoing
from contracts.documents.agreement import Agreement
from contracts.documents.award import Award
from contracts.documents.findings import Finding
from contracts.documents.loading import as_json
from contracts.recognition_agreement import AgreementPublished
from contracts.recognition_award import AwardPublished
from services.recognition.hashing import document_hash
from services.recognition.lint.documents import lint_agreement, lint_award
from services.recognition.store import catalogue as store
from services.recognition.store import drafts, surroundings
from services.recognition.store.catalogue import Published


class Refused(Exception):
    """Lint refuses the document; `findings` say everything that is wrong with it."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = findings
        super().__init__(f"{len(findings)} findings")


class Conflicting(Exception):
    """The version is published with other content, or a newer one is; `stored` is what stands against it."""

    def __init__(self, detail: str, stored: Published) -> None:
        self.detail = detail
        self.stored = stored
        super().__init__(detail)


class NotApproved(Exception):
    """The registries of `members` have not approved exactly this content, whose hash is `document_hash`."""

    def __init__(self, document_hash: str, members: Sequence[str]) -> None:
        self.document_hash = document_hash
        self.members = members
        super().__init__(f"not approved by {', '.join(members)}")


async def publish_agreement(
    connection: Connection, agreement: Agreement, *, by: str, now: datetime
) -> tuple[Published, bool]:
    """Publish a version; with it comes whether it is new. The same version with the same content is no news.

    Raises Refused where lint finds anything, NotApproved where a party has not approved it, and Conflicting.
    """
    await store.lock(connection)
    document = as_json(agreement)
    if (stored := already(document, await store.agreement_versions(connection, agreement.id))) is not None:
        return stored, False
    # A large tree takes a while, and other requests must not wait for it.
    report = await asyncio.to_thread(lint_agreement, agreement, await surroundings.read(connection))
    if report.findings:
        raise Refused(report.findings)
    await _is_approved_by(agreement.members, connection, "agreement", document)
    published = await _publish(connection, document, by, now)
    await store.add_agreement(connection, published, agreement.members)
    event = AgreementPublished(
        agreement_id=published.id,
        version=published.version,
        catalogue_number=published.catalogue_number,
        document=document,
        document_hash=published.document_hash,
        published_at=now,
    )
    directions = directions_of(document)
    traceparent = telemetry.current_traceparent()
    await store.concern_directions(connection, directions, published.catalogue_number, (event.event_id, traceparent))
    await outbox.put(connection, [Outgoing(event, traceparent=traceparent)])
    return published, True


def directions_of(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Provider and receiver of each direction in which an agreement holds, from its document."""
    parties = document["parties"]
    if "members" in parties:
        return list(permutations(parties["members"], 2))
    return [(parties["provider"], parties["receiver"])]


async def publish_award(connection: Connection, award: Award, *, by: str, now: datetime) -> tuple[Published, bool]:
    """Publish a version of an award definition; raises and returns as `publish_agreement` does."""
    await store.lock(connection)
    document = as_json(award)
    if (stored := already(document, await store.award_versions(connection, award.id))) is not None:
        return stored, False
    report = lint_award(award, await surroundings.read(connection))
    if report.findings:
        raise Refused(report.findings)
    await _is_approved_by([award.member], connection, "award", document)
    published = await _publish(connection, document, by, now)
    await store.add_award(connection, published, award.member)
    event = AwardPublished(
        award_id=published.id,
        version=published.version,
        catalogue_number=published.catalogue_number,
        document=document,
        document_hash=published.document_hash,
        published_at=now,
    )
    traceparent = telemetry.current_traceparent()
    await store.concern_award(connection, published.id, published.catalogue_number, (event.event_id, traceparent))
    await outbox.put(connection, [Outgoing(event, traceparent=traceparent)])
    return published, True


def already(document: dict[str, Any], versions: Sequence[Published]) -> Published | None:
    """The version as it is published, where it has this content; None where it is new. Raises Conflicting."""
    for stored in versions:
        if stored.version == document["version"]:
            if stored.document == document:
                return stored
            raise Conflicting("This version is published with other content; publish a higher one.", stored)
    if versions and versions[0].version > document["version"]:
        raise Conflicting("A higher version is published; publish one above it.", versions[0])
    return None


async def _is_approved_by(
    members: Sequence[str], connection: Connection, kind: drafts.Kind, document: dict[str, Any]
) -> None:
    """Go on where the registry of each of these members has approved exactly this content. Raises NotApproved."""
    wanted = document_hash(document)
    given = await drafts.approvals(connection, kind, document["id"], document["version"])
    approved_by = {approval.member for approval in given if approval.document_hash == wanted}
    if missing := [member for member in members if member not in approved_by]:
        raise NotApproved(wanted, missing)


async def _publish(connection: Connection, document: dict[str, Any], by: str, now: datetime) -> Published:
    return Published(
        id=document["id"],
        version=document["version"],
        document=document,
        document_hash=document_hash(document),
        catalogue_number=await store.take_number(connection),
        published_at=now,
        published_by=by,
    )
