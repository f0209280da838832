"""CSV with a header (RFC 4180), as spreadsheets and members' systems write it: one thing a row.

Cells are separated by commas, semicolons or tabs: whichever makes known columns of the header. A quoted cell may have
line breaks; a row's line is the one on which it begins. An empty cell states nothing.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import BinaryIO, Final

from client.formats.columns import COMPLETIONS, Column, Table, Unfit, plain_name
from client.formats.reading import Document, Fault, NotAsSaid, Notes, Read, Unreadable
from client.rows import LARGEST_ROW

_SEPARATORS: Final = {",": "commas", ";": "semicolons", "\t": "tabs"}
_SEPARATOR_STATED: Final = re.compile(r"sep=([,;\t])")
"""What a spreadsheet may write before the header."""
_BYTE_ORDER_MARK: Final = "\ufeff"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_SAVE_AGAIN: Final = "save the file as UTF-8 (in a spreadsheet: “CSV UTF-8”)"
_QUOTES: Final = "quotation marks that are closed within the row, and doubled inside a quoted cell"


def rows(source: BinaryIO, _notes: Notes, *, table: Table = COMPLETIONS) -> Iterator[Read]:
    """The rows of a CSV file as documents of a kind.

    Raises NotAsSaid for a header that cannot be read: another encoding, an unknown, repeated or missing column.
    """
    lines = _Lines(source)
    header = _header(lines, table)
    if header is None:
        return
    header.must_be_complete(table)
    read = csv.reader(lines, delimiter=header.separator, strict=True, skipinitialspace=True)
    while True:
        lines.begin_row()
        try:
            cells = next(read)
        except StopIteration:
            return
        except _TooLong:
            yield lines.unreadable(f"a row of at most {LARGEST_ROW:,} bytes")
        except csv.Error as error:
            yield lines.unreadable(_in_words(error))
        else:
            if any(cell.strip() for cell in cells):
                yield header.read(lines.begun, cells)


class _TooLong(Exception):
    """A row that goes on beyond what any row may have."""


class _Lines:
    """The lines of a file as text, to be read row by row; a byte that is not UTF-8 becomes a lone surrogate."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._row = ""
        self._row_bytes = 0
        self.number = 0
        """Of the line that was read last."""
        self.begun = 0
        """Of the line on which the row began."""

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._source.readline(LARGEST_ROW + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self._row_bytes += len(line)
        is_whole = self._row_bytes <= LARGEST_ROW
        text = line.decode(errors="surrogateescape")
        if self.number == 1:
            text = text.removeprefix(_BYTE_ORDER_MARK)
        self._row = self._row or text[:60]
        while not line.endswith(b"\n") and (line := self._source.readline(LARGEST_ROW)):
            is_whole = False
        if not is_whole:
            raise _TooLong
        return text

    def begin_row(self) -> None:
        """Say that a row begins with the next line."""
        self.begun = self.number + 1
        self._row = ""
        self._row_bytes = 0

    def unreadable(self, expected: str) -> Unreadable:
        """The row that was begun, as one that is not read."""
        if self.number > self.begun:
            expected += f"; lines {self.begun} to {self.number} were read as this row"
        return Unreadable.because(self.begun, "", _shown(self._row.strip()) + "…", expected)


@dataclass(frozen=True, slots=True)
class _Header:
    """What the header says: how cells are separated, and which column each is in; None for one without a name."""

    separator: str
    columns: tuple[Column | None, ...]

    def must_be_complete(self, table: Table) -> None:
        """Raise NotAsSaid where a field that everything of the kind needs is no column."""
        stated = {column.name for column in self.columns if column}
        missing = [column.name for column in table.columns.values() if column.is_required and column.name not in stated]
        if missing:
            separated = _SEPARATORS[self.separator]
            raise NotAsSaid(
                f"The header, read as separated by {separated}, has no column {_listed(missing)}."
                f" {table.one} needs a value there."
            )

    def read(self, line: int, cells: Sequence[str]) -> Read:
        """A row as a document, or what is wrong with it."""
        document: Document = {}
        faults: list[Fault] = []
        if len(cells) < len(self.columns) or any(cell.strip() for cell in cells[len(self.columns) :]):
            expected = f"{len(self.columns)} cells, as the header has; this row has {len(cells)}"
            faults.append(Fault("", _shown(self.separator.join(cells)[:60]) + "…", expected))
        else:
            for column, cell in zip(self.columns, cells, strict=False):
                if text := cell.strip():
                    faults += _put(document, column, text)
        if not faults:
            return line, document
        return Unreadable(line, tuple(faults), self._reference(cells))

    def _reference(self, cells: Sequence[str]) -> str | None:
        for column, cell in zip(self.columns, cells, strict=False):
            if column and column.name == "reference":
                return _shown(cell.strip()) or None
        return None


def _put(document: Document, column: Column | None, text: str) -> Iterator[Fault]:
    """Put a cell's value into a document, or say what is wrong with it."""
    if column is None:
        yield Fault("", _shown(text), "no cell where the header names no column")
        return
    if not _is_utf_8(text):
        yield Fault(column.name, _shown(text), f"text in UTF-8; {_SAVE_AGAIN}")
        return
    try:
        value = column.value_of(text)
    except Unfit as unfit:
        yield Fault(column.name, text, str(unfit))
        return
    *parts, last = column.path
    for part in parts:
        document = document.setdefault(part, {})
    document[last] = value


def _header(lines: _Lines, table: Table) -> _Header | None:
    """The header: the first line that is not blank. None for an empty file; raises NotAsSaid."""
    stated: tuple[str, ...] = tuple(_SEPARATORS)
    while True:
        lines.begin_row()
        try:
            text = next(lines, None)
        except _TooLong:
            raise NotAsSaid(
                f"The first line has more than {LARGEST_ROW:,} bytes; a header with columns is wanted."
            ) from None
        if text is None:
            return None
        if "\x00" in text or text.encode(errors="surrogateescape").startswith(_UTF_16):
            raise NotAsSaid(f"The file is in UTF-16; {_SAVE_AGAIN}.")
        if not _is_utf_8(text):
            raise NotAsSaid(f"The header is not in UTF-8; {_SAVE_AGAIN}.")
        if found := _SEPARATOR_STATED.fullmatch(text.strip("\r\n")):
            stated = (found[1],)
        elif text.strip():
            return _header_of(text.strip("\r\n"), stated, table)


def _header_of(text: str, separators: Sequence[str], table: Table) -> _Header:
    if "\r" in text:
        raise NotAsSaid("Lines must end with LF or CRLF; in this file they end with CR alone.")
    known = {plain_name(name): column for name, column in table.columns.items()}
    # No name has a separator in it, so where they stand is seen before quotes are read.
    tried = {one: [plain_name(cell.strip(' "')) in known for cell in text.split(one)] for one in separators}
    separator = max(tried, key=lambda one: (sum(tried[one]), len(tried[one])))
    try:
        names = next(csv.reader([text], delimiter=separator, strict=True, skipinitialspace=True))
    except csv.Error:
        raise NotAsSaid(f"The header cannot be read; it wants {_QUOTES}.") from None
    names = [name.strip() for name in names]
    columns = tuple(known.get(plain_name(name)) for name in names)
    unknown = [name for name, column in zip(names, columns, strict=True) if name and column is None]
    if unknown:
        raise NotAsSaid(" ".join(_unknown(name, table) for name in unknown[:20]))
    stated = [column.name for column in columns if column]
    if repeated := sorted({name for name in stated if stated.count(name) > 1}):
        raise NotAsSaid(f"The header has more than one column {_listed(repeated)}.")
    return _Header(separator, columns)


def _unknown(name: str, table: Table) -> str:
    """What to say of a column that is none: the nearest that is one."""
    known = {plain_name(one): one for one in table.columns}
    near = get_close_matches(plain_name(name), known, n=1, cutoff=0.5)
    hint = f"did you mean {known[near[0]]}?" if near else f"the columns are {', '.join(known.values())}."
    return f"{table.one} has no field “{_shown(name[:60])}”; {hint}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _in_words(error: csv.Error) -> str:
    words = str(error)
    if "field limit" in words:
        return f"cells of at most {csv.field_size_limit():,} characters, and {_QUOTES}"
    if "new-line" in words:
        return "rows whose lines end with LF or CRLF"
    return _QUOTES


def _is_utf_8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(text: str) -> str:
    """A text with what is not UTF-8 in it made visible."""
    return text.encode(errors="surrogateescape").decode(errors="replace")
