"""Tokens by client credentials: what is asked of the issuer, and when."""

import base64
from collections.abc import Mapping
from types import SimpleNamespace

import httpx
import pytest

from client.session import ClientCredentials, IssuerAway, SignInFailed

ENDPOINT = {"token_endpoint": "https://issuer.example/elsewhere/token"}
TWO = {"access_token": "two"}


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("client.session.time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def request() -> httpx.Request:
    return httpx.Request("POST", "https://provider.example/", extensions={"timeout": {"read": 7.0}})


def answer(asked: httpx.Request, body: Mapping[str, object], status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body, request=asked)


def signed_in(auth: ClientCredentials, value: str = "one", lasts: int | None = 600) -> str:
    """The Authorization of a request for which a token is fetched."""
    flow = auth.auth_flow(request())
    asked = next(flow)
    if asked.method == "GET":
        assert str(asked.url) == "https://issuer.example/.well-known/openid-configuration"
        asked = flow.send(answer(asked, ENDPOINT))
    assert str(asked.url) == "https://issuer.example/elsewhere/token"
    return flow.send(answer(asked, {"access_token": value, "expires_in": lasts})).headers["Authorization"]


def credentials() -> ClientCredentials:
    return ClientCredentials("https://issuer.example/", "northbridge", "secret")


def test_the_address_of_tokens_is_the_one_that_the_issuer_publishes() -> None:
    assert signed_in(credentials()) == "Bearer one"


def test_credentials_with_any_characters_arrive_as_they_are() -> None:
    flow = ClientCredentials("https://issuer.example", "a:b", "p%41ß").auth_flow(request())
    asked = flow.send(answer(next(flow), ENDPOINT))
    assert base64.b64decode(asked.headers["Authorization"].removeprefix("Basic ")) == b"a%3Ab:p%2541%C3%9F"


def test_the_issuer_is_not_waited_for_longer_than_the_service() -> None:
    flow = credentials().auth_flow(request())
    first = next(flow)
    second = flow.send(answer(first, ENDPOINT))
    assert first.extensions["timeout"] == second.extensions["timeout"] == {"read": 7.0}


@pytest.mark.parametrize(("lasts", "kept", "renewed"), [(600, 569, 570), (20, 9, 10), (None, 29, 30)])
def test_a_token_is_kept_until_shortly_before_its_end(
    now: list[float], lasts: int | None, kept: float, renewed: float
) -> None:
    auth = credentials()
    signed_in(auth, lasts=lasts)
    now[0] = 1000.0 + kept
    assert next(auth.auth_flow(request())).headers["Authorization"] == "Bearer one"
    now[0] = 1000.0 + renewed
    assert signed_in(auth, "two") == "Bearer two"


def test_a_token_that_is_not_accepted_is_fetched_anew_once() -> None:
    auth = credentials()
    signed_in(auth)
    flow = auth.auth_flow(request())
    sent = next(flow)
    asked = flow.send(answer(sent, {}, 401))
    again = flow.send(answer(asked, TWO))
    assert again.headers["Authorization"] == "Bearer two"
    with pytest.raises(StopIteration):
        flow.send(answer(again, {}, 401))


def test_a_token_that_another_request_renewed_is_used() -> None:
    auth = credentials()
    signed_in(auth)
    first, second = auth.auth_flow(request()), auth.auth_flow(request())
    sent, also = next(first), next(second)
    first.send(answer(first.send(answer(sent, {}, 401)), TWO))
    assert second.send(answer(also, {}, 401)).headers["Authorization"] == "Bearer two"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_issuer_that_is_away_is_another_try(status: int) -> None:
    flow = credentials().auth_flow(request())
    with pytest.raises(IssuerAway, match=str(status)) as caught:
        flow.send(answer(next(flow), {}, status))
    assert caught.value.request.url.host == "issuer.example"


@pytest.mark.parametrize(("status", "body"), [(401, {"error": "invalid_client"}), (200, {}), (404, {})])
def test_a_refusal_of_the_issuer_is_told(status: int, body: dict[str, object]) -> None:
    flow = credentials().auth_flow(request())
    asked = flow.send(answer(next(flow), ENDPOINT))
    with pytest.raises(SignInFailed, match=f"issuer.example/elsewhere/token answered {status}"):
        flow.send(answer(asked, body, status))
