"""Operations staff before what is set aside, on the whole system: seen, replayed and dropped, without scripts too."""

import secrets
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from playwright.async_api import expect

from contracts.provider_completion import CompletionPublished
from tests.browser.conftest import OpenWindow
from tests.eventually import eventually
from tests.whole import Whole

pytestmark = [pytest.mark.browser, pytest.mark.servers]

SOON = 30_000


async def send_unreadable(whole: Whole) -> str:
    """A completion that nobody understands, of a learner nobody knows; gives the learner's pseudonym."""
    learner = str(uuid4())
    producer = AIOKafkaProducer(
        bootstrap_servers=whole.system.environment("recognition-worker")["KAFKA_BOOTSTRAP_SERVERS"]
    )
    await producer.start()
    try:
        headers = [("ce_id", str(uuid4()).encode()), ("ce_type", b"provider.completion.published.v9"),
                   ("ce_time", b"2026-09-01T12:00:00Z")]  # fmt: skip
        value = b'{"says": "<b>nothing</b>"}'
        await producer.send_and_wait(CompletionPublished.TOPIC, value, key=learner.encode(), headers=headers)
    finally:
        await producer.stop()

    async def everywhere() -> bool:
        for service in ("recognition", "learner_record"):
            if not await whole.fetch(service, "SELECT 1 FROM set_aside WHERE queue = $1", f"learner:{learner}"):
                return False
        return True

    await eventually(everywhere, within=60)
    return learner


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_a_record_is_seen_tried_and_dropped_with_a_reason(
    whole: Whole, window: OpenWindow, scripts: bool
) -> None:
    learner = await send_unreadable(whole)
    reason = f"a test message {secrets.token_hex(3)}"
    async with window(scripts=scripts, width=1280 if scripts else 380) as opened:
        page = opened.page
        await opened.sign_in(whole.system.addresses["operations"], "Olga Operator")
        await page.get_by_role("link", name="What is set aside").click()
        rows = page.locator("tr", has_text=f"learner:{learner}").filter(has_text="recognition")
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text("Its type is not the topic’s")
        if scripts:
            assert await opened.violations() == []

        await rows.get_by_role("link").click()
        await expect(page.locator("pre")).to_have_text('{"says": "<b>nothing</b>"}')
        if scripts:
            assert await opened.violations() == []
        await page.get_by_label("Why").fill(reason)
        await page.get_by_role("button", name="Replay").click()
        await expect(page.get_by_role("status")).to_contain_text("failed again", timeout=SOON)

        await rows.get_by_role("checkbox").check()
        await page.get_by_label("Why").fill(reason)
        await page.get_by_role("button", name="Drop, never process").click()
        await expect(page.get_by_role("status")).to_contain_text("1 record dropped", timeout=SOON)
        await expect(rows).to_have_count(0)
        if scripts:
            assert await opened.violations() == []
        await page.get_by_role("link", name="Dropped: not processed").click()
        await expect(page.locator("tr", has_text=f"learner:{learner}")).to_contain_text(reason)
    [(state, by)] = await whole.fetch(
        "recognition", "SELECT state, acted_by FROM set_aside WHERE queue = $1", f"learner:{learner}"
    )
    assert (state, by) == ("dropped", "operator")
