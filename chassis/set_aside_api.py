"""What a service set aside, over REST, for the staff of operations: listed, shown, replayed, dropped (ADR 25)."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal

import asyncpg
from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from chassis import waiting
from chassis.clock import Clock
from chassis.database import Pool, transaction
from chassis.desk import Desk
from chassis.documents import Instant
from chassis.http import Page, body, cursor, decode_cursor, encode_cursor, page_size, problems
from chassis.identity import Principal, Role, require
from chassis.problems import Fault, invalid, not_found
from chassis.replay import Dropped, Outcomes, Replay, Replayed
from chassis.waiting import Act, Choice

Staff = Annotated[Principal, Depends(require(Role.OPERATIONS))]
State = Literal["waiting", "replayed", "dropped"]
Id = Annotated[int, Field(ge=1, lt=2**63)]
Words = Annotated[str | None, Query(max_length=500, pattern=r"^[^\x00]*$")]
MOST_IDS: Final = 1000


class RecordAnswer(BaseModel):
    """A record that was set aside, without what is in it."""

    id: int
    queue: str | None = Field(description="What waits in order: a learner's pseudonym, or a topic and a key.")
    topic: str
    partition: int
    offset: int
    cause: str = Field(description="The kind of trouble; `waits_behind` where only an earlier record has any.")
    detail: str = Field(description="What the trouble was, without anything of the record's value.")
    state: State = Field(description="A record that was dropped has not been processed, and stays listed.")
    set_aside_at: datetime
    behind: int = Field(description="How many records wait behind this one in its queue.")
    acted_at: datetime | None = Field(description="When somebody last replayed it, or dropped it.")
    acted_by: str | None = Field(description="Who that was: the token's subject.")
    because: str | None = Field(description="The reason they gave.")


class Bytes(BaseModel):
    """Bytes as text where they are UTF-8, else in Base64."""

    text: str | None = None
    base64: str | None = None


class HeaderAnswer(BaseModel):
    """A header of the record."""

    name: str
    value: Bytes | None


class WholeRecordAnswer(RecordAnswer):
    """A record as it came, byte for byte."""

    recorded_at: int | None = Field(description="The record's own timestamp, in milliseconds since the epoch.")
    key: Bytes | None
    headers: list[HeaderAnswer]
    value: Bytes | None


class Stated(BaseModel):
    """What is asked for, taken strictly."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Filter(Stated):
    """Waiting records that meet everything stated here; at least one thing is."""

    cause: str | None = None
    topic: str | None = None
    queue: str | None = None
    since: Instant | None = Field(None, description="Set aside at this instant or later.")


class Wanted(Stated):
    """Which waiting records are meant (one of `ids`, `filter` and `all`), and why something is done about them."""

    EXAMPLE: ClassVar[Mapping[str, object]] = {"ids": [17], "because": "0.2.1 is deployed", "dry_run": True}

    ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_IDS)] | None = None
    filter: Filter | None = None
    all: Literal[True] | None = None
    because: Annotated[str, Field(min_length=3, max_length=500, pattern=r"\S", description="The reason; recorded.")]
    dry_run: bool = Field(False, description="Only say what would come of it.")
    after: str | None = Field(None, description="The `next` of an answer that did not reach all.")

    def choice(self) -> Choice:
        """The choice that is meant; raises the Problem 422 where it is none or several."""
        if sum(one is not None for one in (self.ids, self.filter, self.all)) != 1:
            raise invalid([Fault("", None, "one of `ids`, `filter` and `all`")])
        if self.filter is None:
            return Choice(ids=self.ids)
        stated = self.filter.model_dump()
        if not any(stated.values()):
            raise invalid([Fault("filter", {}, "a cause, a topic, a queue or an instant; for everything say `all`")])
        return Choice(**stated)


class ReplayedQueue(BaseModel):
    """What became of one queue, from its head on."""

    queue: str | None
    first: int = Field(description="The first record that was chosen in it.")
    applied: int = Field(description="Records that had their effect now.")
    ignored: int = Field(description="Records older than what is known, or known already: they change nothing.")
    waiting: int = Field(description="Records that wait on.")
    stopped_at: int | None = Field(description="The record that failed again.")
    cause: str | None
    detail: str | None


class ReplayAnswer(BaseModel):
    """What came of a replay, or in a dry run would."""

    dry_run: bool
    queues: list[ReplayedQueue]
    not_waiting: list[int] = Field(description="Ids under which nothing waits: replayed or dropped before, or unknown.")
    next: str | None = Field(description="Send the same with this as `after` to go on; null where all was reached.")


class DroppedQueue(BaseModel):
    """What was given up of one queue."""

    queue: str | None
    ids: list[int]
    waiting: int = Field(
        description="Records that wait behind what was dropped: not processed until they are replayed."
    )


class DropAnswer(BaseModel):
    """What was dropped, or in a dry run would be."""

    dry_run: bool
    queues: list[DroppedQueue]
    not_waiting: list[int] = Field(description="Ids under which nothing waits: replayed or dropped before, or unknown.")
    next: str | None = Field(description="Send the same with this as `after` to go on; null where all was reached.")


