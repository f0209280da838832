"""The HTTP ground: what every service refuses, how, and how soon."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, MutableMapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import asyncpg
import httpx
import jsonschema
import pytest
from asyncpg.exceptions._base import DataError as NotSent
from fastapi import APIRouter, Depends, FastAPI, Form
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import StreamingResponse

from chassis.ground import LARGEST_FORM, Ground
from chassis.http import (
    Page,
    body,
    create_app,
    current_or_stale,
    cursor,
    decode_cursor,
    encode_cursor,
    etag,
    expected_revision,
    page_size,
    problems,
    raw_body,
)
from chassis.identity import Principal, Role, public, require
from chassis.problems import Problem, conflict, shown
from tests.eventually import eventually

AN_ID = "6f2d1c1e-6a2b-4d0e-9d59-3b8f5f0c7a11"


class Inner(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    code: Annotated[str, Field(max_length=5)]


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")  # `body` is strict by itself

    count: Annotated[int, Field(ge=1, le=2**31 - 1)]
    credits: Decimal
    id: UUID
    on: date
    at: datetime | None = None
    kind: Literal["a", "b"] = "a"
    inner: list[Inner] = []


DAY = "a day of the calendar as YYYY-MM-DD"
AT_MOST_5 = "text of at most 5 characters"
GOOD: dict[str, Any] = {"count": 1, "credits": "7.50", "id": AN_ID, "on": "2026-06-30"}
ERRORS: dict[str, Callable[[], BaseException]] = {}


def an_app(**more: Any) -> FastAPI:
    app = create_app("Things", "1.2", description="About things.", **more)
    router = APIRouter()

    @router.put("/things/{thing_id}", responses=problems(409))
    @public
    async def put(thing_id: str, thing: Annotated[Thing, Depends(body(Thing, limit=2_000))]) -> Thing:
        """Store a thing.

        It is given back.
        """
        if thing_id == "taken":
            raise conflict("There is another.", stored={"count": 2})
        return thing

    @router.get("/things/{thing_id}")
    @public
    async def get(thing_id: str) -> str:
        return thing_id

    @router.post("/lines")
    @public
    async def lines(
        raw: Annotated[bytes, Depends(raw_body("application/x-ndjson", limit=100, description="One line per thing."))],
    ) -> int:
        return len(raw)

    @router.put("/documents/{name}")
    @public
    async def change(name: str, on: Annotated[int, Depends(expected_revision)]) -> int:
        current_or_stale(on, 0 if name == "new" else 3)
        return on

    @router.get("/things")
    @public
    async def list_(
        after: Annotated[tuple[int, str] | None, Depends(cursor(int, str))], limit: page_size = 2
    ) -> Page[int]:
        first = after[0] if after else 0
        return Page(items=[first + 1, first + 2][:limit], next=encode_cursor(first + 2, "x"))

    @router.get("/guarded")
    async def guarded(caller: Annotated[Principal, Depends(require(Role.OFFICER))]) -> str:
        return caller.subject

    @router.get("/fails/{how}")
    @public
    async def fails(how: str) -> str:
        raise ERRORS[how]()

    @router.post("/hangs")
    @router.get("/hangs")
    @public
    async def hangs(request: Request) -> str:
        await request.body()
        started: asyncio.Event = request.app.state.started
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            # As a database client that waits for its stopped server while it is being cancelled.
            release: asyncio.Event = request.app.state.release
            await release.wait()
        return "never"

    @router.post("/forms")
    @public
    async def form(words: Annotated[str, Form()] = "", other: Annotated[str, Form()] = "") -> int:
        return len(words + other)

    @router.get("/streams")
    @public
    async def streams() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"one "
            await asyncio.sleep(1.5)
            yield b"two"

        return StreamingResponse(parts(), media_type="text/plain")

    app.include_router(router)
    app.state.started = asyncio.Event()
    app.state.release = asyncio.Event()
    return app


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://things")


@pytest.fixture
def client() -> httpx.AsyncClient:
    return client_of(an_app())


def problem(answer: httpx.Response, status: int, name: str) -> dict[str, Any]:
    document: dict[str, Any] = answer.json()
    assert answer.status_code == status, document
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["type"] == f"urn:concord:problem:{name}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    return document


async def refused(client: httpx.AsyncClient, **changes: Any) -> list[dict[str, Any]]:
    answer = await client.put("/things/1", json={**GOOD, **changes})
    errors: list[dict[str, Any]] = problem(answer, 422, "invalid")["errors"]
    return errors


# Forms


async def test_a_form_is_read_up_to_a_size(client: httpx.AsyncClient) -> None:
    fits = b"words=" + b"%F0%9F%8E%93" * 10_000  # the longest that a page takes, each character as long as can be
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert len(fits) < LARGEST_FORM
    assert (await client.post("/forms", content=fits, headers=headers)).json() == 10_000
    whole = b"words=" + b"a" * (LARGEST_FORM - 6)
    assert (await client.post("/forms", content=whole, headers=headers)).json() == LARGEST_FORM - 6
    answer = await client.post("/forms", content=whole + b"a", headers=headers)
    assert problem(answer, 413, "too-large")["limit"] == LARGEST_FORM


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "Multipart/Form-Data; boundary=x"])
async def test_an_endless_form_is_not_read_to_its_end(client: httpx.AsyncClient, kind: str) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="words"\r\n\r\n' if "x-www" not in kind else b"words="
        while True:
            sent += 10_000
            yield b"a" * 10_000

    answer = await client.post("/forms", content=endless(), headers={"Content-Type": kind})
    problem(answer, 413, "too-large")
    assert sent < LARGEST_FORM + 20_000


# Bodies


async def test_numbers_ids_and_days_come_as_text_and_are_exact(client: httpx.AsyncClient) -> None:
    answer = await client.put("/things/1", json=GOOD)
    assert answer.status_code == 200
    assert answer.json() == {**GOOD, "at": None, "kind": "a", "inner": []}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"count": "1"}, {"field": "count", "value": "1", "expected": "a whole number"}),
        ({"count": 1.5}, {"field": "count", "value": 1.5, "expected": "a whole number"}),
        ({"count": True}, {"field": "count", "value": True, "expected": "a whole number"}),
        ({"count": 0}, {"field": "count", "value": 0, "expected": "1 or more"}),
        ({"on": "30.06.2026"}, {"field": "on", "value": "30.06.2026", "expected": DAY}),
        ({"id": "x"}, {"field": "id", "value": "x", "expected": "a UUID"}),
        ({"kind": "c"}, {"field": "kind", "value": "c", "expected": "one of 'a' or 'b'"}),
        ({"inner": [{"code": "abcdef"}]}, {"field": "inner.0.code", "value": "abcdef", "expected": AT_MOST_5}),
        ({"inner": [{}]}, {"field": "inner.0.code", "value": None, "expected": "a value, since the field is required"}),
        ({"colour": "red"}, {"field": "colour", "value": "red", "expected": "no field of this name"}),
    ],
)  # fmt: skip
async def test_a_refusal_names_field_value_and_what_would_be_right(
    client: httpx.AsyncClient, changes: dict[str, Any], error: dict[str, Any]
) -> None:
    assert await refused(client, **changes) == [error]


async def test_every_fault_is_named_at_once(client: httpx.AsyncClient) -> None:
    assert {error["field"] for error in await refused(client, count=0, on="x", colour=1)} == {"count", "on", "colour"}


async def test_a_long_value_is_cut(client: httpx.AsyncClient) -> None:
    (error,) = await refused(client, kind="ü" * 300)
    assert error["value"] == "ü" * 99 + "…"


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b'{"count": 1, "count": 2}', "count"),
        (b'{"inner": [{"code": "a", "code": "b"}]}', "code"),
        (json.dumps({**GOOD, "kind": "a\x00"}).encode(), "kind"),
        (json.dumps({**GOOD, "inner": [{"code": "\x00"}]}).encode(), "inner.0.code"),
        (b"", ""),
        (b"{", ""),
        (b'{"count": NaN}', ""),
        (b'{"count": "\xff"}', ""),
        (b"[" * 1_900, ""),
        (b'{"count": ' + b"9" * 1_900 + b"}", "count"),
    ],
)
async def test_what_readers_disagree_about_or_databases_cannot_store_is_refused(
    client: httpx.AsyncClient, raw: bytes, field: str
) -> None:
    answer = await client.put("/things/1", content=raw, headers={"Content-Type": "application/json"})
    assert field in [error["field"] for error in problem(answer, 422, "invalid")["errors"]]


async def test_an_escaped_backslash_before_u0000_is_no_nul(client: httpx.AsyncClient) -> None:
    (error,) = await refused(client, kind="\\u0000")
    assert error["expected"].startswith("one of")


async def test_a_lone_surrogate_is_refused(client: httpx.AsyncClient) -> None:
    raw = json.dumps({**GOOD, "kind": "\ud800"}).encode()
    problem(await client.put("/things/1", content=raw, headers={"Content-Type": "application/json"}), 422, "invalid")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-ndjson"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_another_media_type_is_refused(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.put("/things/1", content=json.dumps(GOOD).encode(), headers=headers)
    problem(answer, 415, "unsupported-media-type")


async def test_json_with_its_charset_is_accepted(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": 'application/json; charset="UTF-8"'}
    assert (await client.put("/things/1", content=json.dumps(GOOD), headers=headers)).status_code == 200


async def test_a_body_at_the_limit_is_read_and_one_beyond_is_not(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/x-ndjson"}
    assert (await client.post("/lines", content=b"x" * 100, headers=headers)).json() == 100
    problem(await client.post("/lines", content=b"x" * 101, headers=headers), 413, "too-large")


async def test_an_endless_body_is_not_read_to_its_end(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 1_000:  # as good as endless
            sent += 1
            yield b"x" * 60

    answer = await client.post("/lines", content=endless(), headers={"Content-Type": "application/x-ndjson"})
    problem(answer, 413, "too-large")
    assert sent == 2


# Problems


async def test_a_conflict_says_what_is_stored(client: httpx.AsyncClient) -> None:
    document = problem(await client.put("/things/taken", json=GOOD), 409, "conflict")
    assert document["stored"] == {"count": 2}
    assert document["retryable"] is False


async def test_no_such_address_and_no_such_method_are_problems_too(client: httpx.AsyncClient) -> None:
    problem(await client.get("/nowhere"), 404, "not-found")
    answer = await client.delete("/things/1")
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["Allow"] == "GET, PUT", "all that the address serves, not only its first route"


@pytest.mark.parametrize("address", ["/things/a%00b", "/things?after=%00"])
async def test_an_address_with_nul_is_refused(client: httpx.AsyncClient, address: str) -> None:
    problem(await client.get(address), 422, "invalid")


PASSING = {
    "connection refused": lambda: ConnectionRefusedError(111, "refused"),
    "connection lost": lambda: asyncpg.ConnectionDoesNotExistError("lost"),
    "closed under its user": lambda: asyncpg.InterfaceError("connection is closed"),
    "shutdown 57P01": lambda: asyncpg.AdminShutdownError("shutdown"),
    "crash 57P02": lambda: asyncpg.CrashShutdownError("crash"),
    "starting 57P03": lambda: asyncpg.CannotConnectNowError("starting"),
    "cancelled 57014": lambda: asyncpg.QueryCanceledError("cancelled"),
    "too many 53300": lambda: asyncpg.TooManyConnectionsError("too many"),
    "idle 25P03": lambda: asyncpg.IdleInTransactionSessionTimeoutError("idle"),
    "serialisation 40001": lambda: asyncpg.SerializationError("victim"),
    "deadlock 40P01": lambda: asyncpg.DeadlockDetectedError("victim"),
    "pool": TimeoutError,
    "upstream": lambda: httpx.ConnectTimeout("slow"),
}
LASTING = {
    "bug": lambda: KeyError("a secret"),
    "SQL": lambda: asyncpg.UndefinedTableError("a secret"),
    "data": lambda: asyncpg.NumericValueOutOfRangeError("a secret"),
    "not sent": lambda: NotSent("a secret"),
}
ERRORS.update({**PASSING, **LASTING})


@pytest.mark.parametrize("how", PASSING)
async def test_what_passes_is_503_and_may_be_retried(client: httpx.AsyncClient, how: str) -> None:
    answer = await client.get(f"/fails/{how}")
    name = "upstream-unavailable" if how == "upstream" else "database-unavailable"
    assert problem(answer, 503, name)["retryable"] is True
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize("how", LASTING)
async def test_a_fault_of_our_own_is_500_and_shows_nothing_inside(
    client: httpx.AsyncClient, how: str, logged: list[MutableMapping[str, Any]]
) -> None:
    answer = await client.get(f"/fails/{how}")
    assert problem(answer, 500, "internal")["retryable"] is False
    assert "secret" not in answer.text
    assert "Error" not in answer.text
    (entry,) = logged
    assert (entry["event"], entry["log_level"], entry["exc_info"]) == ("request failed", "error", True)


@pytest.mark.parametrize(
    ("value", "as_shown"),
    [
        (None, None),
        (7, 7),
        (2**60, "an integer of 61 bits"),
        ("x" * 100, "x" * 100),
        ("x" * 101, "x" * 99 + "…"),
        ("a\x00\ud800", "a\\u0000\\ud800"),
        ({"a": [1]}, '{"a":[1]}'),
        (b"\xff", "\ufffd"),
    ],
)
def test_a_value_is_shown_safely(value: object, as_shown: object) -> None:
    assert shown(value) == as_shown


# Deadline and bound


async def test_a_request_that_hangs_is_answered_in_time_although_its_work_does_not_end() -> None:
    app = an_app(deadline=0.2)
    async with client_of(app) as client, asyncio.timeout(60):
        answer = await client.get("/hangs")
    problem(answer, 503, "too-late")
    assert answer.headers["Retry-After"] == "1"
    app.state.release.set()


async def test_what_is_under_way_is_bounded_by_work_not_by_answers() -> None:
    app = an_app(deadline=0.1, under_way=2)
    async with client_of(app) as client:
        for _ in range(2):
            problem(await client.get("/hangs"), 503, "too-late")
        problem(await client.get("/hangs"), 503, "overloaded")
        app.state.release.set()

        async def served() -> bool:
            return (await client.get("/health/live")).status_code == 200

        assert await eventually(served)


async def test_an_answer_that_has_begun_may_take_its_time() -> None:
    async with client_of(an_app(deadline=1)) as client:
        assert (await client.get("/streams")).text == "one two"


async def test_a_slow_upload_does_not_count_against_the_work() -> None:
    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(4):
            await asyncio.sleep(0.4)
            yield b"x"

    async with client_of(an_app(deadline=1)) as client:
        headers = {"Content-Type": "application/x-ndjson"}
        assert (await client.post("/lines", content=slowly(), headers=headers)).json() == 4


async def test_an_upload_that_stops_ends_as_408() -> None:
    async def stops() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    ground = Ground(an_app(), upload=0.1)
    async with (
        asyncio.timeout(60),
        httpx.AsyncClient(transport=httpx.ASGITransport(ground), base_url="http://x") as client,
    ):
        answer = await client.post("/lines", content=stops(), headers={"Content-Type": "application/x-ndjson"})
    assert problem(answer, 408, "too-slow")["retryable"] is True


async def test_work_that_hangs_after_a_slow_upload_is_given_up_in_time() -> None:
    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(3):
            await asyncio.sleep(0.1)
            yield b"x"

    app = an_app()
    ground = Ground(app, deadline=0.2, upload=60)
    async with (
        asyncio.timeout(60),
        httpx.AsyncClient(transport=httpx.ASGITransport(ground), base_url="http://x") as client,
    ):
        answer = await client.post("/hangs", content=slowly())
    problem(answer, 503, "too-late")
    assert app.state.started.is_set()
    app.state.release.set()


async def test_requests_that_were_refused_at_once_are_not_counted() -> None:
    ground = Ground(an_app())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(ground), base_url="http://x") as client:
        for address in ("/things/%00", "/things", "/nowhere", "/fails/bug"):
            await client.get(address)
    assert ground.under_way == 0


# Preconditions and pages


@pytest.mark.parametrize(
    ("name", "headers", "status"),
    [
        ("old", {}, 428),
        ("old", {"If-None-Match": '"3"'}, 428),
        ("old", {"If-Match": '"2"'}, 412),
        ("old", {"If-Match": "*"}, 412),
        ("old", {"If-Match": "3"}, 412),
        ("old", {"If-None-Match": "*"}, 412),
        ("new", {"If-Match": '"3"'}, 412),
        ("old", {"If-Match": etag(3)}, 200),
        ("old", {"If-Match": 'W/"3"'}, 200),
        ("new", {"If-None-Match": "*"}, 200),
    ],
)
async def test_a_change_builds_on_what_is_current(
    client: httpx.AsyncClient, name: str, headers: dict[str, str], status: int
) -> None:
    answer = await client.put(f"/documents/{name}", headers=headers)
    assert answer.status_code == status
    if status == 412 and name == "old" and headers.get("If-Match", "").startswith('"'):
        assert answer.headers["ETag"] == '"3"'


async def test_a_list_is_read_page_by_page(client: httpx.AsyncClient) -> None:
    first = (await client.get("/things")).json()
    second = (await client.get("/things", params={"after": first["next"], "limit": 1})).json()
    assert (first["items"], second["items"]) == ([1, 2], [3])


@pytest.mark.parametrize(
    "after",
    ["x", "é", "bnVsbA", encode_cursor(1), encode_cursor("1", "x"), encode_cursor(1, "\x00"), encode_cursor(2**63, "x"),
     encode_cursor(True, "x"), "a" * 501],
)  # fmt: skip
async def test_a_cursor_that_was_not_given_out_is_refused(client: httpx.AsyncClient, after: str) -> None:
    (error,) = problem(await client.get("/things", params={"after": after}), 422, "invalid")["errors"]
    assert error["field"] == "after"


@pytest.mark.parametrize("limit", ["0", "201", "many"])
async def test_a_page_is_bounded(client: httpx.AsyncClient, limit: str) -> None:
    (error,) = problem(await client.get("/things", params={"limit": limit}), 422, "invalid")["errors"]
    assert (error["field"], error["value"]) == ("limit", limit)


def test_a_cursor_reads_back() -> None:
    assert decode_cursor(encode_cursor(7, "å/+"), int, str) == (7, "å/+")


# Health, headers, description


async def test_readiness_names_every_cause() -> None:
    async def well() -> None:
        return None

    async def behind() -> str:
        return "an hour behind"

    async def away() -> None:
        raise ConnectionRefusedError

    async with client_of(an_app(checks={"a": well})) as client:
        assert (await client.get("/health/ready")).json() == {"ready": True, "causes": []}
    async with client_of(an_app(checks={"a": well, "feed": behind, "database": away})) as client:
        answer = await client.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json()["causes"] == ["feed: an hour behind", "database: ConnectionRefusedError"]
        assert (await client.get("/health/live")).status_code == 200


@pytest.mark.parametrize("address", ["/docs", "/things", "/nowhere", "/fails/bug", "/a%00"])
async def test_every_answer_has_the_protecting_headers(client: httpx.AsyncClient, address: str) -> None:
    headers = (await client.get(address)).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"


async def test_the_description_names_what_every_route_may_answer(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["openapi"] == "3.1.0"

    def statuses(path: str, method: str) -> set[int]:
        return {int(status) for status in document["paths"][path][method]["responses"]}

    assert statuses("/things/{thing_id}", "put") == {200, 404, 408, 409, 413, 415, 422, 429, 503}
    assert statuses("/documents/{name}", "put") == {200, 404, 412, 422, 428, 429, 503}
    assert statuses("/things", "get") == {200, 422, 429, 503}
    assert statuses("/guarded", "get") == {200, 401, 403, 422, 429, 503}
    assert document["paths"]["/guarded"]["get"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in document["paths"]["/things"]["get"]
    answers = document["paths"]["/things/{thing_id}"]["put"]["responses"]
    for status in ("404", "409", "422", "503"):
        assert set(answers[status]["content"]) == {"application/problem+json"}


async def test_bodies_are_described_and_what_is_described_is_accepted(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    operation = document["paths"]["/things/{thing_id}"]["put"]
    schema = {**operation["requestBody"]["content"]["application/json"]["schema"], "components": document["components"]}
    jsonschema.validate(GOOD, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**GOOD, "colour": "red"}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**GOOD, "inner": [{"code": "abcdef"}]}, schema)
    answer = {
        **operation["responses"]["200"]["content"]["application/json"]["schema"],
        "components": document["components"],
    }
    jsonschema.validate((await client.put("/things/1", json=GOOD)).json(), answer)
    lines = document["paths"]["/lines"]["post"]["requestBody"]["content"]
    assert set(lines) == {"application/x-ndjson"}


async def test_every_reference_of_the_description_leads_somewhere(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    found = set()

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                found.add(value["$ref"])
            for item in value.values():
                collect(item)
        elif isinstance(value, list):
            for item in value:
                collect(item)

    collect(document)
    assert len(found) > 3
    assert {reference.removeprefix("#/components/schemas/") for reference in found} <= set(
        document["components"]["schemas"]
    )


async def test_a_problem_is_as_its_schema_says(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    schema = {"$ref": "#/components/schemas/ProblemDetails", "components": document["components"]}
    jsonschema.validate((await client.get("/nowhere")).json(), schema)
    jsonschema.validate((await client.put("/things/1", json={})).json(), schema)


async def test_the_page_for_people_loads_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    page = (await client.get("/docs")).text
    for expected in (
        "Things",
        "About things.",
        "/things/{thing_id}",
        "It is given back.",
        'id="schema-ProblemDetails"',
    ):
        assert expected in page
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page
    assert (await client.get("/docs/style.css")).headers["content-type"].startswith("text/css")


def test_a_problem_says_what_it_is_in_its_text() -> None:
    assert str(Problem(409, "no")) == "409 conflict: no"
