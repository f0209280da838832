"""Tokens: which are accepted, what they say, and what a route asks of its caller."""

import base64
import json
import time
from collections.abc import Callable
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey, RSAKey
from starlette.staticfiles import StaticFiles

from chassis.http import create_app
from chassis.identity import (
    IssuerUnreachable,
    NotTrusted,
    Principal,
    Role,
    ServiceToken,
    Verifier,
    member_of,
    own_member,
    public,
    require,
    walk,
)
from chassis.problems import Problem
from deploy.local.issuer import Signer, new_key

ISSUER = "https://issuer.example"
KEY = new_key()
NOW = float(int(time.time()))
SIGNER = Signer(ISSUER, key=KEY, now=lambda: NOW)


class Keys:
    """Answers for the issuer's key set, and counts how often it is asked."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.document: Any = {"keys": list(keys)} if keys else SIGNER.jwks
        self.asked = 0
        self.away = False
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.away:
            raise httpx.ConnectError("away", request=request)
        return httpx.Response(200, json=self.document)

    def verifier(self, **more: Any) -> Verifier:
        settings = {"issuer": ISSUER, "audience": "concord", "jwks_url": f"{ISSUER}/jwks", "client": self.client}
        return Verifier(**{**settings, "now": lambda: NOW, **more})


def token(**claims: Any) -> str:
    return SIGNER.sign({"sub": "ada", "member": "northbridge", "roles": ["publisher"], **claims})


async def test_a_good_token_says_who_calls() -> None:
    stated = token(roles=["publisher", "registry", "janitor"], schac_personal_unique_code="urn:schac:x")
    assert await Keys().verifier().verify(stated) == Principal(
        "ada", "northbridge", frozenset({Role.PUBLISHER, Role.REGISTRY}), ("urn:schac:x",)
    )


async def test_a_learner_may_have_several_identifiers() -> None:
    caller = await Keys().verifier().verify(token(member=None, schac_personal_unique_code=["a", "b"]))
    assert caller.learner_identifiers == ("a", "b")
    assert caller.member is None


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": NOW - 60}, "has expired"),
        ({"exp": None}, "no expiry"),
        ({"exp": "tomorrow"}, "no instant"),
        ({"exp": True}, "no instant"),
        ({"nbf": NOW + 60}, "not valid yet"),
        ({"iss": "https://other.example"}, "another issuer"),
        ({"iss": ISSUER + "/"}, "another issuer"),
        ({"aud": "portal"}, "another audience"),
        ({"aud": ["portal"]}, "another audience"),
        ({"aud": None}, "another audience"),
        ({"sub": None}, "no usable subject"),
        ({"sub": ""}, "no usable subject"),
        ({"member": "North Bridge"}, "no member id"),
        ({"member": ["northbridge", "southgate"]}, "no member id"),
        ({"roles": {"publisher": True}}, "roles"),
        ({"roles": [1]}, "roles"),
        ({"schac_personal_unique_code": ["a", None]}, "schac_personal_unique_code"),
    ],
)
async def test_a_token_with_such_claims_is_refused(claims: dict[str, Any], why: str) -> None:
    with pytest.raises(NotTrusted, match=why):
        await Keys().verifier().verify(token(**claims))


@pytest.mark.parametrize("claims", [{"exp": NOW - 2}, {"nbf": NOW + 5}, {"aud": ["portal", "concord"]}])
async def test_clocks_may_differ_a_little_and_audiences_be_several(claims: dict[str, Any]) -> None:
    assert (await Keys().verifier().verify(token(**claims))).subject == "ada"


def _claims() -> dict[str, Any]:
    return {"iss": ISSUER, "aud": "concord", "exp": int(NOW) + 600, "sub": "mallory", "roles": ["consortium"]}


def _unsigned() -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'kid': KEY.kid})}.{part(_claims())}."


def _with_shared_secret() -> str:
    secret = OctKey.import_key(base64.urlsafe_b64encode(KEY.as_pem(private=False)))
    return jwt.encode({"alg": "HS256", "kid": KEY.kid}, _claims(), secret, algorithms=["HS256"])


def _forged() -> str:
    return jwt.encode({"alg": "ES256", "kid": KEY.kid}, _claims(), new_key())


def _embedded() -> str:
    own = new_key()
    return jwt.encode({"alg": "ES256", "jwk": own.as_dict(private=False), "kid": KEY.kid}, _claims(), own)


def _altered() -> str:
    head, _, signature = token().split(".")
    return f"{head}.{base64.urlsafe_b64encode(json.dumps(_claims()).encode()).rstrip(b'=').decode()}.{signature}"


@pytest.mark.parametrize("make", [_unsigned, _with_shared_secret, _forged, _embedded, _altered])
async def test_a_token_that_the_issuer_did_not_sign_is_refused(make: Callable[[], str]) -> None:
    with pytest.raises(NotTrusted):
        await Keys().verifier().verify(make())


@pytest.mark.parametrize("text", ["", "a", "a.b.c", "a.b.c.d", "e30.e30.", "é.é.é", "W10.e30.", "." * 2, "x" * 9_000])
async def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(NotTrusted):
        await Keys().verifier().verify(text)


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("RS256", RSAKey.generate_key(2048, parameters={"kid": "k"})),
        ("Ed25519", OKPKey.generate_key("Ed25519", parameters={"kid": "k"})),
    ],
)
async def test_the_other_signatures_are_accepted(algorithm: str, key: RSAKey | OKPKey) -> None:
    signed = jwt.encode({"alg": algorithm, "kid": "k"}, _claims(), key, algorithms=[algorithm])
    assert (await Keys(key.as_dict(private=False)).verifier().verify(signed)).subject == "mallory"


async def test_eddsa_by_its_old_name_is_accepted() -> None:
    key = OKPKey.generate_key("Ed25519", parameters={"kid": "k"})
    with pytest.warns(UserWarning, match="deprecated"):
        signed = jwt.encode({"alg": "EdDSA", "kid": "k"}, _claims(), key, algorithms=["EdDSA"])
    assert (await Keys(key.as_dict(private=False)).verifier().verify(signed)).subject == "mallory"


async def test_a_key_for_encryption_verifies_nothing() -> None:
    with pytest.raises(NotTrusted, match="not the issuer's"):
        await Keys({**SIGNER.jwks["keys"][0], "use": "enc"}).verifier().verify(token())


async def test_a_token_may_leave_its_key_unnamed_only_where_there_is_no_choice() -> None:
    unnamed = jwt.encode({"alg": "ES256"}, _claims(), KEY)
    for_encryption = {**new_key().as_dict(private=False), "use": "enc"}
    assert (await Keys(for_encryption, *SIGNER.jwks["keys"]).verifier().verify(unnamed)).subject == "mallory"
    with pytest.raises(NotTrusted, match="not the issuer's"):
        await Keys(new_key().as_dict(private=False), *SIGNER.jwks["keys"]).verifier().verify(unnamed)


async def test_a_key_that_cannot_be_read_does_not_hide_the_others() -> None:
    keys = Keys(
        {"kty": "EC", "kid": "broken"}, {"kty": "RSA", "kid": 7}, {"kty": "oct", "k": "AA"}, *SIGNER.jwks["keys"]
    )
    assert (await keys.verifier().verify(token())).subject == "ada"


async def test_keys_are_fetched_once_and_made_up_key_ids_cost_the_issuer_nothing() -> None:
    keys, clock = Keys(), [0.0]
    verifier = keys.verifier(monotonic=lambda: clock[0])
    for _ in range(3):
        await verifier.verify(token())
    assert keys.asked == 1
    clock[0] = 6.0
    for number in range(5):
        stranger = jwt.encode({"alg": "ES256", "kid": f"made-up-{number}"}, _claims(), new_key())
        with pytest.raises(NotTrusted, match="not the issuer's"):
            await verifier.verify(stranger)
    assert keys.asked == 2


async def test_a_new_key_of_the_issuer_is_found() -> None:
    keys, clock = Keys(), [0.0]
    verifier = keys.verifier(monotonic=lambda: clock[0])
    await verifier.verify(token())
    fresh = Signer(ISSUER, now=lambda: NOW)
    keys.document = fresh.jwks
    clock[0] = 5.0
    assert (await verifier.verify(fresh.sign({"sub": "grace"}))).subject == "grace"
    with pytest.raises(NotTrusted):
        await verifier.verify(token())


async def test_a_key_that_was_withdrawn_is_forgotten_in_time() -> None:
    keys, clock = Keys(), [0.0]
    verifier = keys.verifier(monotonic=lambda: clock[0])
    await verifier.verify(token())
    keys.document = Signer(ISSUER, now=lambda: NOW).jwks
    clock[0] = 601.0
    with pytest.raises(NotTrusted, match="not the issuer's"):
        await verifier.verify(token())


async def test_keys_at_hand_are_used_while_the_issuer_is_away() -> None:
    keys, clock = Keys(), [0.0]
    verifier = keys.verifier(monotonic=lambda: clock[0])
    await verifier.verify(token())
    keys.away = True
    clock[0] = 10_000.0
    assert (await verifier.verify(token())).subject == "ada"


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}])
async def test_without_any_keys_nobody_is_refused_for_good(document: Any) -> None:
    keys = Keys()
    keys.document = document
    with pytest.raises(IssuerUnreachable):
        await keys.verifier().verify(token())


# Routes


@pytest.fixture
def app() -> FastAPI:
    app = create_app("Things", "1", verifier=Keys().verifier())
    router = APIRouter()

    @router.put("/members/{member_id}/things")
    async def put(member_id: str, caller: Annotated[Principal, Depends(require(Role.PUBLISHER, Role.REGISTRY))]) -> str:
        own_member(caller, member_id)
        return caller.subject

    @router.get("/mine")
    async def mine(caller: Annotated[Principal, Depends(require())]) -> str:
        return member_of(caller)

    @router.get("/face")
    @public
    async def face() -> str:
        return "blue"

    @router.get("/forgotten")
    async def forgotten() -> str:
        return "nobody said who may"

    app.include_router(router, prefix="/v")
    app.mount("/static", public(StaticFiles(directory="/", check_dir=False)))
    app.mount("/unmarked", StaticFiles(directory="/", check_dir=False))
    return app


@pytest.fixture
def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://things")


def bearer(**claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(**claims)}"}


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": ""}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}]
)
async def test_without_a_token_a_route_asks_for_one(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.get("/v/mine", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["type"] == "urn:concord:problem:unauthenticated"


async def test_a_bad_token_is_answered_with_why(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v/mine", headers={"Authorization": f"Bearer {_unsigned()}"})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


async def test_a_wrong_role_is_forbidden(client: httpx.AsyncClient) -> None:
    answer = await client.put("/v/members/northbridge/things", headers=bearer(roles=["learner"]))
    assert answer.status_code == 403
    assert "publisher or registry" in answer.json()["detail"]


async def test_another_members_thing_is_forbidden(client: httpx.AsyncClient) -> None:
    answer = await client.put("/v/members/southgate/things", headers=bearer())
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:concord:problem:another-members"


@pytest.mark.parametrize("member", [None, "southgate"])
async def test_a_token_of_no_member_or_another_owns_nothing_here(member: str | None) -> None:
    with pytest.raises(Problem, match="403"):
        own_member(Principal("ada", member, frozenset({Role.PUBLISHER})), "northbridge")


async def test_the_right_role_at_ones_own_member_passes(client: httpx.AsyncClient) -> None:
    answer = await client.put("/v/members/northbridge/things", headers=bearer(roles=["registry"]))
    assert (answer.status_code, answer.json()) == (200, "ada")


async def test_any_token_passes_where_no_role_is_named(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v/mine", headers=bearer(roles=[]))).json() == "northbridge"
    assert (await client.get("/v/mine", headers=bearer(roles=[], member=None))).status_code == 403


async def test_while_keys_cannot_be_had_the_answer_is_503(app: FastAPI, client: httpx.AsyncClient) -> None:
    keys = Keys()
    keys.away = True
    app.state.verifier = keys.verifier()
    answer = await client.get("/v/mine", headers=bearer())
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert answer.json()["retryable"] is True


def test_the_walk_tells_who_may_use_each_route(app: FastAPI) -> None:
    found = {(method, path): access for method, path, access in walk(app)}
    assert found[("PUT", "/v/members/{member_id}/things")] == {Role.PUBLISHER, Role.REGISTRY}
    assert found[("GET", "/v/mine")] == frozenset()
    assert found[("GET", "/v/face")] == "public"
    assert found[("GET", "/v/forgotten")] is None
    assert found[("*", "/static")] == "public"
    assert found[("*", "/unmarked")] is None
    assert found[("GET", "/health/ready")] == found[("GET", "/openapi.json")] == "public"


# A service's own token


class TokenDesk:
    """Answers as an issuer's token endpoint, and as a service behind it that accepts the newest token only."""

    def __init__(self) -> None:
        self.handed_out = 0
        self.requests: list[str] = []
        self.transport = httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/.well-known/openid-configuration"):
            document = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks", "token_endpoint": f"{ISSUER}/oauth/token"}
            return httpx.Response(200, json=document)
        if request.url.path == "/oauth/token":
            assert request.headers["Authorization"] == "Basic " + base64.b64encode(b"portal:s3cret").decode()
            assert request.content == b"grant_type=client_credentials"
            self.handed_out += 1
            return httpx.Response(200, json={"access_token": f"t{self.handed_out}", "expires_in": 300})
        self.requests.append(request.headers["Authorization"])
        good = request.headers["Authorization"] == f"Bearer t{self.handed_out}"
        return httpx.Response(200 if good else 401)


