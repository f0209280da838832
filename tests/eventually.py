"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")


async def eventually(
    condition: Callable[[], Value | Awaitable[Value]], *, within: float = 60.0, every: float = 0.05, what: str = ""
) -> Value:
    """Ask until the condition gives something true, and give that; fail with its last answer after `within` seconds."""
    ends_at = time.monotonic() + within
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > ends_at:
            raise AssertionError(
                f"not within {within} s: {what or inspect.getsource(condition).strip()}; last: {value!r}"
            )
        await asyncio.sleep(every)
