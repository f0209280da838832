"""Operations staff before what is set aside, on the whole system: seen, replayed and dropped, without scripts too."""

import asyncio
import json
import secrets
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from playwright.async_api import expect
from typer.testing import CliRunner

from client.main import collect
from contracts.ids import completion_id
from contracts.provider_completion import CompletionPublished
from services.operations.set_aside import SERVICES
from tests.browser.conftest import OpenWindow
from tests.eventually import eventually
from tests.whole import Whole, completion, enrolment

pytestmark = [pytest.mark.browser, pytest.mark.servers, pytest.mark.timeout(600)]

SOON = 30_000
VALUE = b'{"says": "<b>nothing</b>"}'


async def send_unreadable(whole: Whole, learner: str) -> None:
    """A completion of a learner that nobody understands."""
    producer = AIOKafkaProducer(
        bootstrap_servers=whole.system.environment("recognition-worker")["KAFKA_BOOTSTRAP_SERVERS"]
    )
    await producer.start()
    try:
        headers = [("ce_id", str(uuid4()).encode()), ("ce_type", b"provider.completion.published.v9"),
                   ("ce_time", b"2026-09-01T12:00:00Z")]  # fmt: skip
        await producer.send_and_wait(CompletionPublished.TOPIC, VALUE, key=learner.encode(), headers=headers)
    finally:
        await producer.stop()

    await _wait_aside(whole, learner, 1)


async def _wait_aside(whole: Whole, learner: str, records: int) -> None:
    """Wait until so many records of a learner at least wait in every service."""
    sql = "SELECT count(*) >= $2 FROM set_aside WHERE queue = $1 AND state = 'waiting'"

    async def everywhere() -> Any:
        found = [await whole.fetch(name, sql, f"learner:{learner}", records) for name in SERVICES]
        return all(row[0] for [row] in found)

    await eventually(everywhere, within=90, every=0.5)


async def told(whole: Whole, *words: str) -> tuple[int, str]:
    """`concord operations set-aside …` as a client of operations; its exit code, and what it says."""
    at = whole.system.addresses
    environment = {
        "CONCORD_RECOGNITION_URL": at["recognition-api"],
        "CONCORD_LEARNER_RECORD_URL": at["learner-record-api"],
        "CONCORD_OPERATIONS_URL": at["operations"],
        "CONCORD_ISSUER": at["issuer"],
        "CONCORD_CLIENT_ID": "operations-desk",
        "CONCORD_CLIENT_SECRET": whole.system.environment("issuer")["OPERATIONS_CLIENT_SECRET"],
    }
    runner, program = CliRunner(), collect()
    result = await asyncio.to_thread(runner.invoke, program, ["operations", "set-aside", *words], env=environment)
    assert result.stdout, result.output
    return result.exit_code, result.stdout


async def command(whole: Whole, *words: str) -> tuple[int, Any]:
    """The same, for its answer in JSON."""
    exit_code, answer = await told(whole, *words)
    return exit_code, json.loads(answer)


async def test_the_command_lists_shows_tries_drops_and_replays(whole: Whole) -> None:
    """A learner's credit waits behind a message that nobody understands, and flows once that is dropped."""
    code = f"aside-{secrets.token_hex(3)}"
    first, second = completion(code, "northbridge:data-ethics"), completion(code, "northbridge:machine-learning")
    assert (await whole.enrol(enrolment(code, "glenmore:pgcert-data"))).status_code == 201
    assert (await whole.publish(first)).status_code == 201

    async def known() -> Any:
        return await whole.fetch("recognition", "SELECT learner_id FROM decision WHERE completion_id = $1", _id(first))

    [(learner,)] = await eventually(known, within=60)
    await send_unreadable(whole, str(learner))
    assert (await whole.publish(second)).status_code == 201
    queue = f"learner:{learner}"

    await _wait_aside(whole, str(learner), 2)
    _, answer = await command(whole, "list", "--queue", queue, "--json")
    heads = {name: one["items"] for name, one in answer.items()}
    assert all(items[0]["behind"] for items in heads.values())
    assert set(heads) == {"recognition", "learner_record", "operations"}
    [head] = heads["recognition"]
    assert head["cause"] == "unknown_type"
    _, table = await told(whole, "list", "--queue", queue)
    assert all(words in table for words in (queue, "unknown_type", "learner_record", "behind"))
    shown = await command(whole, "show", "recognition", str(head["id"]))
    assert shown[1]["value"]["text"] == VALUE.decode()

    chosen = ("--queue", queue, "--because", "nobody understands it", "--json")
    one = (str(head["id"]), "--service", "recognition", "--because", "as it is", "--dry-run")
    exit_code, words = await told(whole, "replay", *one)
    assert (exit_code, f"{head['id']} would fail again" in words) == (1, True)
    exit_code, tried = await command(whole, "replay", *chosen, "--dry-run")
    assert (exit_code, tried["recognition"]["queues"][0]["stopped_at"]) == (1, head["id"])
    exit_code, dropped = await command(
        whole, "drop", "--cause", "unknown_type", "--because", "sent by mistake", "--json"
    )
    assert exit_code == 0
    assert [one["waiting"] for one in dropped["recognition"]["queues"] if one["queue"] == queue] == [1]
    exit_code, replayed = await command(whole, "replay", *chosen)
    assert exit_code == 0
    assert replayed["recognition"]["queues"][0]["applied"] == 1
    decided = await whole.fetch("recognition", "SELECT state FROM decision WHERE completion_id = $1", _id(second))
    assert len(decided) == 1
    assert (await command(whole, "replay", *chosen))[0] == 0, "a second time there is nothing to do"
    _, kept = await command(whole, "list", "--state", "dropped", "--queue", queue, "--json")
    assert [item["acted_by"] for item in kept["recognition"]["items"]] == ["operations-desk"]


def _id(document: dict[str, Any]) -> Any:
    return completion_id("northbridge", document["reference"])


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_a_record_is_seen_tried_and_dropped_with_a_reason(
    whole: Whole, window: OpenWindow, scripts: bool
) -> None:
    learner = str(uuid4())
    await send_unreadable(whole, learner)
    reason = f"a test message {secrets.token_hex(3)}"
    async with window(scripts=scripts, width=1280 if scripts else 380) as opened:
        page = opened.page
        await opened.sign_in(whole.system.addresses["operations"], "Olga Operator")
        await page.get_by_role("link", name="What is set aside").click()
        rows = page.locator("tr", has_text=f"learner:{learner}").filter(has_text="recognition")

        async def listed() -> Any:
            await page.reload()
            return await rows.count()

        await eventually(listed, within=60)
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
