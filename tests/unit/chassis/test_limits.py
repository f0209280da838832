"""How often a client may ask: its bucket, who counts as one client, and what it is told."""

import math
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from starlette.requests import Request

from chassis.http import create_app
from chassis.identity import Principal, public, require
from chassis.limits import Buckets, Limits, address_of
from chassis.service import _server
from tests.unit.chassis.test_identity import Keys, _forged, token


class Hands:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_holds_a_burst_and_is_filled_again_in_time() -> None:
    clock = Hands()
    buckets = Buckets(2, 4, monotonic=clock)
    assert [buckets.take("a").left for _ in range(4)] == [3, 2, 1, 0]
    refused = buckets.take("a")
    assert (refused.left, refused.wait, refused.full_in) == (0, pytest.approx(0.5), pytest.approx(2.0))
    assert buckets.take("b").left == 3, "another client's is its own"
    clock.now += 0.5
    assert buckets.take("a").wait == 0
    assert buckets.take("a").wait == pytest.approx(0.5), "what is refused costs nothing"
    clock.now += 60
    assert [buckets.take("a").left for _ in range(4)] == [3, 2, 1, 0], "it never holds more than the burst"


def test_the_rate_holds_in_the_long_run() -> None:
    clock = Hands()
    buckets = Buckets(5, 10, monotonic=clock)
    served = 0
    for _ in range(1_000):
        clock.now += 0.01
        served += not buckets.take("a").wait
    assert served == pytest.approx(10 + 10 * 5, abs=1)


def test_no_more_clients_are_kept_than_fit() -> None:
    buckets = Buckets(1, 1, most=3, monotonic=Hands())
    for client in "abcadefa":
        buckets.take(client)
    assert len(buckets) == 3
    assert buckets.take("a").wait > 0, "who keeps asking is not forgotten"
    assert buckets.take("b").wait == 0


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("not:an:address", "not:an:address"),
    ],
)
def test_of_an_ipv6_address_the_network_counts(host: str, counted: str) -> None:
    assert address_of(Request({"type": "http", "client": (host, 1), "headers": []})) == counted


def test_who_comes_over_no_network_counts_as_one() -> None:
    assert address_of(Request({"type": "http", "client": None, "headers": []})) == ""


# On an application


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def app(clock: Hands) -> FastAPI:
    """Three requests at once, one more a minute."""
    app = create_app("Things", "1", verifier=Keys().verifier())

    @app.get("/mine")
    async def mine(caller: Annotated[Principal, Depends(require())]) -> str:
        return caller.subject

    @app.get("/face")
    @public
    async def face() -> str:
        return "blue"

    app.state.limits = Limits(Buckets(1 / 60, 3, monotonic=clock))
    return app


def from_(app: FastAPI, host: str = "192.0.2.1", **headers: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, client=(host, 1)), base_url="http://things", headers=headers
    )


def bearer(**claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(**claims)}"}


async def statuses(client: httpx.AsyncClient, path: str, times: int) -> list[int]:
    return [(await client.get(path)).status_code for _ in range(times)]


async def test_who_asks_too_often_is_told_when_to_come_again(app: FastAPI, clock: Hands) -> None:
    async with from_(app, **bearer()) as client:
        first = await client.get("/mine")
        assert first.headers["RateLimit-Policy"] == '"client";q=3;w=180'
        assert first.headers["RateLimit"] == '"client";r=2;t=60'
        await statuses(client, "/mine", 2)
        clock.now += 30.5
        refused = await client.get("/mine")
        assert (refused.status_code, refused.headers["content-type"]) == (429, "application/problem+json")
        assert refused.headers["Retry-After"] == "30"
        assert refused.headers["RateLimit"] == '"client";r=0;t=150'
        said = refused.json()
        assert said["type"] == "urn:concord:problem:too-many-requests"
        assert said["retryable"] is True
        assert "Try again in 30 seconds" in said["detail"]
        assert "nosniff" in refused.headers["X-Content-Type-Options"]
        clock.now += math.ceil(29.5)
        assert (await client.get("/mine")).status_code == 200


async def test_a_client_is_whom_its_token_is_about_wherever_it_comes_from(app: FastAPI) -> None:
    async with from_(app, "192.0.2.1", **bearer()) as here, from_(app, "192.0.2.2", **bearer()) as there:
        assert await statuses(here, "/mine", 2) + await statuses(there, "/face", 2) == [200, 200, 200, 429]
    async with from_(app, "192.0.2.1", **bearer(sub="grace")) as another:
        assert await statuses(another, "/mine", 3) == [200] * 3


@pytest.mark.parametrize("headers", [{}, {"Authorization": f"Bearer {_forged()}"}, {"Authorization": "Basic x"}])
async def test_who_shows_no_good_token_counts_by_address(app: FastAPI, headers: dict[str, str]) -> None:
    async with from_(app, **headers) as client:
        assert await statuses(client, "/mine", 2) == [401, 401]
        assert (await client.get("/face")).headers["RateLimit"] == '"address";r=0;t=180'
        assert await statuses(client, "/face", 1) == [429]
    async with from_(app, **bearer()) as good:
        assert await statuses(good, "/face", 1) == [200], "a good token is not answerable for its neighbours"
    async with from_(app, "192.0.2.2") as elsewhere:
        assert await statuses(elsewhere, "/face", 1) == [200]


async def test_health_is_always_told(app: FastAPI) -> None:
    async with from_(app) as client:
        assert await statuses(client, "/health/live", 10) == [200] * 10
        assert "RateLimit" not in (await client.get("/health/live")).headers


async def test_a_token_is_verified_once_for_a_request(app: FastAPI) -> None:
    verifier = app.state.verifier
    asked: list[str] = []

    class Counted:
        async def verify(self, text: str) -> Principal:
            asked.append(text)
            return await verifier.verify(text)  # type: ignore[no-any-return]

    app.state.verifier = Counted()
    async with from_(app, **bearer()) as client:
        assert await statuses(client, "/mine", 1) == [200]
    assert len(asked) == 1


def test_a_rate_of_0_turns_it_off() -> None:
    assert Limits.of(0, 5) is None
    assert Limits.of(0.1, 5) is not None


# Behind a proxy


@pytest.mark.parametrize(("believed", "counted"), [("192.0.2.10", "203.0.113.9"), ("192.0.2.11", "192.0.2.10")])
async def test_only_a_proxy_that_is_believed_says_where_a_request_comes_from(believed: str, counted: str) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(address_of(Request(scope)))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    server = _server(app, "127.0.0.1", 0, believed=believed)
    server.config.load()
    transport = httpx.ASGITransport(server.config.loaded_app, client=("192.0.2.10", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://things") as proxy:
        await proxy.get("/", headers={"X-Forwarded-For": "203.0.113.9"})
    assert seen == [counted]
