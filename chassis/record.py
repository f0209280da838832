"""A Kafka record and the event in it: the envelope is headers, the value is the event's JSON (ADR 10)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from pydantic import ValidationError

from chassis.telemetry import traceparent_in
from contracts.event import Event


class Record(Protocol):
    """A record as aiokafka gives it; `timestamp` is in milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


@dataclass
class Unreadable(Exception):
    """A record that cannot be understood: `cause` names the kind of trouble, `detail` what it was."""

    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class Received:
    """An event as it came: with its place in the log, what caused it, and its trace context."""

    event: Event
    event_id: UUID
    caused_by: UUID | None
    happened_at: datetime
    traceparent: str | None
    topic: str
    partition: int
    offset: int
    record_timestamp: int


def envelope(
    *,
    event_id: UUID,
    event_type: str,
    source: str,
    happened_at: datetime,
    caused_by: UUID | None,
    traceparent: str | None,
) -> list[tuple[str, bytes]]:
    """The headers of an event's record: CloudEvents in Kafka's binary mode, trace context, cause."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(event_id).encode()),
        ("ce_type", event_type.encode()),
        ("ce_source", source.encode()),
        ("ce_time", happened_at.isoformat().replace("+00:00", "Z").encode()),
        ("content-type", b"application/json"),
    ]
    if caused_by is not None:
        headers.append(("caused_by", str(caused_by).encode()))
    if traceparent is not None:
        headers.append(("traceparent", traceparent.encode()))
    return headers


_REQUIRED: Final = ("ce_id", "ce_type", "ce_time")


def read(record: Record, contract: type[Event]) -> Received:
    """Understand a record as the event that its topic carries.

    Raises Unreadable where the envelope is incomplete, the type is not the topic's, or the value is not the event.
    """
    headers = {name: value for name, value in record.headers if value is not None}
    missing = [name for name in _REQUIRED if name not in headers]
    if missing:
        raise Unreadable("no_envelope", f"the headers lack {', '.join(missing)}")
    try:
        text = {name: value.decode() for name, value in headers.items() if name in (*_REQUIRED, "caused_by")}
        event_id = UUID(text["ce_id"])
        caused_by = UUID(text["caused_by"]) if "caused_by" in text else None
        happened_at = datetime.fromisoformat(text["ce_time"])
    except ValueError as error:
        raise Unreadable("bad_envelope", str(error)) from None
    if text["ce_type"] != contract.TYPE:
        raise Unreadable("unknown_type", f"not {contract.TYPE}")
    if record.value is None:
        raise Unreadable("no_value", "the record has no value")
    try:
        event = contract.model_validate_json(record.value)
    except ValidationError as error:
        # Where and what kind only: the value may be about a person, and this text goes into a log.
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Unreadable("bad_value", f"{where or 'value'}: {first['type']}") from None
    if record.key is None or record.key.decode(errors="replace") != event.key:
        raise Unreadable("wrong_key", f"the record's key is not the event's {contract.KEY}")
    return Received(
        event=event,
        event_id=event_id,
        caused_by=caused_by,
        happened_at=happened_at,
        traceparent=traceparent_in(record.headers),
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        record_timestamp=record.timestamp,
    )
