"""Of three brokers one dies, and then two: credit goes on with one gone, and waits in the outbox with two gone."""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.eventually import eventually
from tests.faults.runs import SEED, running, see_that_it_is_sound, tell
from tests.faults.story import Client, learners
from tests.servers import Run
from tests.whole import Whole, completion

pytestmark = [
    pytest.mark.servers,
    pytest.mark.timeout(900),
    pytest.mark.skipif("CONCORD_ROUNDS" not in os.environ, reason="three brokers take long; `make faults` runs them"),
]


async def visible(whole: Whole, document: dict[str, Any], member: str, code: str) -> float:
    """Publish a completion, and how many seconds it took until it stood on the learner's record."""
    began = time.monotonic()
    assert (await whole.publish(document)).status_code == 201
    await eventually(lambda: _is_on_record(whole, document["reference"], member, code), within=120, every=0.2)
    return time.monotonic() - began


async def _is_on_record(whole: Whole, reference: str, member: str, code: str) -> bool:
    return reference in str(await whole.record(member, code))


async def test_one_broker_gone_stalls_nothing_for_long_and_two_gone_lose_nothing(
    servers: Run, say: Callable[[str], None]
) -> None:
    """F-13 and F-14."""
    async with running(servers.folder / "brokers", brokers=3) as whole:
        system = whole.system
        client = Client(whole, SEED)
        telling = asyncio.create_task(tell(client, learners(SEED, 40)))
        await eventually(lambda: client.acknowledged > 20, within=120)
        for broker in ("kafka-2", "kafka-3"):
            system.hold(broker)
        await asyncio.to_thread(system.kill, "kafka-2")
        stalled = await visible(whole, completion("f13", "northbridge:data-ethics"), "northbridge", "f13")
        await telling
        assert client.unseen == []

        await asyncio.to_thread(system.kill, "kafka-3")
        late = completion("f14", "northbridge:data-ethics")
        assert (await whole.publish(late)).status_code == 201
        held = await whole.fetch("provider", "SELECT count(*) FROM outbox")
        assert held[0][0] >= 1
        assert not await _is_on_record(whole, late["reference"], "northbridge", "f14")
        for broker in ("kafka-2", "kafka-3"):
            system.release(broker)
        await asyncio.to_thread(system.wait_ready, "kafka", "kafka-2", "kafka-3", seconds=120)
        healed = time.monotonic()
        await eventually(lambda: _is_on_record(whole, late["reference"], "northbridge", "f14"), within=120, every=0.2)
        drained = time.monotonic() - healed
        await see_that_it_is_sound(whole)
    say(
        f"one broker of three killed: visible after {stalled:.1f} s; two killed: accepted, and visible "
        f"{drained:.1f} s after they were back"
    )
