"""One of two processes that bring what belongs together at the same instant: `python -m … URL PARTITION WHAT`.

For each line on its standard input, a learner's id, it handles that learner's event – WHAT is `enrolment`, or a course
that is completed – as the consumer does, in a batch and a transaction of its own, and answers with the id. PARTITION
is its own, so that nothing but the learner is between the two.
"""

import asyncio
import sys
from uuid import UUID

from chassis.database import open_pool
from tests.integration.recognition.ground import Ground, completion, enrolment


async def main(url: str, partition: str, what: str) -> None:
    """Answer until the input ends."""
    ground = Ground(await open_pool(url))
    loop = asyncio.get_running_loop()
    while line := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        learner = UUID(line)
        records = ground.log(enrolment(learner) if what == "enrolment" else completion(learner, what))
        records[0].partition = int(partition)
        await ground.handle(records)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    ground.pool.terminate()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
