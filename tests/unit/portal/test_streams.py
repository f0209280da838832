"""What the portal passes on ends with whoever reads it."""

import asyncio
from collections.abc import AsyncGenerator

import anyio

from services.portal.pages import _until


async def test_a_browser_that_leaves_leaves_nothing_open_behind() -> None:
    came, closed = asyncio.Event(), asyncio.Event()

    async def changes() -> AsyncGenerator[bytes, None]:
        try:
            yield b"one"
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # closing a connection takes a turn of the loop
            closed.set()

    async def read() -> None:
        async for part in _until(asyncio.Event(), 60, changes()):
            if part == b"one":
                came.set()

    # As the server leaves a response whose browser is gone.
    async with anyio.create_task_group() as response:
        response.start_soon(read)
        await came.wait()
        response.cancel_scope.cancel()
    assert closed.is_set()
