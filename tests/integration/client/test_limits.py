"""Publishing to a service that lets nobody ask often: it takes longer, and every row arrives."""

import time
from pathlib import Path

import pytest
from starlette.types import Message, Receive, Scope, Send

from chassis.limits import Buckets, Limits
from tests.integration.client.ground import Service, concord, line, provider, serving, written

pytestmark = pytest.mark.servers


async def test_a_client_that_is_limited_waits_and_loses_nothing(service: Service, tmp_path: Path) -> None:
    app = provider(service.pool, service.issuer)
    app.state.limits = Limits(Buckets(1, 1))  # type: ignore[attr-defined]
    statuses: list[int] = []

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        await app(scope, receive, watch)

    # Several learners, so that several requests are under way at once.
    file = written(tmp_path / "rows.ndjson", [line(f"R-{number}", f"learner{number}") for number in range(40)])
    began = time.monotonic()
    async with serving(watched) as url:
        did = await concord(file, environment=service.environment(provider_url=url))
    assert did.code == 0, did.err
    assert await service.stored() == 40
    served, refused = statuses.count(200), statuses.count(429)
    assert served >= 2
    assert refused >= 1
    assert len(statuses) == served + refused
    assert time.monotonic() - began >= served - 1, "one request a second was served, after the first"
