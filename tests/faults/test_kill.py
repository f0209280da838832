"""Every process is killed under load, again and again; the end state is that of an undisturbed run (F-01 to F-07)."""

import asyncio
import gc
import os
import random
from collections import Counter
from collections.abc import Callable
from typing import Final

import httpx
import pytest

from contracts.ids import completion_id
from tests.faults.kills import READERS, SESSION, UNITS, Killer
from tests.faults.runs import LEARNERS, SEED, running, see_that_it_is_sound, tell
from tests.faults.state import Difference, State, examples, sent_twice, settled_state
from tests.faults.story import Client, learners
from tests.servers import Run
from tests.whole import Whole

pytestmark = [
    pytest.mark.servers,
    pytest.mark.timeout(3600),
    # Sockets to servers that died while a connection was being opened, which the clients' libraries leave to Python.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROUNDS: Final = int(os.environ.get("CONCORD_ROUNDS", "2"))


async def visit(whole: Whole, completions: list[str], stop: asyncio.Event) -> Counter[tuple[str, int]]:
    """Look at pages of the portal and at journeys meanwhile; counts answers by service and status, 0 for none."""
    rng, answers = random.Random(SEED), Counter[tuple[str, int]]()
    async with (
        whole.at("portal", "northbridge-system") as portal,
        whole.at("operations", "northbridge-system") as watch,
    ):
        while not stop.is_set():
            journey = f"/journeys/{rng.choice(completions)}"
            for name, http, path in (("portal", portal, "/"), ("operations", watch, journey)):
                try:
                    response = await http.get(path, headers={"Accept": "application/json, text/html"})
                    answers[name, response.status_code] += 1
                except httpx.TransportError:
                    answers[name, 0] += 1
            await asyncio.sleep(0.2)
    return answers


async def test_killed_processes_leave_the_state_of_an_undisturbed_run(
    servers: Run, undisturbed: State, say: Callable[[str], None], say_last: Callable[[str], None]
) -> None:
    stream = learners(SEED, LEARNERS)
    changes = sum(len(learner.steps) for learner in stream)
    own = [
        str(completion_id("northbridge", step.document["reference"]))
        for learner in stream
        for step in learner.steps
        if step.kind == "completion" and step.document["learning_opportunity"]["id"].startswith("northbridge:")
    ]
    async with running(servers.folder / "killed", environment=dict.fromkeys(READERS, SESSION)) as whole:
        client, killer, stop = Client(whole, SEED), Killer(whole.system, SEED, ROUNDS), asyncio.Event()
        visiting = asyncio.create_task(visit(whole, own, stop))
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(tell(client, stream))
            group.create_task(killer.run(lambda: 1.0 if telling.done() else client.acknowledged / changes))
        await asyncio.to_thread(whole.system.wait_ready, seconds=300)
        state = await settled_state(whole)
        stop.set()
        visits = await visiting
        await see_that_it_is_sound(whole)
        twice = await sent_twice(whole.system.addresses["kafka"], "provider.completion", "recognition.decision")
    gc.collect()  # what the killed servers left behind is found in this test, not in the next
    difference = Difference.between(undisturbed, state)
    say(
        f"killed: {', '.join(f'{unit} {killer.kills[unit]}' for unit in UNITS)}; of these inside their work: "
        f"{killer.inside}; load: {telling.result():.0f} s, requests given up by the client: {client.cut}, repeated: "
        f"{client.repeated}; records sent twice: {twice}"
    )
    say_last(f"kills: {killer.kills.total()}; completions: {len(state['completions'])}; {difference}")
    assert client.unseen == []
    assert difference.is_none, f"{difference!r} {examples(undisturbed, state)}"
    # Otherwise the kills hit nothing, and the run proves nothing.
    assert min(killer.kills[unit] for unit in UNITS) >= ROUNDS
    assert killer.inside > 0
    assert twice > 0
    assert client.cut > 0
    assert client.repeated > 0
    for name in ("portal", "operations"):
        assert visits[name, 200] > 0
    assert {status for _, status in visits} <= {0, 200, 404, 502, 503, 504}, visits
