"""A learner before the portal, on the whole system: credit appears by itself, and everybody can read the pages."""

import re
import time
from collections.abc import Callable
from typing import Any, Literal

import pytest
from playwright.async_api import Locator, expect

from contracts.ids import completion_id
from tests.browser.conftest import OpenWindow, Window, learner_named
from tests.eventually import eventually
from tests.whole import Whole, completion, enrolment

pytestmark = [pytest.mark.browser, pytest.mark.servers]

SOON = 10_000
"""Milliseconds: on a machine that does other things too; what the product promises is measured elsewhere."""


def code(number: int) -> str:
    """The identifier of a learner of the tests."""
    return f"browser-{number}"


async def enrol(whole: Whole, number: int) -> None:
    """Enrol a learner in Glenmore's PGCert."""
    answer = await whole.enrol(enrolment(code(number), "glenmore:pgcert-data"))
    assert answer.status_code == 201, answer.text


async def publish(whole: Whole, number: int, course: str, **fields: Any) -> dict[str, Any]:
    """Publish a completion of a learner, and give what was sent."""
    document = completion(code(number), course, **fields)
    answer = await whole.publish(document)
    assert answer.status_code == 201, answer.text
    return document


async def record(whole: Whole, number: int) -> dict[str, Any]:
    """What stands at Glenmore, as soon as something does."""

    async def at_glenmore() -> dict[str, Any] | None:
        found = await whole.record("glenmore", code(number))
        return found if found and found["members"] else None

    return await eventually(at_glenmore)  # type: ignore[return-value]


async def open_record(window: Window, whole: Whole, number: int) -> None:
    """Sign in at Glenmore's portal, and wait until the record is live."""
    await window.sign_in(f"{whole.system.addresses['portal']}/glenmore/", learner_named(number))
    await expect(window.page.locator("#live-words")).to_have_text("New credit appears here by itself.")


async def test_credit_appears_without_a_reload_and_says_why(
    whole: Whole, window: OpenWindow, record_property: Callable[[str, object], None]
) -> None:
    await enrol(whole, 0)
    async with window() as opened:
        page = opened.page
        await page.goto(whole.system.addresses["portal"])
        await page.get_by_role("link", name="University of Glenmore").click()
        await page.get_by_role("link", name="Sign in").click()
        await page.get_by_role("link", name=learner_named(0)).click()
        await expect(page.get_by_role("heading", name="PGCert Data")).to_be_visible()
        await expect(page.get_by_text("Nothing has come from other members yet.")).to_be_visible()
        await expect(page.locator("#live-words")).to_have_text("New credit appears here by itself.")
        await page.evaluate("window.same = true")

        await publish(whole, 0, "northbridge:data-ethics", mark="75")
        accepted_at = time.monotonic()
        card = page.locator("article", has=page.get_by_role("heading", name="Data Ethics"))
        await expect(card.locator(".chip")).to_have_text("Counts in full", timeout=SOON)
        record_property("seconds until it was seen", round(time.monotonic() - accepted_at, 2))

        await expect(card).to_contain_text("Counts here as 15 credits at level 11")
        await expect(card).to_contain_text("The grade 75 goes with it.")
        await expect(page.locator("#news")).to_have_text("Data Ethics: Counts in full")
        await expect(page.locator(".tile-main")).to_contain_text("15 of 60")
        assert await page.evaluate("window.same"), "the page was loaded again"
        assert await opened.violations() == []


async def test_a_revocation_appears_without_a_reload_and_what_is_open_stays_open(
    whole: Whole, window: OpenWindow
) -> None:
    await enrol(whole, 1)
    sent = await publish(whole, 1, "northbridge:data-ethics", mark="75")
    async with window() as opened:
        await open_record(opened, whole, 1)
        page = opened.page
        card = page.locator("article", has=page.get_by_role("heading", name="Data Ethics"))
        await expect(card.locator(".chip")).to_have_text("Counts in full", timeout=SOON)
        await card.get_by_text("What this rests on").click()

        answer = await whole.publish(sent | {"revision": 2, "revoked": True, "revocation_reason": "A mistake."})
        assert answer.status_code == 201, answer.text

        await expect(card.locator(".chip")).to_have_text("A recognition officer looks at it", timeout=SOON)
        await expect(card).to_contain_text("On hold 15 credits")
        await expect(card.locator("details").first).to_have_attribute("open", "")
        await expect(page.locator(".tile-main")).to_contain_text("0 of 60")
        assert await opened.violations() == []


