"""What a reader of a file format gives: rows as documents with their line, what cannot be made, and notes.

A reader is a function `rows(source, notes)`. It yields `(line, document)` for every row that it can make, in the order
of the file, and `Unreadable` for one that it cannot; it goes on with the next. It holds one row at a time. What is
checked by Concord (a missing field, a level that a framework does not have) it leaves to Concord: it refuses what it
cannot turn into a document's values, and leaves out what the file does not state.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, TypeAlias

MOST_NOTES: Final = 200
"""Different notes that are kept, so that no file fills the memory with them."""

Document: TypeAlias = dict[str, Any]
"""A completion as documents.md describes it, with its `reference`: credit and marks are text, days are YYYY-MM-DD."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a row: the field or element, what stands there, and what would be right."""

    field: str
    value: object
    expected: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row of which no document can be made: where it begins, what is wrong, and its reference where that is known."""

    line: int
    faults: tuple[Fault, ...]
    reference: str | None = None

    @classmethod
    def because(cls, line: int, field: str, value: object, expected: str, reference: str | None = None) -> "Unreadable":
        """A row with one fault."""
        return cls(line, (Fault(field, value, expected),), reference)


class NotAsSaid(Exception):
    """The file as a whole cannot be read as what it is said to be; the message is a sentence for whoever sent it."""


@dataclass(slots=True)
class Notes:
    """What a file holds and a completion does not: by kind, how often, and the line where it stands first."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, int] = field(default_factory=dict)

    def add(self, line: int, what: str) -> None:
        """Note something that is not carried over, such as `learner/givenNames`: its kind, and never its value."""
        if what in self.first or len(self.first) < MOST_NOTES:
            self.counts[what] += 1
            self.first.setdefault(what, line)


Read: TypeAlias = tuple[int, Document] | Unreadable
Reader: TypeAlias = Callable[[BinaryIO, Notes], Iterator[Read]]
"""`rows(source, notes)`. Raises NotAsSaid, at the first row or in the middle, where there is no going on."""
