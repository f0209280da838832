"""The Python client on the real provider, and before answers that something on the way may give."""

import time
from typing import Any

import pytest
from starlette.responses import Response

from client import Concord, GaveUp, NotConcord, Problem, SignInFailed
from tests.integration.client.ground import MEMBER, SECRET, Service, provider, serving
from tests.integration.client.test_answers import Before
from tests.integration.provider.ground import completion

pytestmark = pytest.mark.servers


def document(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in completion(**fields).items() if name != "reference"}


def client(service: Service, url: str = "", **more: Any) -> Concord:
    token = service.issuer.token("publisher", member=MEMBER)
    return Concord(**{"provider": url or service.url, "token": token} | more)


async def test_what_is_sent_twice_is_new_once(service: Service) -> None:
    async with client(service) as concord:
        first = await concord.publish_completion("C/1 ü", document())
        again = await concord.publish_completion("C/1 ü", document())
    assert (first.is_new, again.is_new, first.revision) == (True, False, 1)
    assert (first.reference, first.completion_id) == ("C/1 ü", again.completion_id)
    assert await service.stored() == 1


async def test_it_signs_in_by_client_credentials(service: Service) -> None:
    who = {"issuer": service.issuer.url, "client_id": "northbridge-system", "token": ""}
    async with client(service, client_secret=SECRET, **who) as concord:
        assert (await concord.publish_completion("C-1", document())).is_new
    async with client(service, client_secret=SECRET[1:], **who) as concord:
        with pytest.raises(SignInFailed, match="401"):
            await concord.publish_completion("C-1", document())


async def test_a_problem_says_what_and_what_would_be_right(service: Service) -> None:
    async with client(service) as concord:
        with pytest.raises(Problem, match="result: 'passed', expected one of") as invalid:
            await concord.publish_completion("C-1", document(result="passed"))
        await concord.publish_completion("C-1", document())
        with pytest.raises(Problem) as differs:
            await concord.publish_completion("C-1", document(mark="41"))
    assert (invalid.value.status, invalid.value.kind, invalid.value.retryable) == (422, "invalid", False)
    assert [(one.field, one.value) for one in invalid.value.errors] == [("result", "passed")]
    assert (differs.value.status, differs.value.kind) == (409, "revision-differs")
    assert differs.value.stored is not None
    assert differs.value.stored["revision"] == 1


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
async def test_what_another_try_may_cure_is_tried_again(service: Service, status: int) -> None:
    app = Before(provider(service.pool, service.issuer), Response(status_code=status), Response(status_code=status))
    heard: list[str] = []
    async with serving(app) as url, client(service, url, on_trouble=heard.append) as concord:
        assert (await concord.publish_completion("C-1", document())).is_new
    assert len(app.asked_at) == 3
    assert all(f"answered {status}" in one for one in heard)
    assert len(heard) == 2


async def test_it_waits_as_long_as_it_is_told(service: Service) -> None:
    app = Before(provider(service.pool, service.issuer), Response(status_code=429, headers={"Retry-After": "1"}))
    async with serving(app) as url, client(service, url) as concord:
        await concord.publish_completion("C-1", document())
    assert app.asked_at[1] - app.asked_at[0] >= 1


async def test_it_gives_up_in_the_end(service: Service) -> None:
    app = Before(provider(service.pool, service.issuer), *(Response(status_code=503) for _ in range(50)))
    begun = time.monotonic()
    async with serving(app) as url, client(service, url, patience=0.5) as concord:
        with pytest.raises(GaveUp, match="answered 503"):
            await concord.publish_completion("C-1", document())
    assert len(app.asked_at) > 1
    assert time.monotonic() - begun < 60


async def test_another_service_is_told_from_concord(service: Service) -> None:
    app = Before(provider(service.pool, service.issuer), Response('{"hello": 1}', media_type="application/json"))
    async with serving(app) as url, client(service, url) as concord:
        with pytest.raises(NotConcord, match="AcceptedCompletion"):
            await concord.publish_completion("C-1", document())


async def test_many_at_once_and_those_that_are_refused(service: Service) -> None:
    many = [{**document(), "reference": f"C-{number}"} for number in range(30)]
    many[4]["result"] = "passed"
    async with client(service) as concord:
        tried = await concord.publish_completions(many, dry_run=True)
        assert await service.stored() == 0
        published = await concord.publish_completions(iter(many))
    for outcome in (tried, published):
        assert (outcome.summary.accepted, outcome.summary.refused) == (29, 1)
        assert [(one.line, one.reference) for one in outcome.refused] == [(5, "C-4")]
    assert await service.stored() == 29


async def test_an_address_that_is_needed_and_missing_is_named() -> None:
    async with Concord(token="any") as concord:  # noqa: S106
        with pytest.raises(ValueError, match="CONCORD_OPERATIONS_URL"):
            await concord.journey("0e3c237e-fa69-5d58-8178-fb6d849d9580")