async def test_the_page_catches_up_after_the_record_was_away(whole: Whole, window: OpenWindow) -> None:
    await enrol(whole, 2)
    async with window() as opened:
        await open_record(opened, whole, 2)
        page = opened.page

        whole.system.kill("learner-record-api")
        await publish(whole, 2, "northbridge:data-ethics", mark="75")

        card = page.locator("article", has=page.get_by_role("heading", name="Data Ethics"))
        await expect(card.locator(".chip")).to_have_text("Counts in full", timeout=60_000)
        await expect(page.locator("#live-words")).to_have_text("New credit appears here by itself.", timeout=SOON)


async def test_without_scripts_the_record_is_the_same_but_for_that(whole: Whole, window: OpenWindow) -> None:
    await enrol(whole, 3)
    await publish(whole, 3, "northbridge:data-ethics", mark="75")
    async with window(scripts=False) as opened:
        await opened.sign_in(f"{whole.system.addresses['portal']}/glenmore/", learner_named(3))
        page = opened.page

        async def counts() -> bool:
            await page.reload()
            return await page.get_by_text("Counts in full").count() == 1

        await eventually(counts)
        await page.get_by_text("What this rests on").click()
        await expect(page.get_by_text("northbridge-glenmore-data, version 1")).to_be_visible()
        await expect(page.locator("#live")).to_be_hidden()


async def test_whoever_signs_out_is_out(whole: Whole, window: OpenWindow) -> None:
    portal = whole.system.addresses["portal"]
    async with window() as opened:
        await open_record(opened, whole, 4)
        await opened.page.get_by_role("button", name="Sign out").click()
        await expect(opened.page.get_by_role("heading", name="Credit that moves with you")).to_be_visible()
        await opened.page.goto(f"{portal}/glenmore/")
        await expect(opened.page.get_by_role("link", name="Sign in")).to_be_visible()


async def test_another_learner_sees_nothing_of_it(whole: Whole, window: OpenWindow) -> None:
    await enrol(whole, 5)
    await publish(whole, 5, "northbridge:data-ethics", mark="75")
    await record(whole, 5)
    async with window() as opened:
        await open_record(opened, whole, 6)
        await expect(opened.page.get_by_role("heading", name="Nothing stands here yet")).to_be_visible()


async def test_a_learner_who_is_enrolled_nowhere_finds_all_that_was_earned(whole: Whole, window: OpenWindow) -> None:
    number = 14
    await publish(whole, number, "ashmere:programming-python")
    await publish(whole, number, "eastmoor:bookkeeping")
    async with window() as opened:
        page = opened.page
        await opened.sign_in(f"{whole.system.addresses['portal']}/ashmere/", learner_named(number))
        await expect(page.get_by_role("heading", name="What you earned is yours")).to_be_visible(timeout=SOON)
        elsewhere = page.get_by_role("region", name="Earned at other members")
        await expect(elsewhere.get_by_role("heading", name="Bookkeeping")).to_be_visible(timeout=SOON)
        await expect(page.get_by_role("heading", name="Programming: Python from zero")).to_be_visible(timeout=SOON)
        assert await faults_at_every_size(opened) == {}
        # It goes when it is no longer true, by itself.
        await enrol(whole, number)
        await publish(whole, number, "ashmere:care-infection")
        await expect(page.get_by_role("heading", name="Care: preventing infection")).to_be_visible(timeout=SOON)
        await expect(page.get_by_role("heading", name="What you earned is yours")).to_have_count(0, timeout=SOON)


