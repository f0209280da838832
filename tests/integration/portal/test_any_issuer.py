"""Signing in at issuers that differ from the local one: their names, keys, clients, claims, and what they answer."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from chassis.identity import IssuerUnreachable, ServiceToken, Verifier
from client.session import Connection
from tests.eventually import eventually
from tests.integration.portal.forms import forms
from tests.integration.portal.people import browser
from tests.integration.portal.place import Begin, Place

pytestmark = pytest.mark.servers


def own_token(place: Place) -> ServiceToken:
    """The token of a process of its own."""
    return ServiceToken(
        issuer=place.settings.oidc_issuer,
        client_id=place.settings.oidc_client_id,
        client_secret=place.settings.oidc_client_secret.get_secret_value(),
        asked=place.settings.asked_with_credentials,
    )


async def refused(place: Place, status: int, words: str) -> None:
    """Signing in ends with a page that says this."""
    async with browser() as client:
        page = await place.sign_in(client)
        assert (page.status_code, place.url) == (status, str(page.url.copy_with(path="", query=None)).rstrip("/"))
        assert "You are not signed in" in page.text or status == 503
        assert words in page.text
        assert (await client.get(f"{place.url}/")).json() == {}


@pytest.mark.parametrize(
    ("path", "given"), [("", "{}"), ("/", "{}"), ("/", "{}/"), ("", "{}/"), ("/realms/a", "{}/"), ("/realms/a/", "{}")]
)
async def test_an_issuers_name_may_end_with_a_slash_and_be_given_without(begin: Begin, path: str, given: str) -> None:
    place = await begin(path, given=given)
    assert (await place.sign_in()).json()["name"] == "Iris Quill"
    assert place.issuer.asked[0]["flow"] == "any"  # the query of its own endpoint is kept


async def test_another_issuers_document_is_not_believed(begin: Begin) -> None:
    place = await begin(document={"issuer": "https://elsewhere.example"})
    async with browser() as client:
        page = await client.get(f"{place.url}/sign-in")
    assert (page.status_code, page.headers["Retry-After"]) == (503, "1")


@pytest.mark.parametrize(
    "differs",
    [
        {"takes": None},
        {"takes": ("private_key_jwt", "client_secret_post")},
        {"takes": ("client_secret_post", "client_secret_basic")},
        {"takes": ("client_secret_basic", "none"), "secret": None},
    ],
    ids=["unsaid", "post", "both", "public"],
)
async def test_a_client_shows_who_it_is_as_the_issuer_takes_it(begin: Begin, differs: dict[str, Any]) -> None:
    place = await begin(**differs)
    assert (await place.sign_in()).json()["name"] == "Iris Quill"
    if differs.get("secret", "") is None:
        return  # a public client has no token of its own

    own = own_token(place)
    assert (await Verifier.of(place.settings).verify(await own.value())).subject == "f:iris"

    there = Connection(place.url, place.issuer.address, place.issuer.client_id, place.issuer.secret or "")
    async with there.open() as system:
        assert (await system.get("/")).status_code == 200
        assert system.auth is not None
    assert [one["grant_type"] for one in place.issuer.asked[2:]] == ["client_credentials"] * 2


async def test_an_issuer_that_takes_no_secret_is_named_as_the_trouble(begin: Begin) -> None:
    place = await begin(takes=("private_key_jwt",))
    with pytest.raises(IssuerUnreachable, match="only private_key_jwt"):
        await own_token(place).value()


async def test_a_wrong_secret_is_told_to_whoever_runs_it(begin: Begin) -> None:
    await refused(await begin(settings={"oidc_client_secret": "another"}), 502, "does not accept this client")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_each_signature_is_read(begin: Begin, algorithm: str) -> None:
    assert (await (await begin(algorithm=algorithm)).sign_in()).json()["name"] == "Iris Quill"


async def test_the_issuers_key_and_its_kind_may_change(begin: Begin) -> None:
    place = await begin(algorithm="RS256")
    async with browser() as client:
        await place.sign_in(client)
        place.issuer.rotate("ES256")

        # Keys are asked for once in a few seconds at most.
        async def signs_in() -> bool:
            return (await place.sign_in()).status_code == 200

        await eventually(signs_in)
        assert (await client.get(f"{place.url}/")).json()["name"] == "Iris Quill", "what the old key signed stays good"


# Mixing issuers up (RFC 9207)


async def test_an_answer_that_names_its_issuer_is_accepted(begin: Begin) -> None:
    assert (await (await begin(names_itself=True)).sign_in()).json()["name"] == "Iris Quill"


@pytest.mark.parametrize("answer", [{"iss": "https://elsewhere.example"}, {"iss": ""}])
async def test_an_answer_of_another_issuer_is_refused(begin: Begin, answer: dict[str, str]) -> None:
    place = await begin(names_itself=True, answer=answer)
    await refused(place, 400, "The sign-in was not accepted")
    assert len(place.issuer.asked) == 1, "the code was not sent to any token endpoint"


async def test_another_issuers_name_is_refused_also_where_none_is_expected(begin: Begin) -> None:
    await refused(await begin(answer={"iss": "https://elsewhere.example"}), 400, "The sign-in was not accepted")


# What an issuer says instead of a code


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        ("access_denied", 403, "did not let you in"),
        ("login_required", 400, "Please start again"),
        ("invalid_scope", 400, "Please start again"),
        ("temporarily_unavailable", 503, "busy at the moment"),
        ("server_error", 503, "busy at the moment"),
    ],
)
async def test_what_an_issuer_says_instead_is_told_in_words(begin: Begin, error: str, status: int, words: str) -> None:
    place = await begin(answer={"code": "", "error": error, "error_description": "Call <b>0900-SCAM</b>"})
    await refused(place, status, words)
    assert "SCAM" not in (await place.sign_in()).text


async def test_an_error_that_no_sign_in_here_led_to_says_nothing_of_it(begin: Begin) -> None:
    place = await begin()
    async with browser() as client:
        page = await client.get(f"{place.url}/sign-in/callback", params={"error": "access_denied", "state": "x"})
    assert (page.status_code, "did not let you in" in page.text) == (400, False)


# Tokens that are not made for Concord


@pytest.mark.parametrize(
    ("differs", "words"),
    [
        ({"is_opaque": True}, "no signed JWT"),
        ({"access": {"aud": "account"}}, "another audience"),
        ({"access": {"member": "North Bridge"}}, "no member id"),
    ],
)
async def test_tokens_that_cannot_be_used_are_named_as_such(begin: Begin, differs: dict[str, Any], words: str) -> None:
    place = await begin(**differs)
    await refused(place, 502, words)
    assert "docs/sign-in.md" in (await place.sign_in()).text


@pytest.mark.parametrize(
    "differs",
    [
        {"identity": {"aud": "another client"}},
        {"identity": {"nonce": "another"}},
        {"identity": {"azp": "another client"}},
        {"identity": {"sub": "f:owen"}},
        {"identity": {"exp": 1}},
    ],
)
async def test_an_identity_token_of_something_else_is_refused(begin: Begin, differs: dict[str, Any]) -> None:
    await refused(await begin(**differs), 400, "The sign-in was not accepted")


# Claims by other names, as docs/sign-in.md has them

ESI = "urn:schac:personalUniqueCode:int:esi:northbridge.example:ann"
KEYCLOAK = (
    {"oidc_roles_claim": "realm_access.roles"},
    {"aud": ["concord", "account"], "realm_access": {"roles": ["learner", "offline_access"]}, "member": "northbridge",
     "schac_personal_unique_code": ESI},
    {},
)  # fmt: skip
ENTRA = (
    {"oidc_audience": "6e74172b", "oidc_scope": "openid profile api://concord/use", "oidc_subject_claim": "oid",
     "oidc_member_claim": "extn.member, azp", "oidc_member_names": "northbridge=72f988bf, southgate=1234abcd",
     "oidc_role_names": "learner=Concord.Learner,officer=Concord.Officer", "oidc_learner_claim": "extn.esi"},
    {"aud": "6e74172b", "sub": "pairwise-1", "oid": "f:iris", "azp": "72f988bf", "extn.esi": [ESI],
     "roles": ["Concord.Learner", "officer"]},
    {"sub": "pairwise-2", "oid": "f:iris"},
)  # fmt: skip
AUTH0 = (
    {"oidc_audience_parameter": "audience", "oidc_roles_claim": "https://concord.example/roles",
     "oidc_member_claim": "https://concord.example/member",
     "oidc_learner_claim": "https://concord.example/esi"},
    {"https://concord.example/roles": ["learner"], "https://concord.example/member": "northbridge",
     "https://concord.example/esi": ESI},
    {},
)  # fmt: skip
PROXY = (
    {"oidc_audience_parameter": "resource", "oidc_member_claim": "schac_home_organization",
     "oidc_member_names": "northbridge=northbridge.example",
     "oidc_roles_claim": "eduperson_entitlement, eduperson_affiliation",
     "oidc_role_names": "learner=student, officer=urn:geant:concord.example:group:concord:role=officer"},
    {"schac_home_organization": ["northbridge.example"], "schac_personal_unique_code": [ESI],
     "eduperson_affiliation": ["member", "student"], "eduperson_entitlement": ["urn:mace:dir:other", "learner"]},
    {},
)  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "access", "identity"), [KEYCLOAK, ENTRA, AUTH0, PROXY], ids=["Keycloak", "Entra", "Auth0", "proxy"]
)
async def test_claims_are_found_by_the_issuers_own_names(
    begin: Begin, settings: dict[str, str], access: dict[str, Any], identity: dict[str, Any]
) -> None:
    place = await begin(settings=settings, access=access, identity=identity)
    assert (await place.sign_in()).json() == {
        "name": "Iris Quill", "subject": "f:iris", "member": "northbridge", "roles": ["learner"], "learner": [ESI]
    }  # fmt: skip
    to_browser, to_client = place.issuer.asked
    assert to_browser["scope"] == settings.get("oidc_scope", "openid profile")
    wanted = {settings["oidc_audience_parameter"]: "concord"} if "oidc_audience_parameter" in settings else {}
    for asked in (to_browser, to_client):
        assert {name: asked[name] for name in ("audience", "resource") if name in asked} == wanted


async def test_a_system_asks_for_what_its_issuer_needs(begin: Begin) -> None:
    needs = {"oidc_client_scope": "api://concord/.default", "oidc_audience_parameter": "resource"}
    place = await begin(settings=needs)
    await own_token(place).value()
    assert place.issuer.asked == [
        {"grant_type": "client_credentials", "scope": "api://concord/.default", "resource": "concord"}
    ]


async def test_who_comes_from_no_member_acts_for_none(begin: Begin) -> None:
    place = await begin(settings={"oidc_member_names": "northbridge=northbridge.example"}, access={"member": "x.test"})
    assert (await place.sign_in()).json()["member"] is None


# Signing out there as well


async def test_signing_out_leads_to_the_issuer_where_it_offers_that(begin: Begin) -> None:
    place = await begin(ends_sessions=True)
    async with browser() as client:
        await place.sign_in(client)
        page = await sign_out(place, client)
        assert (page.status_code, (await client.get(f"{place.url}/")).json()) == (200, {})
    seconds, _, address = page.headers["Refresh"].partition(";url=")
    assert (seconds, address.partition("?")[0]) == ("0", f"{place.issuer.base}/protocol/logout")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert await Verifier.of(place.settings, audience=place.issuer.client_id).verify(asked.pop("id_token_hint"))
    assert asked == {"client_id": place.issuer.client_id, "post_logout_redirect_uri": f"{place.url}/"}


async def test_signing_out_is_done_here_where_the_issuer_offers_nothing(begin: Begin) -> None:
    place = await begin()
    async with browser() as client:
        await place.sign_in(client)
        answer = await sign_out(place, client)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert (await client.get(f"{place.url}/")).json() == {}


async def sign_out(place: Place, client: httpx.AsyncClient) -> httpx.Response:
    """Press the button on an error's page, which shows who is signed in."""
    page = await client.get(f"{place.url}/nowhere")
    (form,) = forms(page.text, "/sign-out")
    return await form.send(client, place.url)
