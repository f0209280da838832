"""Files of members in the formats that their systems write, read row by row as the documents that Concord takes."""

import io
import re
from collections.abc import AsyncIterator, Callable, Iterator
from enum import StrEnum
from functools import partial
from pathlib import PurePath
from typing import Any, Final

import orjson

from client.formats import comma_separated, elmo, ndjson
from client.formats.columns import COMPLETIONS, Table, plain_name
from client.formats.reading import NotAsSaid, Notes, Reader, Unreadable
from client.rows import Refused, Row, beside, row_of

__all__ = ["File", "Format", "NotAsSaid"]

BLOCK: Final = 64 * 1024
_AT_THE_START: Final = re.compile(rb"[\xef\xbb\xbf\xff\xfe\x00\s]*([{<]?)")


class Format(StrEnum):
    """What a file can be, as the command's option names it."""

    NDJSON = "ndjson"
    CSV = "csv"
    ELMO = "elmo"


_ENDINGS: Final = {
    ".ndjson": Format.NDJSON,
    ".jsonl": Format.NDJSON,
    ".json": Format.NDJSON,
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
    ".txt": Format.CSV,
    ".xml": Format.ELMO,
    ".elmo": Format.ELMO,
}


def recognised(name: str, head: bytes, table: Table = COMPLETIONS) -> Format:
    """The format of a file with this name that begins so.

    A brace begins NDJSON and an angle bracket ELMO, whatever the name; else the name's ending decides; else it is CSV
    where one of the first two lines names a column, and NDJSON where it does not.
    """
    start = _AT_THE_START.match(head)
    if start and start[1]:
        return Format.NDJSON if start[1] == b"{" else Format.ELMO
    if found := _ENDINGS.get(PurePath(name).suffix.lower()):
        return found
    # A spreadsheet may name the separator on a line before the header.
    beginning = b"\n".join(head.split(b"\n", 2)[:2]).decode("utf-8-sig", errors="replace")
    names = {plain_name(cell.strip(' "')) for cell in re.split(r"[,;\t\r\n]", beginning)}
    return Format.CSV if names & {plain_name(column) for column in table.columns} else Format.NDJSON


class File:
    """An open file, pipe or terminal, by its descriptor: its rows, each once.

    `name` is what it is called, `format` what it is said to be (else it is recognised), `own` what a member says of
    its ELMO files. Iterating raises OSError where it cannot be read, and NotAsSaid where it is not what it is said
    to be; a row that cannot be made is Refused, and the others follow.
    """

    def __init__(
        self,
        source: int,
        name: str = "",
        *,
        table: Table = COMPLETIONS,
        format: Format | None = None,  # noqa: A002 - the option's own name
        own: elmo.Own | None = None,
    ) -> None:
        self._source = source
        self._name = name
        self._table = table
        self._own = own or elmo.Own()
        self.format = format
        """What it is; None until its beginning was read."""
        self.notes = Notes()
        """What it holds and rows do not carry over."""

    def rows(self) -> AsyncIterator[Row | Refused]:
        """The rows, while other things go on."""
        return beside(self._read)

    def __iter__(self) -> Iterator[Row | Refused]:
        return self._read(lambda: None)

    def _read(self, before_waiting: Callable[[], None]) -> Iterator[Row | Refused]:
        source = _Source(self._source, before_waiting)
        self.format = self.format or recognised(self._name, source.peek(1), self._table)
        counted = 0
        for read in (
            ndjson.rows(source, self.notes) if self.format is Format.NDJSON else self._reader()(source, self.notes)
        ):
            if isinstance(read, Row):
                yield read
            elif isinstance(read, Unreadable):
                yield _refused(read)
            else:
                line, document = read
                yield row_of(line, orjson.dumps(document), document, source.taken - counted)
                counted = source.taken

    def _reader(self) -> Reader:
        if self.format is Format.CSV:
            return partial(comma_separated.rows, table=self._table)
        if self._table is not COMPLETIONS:
            raise NotAsSaid(f"The file is ELMO, which holds completions. {self._table.one} comes as NDJSON or CSV.")
        return elmo.reader(self._own)


class _Source(io.BufferedReader):
    """A file from its descriptor, which stays open: a read gives what is there, and what was taken is counted."""

    def __init__(self, source: int, before_waiting: Callable[[], None]) -> None:
        self._counted = _Counted(source, closefd=False)
        self._counted.before_waiting = before_waiting
        super().__init__(self._counted, BLOCK)

    @property
    def taken(self) -> int:
        """Bytes that were taken of the file."""
        return self._counted.taken

    def read(self, size: int | None = -1, /) -> bytes:
        """So many bytes at most, as soon as there are any; all of them where no size is stated."""
        return super().read(size) if size is None or size < 0 else self.read1(size)


class _Counted(io.FileIO):
    taken = 0
    before_waiting: Callable[[], None]

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer, and count."""
        self.before_waiting()
        count = super().readinto(buffer)
        self.taken += count
        return count


def _refused(row: Unreadable) -> Refused:
    errors = tuple({"field": one.field, "value": one.value, "expected": one.expected} for one in row.faults)
    return Refused(row.line, row.reference, "The row cannot be read.", errors)