async def more_than_fits(whole: Whole, number: int) -> None:
    """Two completions of 25 credits where the award takes 40, claimed at once: the learner has to choose."""
    for course in ("eastmoor:responsible-ai", "eastmoor:data-stories"):
        await publish(whole, number, course, credits="25", level=7)
    await enrol(whole, number)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_a_learner_chooses_what_counts_and_the_record_follows(
    whole: Whole, window: OpenWindow, scripts: bool
) -> None:
    number = 10 if scripts else 11
    await more_than_fits(whole, number)
    async with window(width=1280 if scripts else 390, scripts=scripts) as opened:
        page = opened.page
        await opened.sign_in(f"{whole.system.addresses['portal']}/glenmore/", learner_named(number))

        async def seen(locator: Locator) -> None:
            """Until it is there; without scripts by loading the page again, as a person would."""
            if scripts:
                await expect(locator).to_be_visible(timeout=SOON)
                return

            async def there() -> bool:
                await page.goto(f"{whole.system.addresses['portal']}/glenmore/")
                return await locator.count() > 0

            await eventually(there)

        await seen(page.get_by_text("Your choice is needed"))
        faults = await faults_at_every_size(opened) if scripts else {}
        first = page.get_by_label("First")
        await first.focus()
        await first.select_option(label="Telling Stories with Data (Eastmoor College, 25 credits)")
        await page.get_by_role("button", name="Count it in this order").press("Enter")

        stories, ai = (
            page.locator("article", has=page.get_by_role("heading", name=title))
            for title in ("Telling Stories with Data", "Responsible Use of AI")
        )
        await expect(page).to_have_url(re.compile(r"/glenmore/#enrolment-"))
        await seen(stories.get_by_text("Counts in full"))
        await seen(ai.get_by_text("Does not count here"))
        await expect(page.get_by_text("You chose Telling Stories with Data, in this order.")).to_be_visible()
        await expect(page.get_by_text("25 of 60 credits: 35 are missing.")).to_be_visible()
        await expect(page.get_by_text("Capstone closed")).to_be_visible()
        widest = await page.evaluate("document.documentElement.scrollWidth")

    assert faults == {}
    assert widest <= (1280 if scripts else 390), "the page is wider than the window"


async def faults_at_every_size(opened: Window) -> dict[str, list[str]]:
    """What axe finds fault with, and what is wider than the window, in every size and colour scheme."""
    found: dict[str, list[str]] = {}
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for width in (390, 1280):
        await opened.page.set_viewport_size({"width": width, "height": 900})
        for scheme in schemes:
            await opened.page.emulate_media(color_scheme=scheme)
            faults = await opened.violations()
            if await opened.page.evaluate("document.documentElement.scrollWidth") > width:
                faults.append("the page is wider than the window")
            if faults:
                found[f"{width} {scheme}"] = faults
    return found


