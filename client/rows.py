"""The rows of an NDJSON file: read as they are needed, each with what keeps it in order with others."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Final

import orjson

LARGEST_ROW: Final = 256 * 1024
"""Bytes that a row may have: as many as a single document."""
BLOCK: Final = 256 * 1024
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
# Enough to tell a row of the largest size, with what may stand around it, from one that goes on.
_HELD: Final = LARGEST_ROW + len(_BYTE_ORDER_MARK) + len(b"\r") + 1


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a file: its number, counted from 1, and its text as it stands there.

    A text longer than LARGEST_ROW may be only the beginning of the line.
    """

    number: int
    text: bytes
    learner: str
    """The learner's identifier, however it is spelt in capitals; empty where it cannot be read."""
    references: tuple[str, ...] = ()
    """What else ties it to other rows: its own reference or id, and the member's reference of the learner."""
    size: int = 0
    """Bytes that it takes in the file, with its line end and the blank lines before it."""

    @property
    def ties(self) -> tuple[str, ...]:
        """Rows that share one of these are accepted in their order."""
        return (f"identifier {self.learner}", *self.references) if self.learner else self.references


async def rows_in(source: int) -> AsyncIterator[Row]:
    """The rows of an open file, a pipe or a terminal, by its descriptor; raises OSError where it cannot be read.

    Blank lines count as lines, but are no rows. One block and one line are held at a time, and of a line no more
    than a row may have.
    """
    lines = _Lines()
    while block := await _beside(lambda: os.read(source, BLOCK)):
        for row in lines.rows(block):
            yield row
    for row in lines.end():
        yield row


class _Lines:
    """Cuts blocks into rows."""

    def __init__(self) -> None:
        self._number = 0
        self._held = bytearray()
        self._size = 0

    def rows(self, block: bytes) -> Iterator[Row]:
        *ended, begun = block.split(b"\n")
        for piece in ended:
            self._take(piece)
            self._size += 1
            yield from self.end()
        self._take(begun)

    def end(self) -> Iterator[Row]:
        """The row that ends here, unless its line is blank."""
        self._number += 1
        text = bytes(self._held).removesuffix(b"\r")
        self._held.clear()
        if self._number == 1:
            text = text.removeprefix(_BYTE_ORDER_MARK)
        if text.strip():
            yield Row(self._number, text, *_names_in(text), self._size)
            self._size = 0

    def _take(self, piece: bytes) -> None:
        self._size += len(piece)
        self._held += piece[: _HELD - len(self._held)]


def _names_in(text: bytes) -> tuple[str, tuple[str, ...]]:
    """The learner and the references of a row, as far as they can be read; whether they are right others say."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return "", ()
    row = document if isinstance(document, dict) else {}
    learner = row["learner"] if isinstance(row.get("learner"), dict) else {}
    identifier = learner.get("identifier")
    stated = {"reference": row.get("reference"), "id": row.get("id"), "learner": learner.get("reference")}
    references = tuple(f"{kind} {name}" for kind, name in stated.items() if isinstance(name, str))
    # Identifiers are compared without regard to case, so the same learner may be spelt in two ways.
    return identifier.casefold() if isinstance(identifier, str) else "", references


async def _beside(read: Callable[[], bytes]) -> bytes:
    """What a blocking read gives, from a thread that nobody waits for at the end.

    Standard input may stay silent for ever; requests go on meanwhile, and Ctrl-C ends the command.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[bytes] = loop.create_future()

    def finish(block: bytes, error: OSError | None) -> None:
        if result.done():
            return
        if error is None:
            result.set_result(block)
        else:
            result.set_exception(error)

    def run() -> None:
        block, failure = b"", None
        try:
            block = read()
        except OSError as error:
            failure = error
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(finish, block, failure)

    Thread(target=run, daemon=True).start()
    return await result
