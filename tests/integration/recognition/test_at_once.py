"""What belongs to one learner at once, from two processes: one of them always sees what the other did.

Tried: without the learner's lock, and with the state read in the locking statement, both processes read a state in
which the other's part is not there yet: learners are left without a decision, and two claims both get the room for one
(docs/reliability.md says how many).
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from tests.conftest import Database
from tests.integration.recognition.ground import Ground, agreement, award, enrolment

pytestmark = pytest.mark.servers

TIMES = 200


async def at_once(url: str, learners: Sequence[UUID], *what: str) -> None:
    """Have one process bring each of these for each learner, all at the same instant, learner by learner."""
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.recognition.at_once",
            url,
            str(partition),
            one,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for partition, one in enumerate(what)
    ]
    try:
        for learner in learners:
            for process in processes:
                assert process.stdin is not None
                process.stdin.write(f"{learner}\n".encode())
            for process in processes:
                assert process.stdout is not None
                async with asyncio.timeout(60):
                    assert (await process.stdout.readline()).decode().strip() == str(learner)
    finally:
        for process in processes:
            if process.stdin is not None:
                process.stdin.close()
            await asyncio.wait_for(process.wait(), 30)


async def test_a_first_completion_and_a_first_enrolment_at_once_never_miss_each_other(
    ground: Ground, own_database: Database
) -> None:
    await ground.set_up()
    learners = [uuid4() for _ in range(TIMES)]
    await at_once(own_database.url, learners, "northbridge:stats", "enrolment")
    rows = await ground.rows("SELECT learner_id, count(*) AS n FROM decision GROUP BY learner_id")
    decided = dict(rows)
    missed = [learner for learner in learners if learner not in decided]
    assert not missed, f"{len(missed)} of {TIMES} learners are without a decision"
    assert set(decided.values()) == {1}


async def test_of_two_claims_at_once_with_room_for_one_exactly_one_gets_it(
    ground: Ground, own_database: Database
) -> None:
    await ground.set_up(award(import_cap="20"), agreement())
    learners = [uuid4() for _ in range(TIMES)]
    for learner in learners:
        await ground.consume(enrolment(learner))
    await at_once(own_database.url, learners, "northbridge:stats", "northbridge:ethics")
    rows = await ground.rows(
        "SELECT learner_id, array_agg(state ORDER BY state) FROM ("
        "    SELECT DISTINCT ON (completion_id, enrolment_id) learner_id, state"
        "    FROM decision ORDER BY completion_id, enrolment_id, number DESC"
        ") AS current GROUP BY learner_id"
    )
    got = Counter(tuple(states) for _, states in rows)
    assert got == {("DECLINED", "RECOGNISED"): TIMES}, f"{dict(got)} and {TIMES - len(rows)} without a decision"
    balances = await ground.rows("SELECT learner_id, sum(credits) FROM ledger GROUP BY learner_id")
    assert Counter(balance for _, balance in balances) == {Decimal(20): TIMES}
