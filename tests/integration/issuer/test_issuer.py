"""The local issuer over a real connection: sign-in with PKCE, clients' own tokens, and what it refuses."""

import asyncio
import base64
import hashlib
import os
import re
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt

from chassis.identity import NotTrusted, Role, ServiceToken, Verifier
from deploy.local.issuer import Client, Person, Signer, clients_in, kept_key, people_in
from deploy.local.ports import free_port
from tests.eventually import eventually
from tests.tokens import Issuer

SECRET = secrets.token_urlsafe()
CALLBACK = "http://portal.example/signed-in?from=issuer"
PEOPLE = [
    Person(id="ada", name="Ada Lovelace", member="northbridge", roles=(Role.LEARNER,),
           schac_personal_unique_code=["urn:schac:personalUniqueCode:int:esi:hr:1"]),
    Person(id="olu/1", name="Olu <Officer>", member="southgate", roles=(Role.OFFICER, Role.REGISTRY)),
    Person(id="nobody", name="No Role"),
    Person(id="zoe", name="Zoe Zeal", roles=(Role.LEARNER,), about="studies at Northbridge", begin_here=True),
]  # fmt: skip
CLIENTS = [
    Client(id="portal", name="The portal", secret=SECRET, redirect_uris=(CALLBACK,), roles=(Role.LEARNER,)),
    Client(id="app", redirect_uris=("http://app.example/",), post_logout_redirect_uris=("http://app.example/bye",)),
    Client(id="northbridge-system", secret=SECRET, member="northbridge", roles=(Role.PUBLISHER,)),
]
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED = {
    "response_type": "code",
    "client_id": "portal",
    "redirect_uri": CALLBACK,
    "state": "a&b",
    "nonce": "n-1",
    "scope": "openid",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer(PEOPLE, CLIENTS) as running:
        yield running


@pytest.fixture
def browser(issuer: Issuer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=issuer.url) as client:
        yield client


def answered(response: httpx.Response) -> dict[str, str]:
    assert response.status_code == 303
    return {name: values[0] for name, values in parse_qs(urlsplit(response.headers["location"]).query).items()}


def a_code(browser: httpx.Client, person: str = "ada", **asked: str) -> str:
    return answered(browser.get(f"/authorize/as/{person}", params={**ASKED, **asked}))["code"]


def exchanged(browser: httpx.Client, code: str, secret: str = SECRET, **form: str) -> httpx.Response:
    usual = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    return browser.post("/token", data={**usual, **form}, auth=("portal", secret))


@pytest.fixture
def signed_in(browser: httpx.Client) -> httpx.Response:
    back = browser.get("/authorize/as/ada", params=ASKED)
    assert back.headers["location"].startswith("http://portal.example/signed-in?from=issuer&code=")
    assert answered(back)["state"] == "a&b"
    return exchanged(browser, answered(back)["code"])


async def test_a_person_signs_in_and_is_who_they_chose_to_be(issuer: Issuer, signed_in: httpx.Response) -> None:
    answer = signed_in
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    caller = await issuer.verifier().verify(answer.json()["access_token"])
    assert (caller.subject, caller.member, caller.roles) == ("ada", "northbridge", {Role.LEARNER})
    assert caller.learner_identifiers == ("urn:schac:personalUniqueCode:int:esi:hr:1",)
    about = jwt.decode(answer.json()["id_token"], issuer.key).claims
    assert (about["aud"], about["nonce"], about["name"]) == ("portal", "n-1", "Ada Lovelace")
    with pytest.raises(NotTrusted, match="audience"):
        await issuer.verifier().verify(answer.json()["id_token"])


def test_the_page_lists_people_by_role_and_says_what_it_is_for(browser: httpx.Client) -> None:
    page = browser.get("/authorize", params=ASKED)
    assert page.status_code == 200
    assert "Demo and tests only" in page.text
    headings = re.findall(r"<h2>(.*?)</h2>", page.text)
    assert headings == ["To begin with", "Learners", "Recognition officers", "Others"]
    assert page.text.index("Zoe Zeal") < page.text.index("Ada Lovelace")
    assert page.text.count("Zoe Zeal") == 1
    assert "learner · studies at Northbridge" in page.text
    assert "Olu &lt;Officer&gt;" in page.text
    (link,) = re.findall(r'href="(/authorize/as/olu[^"]*)"', page.text)
    assert "code" in answered(browser.get(link.replace("&amp;", "&")))
    for asset in re.findall(r'(?:href|src)="(/[a-z.]+)"', page.text):
        assert browser.get(asset).status_code == 200


def test_the_page_is_searchable_without_losing_what_was_asked(browser: httpx.Client) -> None:
    page = browser.get("/authorize", params={**ASKED, "q": "SOUTHGATE officer"})
    assert "Olu" in page.text
    assert "Ada" not in page.text
    assert 'name="state" value="a&amp;b"' in page.text
    assert "Nobody matches" in browser.get("/authorize", params={**ASKED, "q": "zzz"}).text


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": "stranger"},
        {"redirect_uri": "http://portal.example/signed-in"},
        {"redirect_uri": CALLBACK + "&x=1"},
        {"redirect_uri": "http://evil.example/"},
        {"redirect_uri": "http://app.example/"},
        {"client_id": "northbridge-system"},
    ],
)
@pytest.mark.parametrize("path", ["/authorize", "/authorize/as/ada"])
def test_nobody_is_sent_to_an_address_that_is_not_the_clients(
    browser: httpx.Client, wrong: dict[str, str], path: str
) -> None:
    answer = browser.get(path, params={**ASKED, **wrong})
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
    ],
)
@pytest.mark.parametrize("path", ["/authorize", "/authorize/as/ada"])
def test_a_client_that_asks_wrongly_is_told(
    browser: httpx.Client, wrong: dict[str, str], error: str, path: str
) -> None:
    told = answered(browser.get(path, params={**ASKED, **wrong}))
    assert (told["error"], told["state"]) == (error, "a&b")
    assert "code" not in told


