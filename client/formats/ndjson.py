"""NDJSON: one JSON document a line, sent as it stands there."""

from collections.abc import Iterator
from typing import BinaryIO, Final

import orjson

from client.formats.reading import NotAsSaid, Notes
from client.rows import LARGEST_ROW, Row, row_of

BLOCK: Final = 64 * 1024
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
# Enough to tell a row of the largest size, with what may stand around it, from one that goes on.
_HELD: Final = LARGEST_ROW + len(_BYTE_ORDER_MARK) + len(b"\r") + 1


def rows(source: BinaryIO, _notes: Notes) -> Iterator[Row]:
    """The rows of NDJSON as they stand there: what is no JSON is Concord's to refuse, like everything else in them.

    Blank lines count as lines, but are no rows. One block and one line are held at a time, and of a line no more than
    a row may have.
    """
    lines = _Lines()
    while block := source.read(BLOCK):
        yield from lines.rows(block)
    yield from lines.end()


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
            if text.startswith(_UTF_16):
                raise NotAsSaid("The file is in UTF-16; NDJSON is in UTF-8.")
            text = text.removeprefix(_BYTE_ORDER_MARK)
        if text.strip():
            yield row_of(self._number, text, _document(text), self._size)
            self._size = 0

    def _take(self, piece: bytes) -> None:
        self._size += len(piece)
        self._held += piece[: _HELD - len(self._held)]


def _document(text: bytes) -> object:
    """What stands in a line, as far as it can be read."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
