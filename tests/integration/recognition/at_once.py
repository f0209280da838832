"""One of two processes that bring the halves of a claim at the same instant: `python -m … URL completion|enrolment`.

For each line on its standard input, a learner's id, it handles that learner's event as the consumer does, in a batch
and a transaction of its own, and answers with the id.
"""

import asyncio
import sys
from uuid import UUID

from chassis.database import open_pool
from tests.integration.recognition.ground import Ground, completion, enrolment


async def main(url: str, kind: str) -> None:
    """Answer until the input ends."""
    ground = Ground(await open_pool(url))
    loop = asyncio.get_running_loop()
    while line := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        learner = UUID(line)
        await ground.consume(completion(learner) if kind == "completion" else enrolment(learner))
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    ground.pool.terminate()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
