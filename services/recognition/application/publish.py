"""PublishAgreement and PublishAward: a version is published once, takes a catalogue number, and never changes."""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import datetime
from itertools import permutations
from typing import Any

import orjson

from chassis import outbox, telemetry
from chassis.database import Connection
from chassis.outbox import Outgoing
from contracts.documents.agreement import Agreement
from contracts.documents.award import Award
from contracts.documents.findings import Finding
from contracts.documents.loading import as_json
from contracts.recognition_agreement import AgreementPublished
from contracts.recognition_award import AwardPublished
from services.recognition.lint.documents import lint_agreement, lint_award
from services.recognition.store import catalogue as store
from services.recognition.store import surroundings
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


async def publish_agreement(
    connection: Connection, agreement: Agreement, *, by: str, now: datetime
) -> tuple[Published, bool]:
    """Publish a version; with it comes whether it is new. The same version with the same content is no news.

    Raises Refused where lint finds anything, and Conflicting.
    """
    await store.lock(connection)
    document = as_json(agreement)
    versions = await store.agreement_versions(connection, agreement.id)
    if (stored := _already(document, versions)) is not None:
        return stored, False
    # A large tree takes a while, and other requests must not wait for it.
    report = await asyncio.to_thread(lint_agreement, agreement, await surroundings.read(connection))
    if report.findings:
        raise Refused(report.findings)
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
    pairs = permutations(agreement.members, 2) if agreement.is_multilateral else [agreement.members]
    directions = [(pair[0], pair[1]) for pair in pairs]
    traceparent = telemetry.current_traceparent()
    await store.concern_directions(connection, directions, published.catalogue_number, (event.event_id, traceparent))
    await outbox.put(connection, [Outgoing(event, traceparent=traceparent)])
    return published, True


async def publish_award(connection: Connection, award: Award, *, by: str, now: datetime) -> tuple[Published, bool]:
    """Publish a version of an award definition; raises and returns as `publish_agreement` does."""
    await store.lock(connection)
    document = as_json(award)
    versions = await store.award_versions(connection, award.id)
    if (stored := _already(document, versions)) is not None:
        return stored, False
    report = lint_award(award, await surroundings.read(connection))
    if report.findings:
        raise Refused(report.findings)
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


def document_hash(document: dict[str, Any]) -> str:
    """SHA-256 over the document's canonical JSON."""
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _already(document: dict[str, Any], versions: Sequence[Published]) -> Published | None:
    """The version as it is published, where it has this content; None where it is new. Raises Conflicting."""
    for stored in versions:
        if stored.version == document["version"]:
            if stored.document_hash == document_hash(document):
                return stored
            raise Conflicting("This version is published with other content; publish a higher one.", stored)
    if versions and versions[0].version > document["version"]:
        raise Conflicting("A higher version is published; publish one above it.", versions[0])
    return None


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
