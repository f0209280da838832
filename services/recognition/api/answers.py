"""What the routes of agreements and award definitions share: how documents are read, and what is answered."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, Field
from starlette.responses import Response

from chassis.database import Connection, Pool, in_transaction
from chassis.http import as_json
from chassis.identity import Principal
from chassis.outbox import EventTooLarge
from chassis.problems import Fault, Problem, conflict, invalid
from contracts.documents.findings import DocumentRefused, Finding
from contracts.documents.loading import read_json
from services.recognition.application.publish import Conflicting, NotApproved, Refused
from services.recognition.store.catalogue import Published
from services.recognition.store.drafts import Approval

Document = TypeVar("Document")


class FindingAnswer(BaseModel):
    """What lint refuses, and where."""

    rule: str
    pointer: str
    value: str | None
    message: str
    related: list[str]


class ApprovalAnswer(BaseModel):
    """A member's registry approved the content with this hash."""

    member: str
    document_hash: str
    approved_by: str = Field(description="The subject of the token under which it was approved.")
    approved_at: datetime


class PublishedAnswer(BaseModel):
    """A published version of a document; its content never changes."""

    id: str
    version: int
    state: str = Field(
        description="`published`; `superseded` by a newer version; an agreement past its end: `run-off`, `ended`."
    )
    catalogue_number: int = Field(description="The number that its publication took in the catalogue.")
    document_hash: str = Field(description="SHA-256 over the document's canonical JSON (RFC 8785).")
    published_at: datetime
    published_by: str
    document: dict[str, Any] = Field(description="Every field written out: what clauses of grounds point into.")


def read_document(read: Callable[[object], Document], body: bytes) -> Document:
    """The document in a body; raises the Problem 422 with every fault found."""
    try:
        return read(read_json(body))
    except DocumentRefused as error:
        raise refused(error.findings) from None


def is_addressed(stated: str | int, in_address: str | int, field: str = "id") -> None:
    """Go on where a document is the one that the address names; raises the Problem 422."""
    if stated != in_address:
        raise invalid([Fault(field, stated, f"the {field} in the address, {in_address}")])


def who(caller: Principal) -> str:
    """By whom something is published: a member, or the consortium."""
    return caller.member or "consortium"


async def published_answer(pool: Pool, publish: Callable[[Connection], Awaitable[tuple[Published, bool]]]) -> Response:
    """Publish in a transaction, and answer with what came of it."""
    try:
        published, is_new = await in_transaction(pool, publish)
    except Refused as error:
        raise refused(error.findings) from None
    except NotApproved as error:
        members = " and ".join(error.members)
        raise Problem(
            409,
            f"Not approved by {members}: the registry of every party must approve exactly the content to be published.",
            name="not-approved",
            more={"document_hash": error.document_hash, "not_approved_by": list(error.members)},
        ) from None
    except Conflicting as error:
        raise conflicting(error) from None
    except EventTooLarge:
        raise Problem(413, "With every field written out, the document is too large to be sent.") from None
    return as_json(published_as_json(published, "published"), 201 if is_new else 200)


def published_as_json(published: Published, state: str) -> dict[str, Any]:
    """A published version as it is answered, in this state."""
    return {
        "id": published.id,
        "version": published.version,
        "state": state,
        "catalogue_number": published.catalogue_number,
        "document_hash": published.document_hash,
        "published_at": published.published_at,
        "published_by": published.published_by,
        "document": published.document,
    }


def approvals_as_json(approvals: Iterable[Approval]) -> list[dict[str, Any]]:
    """Approvals as they are answered."""
    return [
        {
            "member": approval.member,
            "document_hash": approval.document_hash,
            "approved_by": approval.approved_by,
            "approved_at": approval.approved_at,
        }
        for approval in approvals
    ]


def findings_as_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """What lint finds, as it is answered."""
    return [
        {
            "rule": finding.rule,
            "pointer": finding.pointer,
            "value": finding.value,
            "message": finding.message,
            "related": list(finding.related),
        }
        for finding in findings
    ]


def refused(findings: Sequence[Finding]) -> Problem:
    """The Problem 422 with all that lint finds."""
    problem = invalid([Fault(finding.pointer, finding.value, finding.message) for finding in findings])
    problem.more["findings"] = findings_as_json(findings)
    return problem


def conflicting(error: Conflicting) -> Problem:
    """The Problem 409 that names what is published."""
    stored = {"version": error.stored.version, "document_hash": error.stored.document_hash}
    return conflict(error.detail, stored=stored)
