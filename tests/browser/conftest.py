"""A browser before the whole system: real processes, the demo's consortium, and people of the tests' own."""

import os
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
import yaml
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

from deploy.local.system import System
from tests.servers import Run
from tests.whole import Whole, esi

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text()
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # What is not on this machine has no address.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1",
]

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LEARNERS = 17
OPERATOR = {"id": "operator", "name": "Olga Operator", "roles": ["operations"]}


def learner_named(number: int) -> str:
    """The name of a learner of the tests; each test has one of its own."""
    return f"Learner {number:02}"


@pytest.fixture(scope="session")
async def whole(servers: Run) -> AsyncIterator[Whole]:
    """The demo's consortium on every process of docker-compose.yml, with the tests' people at its issuer."""
    folder = servers.folder / f"browser-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    people = [
        {
            "id": f"learner-{number}",
            "name": learner_named(number),
            "roles": ["learner"],
            "schac_personal_unique_code": esi("home", f"browser-{number}"),
        }
        for number in range(LEARNERS)
    ]
    file = folder / "people.yaml"
    file.write_text(yaml.safe_dump({"people": [*people, OPERATOR]}))
    system = System(
        folder / "system", values={"ISSUER_PEOPLE": str(file), "SYNTHETIC_EVERY": "0"}, ends_with_this_process=True
    )
    system.start()
    try:
        whole = Whole(system)
        await whole.found()
        yield whole
    finally:
        system.delete()


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The system's Chromium. Where there is none a run says so, and CI fails."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing, and CI runs every test")
        pytest.skip("NOT RUN: Chromium is missing (apt-get install chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@dataclass
class Window:
    """A window, and what went wrong in it that nobody would see."""

    page: Page
    troubles: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()
    """Parts of console messages that a test provokes."""

    def __post_init__(self) -> None:
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.troubles.append(f"page error: {error}"))
        self.page.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(part in message.text for part in self.expected):
            self.troubles.append(f"console: {message.text} ({message.location.get('url')})")

    def _on_request(self, request: Request) -> None:
        host = urlsplit(request.url).hostname or ""
        if not (host in ("localhost", "127.0.0.1") or host.endswith(".localhost")):
            self.troubles.append(f"a request leaves the machine: {request.url}")

    async def sign_in(self, address: str, name: str) -> None:
        """Open a page and sign in at the issuer as somebody."""
        await self.page.goto(address)
        if await self.page.get_by_role("link", name="Sign in").count():
            await self.page.get_by_role("link", name="Sign in").click()
        await self.page.get_by_role("link", name=name).click()
        await self.page.get_by_role("button", name="Sign out").wait_for()

    async def violations(self) -> list[str]:
        """What axe finds fault with on the page as it is."""
        await self.page.evaluate(AXE)
        result: dict[str, Any] = await self.page.evaluate("rules => axe.run(document, { runOnly: rules })", RULES)
        assert result["passes"], "axe looked at nothing"
        return [
            f"{one['id']}: {node['target']} {node['failureSummary']}"
            for one in result["violations"]
            for node in one["nodes"]
        ]


class OpenWindow(Protocol):
    """Opens a window of a size and a colour scheme; nothing may have gone wrong in it when it is closed."""

    def __call__(
        self, *, width: int = 1280, scheme: str = "light", scripts: bool = True, expected: tuple[str, ...] = ()
    ) -> AbstractAsyncContextManager[Window]: ...


@pytest.fixture
def window(chromium: Browser) -> OpenWindow:
    """A function that opens a window with cookies of its own."""

    @asynccontextmanager
    async def opened(
        *, width: int = 1280, scheme: Any = "light", scripts: bool = True, expected: tuple[str, ...] = ()
    ) -> AsyncIterator[Window]:
        context = await chromium.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        try:
            made = Window(await context.new_page(), expected=expected)
            yield made
            assert made.troubles == []
        finally:
            await context.close()

    return opened
