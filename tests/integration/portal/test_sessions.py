"""Sessions as browsers know them: their cookies, their ids, what is forgotten, and how often one may sign in."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from chassis.database import open_pool, transaction
from chassis.pages.sessions import Sessions, SignIn
from tests.conftest import Database
from tests.integration.portal.people import browser
from tests.integration.portal.place import Begin, Place

pytestmark = pytest.mark.servers

HTTPS = {"public_url": "https://portal.example"}


def cookie(answer: httpx.Response, name: str) -> tuple[str, set[str]]:
    """A cookie that an answer sets: its value, and its flags."""
    (line,) = [one for one in answer.headers.get_list("set-cookie") if one.startswith(f"{name}=")]
    value, *flags = line.removeprefix(f"{name}=").split("; ")
    return value, {flag.lower() for flag in flags if not flag.lower().startswith(("max-age", "expires"))}


async def come_back(place: Place, client: httpx.AsyncClient, name: str, had: str = "") -> httpx.Response:
    """Sign in with the cookies put on by hand, since no client sends those of https over http."""
    begun = await client.get(f"{place.url}/sign-in")
    state, flags = cookie(begun, f"{name}_sign_in")
    assert flags >= {"httponly", "samesite=lax", "path=/"}
    back = place.issuer.authorized(dict(httpx.URL(begun.headers["location"]).params))
    query = back.partition("?")[2]
    cookies = f"{name}_sign_in={state}" + (f"; {name}_session={had}" if had else "")
    return await client.get(f"{place.url}/sign-in/callback?{query}", headers={"Cookie": cookies})


async def test_under_https_cookies_are_bound_to_this_host_and_to_encryption(begin: Begin) -> None:
    place = await begin(settings=HTTPS)
    async with httpx.AsyncClient(cookies=None) as client:
        answer = await come_back(place, client, "__Host-concord_pages")
    value, flags = cookie(answer, "__Host-concord_pages_session")
    assert flags == {"httponly", "samesite=lax", "path=/", "secure"}, "and no domain, as __Host- demands"
    assert len(value) >= 40
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "secure" in cookie(answer, "__Host-concord_pages_sign_in")[1], "the one that is taken back as well"


async def test_over_plain_http_nothing_is_said_of_encryption(begin: Begin) -> None:
    place = await begin()
    async with browser() as client:
        assert "Strict-Transport-Security" not in (await client.get(f"{place.url}/sign-in")).headers


async def test_whoever_signs_in_gets_a_new_id_and_the_old_one_ends(begin: Begin) -> None:
    place = await begin()
    async with httpx.AsyncClient() as client:
        first, _ = cookie(await come_back(place, client, "concord_pages"), "concord_pages_session")
        second, _ = cookie(await come_back(place, client, "concord_pages", had=first), "concord_pages_session")
        chosen_by_somebody = "a" * 43
        third, _ = cookie(
            await come_back(place, client, "concord_pages", had=chosen_by_somebody), "concord_pages_session"
        )
    assert len({first, second, third, chosen_by_somebody}) == 4
    store, now = Sessions(place.pool), datetime.now(UTC)
    assert [await store.find(one, now=now) is not None for one in (first, second, third, chosen_by_somebody)] == [
        False,
        True,
        True,
        False,
    ]


async def test_a_session_lasts_no_longer_than_its_token_nor_than_a_day_of_work(begin: Begin) -> None:
    place = await begin()
    async with httpx.AsyncClient() as client:
        for lasts, most in ((120, timedelta(seconds=120)), (90_000, timedelta(hours=8))):
            place.issuer.access = {"exp": int(datetime.now(UTC).timestamp()) + lasts}
            session, _ = cookie(await come_back(place, client, "concord_pages"), "concord_pages_session")
            store, now = Sessions(place.pool), datetime.now(UTC)
            assert await store.find(session, now=now + most - timedelta(seconds=60)) is not None
            assert await store.find(session, now=now + most) is None


async def test_what_is_over_is_forgotten(database: Callable[[str], Awaitable[Database]]) -> None:
    made = await database("portal")
    pool, owner = await open_pool(made.url), await open_pool(made.owner_url)
    store, now = Sessions(pool), datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
    later = now + timedelta(hours=1)
    sign_in = SignIn("nonce", "verifier", "/")
    await store.begin_sign_in("a", sign_in, now=now, expires_at=later)
    await store.open("token", "Iris", now=now, expires_at=later)
    await store.begin_sign_in("b", sign_in, now=later, expires_at=later + timedelta(hours=1))
    await store.open("token", "Iris", now=later, expires_at=later + timedelta(hours=1))
    async with transaction(owner) as connection:
        counts = await connection.fetchrow("SELECT (SELECT count(*) FROM sign_in), count(*) FROM visitor_session")
    assert tuple(counts) == (1, 1)
    pool.terminate()
    owner.terminate()


async def test_the_identity_token_is_sealed_like_the_other(begin: Begin) -> None:
    place = await begin()
    async with browser() as client:
        assert (await place.sign_in(client)).status_code == 200
    async with transaction(place.pool) as connection:
        stored = str([dict(row) for row in await connection.fetch("SELECT * FROM visitor_session")])
    assert "eyJ" not in stored.replace("eyJhbGciOiJkaXIi", ""), "no signed token, only the header of what is sealed"
    assert "Iris" not in stored


async def test_one_address_may_not_sign_in_as_often_as_it_likes(begin: Begin) -> None:
    place = await begin(settings={"sign_in_limit": 0.05})  # three steps a minute
    async with browser() as client:
        answers = [await client.get(f"{place.url}/sign-in?return_to=/a%3Fb") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [303, 303, 303, 429]
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 20
        assert "Too many people sign in from your network" in answers[-1].text
        assert 'href="/sign-in?return_to=/a%3Fb"' in answers[-1].text, "it can be tried again as it was"
        back = await client.get(f"{place.url}/sign-in/callback?state=x&code=y")
        assert back.status_code == 429
        assert (await client.get(f"{place.url}/")).status_code == 200
    async with transaction(place.pool) as connection:
        assert await connection.fetchval("SELECT count(*) FROM sign_in") == 3, "what is refused stores nothing"
