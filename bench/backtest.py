"""How long the backtest of a draft over 10,000 completions takes: `python -m bench.backtest`.

A fresh PostgreSQL, 10,000 learners who each have an enrolment at one member and a completion of another, every claim
decided; then a draft that changes half of the decisions is tested page by page over the interface, as the command
`concord agreement backtest` does.
"""

import asyncio
import sys
import time
from decimal import Decimal
from uuid import UUID

from chassis.database import open_pool
from tests import databases
from tests.integration.recognition.ground import Ground, agreement, completion, enrolment
from tests.servers import Run

LEARNERS = 10_000
IN_A_BATCH = 500
DRAFT = "/agreements/northbridge-strathmore/drafts/2"


async def filled(url: str) -> Ground:
    """The recognition service with everybody's claim decided."""
    ground = Ground(await open_pool(url))
    await ground.set_up()
    for begin in range(0, LEARNERS, IN_A_BATCH):
        learners = [UUID(int=number + 1) for number in range(begin, begin + IN_A_BATCH)]
        await ground.consume(*(enrolment(learner) for learner in learners))
        await ground.consume(*(completion(learner, mark=Decimal(40 + learner.int % 40)) for learner in learners))
    return ground


async def measured(ground: Ground) -> str:
    """One backtest of everything, and what came of it."""
    async with ground.caller("strathmore", "registry") as registry:
        drafted = await registry.put(
            DRAFT, json=agreement(version=2, minimum_mark="60"), headers={"If-None-Match": "*"}
        )
        drafted.raise_for_status()
        claims = changed = pages = 0
        longest = 0.0
        after = None
        begin, processor = time.perf_counter(), time.process_time()
        while True:
            page_begins = time.perf_counter()
            answer = await registry.post(f"{DRAFT}/backtest", json={"after": after})
            longest = max(longest, time.perf_counter() - page_begins)
            found = answer.raise_for_status().json()
            claims, changed, pages = claims + found["claims"], changed + found["changed"], pages + 1
            if (after := found["next"]) is None:
                break
        took, processor = time.perf_counter() - begin, time.process_time() - processor
    return (
        f"{claims} completions, {changed} changed: {took:.1f} s, {processor:.1f} s of them of the processor, "
        f"in {pages} pages, the longest {longest:.2f} s"
    )


async def run() -> int:
    """Fill, measure three times, say so."""
    servers = Run.begin()
    try:
        url, _ = await databases.create(servers.address("postgres"), "recognition", "backtest", "of-the-bench")
        ground = await filled(url)
        for _ in range(3):
            sys.stdout.write(f"{await measured(ground)}\n")
        await ground.pool.close()
    finally:
        servers.end()
    return 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(run()))
