"""The pages about the APIs and the events, in a browser: nothing from elsewhere, for everybody, light and dark."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn

from contracts.catalogue import topics
from deploy.local.ports import free_port
from tests.apis import applications
from tests.browser.conftest import OpenWindow
from tests.eventually import eventually

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
SERVICES = ("provider", "recognition", "learner_record", "operations")


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[dict[str, str]]:
    """The address of every service's own pages; they need no database."""
    servers, addresses = [], {}
    for service, app in (await applications()).items():
        port = free_port()
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
        servers.append((server, asyncio.create_task(server.serve())))
        await eventually(lambda server=server: server.started)
        addresses[service] = f"http://127.0.0.1:{port}"
    yield addresses
    for server, task in servers:
        server.should_exit = True
        await task


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_the_pages_about_the_api_are_for_everybody(
    served: dict[str, str], window: OpenWindow, width: int, scheme: str
) -> None:
    """One service's pages speak for all: they are made from the same templates, and axe takes long over large ones."""
    found: dict[str, list[str]] = {}
    async with window(width=width, scheme=scheme) as opened:
        page = opened.page
        for path in ("/docs", "/docs/events"):
            await page.goto(f"{served['provider']}{path}")
            for summary in (await page.locator("summary").all())[:2]:
                await summary.click()
            found[path] = await opened.violations()
            widest = await page.evaluate("document.documentElement.scrollWidth")
            assert widest <= width, f"{path} is wider than the window"
    assert {name: faults for name, faults in found.items() if faults} == {}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("path", ["/docs", "/docs/events"])
async def test_every_place_that_a_page_points_to_is_on_it(
    served: dict[str, str], window: OpenWindow, service: str, path: str
) -> None:
    async with window(scripts=True) as opened:
        await opened.page.goto(f"{served[service]}{path}")
        lost = await opened.page.evaluate(
            "[...document.querySelectorAll('a[href^=\"#\"]')].map(a => decodeURIComponent(a.hash.slice(1)))"
            '.filter(id => document.querySelectorAll(`[id="${CSS.escape(id)}"]`).length !== 1)'
        )
        assert lost == []
        assert await opened.page.locator("a[href^='#']").count() > 10


async def test_a_stranger_finds_the_events_and_what_is_in_them(served: dict[str, str], window: OpenWindow) -> None:
    async with window() as opened:
        page = opened.page
        await page.goto(f"{served['provider']}/docs")
        await page.get_by_role("link", name="the events of all services").click()
        for topic in topics():
            part = page.locator(f"[id='{topic.name}']")
            text = await part.inner_text()
            assert all(words in text for words in (topic.event, topic.key, topic.owner, f"{topic.retention_days} days"))
            assert json.loads(await part.locator("pre").text_content() or "")["key"]
        await page.get_by_role("link", name="asyncapi.json").click()


async def test_the_asyncapi_document_stands_by_itself(served: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=served["recognition"]) as http:
        made = (await http.get("/asyncapi.json")).json()
    assert set(made["channels"]) == {topic.name for topic in topics()}
    for message in made["components"]["messages"].values():
        assert message["payload"]["properties"], "the schema itself, and no reference to a file"