def routes(desk: Desk[Any, Any], pool: Pool, clock: Clock, *, group: str) -> APIRouter:
    """The routes under /set-aside, on a service's own desk and database."""
    router = APIRouter(tags=["set aside"])
    replaying = Replay(desk, pool, group=group)

    @router.get("/set-aside", responses=problems(401, 403, 422, 503))
    async def list_set_aside(
        _: Staff,
        after: Annotated[tuple[int] | None, Depends(cursor(int))],
        limit: page_size = 50,
        state: Annotated[State | None, Query(description="All states where none is named.")] = None,
        cause: Words = None,
        topic: Words = None,
        queue: Words = None,
        since: Annotated[Instant | None, Query(description="Set aside at this instant or later.")] = None,
        first_only: Annotated[bool, Query(description="Without what waits behind another record.")] = False,
    ) -> Page[RecordAnswer]:
        """What was set aside, the oldest first."""
        choice = Choice(cause=cause, topic=topic, queue=queue, since=since)
        async with transaction(pool) as connection:
            rows = await waiting.listed(
                connection,
                choice,
                state=state,
                first_only=first_only,
                after=after[0] if after else 0,
                limit=limit + 1,
            )
        items = [RecordAnswer(**_fields(row)) for row in rows[:limit]]
        return Page(items=items, next=encode_cursor(items[-1].id) if len(rows) > limit else None)

    @router.get("/set-aside/{record_id:int}", responses=problems(401, 403, 404, 503))
    async def show_set_aside(_: Staff, record_id: Annotated[int, Path(ge=1, lt=2**63)]) -> WholeRecordAnswer:
        """One record as it came, with its bytes."""
        async with transaction(pool) as connection:
            row = await waiting.shown(connection, record_id)
        if row is None:
            raise not_found("Nothing was set aside here under this id.")
        return WholeRecordAnswer(
            **_fields(row),
            recorded_at=row["record_timestamp"],
            key=_bytes(row["record_key"]),
            headers=[
                HeaderAnswer(name=name, value=_bytes(value)) for name, value in waiting.headers_from(row["headers"])
            ],
            value=_bytes(row["value"]),
        )

    async def done(caller: Principal, wanted: Wanted, do: Any) -> tuple[Outcomes[Any], list[int]]:
        choice = wanted.choice()
        after = decode_cursor(wanted.after, int)[0] if wanted.after is not None else 0
        async with transaction(pool) as connection:
            not_waiting = await waiting.not_waiting(connection, wanted.ids or [])
        act = Act(caller.subject, wanted.because.strip(), clock())
        return await do(choice, act, dry_run=wanted.dry_run, after=after), not_waiting

    @router.post("/set-aside:replay", responses=problems(401, 403, 413, 415, 422, 503))
    async def replay_set_aside(caller: Staff, wanted: Annotated[Wanted, Depends(body(Wanted))]) -> ReplayAnswer:
        """Process what waits, in order. Choosing a record chooses its queue: what stands in it goes from its head.

        A record that fails again waits on with its new cause, and so does all behind it. Doing it again is harmless.
        """
        outcomes, not_waiting = await done(caller, wanted, replaying.replay)
        return ReplayAnswer(
            dry_run=wanted.dry_run,
            queues=[_replayed(one) for one in outcomes.queues],
            not_waiting=not_waiting,
            next=_next(outcomes),
        )

    @router.post("/set-aside:drop", responses=problems(401, 403, 413, 415, 422, 503))
    async def drop_set_aside(caller: Staff, wanted: Annotated[Wanted, Depends(body(Wanted))]) -> DropAnswer:
        """Give up what is chosen, and only that: it stays listed as dropped, and is never processed.

        What waits behind it waits on until it is replayed.
        """
        outcomes, not_waiting = await done(caller, wanted, replaying.drop)
        return DropAnswer(
            dry_run=wanted.dry_run,
            queues=[_dropped(one) for one in outcomes.queues],
            not_waiting=not_waiting,
            next=_next(outcomes),
        )

    return router


def _fields(row: asyncpg.Record) -> dict[str, Any]:
    return {name: row["log_offset" if name == "offset" else name] for name in RecordAnswer.model_fields}


def _bytes(raw: bytes | None) -> Bytes | None:
    if raw is None:
        return None
    try:
        return Bytes(text=raw.decode())
    except UnicodeDecodeError:
        return Bytes(base64=base64.b64encode(raw).decode())


def _next(outcomes: Outcomes[Any]) -> str | None:
    return encode_cursor(outcomes.more_after) if outcomes.more_after is not None else None


def _replayed(one: Replayed) -> ReplayedQueue:
    return ReplayedQueue(
        queue=one.queue.name,
        first=one.queue.first,
        applied=one.applied,
        ignored=one.ignored,
        waiting=one.waiting,
        stopped_at=one.stopped_at,
        cause=one.trouble.cause if one.trouble else None,
        detail=one.trouble.detail if one.trouble else None,
    )


def _dropped(one: Dropped) -> DroppedQueue:
    return DroppedQueue(queue=one.queue.name, ids=list(one.ids), waiting=one.waiting)