async def test_a_learner_appeals_by_keyboard_and_what_is_being_written_outlives_a_live_update(
    whole: Whole, window: OpenWindow
) -> None:
    number = 12
    await enrol(whole, number)
    await publish(whole, number, "northbridge:data-ethics", mark="45")
    async with window() as opened:
        await open_record(opened, whole, number)
        page = opened.page
        card = page.locator("article", has=page.get_by_role("heading", name="Data Ethics"))
        await expect(card.locator(".chip")).to_have_text("Does not count here", timeout=SOON)
        await card.locator("summary", has_text="Appeal").focus()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        written = card.get_by_label("Why it should be decided otherwise")
        await expect(written).to_be_focused()
        await page.keyboard.type("The mark wrong.")
        for _ in range(len("wrong.")):
            await page.keyboard.press("ArrowLeft")

        await publish(whole, number, "eastmoor:responsible-ai")
        await expect(page.get_by_role("heading", name="Responsible Use of AI")).to_be_visible(timeout=SOON)
        await expect(page.locator("#news")).to_contain_text("Responsible Use of AI")
        await expect(written).to_be_focused()
        await page.keyboard.type("is ")
        await expect(written).to_have_value("The mark is wrong.")
        faults = await faults_at_every_size(opened)

        await page.keyboard.press("Tab")
        await expect(card.get_by_role("button", name="Send the appeal")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile(r"/glenmore/#entry-"))
        # Open as soon as the receiver has taken it up.
        await expect(card.locator(".card-appeal .chip")).to_have_text(re.compile("^Appeal (lodged|open)$"))
        await expect(card).to_contain_text("Stage 1 of 2: Senate office.")
        faults |= await faults_at_every_size(opened)

        await card.get_by_text("Withdraw the appeal").click()
        await card.get_by_role("button", name="Withdraw it for good").click()
        await expect(card.locator(".card-appeal .chip")).to_have_text("Appeal withdrawn")
        await expect(card.get_by_text("Withdraw the appeal")).to_have_count(0)

    assert faults == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_everybody_can_read_every_page(whole: Whole, window: OpenWindow, width: int, scheme: str) -> None:
    number = 7
    portal = whole.system.addresses["portal"]
    await whole.enrol(enrolment(code(number), "glenmore:pgcert-data"))
    for course, fields in (
        ("northbridge:data-ethics", {"mark": "75"}),
        ("northbridge:statistics", {}),
        ("eastmoor:responsible-ai", {}),
        ("delmere:databases", {}),
        ("eastmoor:programming", {"result": "pending", "mark": None}),
        ("glenmore:information-law", {}),
    ):
        await whole.publish(completion(code(number), course, **fields))
    async with window(width=width, scheme=scheme, expected=("404 (Not Found)",)) as opened:
        page = opened.page
        found: dict[str, list[str]] = {}
        await page.goto(portal)
        found["members"] = await opened.violations()
        for member in ("northbridge", "glenmore", "delmere", "eastmoor", "ashmere"):
            await page.goto(f"{portal}/{member}/")
            found[f"welcome {member}"] = await opened.violations()
        await open_record(opened, whole, number)
        await expect(page.locator("article")).to_have_count(6, timeout=SOON)
        await expect(page.get_by_text("Received, being decided")).to_have_count(0, timeout=SOON)
        for summary in await page.locator("summary").all():
            await summary.click()
        found["record"] = await opened.violations()
        widest = await page.evaluate("document.documentElement.scrollWidth")
        for member in ("northbridge", "delmere", "eastmoor", "ashmere"):
            await page.goto(f"{portal}/{member}/")
            found[f"record {member}"] = await opened.violations()
        await page.goto(f"{portal}/nowhere/")
        found["error"] = await opened.violations()

    assert {name: faults for name, faults in found.items() if faults} == {}
    assert widest <= width, "the page is wider than the window"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_operations_follow_the_credit_through_every_hop(
    whole: Whole, window: OpenWindow, width: int, scheme: str
) -> None:
    operations = whole.system.addresses["operations"]
    number = 8
    await whole.enrol(enrolment(code(number), "glenmore:pgcert-data"))
    sent = completion(code(number), "northbridge:data-ethics", mark="75")
    await whole.publish(sent)
    await record(whole, number)
    async with window(width=width, scheme=scheme) as opened:
        page = opened.page
        await opened.sign_in(operations, "Olga Operator")
        found = {"console": await opened.violations()}
        await page.get_by_label("Completion id, or the member’s own reference").fill(sent["reference"])
        await page.get_by_label("Member (for a reference)").fill("northbridge")
        await page.get_by_role("button", name="Show the journey").click()
        await expect(page.get_by_text(str(completion_id("northbridge", sent["reference"])))).to_be_visible()

        words = page.locator(".hop-what")
        last = words.filter(has_text="Visible on the record at glenmore: counts in full")

        async def is_there() -> bool:
            await page.reload()
            return await last.count() == 1

        await eventually(is_there)
        await expect(words.first).to_have_text("northbridge published the completion (revision 1)")
        await expect(words.filter(has_text="Decision 1 for glenmore")).to_have_count(1)
        await expect(words.filter(has_text="Visible on the record at northbridge: earned")).to_have_count(1)
        await expect(page.get_by_text("On every record after")).to_be_visible()
        await page.locator("summary").first.click()
        await expect(page.get_by_text("provider.completion, partition")).to_be_visible()
        found["journey"] = await opened.violations()
        widest = await page.evaluate("document.documentElement.scrollWidth")

    assert {name: faults for name, faults in found.items() if faults} == {}
    assert widest <= width, "the page is wider than the window"


async def test_credit_flows_while_operations_is_down_and_its_journey_is_seen_afterwards(whole: Whole) -> None:
    number = 9
    await enrol(whole, number)
    whole.system.hold("operations")
    whole.system.kill("operations")
    try:
        sent = await publish(whole, number, "northbridge:data-ethics", mark="75")

        async def is_recognised() -> bool:
            found = await record(whole, number)
            entries = found["members"][0]["enrolments"][0]["entries"]
            return [entry["state"] for entry in entries] == ["RECOGNISED"]

        await eventually(is_recognised)
    finally:
        whole.system.release("operations")
        whole.system.wait_ready("operations")
    async with whole.at("operations", "northbridge-system") as http:

        async def journey() -> bool:
            answer = await http.get(f"/journeys/{completion_id('northbridge', sent['reference'])}")
            if answer.status_code != 200:
                return False
            (chain,) = answer.json()["chains"]
            assert len(chain["trace_ids"]) == 1, "the trace is broken"
            return any(hop["what"] == "Visible on the record at glenmore: counts in full" for hop in chain["hops"])

        await eventually(journey)
