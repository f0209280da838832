"""The pages of what is set aside: they list, show, try, replay and drop, without any script."""

import re

import httpx
import pytest

from chassis.database import transaction
from tests.integration.operations.conftest import Operations
from tests.integration.operations.story import Logs, Story, after, see
from tests.integration.portal.people import IRIS, OWEN, browser, sign_in

pytestmark = pytest.mark.servers

PAGE = "/set-aside/page"


async def set_one_aside(operations: Operations) -> Story:
    """An unreadable completion, and an entry of the same learner behind it."""
    story, logs = Story(), Logs()
    record = logs.put(story.published(), after(20))
    record.value = b'{"completion_id": <script>'
    await see(operations.pool, [record, logs.put(story.entry("EARNED", 30, own=True), after(40))])
    return story


async def post(client: httpx.AsyncClient, url: str, page: str, **fields: str) -> httpx.Response:
    token = re.search(r'name="form_token" value="(\w+)"', page)
    assert token is not None
    form = {"form_token": token[1], **fields}
    return await client.post(f"{url}{PAGE}", data=form, headers={"Accept": "text/html"})


async def test_what_waits_is_listed_shown_tried_and_dropped(operations: Operations) -> None:
    story = await set_one_aside(operations)
    async with browser() as client:
        page = (await sign_in(client, operations.url + PAGE, OWEN)).text
        assert f"learner:{story.learner_id}" in page
        assert "Its value is not what the contract says" in page
        assert "recognition could not be asked" in page
        [chosen] = re.findall(r'name="chosen" value="(operations:\d+)"', page)
        assert re.search(r'<td class="number">1</td>', page), "how many wait behind it"
        [link] = re.findall(rf'href="({PAGE}/operations/\d+)"', page)
        shown = (await client.get(operations.url + link, headers={"Accept": "text/html"})).text
        assert "&lt;script&gt;" in shown
        assert "<script>" not in shown

        tried = await post(client, operations.url, page, chosen=chosen, what="try", because="what if")
        assert "would fail again" in tried.text
        assert "2 records would wait on" in tried.text
        replayed = await post(client, operations.url, page, chosen=chosen, what="replay", because="as it is")
        assert "failed again" in replayed.text
        assert "owen: as it is" in replayed.text
        dropped = await post(client, operations.url, page, chosen=chosen, what="drop", because="sent by mistake")
        assert "1 record dropped; 1 record behind wait on, until replayed" in dropped.text
        [rest] = re.findall(r'name="chosen" value="(operations:\d+)"', dropped.text)
        done = await post(client, operations.url, page, chosen=rest, what="replay", because="go on")
        assert "1 record processed" in done.text
        assert "Nothing is here" not in done.text, "recognition is away, so nobody knows"
        kept = (await client.get(f"{operations.url}{PAGE}?state=dropped", headers={"Accept": "text/html"})).text
        assert "owen: sent by mistake" in kept
    async with transaction(operations.pool) as connection:
        rows = await connection.fetch("SELECT state, acted_by FROM set_aside ORDER BY id")
    assert [tuple(row) for row in rows] == [("dropped", "owen"), ("replayed", "owen")]


async def test_a_form_of_another_session_or_without_a_reason_changes_nothing(operations: Operations) -> None:
    await set_one_aside(operations)
    async with browser() as client:
        page = (await sign_in(client, operations.url + PAGE, OWEN)).text
        [chosen] = re.findall(r'name="chosen" value="(operations:\d+)"', page)
        form = {"chosen": chosen, "what": "drop", "because": "a trick", "form_token": "0" * 64}
        answer = await client.post(operations.url + PAGE, data=form, headers={"Accept": "text/html"})
        assert answer.status_code == 403
        nothing = await post(client, operations.url, page, chosen=chosen, what="drop", because=" ")
        assert nothing.status_code == 422
        assert "Say why" in nothing.text
        nobody = await post(client, operations.url, page, what="drop", because="nothing chosen")
        assert "Choose at least one record" in nobody.text
    async with transaction(operations.pool) as connection:
        assert await connection.fetchval("SELECT count(*) FROM set_aside WHERE state = 'waiting'") == 2


async def test_the_pages_are_for_operations_alone(operations: Operations) -> None:
    async with browser() as client:
        for path in (PAGE, f"{PAGE}/operations/1"):
            assert (await sign_in(client, operations.url + path, IRIS)).status_code == 403
