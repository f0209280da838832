"""A learner takes the record along: as files from the page, and on paper."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenWindow
from tests.browser.test_portal import SOON, enrol, open_record, publish
from tests.elmo import must_be_valid
from tests.whole import Whole

pytestmark = [pytest.mark.browser, pytest.mark.servers]

LEARNER = 13

PAPER = """() => {
  const shown = (one) => one.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true })
    && one.getClientRects().length > 0;
  const own = (one) => [...one.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  const elements = [...document.body.querySelectorAll("*")].filter(shown);
  const style = (one) => getComputedStyle(one);
  const solid = (colour) => !["rgba(0, 0, 0, 0)", "rgb(255, 255, 255)"].includes(colour);
  return {
    page: style(document.body).backgroundColor,
    inks: [...new Set(elements.filter(own).map((one) => style(one).color))],
    grounds: [...new Set(elements.map((one) => style(one).backgroundColor).filter(solid))],
    controls: elements.filter((one) => one.matches("a.skip, button, input, select, textarea, form, nav a")).length,
    torn: [...document.querySelectorAll(".card")].filter((one) => style(one).breakInside !== "avoid").length,
    closed: [...document.querySelectorAll("details:not([open])")].length,
  };
}"""


def contents(folder: Path) -> dict[str, bytes]:
    """The files in a folder."""
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture(scope="module")
async def on_record(whole: Whole) -> None:
    """The learner has a record at Glenmore, with credit that counts and some that does not."""
    await enrol(whole, LEARNER)
    await publish(whole, LEARNER, "northbridge:data-ethics", mark="75")
    await publish(whole, LEARNER, "northbridge:statistics")


@pytest.mark.usefixtures("on_record")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_on_paper_it_is_black_on_white_with_all_that_can_be_opened_and_nothing_to_click(
    whole: Whole, window: OpenWindow, tmp_path: Path, scheme: Any
) -> None:
    async with window(scheme=scheme) as opened:
        page = opened.page
        await open_record(opened, whole, LEARNER)
        await expect(page.locator("article")).to_have_count(2, timeout=SOON)
        await expect(page.get_by_text("Received, being decided")).to_have_count(0, timeout=SOON)
        rests_on = page.get_by_text("northbridge-glenmore-data, version 1").first
        await expect(rests_on).to_be_hidden()

        await page.emulate_media(media="print", color_scheme=scheme, reduced_motion="reduce")

        paper = await page.evaluate(PAPER)
        assert paper.pop("closed") >= 2, "something was opened by somebody, so that nothing is shown by this"
        assert paper == {
            "page": "rgb(255, 255, 255)", "inks": ["rgb(0, 0, 0)"], "grounds": [], "controls": 0, "torn": 0,
        }  # fmt: skip
        height = await rests_on.evaluate("one => one.getBoundingClientRect().height")
        assert height > 0
        await expect(page.get_by_text("University of Glenmore, as it stood on")).to_be_visible()
        await expect(page.get_by_text("Take it along")).to_be_hidden()
        assert await opened.violations() == []
        printed = await page.pdf(path=tmp_path / "record.pdf", format="A4")
        assert printed.startswith(b"%PDF-")


@pytest.mark.usefixtures("on_record")
async def test_the_files_come_from_the_page(whole: Whole, window: OpenWindow, tmp_path: Path) -> None:
    async with window() as opened:
        page = opened.page
        await open_record(opened, whole, LEARNER)
        await expect(page.locator("article")).to_have_count(2, timeout=SOON)
        for form in ("ELMO", "CSV", "JSON"):
            async with page.expect_download() as coming:
                await page.get_by_role("link", name=f"{form} file of your record").press("Enter")
            download = await coming.value
            await download.save_as(tmp_path / download.suggested_filename)
    files = contents(tmp_path)
    assert set(files) == {"concord-record.xml", "concord-record.csv", "concord-record.json"}
    must_be_valid(files["concord-record.xml"])
    assert len(orjson.loads(files["concord-record.json"])["completions"]) == 2
    assert files["concord-record.csv"].startswith(b"\xef\xbb\xbfprovider,")
