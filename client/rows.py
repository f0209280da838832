"""The rows of a file on their way to Concord: what is sent of each, and what keeps it in order with others."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Semaphore, Thread
from typing import Any, Final, TypeVar

LARGEST_ROW: Final = 256 * 1024
"""Bytes that a row may have: as many as a single document."""
MOST_AHEAD: Final = 2
"""How often rows are handed over that are not asked for yet."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file: the line on which it begins, counted from 1, and the JSON that stands for it.

    A text longer than LARGEST_ROW may be only the beginning of what stands in the file.
    """

    number: int
    text: bytes
    learner: str
    """The learner's identifier, however it is spelt in capitals; empty where it cannot be read."""
    references: tuple[str, ...] = ()
    """What else ties it to other rows: its own reference or id, and the member's reference of the learner."""
    size: int = 0
    """Bytes that it takes in the file, with what stands before it."""

    @property
    def ties(self) -> tuple[str, ...]:
        """Rows that share one of these are accepted in their order."""
        return (f"identifier {self.learner}", *self.references) if self.learner else self.references


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that was not accepted: where, why, and per field its value and what would be right."""

    line: int
    reference: str | None
    detail: str
    errors: tuple[dict[str, Any], ...] = ()


def row_of(number: int, text: bytes, document: object, size: int) -> Row:
    """A row with what can be read of its document; whether that is right others say."""
    row = document if isinstance(document, Mapping) else {}
    learner = row["learner"] if isinstance(row.get("learner"), Mapping) else {}
    identifier = learner.get("identifier")
    stated = {"reference": row.get("reference"), "id": row.get("id"), "learner": learner.get("reference")}
    references = tuple(f"{kind} {name}" for kind, name in stated.items() if isinstance(name, str))
    # Identifiers are compared without regard to case, so the same learner may be spelt in two ways.
    return Row(number, text, identifier.casefold() if isinstance(identifier, str) else "", references, size)


class _NobodyReads(Exception):
    """What is read from now on is for nobody."""


async def beside(items: Callable[[Callable[[], None]], Iterator[Item]]) -> AsyncIterator[Item]:
    """The items of an iterator that may block, from a thread that nobody waits for at the end.

    Standard input may stay silent for ever; requests go on meanwhile, and Ctrl-C ends the command. `items` makes the
    iterator, which calls the function that is handed in before it waits for anything: what it gave since it last did
    goes over at once. Raises what the iterator raises.
    """
    loop = asyncio.get_running_loop()
    read: asyncio.Queue[Sequence[Item] | BaseException | None] = asyncio.Queue()
    room = Semaphore(MOST_AHEAD)
    gathered: list[Item] = []
    is_over = False

    def put(something: Sequence[Item] | BaseException | None) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(read.put_nowait, something)

    def hand_over() -> None:
        nonlocal gathered
        if gathered:
            put(gathered)
            gathered = []
            room.acquire()
        if is_over:
            raise _NobodyReads

    def run() -> None:
        end: BaseException | None = None
        try:
            for item in items(hand_over):
                gathered.append(item)  # noqa: PERF402 - it is another list after each hand-over
        except BaseException as error:
            end = error
        put(gathered)
        put(end)

    Thread(target=run, daemon=True).start()
    try:
        while (found := await read.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            room.release()
            for item in found:
                yield item
    finally:
        is_over = True
        room.release()
