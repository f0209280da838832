"""Signing in with code and PKCE, sessions, and signing out."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from chassis.database import open_pool, transaction
from chassis.pages.sessions import Sessions, SignIn
from deploy.local.issuer import claims_of
from tests.conftest import Database
from tests.integration.portal.conftest import Consortium
from tests.integration.portal.people import IRIS, OWEN, browser, sign_in

pytestmark = pytest.mark.servers

NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def consortium(standing: Consortium) -> Consortium:
    """Whoever signs in changes nothing but sessions."""
    return standing


async def begin(client: httpx.AsyncClient, consortium: Consortium, return_to: str = "/strathmore/") -> dict[str, str]:
    """Go to the issuer; gives what it was asked for."""
    response = await client.get(f"{consortium.portal_url}/sign-in", params={"return_to": return_to})
    assert response.status_code == 303
    return {name: values[0] for name, values in parse_qs(urlsplit(response.headers["location"]).query).items()}


async def chosen(consortium: Consortium, asked: dict[str, str], person: str = "iris") -> str:
    """Where the issuer sends a browser in which this person was chosen."""
    async with httpx.AsyncClient() as client:
        response = await client.get(f"{consortium.signer.issuer}/authorize/as/{person}", params=asked)
    return str(response.headers["location"])


async def test_a_learner_signs_in_and_comes_to_the_page_they_wanted(consortium: Consortium) -> None:
    async with browser() as client:
        welcome = await client.get(f"{consortium.portal_url}/strathmore/")
        link = re.search(r'href="(/sign-in\?[^"]*)"', welcome.text)
        assert link is not None
        page = await sign_in(client, f"{consortium.portal_url}{link[1]}", IRIS)

    assert (page.status_code, page.url.path) == (200, "/strathmore/")
    assert "Iris Quill" in page.text


async def test_the_issuer_is_asked_with_pkce_state_and_nonce(consortium: Consortium) -> None:
    async with browser() as client:
        first, second = await begin(client, consortium), await begin(client, consortium)

    assert first["code_challenge_method"] == "S256"
    assert first["redirect_uri"] == f"{consortium.portal_url}/sign-in/callback"
    assert all(first[name] != second[name] for name in ("state", "nonce", "code_challenge"))


async def test_the_cookie_is_for_this_site_and_for_no_script(consortium: Consortium) -> None:
    async with browser() as client:
        asked = await begin(client, consortium)
        response = await client.get(await chosen(consortium, asked))

    (cookie,) = [line for line in response.headers.get_list("set-cookie") if "session" in line]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie  # this test's portal is served over http
    assert response.headers["location"] == "/strathmore/"


async def test_a_sign_in_that_another_browser_began_is_refused(consortium: Consortium) -> None:
    async with browser() as mine, browser() as other:
        asked = await begin(other, consortium)
        await begin(mine, consortium)
        response = await mine.get(await chosen(consortium, asked))

    assert response.status_code == 400
    assert "Please start again" in response.text
    assert not [line for line in response.headers.get_list("set-cookie") if "session" in line]


async def test_an_answer_of_the_issuer_is_good_once(consortium: Consortium) -> None:
    async with browser() as client:
        back = await chosen(consortium, await begin(client, consortium))
        cookies = dict(client.cookies)
        first = await client.get(back)
        again = await client.get(
            back, headers={"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        )

    assert (first.status_code, again.status_code) == (303, 400)


@pytest.mark.parametrize("spoilt", ["code_challenge", "nonce"])
async def test_an_answer_to_another_question_is_refused(consortium: Consortium, spoilt: str) -> None:
    async with browser() as client:
        asked = await begin(client, consortium)
        response = await client.get(await chosen(consortium, asked | {spoilt: "x" * 43}))

    assert response.status_code == 400


async def test_somebody_who_refuses_at_the_issuer_is_told_to_start_again(consortium: Consortium) -> None:
    async with browser() as client:
        asked = await begin(client, consortium)
        answer = {"error": "access_denied", "state": asked["state"], "iss": consortium.signer.issuer}
        response = await client.get(f"{consortium.portal_url}/sign-in/callback", params=answer)

    assert response.status_code == 403
    assert "Please start again" in response.text


@pytest.mark.parametrize("return_to", ["https://elsewhere.example/", "//elsewhere.example/x", "/\\elsewhere.example"])
async def test_one_never_returns_to_another_site(consortium: Consortium, return_to: str) -> None:
    async with browser() as client:
        asked = await begin(client, consortium, return_to)
        response = await client.get(await chosen(consortium, asked))

    assert response.headers["location"] == "/"


async def test_signing_out_ends_the_session_itself(consortium: Consortium) -> None:
    async with browser() as client:
        page = await sign_in(client, f"{consortium.portal_url}/sign-in?return_to=/strathmore/", IRIS)
        cookies = dict(client.cookies)
        form_token = re.search(r'name="form_token" value="([0-9a-f]{64})"', page.text)
        assert form_token is not None
        response = await client.post(f"{consortium.portal_url}/sign-out", data={"form_token": form_token[1]})
        # Whoever kept the cookie has nothing of it.
        kept = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        after = await client.get(f"{consortium.portal_url}/strathmore/", headers=kept)

    assert "Iris Quill" not in after.text
    # The issuer ends its own session, and leads back.
    at_issuer = response.headers["Refresh"].removeprefix("0;url=")
    async with browser() as client:
        back = await client.get(at_issuer)
    assert back.headers["location"] == f"{consortium.portal_url}/"


@pytest.mark.parametrize("form_token", ["", "0" * 64])
async def test_another_site_cannot_sign_anybody_out(consortium: Consortium, form_token: str) -> None:
    async with browser() as client:
        await sign_in(client, f"{consortium.portal_url}/sign-in?return_to=/strathmore/", IRIS)
        response = await client.post(f"{consortium.portal_url}/sign-out", data={"form_token": form_token})
        after = await client.get(f"{consortium.portal_url}/strathmore/")

    assert response.status_code == 403
    assert "Iris Quill" in after.text


async def test_who_is_no_learner_has_no_record(consortium: Consortium) -> None:
    async with browser() as client:
        page = await sign_in(client, f"{consortium.portal_url}/sign-in?return_to=/strathmore/", OWEN)

    assert page.status_code == 200
    assert "you are signed in as somebody else" in page.text


@pytest.fixture
async def sessions(database: Callable[[str], Awaitable[Database]]) -> object:
    """The store of sessions alone, and the database under it as its owner sees it."""
    made = await database("portal")
    pool, owner = await open_pool(made.url), await open_pool(made.owner_url)
    yield Sessions(pool), owner
    pool.terminate()
    owner.terminate()


async def test_neither_session_id_nor_token_can_be_read_from_the_database(sessions: tuple[Sessions, object]) -> None:
    store, owner = sessions
    session = await store.open("an-access-token", "Iris Quill", now=NOW, expires_at=LATER)

    async with transaction(owner) as connection:  # type: ignore[arg-type]
        stored = str([dict(row) for row in await connection.fetch("SELECT * FROM visitor_session")])
    assert session.id not in stored
    assert "an-access-token" not in stored
    assert "Iris" not in stored
    assert await store.find(session.id, now=NOW) == session


async def test_a_session_ends_with_its_time(sessions: tuple[Sessions, object]) -> None:
    store, owner = sessions
    session = await store.open("token", "Iris", now=NOW, expires_at=LATER)
    assert await store.find(session.id, now=LATER - timedelta(seconds=1)) is not None
    assert await store.find(session.id, now=LATER) is None

    # And what is over is forgotten when the next one begins.
    await store.open("token", "Iris", now=LATER, expires_at=LATER + timedelta(hours=1))
    async with transaction(owner) as connection:  # type: ignore[arg-type]
        assert await connection.fetchval("SELECT count(*) FROM visitor_session") == 1


async def test_a_sign_in_under_way_is_taken_once_and_in_time(sessions: tuple[Sessions, object]) -> None:
    store, _ = sessions
    sign_in = SignIn("nonce", "verifier", "/strathmore/")
    for state in ("in-time", "too-late"):
        await store.begin_sign_in(state, sign_in, now=NOW, expires_at=LATER)

    assert await store.take_sign_in("in-time", now=NOW) == sign_in
    assert await store.take_sign_in("in-time", now=NOW) is None
    assert await store.take_sign_in("too-late", now=LATER) is None
    assert await store.take_sign_in("never", now=NOW) is None


async def test_a_token_that_the_services_no_longer_accept_is_no_session(consortium: Consortium) -> None:
    stale = consortium.signer.sign(claims_of(IRIS), seconds=-60)
    async with transaction(consortium.portal_pool) as connection:
        now = await connection.fetchval("SELECT now()")
    session = await Sessions(consortium.portal_pool).open(
        stale, "Iris Quill", now=now, expires_at=now + timedelta(hours=1)
    )
    async with browser() as client:
        page = await client.get(
            f"{consortium.portal_url}/strathmore/", headers={"Cookie": f"concord_portal_session={session.id}"}
        )

    assert page.status_code == 200
    assert "Iris Quill" not in page.text
    assert "Sign in" in page.text
