"""Every page and every answer of the services with pages: what it says to browsers, under https, and what is in it."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from chassis.database import open_pool
from chassis.identity import walk
from tests.apis import application
from tests.conftest import Database

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted(
    file for folder in ("services", "chassis", "deploy") for file in (ROOT / folder).glob("**/templates/*.html")
)
SAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Strict-Transport-Security": "max-age=31536000",
}
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


@pytest.fixture(params=["portal", "operations"])
async def app(request: pytest.FixtureRequest, database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[FastAPI]:
    """The application of a service with pages, as its process builds it under https; nobody is behind it."""
    url = (await database(request.param)).url
    pool = await open_pool(url)
    nowhere = "http://127.0.0.1:1"
    yield await application(
        request.param,
        pool,
        service_database_url=url,
        oidc_issuer=nowhere,
        oidc_client_id=request.param,
        public_url="https://pages.example",
        provider_url=nowhere,
        recognition_url=nowhere,
        learner_record_url=nowhere,
    )
    pool.terminate()


async def test_every_answer_says_the_same_to_browsers(app: FastAPI) -> None:
    addresses = {re.sub(r"\{[^}]*\}", "northbridge", path) for method, path, _ in walk(app) if method in ("GET", "*")}
    addresses |= {"/nowhere/at/all", "/static/concord.css", "/static/none", "/a%00", "/sign-in?return_to=/"}
    kinds = set()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://pages.example") as client:
        for address in addresses:
            for accept in ("text/html", "application/json"):
                answer = await client.get(address, headers={"Accept": accept})
                assert {name: answer.headers.get(name) for name in SAYS} == SAYS, (address, answer.status_code)
                parts = (part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
                assert dict(parts) == POLICY, address
                kinds.add((answer.status_code, answer.headers.get("content-type", "").partition(";")[0]))
                assert "*" not in answer.headers.get("Access-Control-Allow-Origin", "")
    assert {(503, "text/html"), (503, "application/problem+json"), (404, "text/html"), (200, "text/css")} <= kinds


class Inline(HTMLParser):
    """What a page has in it that the policy forbids, or that the policy would have to allow."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = dict(attrs)
        if tag == "style" or (tag == "script" and not has.get("src")) or tag in ("base", "iframe", "object", "embed"):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            address = (value or "").strip().lower()
            elsewhere = address.startswith(("http:", "https:", "//", "javascript:"))
            if name == "style" or name.startswith("on") or (name in ("src", "action", "srcset") and elsewhere):
                self.found.append(f"<{tag} {name}={value}>")
            if tag == "link" and name == "href" and elsewhere:
                self.found.append(f"<link href={value}>")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_page_has_code_or_style_in_it_or_loads_from_elsewhere(template: Path) -> None:
    reader = Inline()
    # What Jinja does stands where a value would, or is no text of the page.
    reader.feed(
        re.sub(
            r"\{%.*?%\}|\{#.*?#\}", "", re.sub(r"\{\{.*?\}\}", "value", template.read_text(), flags=re.S), flags=re.S
        )
    )
    assert reader.found == []


def test_what_the_reader_finds() -> None:
    reader = Inline()
    reader.feed('<p style="a"><script>x</script><script src="https://cdn.example/x.js"></script><a onclick="x">')
    assert len(reader.found) == 4