def _service_token(desk: TokenDesk, clock: list[float]) -> ServiceToken:
    return ServiceToken(
        issuer=ISSUER,
        client_id="portal",
        client_secret="s3cret",  # noqa: S106
        client=httpx.AsyncClient(transport=desk.transport),
        monotonic=lambda: clock[0],
    )


async def test_a_services_token_is_kept_until_shortly_before_its_end() -> None:
    desk, clock = TokenDesk(), [0.0]
    own = _service_token(desk, clock)
    assert [await own.value(), await own.value()] == ["t1", "t1"]
    clock[0] = 269.0
    assert await own.value() == "t1"
    clock[0] = 270.0
    assert await own.value() == "t2"


async def test_a_token_that_is_not_accepted_any_more_is_replaced_once() -> None:
    desk = TokenDesk()
    async with httpx.AsyncClient(transport=desk.transport, auth=_service_token(desk, [0.0])) as client:
        assert (await client.get("https://provider.example/things")).status_code == 200
        desk.handed_out = 7  # as if the issuer had handed out others since
        assert (await client.get("https://provider.example/things")).status_code == 200
    assert desk.requests == ["Bearer t1", "Bearer t1", "Bearer t8"]


async def test_an_issuer_that_gives_no_token_is_unreachable() -> None:
    broken = httpx.MockTransport(lambda request: httpx.Response(500))
    own = ServiceToken(issuer=ISSUER, client_id="portal", client_secret="", client=httpx.AsyncClient(transport=broken))
    with pytest.raises(IssuerUnreachable):
        await own.value()
