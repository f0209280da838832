"""How the demo's people change what others may change at the same time."""

import httpx
import pytest

from deploy.demo.acting import put_on_newest
from deploy.demo.publishing import DemoRefused


def answering(changes: list[str], status: int = 200) -> httpx.AsyncClient:
    """A thing whose revision is the first of `changes`, and the next one from the first attempt to change it on."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, headers={"ETag": changes[0]}, json={})
        if len(changes) > 1:
            del changes[0]
        is_newest = request.headers["If-Match"] == changes[0]
        return httpx.Response(status if is_newest else 412, json={"on": request.headers["If-Match"]})

    return httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://thing.example")


async def test_what_changed_since_it_was_read_is_read_again() -> None:
    async with answering(['"1"', '"2"']) as http:
        assert await put_on_newest(http, "/thing", "/thing/decision", {}) == {"on": '"2"'}


async def test_what_is_refused_otherwise_is_not_tried_again() -> None:
    async with answering(['"1"'], status=409) as http:
        with pytest.raises(DemoRefused, match="answered 409"):
            await put_on_newest(http, "/thing", "/thing/decision", {})
