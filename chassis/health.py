"""Whether a process can do its work: checks that are asked on every look, and never waited for longer than that."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

Check = Callable[[], Awaitable[str | None]]
"""Gives None where all is well, else the trouble in words."""

CHECK_SECONDS: Final = 2.5
"""How long a look waits for a check; below the time that those who look allow themselves."""


class Checks:
    """The checks of a process, by what each looks at.

    A check that does not answer is left alone until it does, and no second one is begun beside it: it may hold a
    connection, and looks come every few seconds for as long as a server hangs.
    """

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = dict(checks)
        self._under_way: dict[str, asyncio.Task[str | None]] = {}

    async def troubles(self) -> list[str]:
        """What is in the way, each with the name of its check; empty where the process is ready."""
        found = await asyncio.gather(*(self._look(name) for name in self._checks))
        return [f"{name}: {trouble}" for name, trouble in zip(self._checks, found, strict=True) if trouble]

    async def _look(self, name: str) -> str | None:
        task = self._under_way.get(name)
        if task is None or task.done():
            task = self._under_way[name] = asyncio.create_task(self._ask(self._checks[name]))
        done, _ = await asyncio.wait({task}, timeout=CHECK_SECONDS)
        return task.result() if done else f"no answer within {CHECK_SECONDS} s"

    async def _ask(self, check: Check) -> str | None:
        try:
            return await check()
        except Exception as error:  # whatever it is, it means not ready
            return type(error).__name__
