"""A learner's first completion and first enrolment at once, from two processes: one of them always sees the other.

Tried: without the learner's lock, and with the state read in the locking statement, both processes read a state in
which the other half is not there yet, and learners are left without a decision (docs/reliability.md says how many).
"""

import asyncio
import sys
from uuid import uuid4

import pytest

from chassis.database import transaction
from tests.conftest import Database
from tests.integration.recognition.ground import Ground

pytestmark = pytest.mark.servers

TIMES = 200


async def test_a_first_completion_and_a_first_enrolment_at_once_never_miss_each_other(
    ground: Ground, own_database: Database
) -> None:
    await ground.set_up()
    learners = [uuid4() for _ in range(TIMES)]
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.recognition.at_once",
            own_database.url,
            kind,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for kind in ("completion", "enrolment")
    ]
    try:
        for learner in learners:
            for process in processes:
                assert process.stdin is not None
                process.stdin.write(f"{learner}\n".encode())
            for process in processes:
                assert process.stdout is not None
                async with asyncio.timeout(30):
                    assert (await process.stdout.readline()).decode().strip() == str(learner)
    finally:
        for process in processes:
            if process.stdin is not None:
                process.stdin.close()
            await asyncio.wait_for(process.wait(), 30)
    async with transaction(ground.pool) as connection:
        rows = await connection.fetch("SELECT learner_id, count(*) AS n FROM decision GROUP BY learner_id")
    decided = {row["learner_id"]: row["n"] for row in rows}
    missed = [learner for learner in learners if learner not in decided]
    assert not missed, f"{len(missed)} of {TIMES} learners are without a decision"
    assert set(decided.values()) == {1}
