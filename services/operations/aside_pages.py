"""The pages of what the services set aside: everything that waits, each record as it came, replay and drop."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Form, Path, Query
from starlette.responses import Response

from chassis.identity import Role
from chassis.pages.site import NotSignedIn, Visitor, signed_in
from chassis.pages.templating import Templates
from chassis.problems import Problem, not_found, unavailable
from services.operations.asking import Bearer, Desks, NotAnswered
from services.operations.domain.aside import dropped_in_words, replayed_in_words

MOST: Final = 100
"""Records of each service on one page."""

Staff = Annotated[Visitor, Depends(signed_in(Role.OPERATIONS))]
State = Literal["waiting", "replayed", "dropped"]
Words = Annotated[str, Query(max_length=500, pattern=r"^[^\x00]*$")]
What = Literal["try", "replay", "drop"]


@dataclass(frozen=True)
class Listed:
    """What the services set aside, as the page shows it."""

    items: Sequence[dict[str, Any]]
    away: Sequence[str]
    """What those said that did not answer."""
    more: Sequence[str]
    """Services that have more than is shown."""


def routes(desks: Desks, pages: Templates) -> APIRouter:
    """The pages, which ask the services with the visitor's own token."""
    router = APIRouter(include_in_schema=False)

    async def listed(visitor: Visitor, state: str, cause: str, topic: str) -> Listed:
        auth = Bearer(visitor.session.access_token)
        by = {"state": state, "cause": cause or None, "topic": topic or None, "first_only": True, "limit": MOST}
        answers = await asyncio.gather(*(_or_not(desks.listed(name, auth, **by)) for name in desks.names))
        items, away, more = [], [], []
        for name, answer in zip(desks.names, answers, strict=True):
            if isinstance(answer, NotAnswered):
                away.append(str(answer))
                continue
            items += [_with_instants(item) | {"service": name} for item in answer["items"]]
            more += [name] if answer["next"] else []
        return Listed(sorted(items, key=lambda item: item["set_aside_at"]), away, more)

    @router.get("/set-aside/page")
    async def everything(visitor: Staff, state: State = "waiting", cause: Words = "", topic: Words = "") -> Response:
        """What waits in all services, by the record that stands first; or what was replayed, or dropped."""
        found = await listed(visitor, state, cause, topic)
        return pages.page(
            "set_aside.html", visitor=visitor, found=found, state=state, cause=cause, topic=topic, outcome=None
        )

    @router.post("/set-aside/page")
    async def act(
        visitor: Staff,
        because: Annotated[str, Form(max_length=500)] = "",
        what: Annotated[What, Form()] = "try",
        chosen: Annotated[list[str], Form(max_length=1000)] = [],  # noqa: B006 - FastAPI copies it
    ) -> Response:
        """Try, replay or drop what is chosen; the answer says what came of it, and lists what waits now."""
        reason, records = because.strip(), _records(chosen, desks)
        trouble = (
            "Choose at least one record."
            if not records
            else "Say why: three characters at least."
            if len(reason) < 3
            else ""
        )
        sentences = [] if trouble else await _act(desks, Bearer(visitor.session.access_token), what, records, reason)
        found = await listed(visitor, "waiting", "", "")
        outcome = {"what": what, "sentences": sentences, "trouble": trouble}
        return pages.page(
            "set_aside.html",
            status=422 if trouble else 200,
            visitor=visitor,
            found=found,
            state="waiting",
            cause="",
            topic="",
            outcome=outcome,
        )

    @router.get("/set-aside/page/{service}/{record_id}")
    async def one(visitor: Staff, service: str, record_id: Annotated[int, Path(ge=1, lt=2**63)]) -> Response:
        """One record as it came."""
        if service not in desks.names:
            raise not_found("There is no such service.")
        answer = await _or_not(desks.shown(service, Bearer(visitor.session.access_token), record_id))
        if isinstance(answer, NotAnswered):
            raise _problem(answer)
        return pages.page("set_aside_record.html", visitor=visitor, service=service, record=_with_instants(answer))

    return router


async def _or_not(asked: Any) -> Any:
    """An answer, or why there is none; who is no longer known signs in again."""
    try:
        return await asked
    except NotAnswered as error:
        if error.status == 401:
            raise NotSignedIn from None
        return error


def _problem(error: NotAnswered) -> Problem:
    return (
        not_found("Nothing was set aside there under this number.") if error.status == 404 else unavailable(str(error))
    )


def _records(chosen: Sequence[str], desks: Desks) -> dict[str, list[int]]:
    """The chosen records by service; each is written `service:number` by the page."""
    records: dict[str, list[int]] = {}
    for one in chosen:
        service, _, number = one.partition(":")
        if service in desks.names and number.isascii() and number.isdecimal() and len(number) < 19:
            records.setdefault(service, []).append(int(number))
    return records


async def _act(
    desks: Desks, auth: Bearer, what: What, records: dict[str, list[int]], because: str
) -> list[tuple[bool, str]]:
    """What came of it, in sentences, each with whether all is well."""
    sentences = []
    for service, ids in records.items():
        wanted = {"ids": ids, "because": because, "dry_run": what == "try"}
        answer = await _or_not(desks.done(service, auth, "drop" if what == "drop" else "replay", wanted))
        if isinstance(answer, NotAnswered):
            sentences.append((False, str(answer)))
            continue
        in_words = dropped_in_words if what == "drop" else replayed_in_words
        done = answer["queues"]
        sentences += [(not one["waiting"], f"{service}: {in_words(one, answer['dry_run'])}") for one in done]
        sentences += [(True, f"{service}: {record} does not wait") for record in answer["not_waiting"]]
    return sentences


def _with_instants(item: dict[str, Any]) -> dict[str, Any]:
    instants = {name: datetime.fromisoformat(item[name]) for name in ("set_aside_at", "acted_at") if item[name]}
    return {**item, **instants}
