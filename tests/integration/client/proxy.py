"""A TCP proxy that cuts connections in the middle of requests and of answers, at places that a seed decides."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal

Side = Literal["request", "answer"]


class Proxy:
    """Stands before a server on this machine; the first `cuts` of each side's connections end too early."""

    def __init__(self, port: int, *, seed: int, cuts: int, within: int) -> None:
        self._port = port
        self._chance = random.Random(seed)
        self._within = within
        self._planned: list[Side] = ["request", "answer"] * cuts
        self._chance.shuffle(self._planned)
        self.cut: list[Side] = []
        """What was cut so far."""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """The address under which the server is reached through the proxy."""
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", self._port)
        side = self._planned.pop() if self._planned else None
        after = self._chance.randint(1, self._within)
        ways = [
            asyncio.create_task(self._pass("request", side, after, reader, onward_writer)),
            asyncio.create_task(self._pass("answer", side, after, onward_reader, writer)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        reset = self._chance.random() < 0.5
        for end in (writer, onward_writer):
            if reset:
                end.transport.abort()
            end.close()
            with suppress(OSError):
                await end.wait_closed()

    async def _pass(
        self, side: Side, cut: Side | None, after: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Hand on what comes; return at the end, or where this side is to be cut and so many bytes went through."""
        left = after if side == cut else None
        while piece := await reader.read(16 * 1024):
            if left is not None and len(piece) >= left:
                writer.write(piece[:left])
                await writer.drain()
                self.cut.append(side)
                return
            left = None if left is None else left - len(piece)
            writer.write(piece)
            await writer.drain()
