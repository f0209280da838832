"""Runs of the story: a fresh system, the consortium in it, a client that sends everything."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from deploy.local.system import System
from services.operations.audit.auditing import audit
from tests.faults.story import Client, Learner
from tests.whole import Whole

SEED: Final = int(os.environ.get("CONCORD_SEED", "20261124"))
LEARNERS: Final = int(os.environ.get("CONCORD_LEARNERS", "300"))
# One key for all runs: pseudonyms go into the hashes that are compared.
VALUES: Final = {"LEARNER_ID_KEY": "of the kill tests, the same in every run", "SYNTHETIC_EVERY": "0"}


@asynccontextmanager
async def running(folder: Path, *, with_consortium: bool = True, **how: Any) -> AsyncIterator[Whole]:
    """A fresh system, with the demo's consortium in it; `how` as in deploy.local.system.System."""
    system = System(folder, ends_with_this_process=True, values=VALUES, **how)
    await asyncio.to_thread(system.start)
    try:
        whole = Whole(system)
        if with_consortium:
            await whole.found()
        yield whole
    finally:
        await asyncio.to_thread(system.delete)


async def tell(client: Client, stream: list[Learner]) -> float:
    """Send the story and see that every change was acknowledged; how many seconds it took."""
    seconds = await client.send(stream)
    assert client.refused == []
    assert client.acknowledged == client.sent
    return seconds


async def see_that_it_is_sound(whole: Whole) -> None:
    """Have the auditor look through the databases; everything that it checks must hold (docs/reliability.md)."""
    services = ("provider", "recognition", "learner_record", "operations")
    report = await audit({service: whole.database(service) for service in services}, settle_within=60)
    assert report.broken == [], [(one.sentence, one.violations) for one in report.results if one.violated]