def test_an_unknown_person_cannot_be_signed_in_as(browser: httpx.Client) -> None:
    assert browser.get("/authorize/as/eve", params=ASKED).status_code == 404


def test_a_code_is_good_once(browser: httpx.Client) -> None:
    code = a_code(browser)
    assert exchanged(browser, code).status_code == 200
    again = exchanged(browser, code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "form",
    [
        {"code_verifier": "w" * 50},
        {"code_verifier": ""},
        {"redirect_uri": "http://portal.example/"},
        {"code": "made-up"},
    ],
)
def test_a_code_is_good_only_for_whoever_asked_for_it(browser: httpx.Client, form: dict[str, str]) -> None:
    answer = exchanged(browser, **{"code": a_code(browser), **form})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_another_client_gets_nothing_for_a_code(browser: httpx.Client) -> None:
    form = {"grant_type": "authorization_code", "code": a_code(browser), "redirect_uri": CALLBACK}
    answer = browser.post("/token", data={**form, "code_verifier": VERIFIER, "client_id": "app"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_client_without_a_secret_signs_people_in_by_pkce_alone(browser: httpx.Client) -> None:
    code = a_code(browser, client_id="app", redirect_uri="http://app.example/")
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "http://app.example/", "client_id": "app"}
    assert browser.post("/token", data={**form, "code_verifier": VERIFIER}).status_code == 200


@pytest.mark.parametrize("secret", ["", SECRET[:-1], SECRET + "x"], ids=["none", "one letter short", "one too many"])
def test_a_wrong_secret_is_refused(browser: httpx.Client, secret: str) -> None:
    answer = exchanged(browser, a_code(browser), secret)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "WWW-Authenticate" in answer.headers


async def test_a_members_system_gets_a_token_of_its_own(issuer: Issuer) -> None:
    own = ServiceToken(issuer=issuer.url, client_id="northbridge-system", client_secret=SECRET)
    caller = await issuer.verifier().verify(await own.value())
    assert (caller.subject, caller.member, caller.roles) == (
        "northbridge-system",
        "northbridge",
        {Role.PUBLISHER},
    )


def test_a_client_without_a_secret_gets_no_token_of_its_own(browser: httpx.Client) -> None:
    answer = browser.post("/token", data={"grant_type": "client_credentials", "client_id": "app"})
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


@pytest.mark.parametrize("grant", ["password", "refresh_token", ""])
def test_other_grants_are_not_served(browser: httpx.Client, grant: str) -> None:
    answer = browser.post("/token", data={"grant_type": grant}, auth=("portal", SECRET))
    assert answer.json()["error"] == "unsupported_grant_type"


def test_discovery_names_only_what_is_served(issuer: Issuer, browser: httpx.Client) -> None:
    found = browser.get("/.well-known/openid-configuration").json()
    assert found["issuer"] == issuer.url
    for name in ("authorization_endpoint", "token_endpoint", "end_session_endpoint", "jwks_uri"):
        assert found[name].startswith(issuer.url)
        assert browser.get(found[name]).status_code != 404
    (key,) = browser.get(found["jwks_uri"]).json()["keys"]
    assert "d" not in key


def test_signing_out_goes_back_only_to_the_client(browser: httpx.Client) -> None:
    home = {"client_id": "app", "post_logout_redirect_uri": "http://app.example/bye", "state": "1"}
    assert browser.get("/end-session", params=home).headers["location"] == "http://app.example/bye?state=1"
    elsewhere = browser.get("/end-session", params={**home, "post_logout_redirect_uri": "http://evil.example/"})
    assert elsewhere.status_code == 200
    assert "signed out" in elsewhere.text


def test_a_code_ends_after_a_minute() -> None:
    clock = [0.0]
    with Issuer(PEOPLE, CLIENTS, monotonic=lambda: clock[0]) as issuer, httpx.Client(base_url=issuer.url) as browser:
        code, late = a_code(browser), a_code(browser)
        clock[0] = 59.0
        assert exchanged(browser, code).status_code == 200
        clock[0] = 60.0
        assert exchanged(browser, late).status_code == 400


async def test_a_kept_key_outlives_a_restart(tmp_path: Path) -> None:
    first, second = kept_key(tmp_path / "state"), kept_key(tmp_path / "state")
    token = Signer("http://issuer", key=first).sign({"sub": "ada"})
    assert jwt.decode(token, second).claims["sub"] == "ada"
    assert first.kid == second.kid
    (kept,) = (tmp_path / "state").iterdir()
    assert kept.stat().st_mode & 0o077 == 0


def test_people_and_clients_are_read_from_files(tmp_path: Path) -> None:
    people = tmp_path / "people.yaml"
    people.write_text("people:\n  - {id: ada, name: Ada, member: northbridge, roles: [learner, officer]}\n")
    clients = tmp_path / "clients.json"
    clients.write_text('{"clients": [{"id": "portal", "secret": "s", "redirect_uris": ["http://a/"]}]}')
    assert people_in(people)[0].roles == (Role.LEARNER, Role.OFFICER)
    assert clients_in(clients)[0].redirect_uris == ("http://a/",)
    people.write_text("people:\n  - {id: ada, roles: [emperor]}\n")
    with pytest.raises(ValueError, match="roles"):
        people_in(people)


def test_a_clients_secret_comes_from_the_environment(tmp_path: Path) -> None:
    clients = tmp_path / "clients.yaml"
    clients.write_text('clients: [{id: portal, secret: "${ITS_SECRET}", redirect_uris: ["${PORTAL}/back"]}]')
    (client,) = clients_in(clients, {"ITS_SECRET": SECRET, "PORTAL": "http://portal"})
    assert (client.secret, client.redirect_uris) == (SECRET, ("http://portal/back",))
    with pytest.raises(ValueError, match="ITS_SECRET"):
        clients_in(clients, {"PORTAL": "http://portal"})
    with pytest.raises(ValueError, match="secret"):
        clients_in(clients, {"ITS_SECRET": "", "PORTAL": "http://portal"})


async def test_the_process_serves_what_its_environment_says(tmp_path: Path) -> None:
    (tmp_path / "clients.yaml").write_text(f"clients: [{{id: system, secret: {SECRET}x, roles: [publisher]}}]")
    port = free_port()
    environment = {
        **os.environ,
        "HTTP_PORT": str(port),
        "OIDC_ISSUER": f"http://127.0.0.1:{port}",
        "ISSUER_CLIENTS": str(tmp_path / "clients.yaml"),
        "ISSUER_STATE": str(tmp_path / "state"),
    }
    tokens = []
    for _ in range(2):  # the second has the first one's key
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-m", "deploy.local.issuer", env=environment
        )
        try:
            async with httpx.AsyncClient(base_url=environment["OIDC_ISSUER"]) as client:

                async def ready(client: httpx.AsyncClient = client) -> bool:
                    try:
                        return (await client.get("/health/ready")).status_code == 200
                    except httpx.ConnectError:
                        return False

                await eventually(ready, within=60)
            own = ServiceToken(issuer=environment["OIDC_ISSUER"], client_id="system", client_secret=SECRET + "x")
            tokens.append(await own.value())
            verifier = Verifier(
                issuer=environment["OIDC_ISSUER"], audience="concord", jwks_url=environment["OIDC_ISSUER"] + "/jwks"
            )
            for token in tokens:
                assert (await verifier.verify(token)).subject == "system"
        finally:
            process.terminate()
            await process.wait()


# The tokens that tests make by hand


async def test_good_tokens_are_accepted_and_bad_ones_refused(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    assert (await verifier.verify(issuer.token("publisher", member="northbridge"))).member == "northbridge"
    for bad in (issuer.expired, issuer.forged, issuer.unsigned, issuer.with_shared_secret):
        with pytest.raises(NotTrusted):
            await verifier.verify(bad("publisher"))
