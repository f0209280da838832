"""The portal with the keyboard alone: nothing is out of reach, and one always sees where one is."""

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenWindow, learner_named
from tests.browser.test_portal import SOON, more_than_fits
from tests.whole import Whole

pytestmark = [pytest.mark.browser, pytest.mark.servers]

LEARNER = 16
MOST_STROKES = 80

CAN_BE_REACHED = """() => [...document.querySelectorAll(
    "a[href], button, summary, select, textarea, input:not([type=hidden]), [tabindex='0']"
  )].filter((one) => one.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true }) && !one.disabled)
    .map((one) => one.outerHTML.slice(0, 200))"""
WHERE_ONE_IS = """() => {
  const one = document.activeElement;
  if (one === null || one === document.body) return null;
  const style = getComputedStyle(one), place = one.getBoundingClientRect();
  return {
    element: one.outerHTML.slice(0, 200),
    words: (one.innerText || one.getAttribute("aria-label") || "").trim(),
    seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && place.width > 0
      && place.top < innerHeight && place.bottom > 0,
  };
}"""


async def stops(page: Page) -> list[dict[str, Any]]:
    """Every place that Tab comes to, from the beginning of the page to its end."""
    await page.evaluate("document.activeElement.blur(); window.getSelection().removeAllRanges(); scrollTo(0, 0)")
    found: list[dict[str, Any]] = []
    for _ in range(MOST_STROKES):
        await page.keyboard.press("Tab")
        if (here := await page.evaluate(WHERE_ONE_IS)) is None:
            break
        found.append(here)
    return found


async def go_to(page: Page, words: str) -> None:
    """Press Tab until one is at the link or button with these words."""
    passed: list[str] = []
    for _ in range(MOST_STROKES):
        await page.keyboard.press("Tab")
        here = await page.evaluate(WHERE_ONE_IS)
        if here is not None and words in here["words"]:
            return
        passed.append(here and here["words"])
    pytest.fail(f"Tab never comes to {words!r}, only to {passed}")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_tab_comes_to_everything_in_its_order_and_one_sees_where_one_is(
    whole: Whole, window: OpenWindow, width: int, scheme: str
) -> None:
    portal = whole.system.addresses["portal"]
    async with window(width=width, scheme=scheme) as opened:
        page = opened.page
        for address in (portal, f"{portal}/glenmore/"):
            await page.goto(address)
            await see_that_all_is_reached(page)
        await opened.sign_in(f"{portal}/glenmore/", learner_named(LEARNER - 1))
        await expect(page.locator("#live-words")).to_have_text("New credit appears here by itself.")
        await see_that_all_is_reached(page)


async def see_that_all_is_reached(page: Page) -> None:
    """Whatever can be used on a page is a stop of Tab, in the order of the page, and shows it."""
    there, came_to = await page.evaluate(CAN_BE_REACHED), await stops(page)
    assert len(there) > 1
    assert [one["element"] for one in came_to] == there
    assert [one["element"] for one in came_to if not one["seen"]] == []


async def test_a_learner_signs_in_chooses_reads_and_leaves_without_a_mouse(whole: Whole, window: OpenWindow) -> None:
    await more_than_fits(whole, LEARNER)
    async with window() as opened:
        page, keyboard = opened.page, opened.page.keyboard
        await page.goto(whole.system.addresses["portal"])
        await go_to(page, "University of Glenmore")
        await keyboard.press("Enter")
        await page.wait_for_url("**/glenmore/")
        await go_to(page, "Sign in")
        await keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Sign in as …")).to_be_visible()
        await keyboard.type(learner_named(LEARNER))
        await go_to(page, learner_named(LEARNER))
        await keyboard.press("Enter")
        await expect(page.get_by_text("Your choice is needed")).to_be_visible(timeout=SOON)

        for _ in range(MOST_STROKES):
            await keyboard.press("Tab")
            if await page.get_by_label("First").evaluate("one => one === document.activeElement"):
                break
        await keyboard.type("Telling")
        await go_to(page, "Count it in this order")
        await keyboard.press("Enter")
        await expect(page).to_have_url(re.compile(r"/glenmore/#enrolment-"))
        stories = page.locator("article", has=page.get_by_role("heading", name="Telling Stories with Data"))
        await expect(stories.get_by_text("Counts in full")).to_be_visible(timeout=SOON)

        await go_to(page, "What this rests on")
        await keyboard.press("Space")
        await expect(page.locator("article details[open]").first).to_be_visible()
        await go_to(page, "Eastmoor College")
        await keyboard.press("Enter")
        await page.wait_for_url("**/eastmoor/")
        await go_to(page, "Sign out")
        await keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Credit that moves with you")).to_be_visible()
        await expect(page.get_by_role("button", name="Sign out")).to_have_count(0)
