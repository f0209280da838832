"""Every link of every page is followed, signed in as those who see it: none leads nowhere, none makes an error."""

import secrets
from collections import deque
from collections.abc import Sequence
from urllib.parse import urldefrag, urljoin, urlsplit
from uuid import uuid4

import pytest
from fastapi import FastAPI
from playwright.async_api import Page, expect
from starlette.responses import HTMLResponse

from tests.browser.conftest import OpenWindow, learner_named
from tests.browser.test_portal import SOON, enrol, publish
from tests.browser.test_set_aside import send_unreadable
from tests.integration.client.ground import serving
from tests.whole import Whole

pytestmark = [pytest.mark.browser, pytest.mark.servers, pytest.mark.timeout(600)]

LEARNER = 15
MOST = 150
"""Pages of a site that are opened; a list of many journeys has many alike."""
TARGETS = """() => [...document.querySelectorAll("a[href], link[href], script[src], img[src]")]
    .map(one => one.getAttribute("href") ?? one.getAttribute("src"))"""
PLACES = "() => [...document.querySelectorAll('[id]')].map(one => one.id)"


async def crawl(page: Page, starts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Open what the pages link to on their own site, and ask for what they link to elsewhere on this machine.

    Gives the pages that were opened, and what is wrong: an address that answers with an error, or a place that is not
    on its page.
    """
    sites = {urlsplit(start).netloc for start in starts}
    waiting = deque(starts)
    seen, opened, wrong = set(starts), [], []
    wanted: list[tuple[str, str, str]] = []
    places: dict[str, set[str]] = {}
    while waiting:
        address = waiting.popleft()
        answer = await page.request.get(address)
        if answer.status >= 400:
            wrong.append(f"{address} answers {answer.status}")
            continue
        is_page = answer.headers.get("content-type", "").startswith("text/html")
        if not is_page or urlsplit(answer.url).netloc not in sites or len(opened) == MOST:
            continue
        await page.goto(address)
        opened.append(address)
        places[address] = set(await page.evaluate(PLACES))
        for target in await page.evaluate(TARGETS):
            whole, place = urldefrag(urljoin(page.url, target))
            if urlsplit(whole).scheme not in ("http", "https"):
                continue
            wanted.append((address, whole, place))
            if whole not in seen:
                seen.add(whole)
                waiting.append(whole)
    for at, whole, place in wanted:
        if place and whole in places and place not in places[whole]:
            wrong.append(f"{at} links to {whole}#{place}, and nothing there is called so")
    return opened, wrong


async def test_every_link_that_a_learner_sees_leads_somewhere(whole: Whole, window: OpenWindow) -> None:
    await enrol(whole, LEARNER)
    for course, mark in (("northbridge:data-ethics", "75"), ("northbridge:statistics", "38")):
        await publish(whole, LEARNER, course, mark=mark)
    portal = whole.system.addresses["portal"]
    async with window() as opened:
        await opened.sign_in(f"{portal}/glenmore/", learner_named(LEARNER))
        await expect(opened.page.locator("article")).to_have_count(2, timeout=SOON)
        pages, wrong = await crawl(opened.page, [f"{portal}/", f"{portal}/glenmore/"])
    assert wrong == []
    assert {f"{portal}/", f"{portal}/glenmore/", f"{portal}/northbridge/"} <= set(pages)


async def test_every_link_that_a_stranger_sees_leads_somewhere(whole: Whole, window: OpenWindow) -> None:
    addresses = whole.system.addresses
    starts = [f"{addresses['portal']}/"]
    for name in ("provider-api", "recognition-api", "learner-record-api", "portal", "operations"):
        starts += [f"{addresses[name]}/docs", f"{addresses[name]}/docs/events"]
    async with window() as opened:
        pages, wrong = await crawl(opened.page, starts)
    assert wrong == []
    assert set(starts) <= set(pages)


async def test_every_link_that_operations_see_leads_somewhere(whole: Whole, window: OpenWindow) -> None:
    await send_unreadable(whole, str(uuid4()))
    sent = await publish(whole, LEARNER, "eastmoor:data-stories", reference=f"crawl-{secrets.token_hex(4)}")
    operations = whole.system.addresses["operations"]
    async with window() as opened:
        await opened.sign_in(operations, "Olga Operator")
        await expect(opened.page.get_by_text(sent["reference"])).to_be_visible(timeout=SOON)
        pages, wrong = await crawl(opened.page, [f"{operations}/"])
    assert wrong == []
    paths = [urlsplit(page).path for page in pages]
    assert any(path.startswith("/journeys/") for path in paths)
    assert any(path.startswith("/set-aside/page/") for path in paths)


async def test_a_dead_link_and_a_place_that_is_not_there_are_found(window: OpenWindow) -> None:
    app = FastAPI(openapi_url=None)

    @app.get("/")
    async def page() -> HTMLResponse:
        return HTMLResponse('<link rel="icon" href="data:,"><a href="/away">a</a><a href="#here">b</a><p id="there">')

    async with serving(app) as url, window() as opened:
        pages, wrong = await crawl(opened.page, [f"{url}/"])
    assert pages == [f"{url}/"]
    assert [one.removeprefix(url) for one in wrong] == [
        "/away answers 404",
        f"/ links to {url}/#here, and nothing there is called so",
    ]
