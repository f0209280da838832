"""What a file of completions and Concord have of each other: by reference, each at its newest revision."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

import httpx
import orjson

from client.patience import NoAnswer, NotConcord, insist, must_be_answered
from client.rows import Row

OnProgress: TypeAlias = Callable[[int], None]

PATH: Final = "/completions:compare"
LIST: Final = "/completions"
ITEMS: Final = 200
"""Completions of a page of Concord's list at most."""

SAME: Final = "same"
LACKING: Final = ("missing", "older", "different")
"""What Concord does not have as the file has it."""
DIFFERENT: Final = (*LACKING, "newer")

# Answers are only added, and sorted once at the end: pages of a table that is kept in order would be read and written
# again for each of them.
_TABLES: Final = (
    "CREATE TABLE answer (reference TEXT, line INTEGER, outcome TEXT, revision INTEGER, stored INTEGER)",
    "CREATE TABLE document (line INTEGER PRIMARY KEY, content BLOB)",
)
_NOTE: Final = "INSERT INTO answer VALUES (?, ?, ?, ?, ?)"
_KEEP: Final = "INSERT INTO document VALUES (?, ?)"
# A file may tell a completion's whole history: its newest revision is what the file has.
_SETTLE: Final = (
    """
CREATE TABLE newest AS SELECT reference, line, outcome, revision, stored FROM (
    SELECT *, row_number() OVER (PARTITION BY reference ORDER BY revision DESC, outcome = 'same') AS place FROM answer
) WHERE place = 1
""",
    "CREATE UNIQUE INDEX newest_by_reference ON newest (reference)",
)
_COUNTS: Final = "SELECT outcome, count(*) FROM newest GROUP BY outcome"
_FIRST: Final = "SELECT reference, line, revision, stored FROM newest WHERE outcome = ? ORDER BY line LIMIT ?"
_DOCUMENTS: Final = """
SELECT content FROM document WHERE line IN (SELECT line FROM newest WHERE outcome IN (?, ?, ?)) ORDER BY line
"""
_HAS: Final = "SELECT EXISTS (SELECT 1 FROM newest WHERE reference = ?)"


@dataclass(frozen=True, slots=True)
class Difference:
    """A completion that is not the same: where it stands in the file, and its newest revision here and at Concord."""

    reference: str
    line: int | None = None
    revision: int | None = None
    stored: int | None = None


@dataclass(slots=True)
class Extra:
    """What Concord has and the file lacks: how much, and the first of it."""

    count: int = 0
    first: list[Difference] = field(default_factory=list)


class Comparison:
    """The answers to a file's rows, on the disk: however long the file is, little of it is in memory."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    @classmethod
    @contextmanager
    def kept(cls) -> Iterator["Comparison"]:
        """An empty one, in a file that ends with the block."""
        with TemporaryDirectory(prefix="concord-") as folder:
            database = sqlite3.connect(Path(folder) / "compared", isolation_level=None)
            try:
                for statement in ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", *_TABLES, "BEGIN"):
                    database.execute(statement)
                yield cls(database)
            finally:
                database.close()

    def note(self, row: Row, answer: dict[str, Any]) -> None:
        """Keep a row's answer."""
        reference = answer.get("reference")
        if not isinstance(reference, str):
            return  # a refused row that says of nothing what it is
        outcome = str(answer.get("outcome", "refused"))
        stored = (answer.get("stored") or {}).get("revision")
        self._database.execute(_NOTE, (reference, row.number, outcome, answer.get("revision", 0), stored))
        if outcome in LACKING:
            self._database.execute(_KEEP, (row.number, row.text))

    def settle(self) -> None:
        """Say that there are no further answers; what follows may be asked then."""
        for statement in _SETTLE:
            self._database.execute(statement)

    def counts(self) -> Counter[str]:
        """How many completions have which outcome."""
        return Counter(dict(self._database.execute(_COUNTS).fetchall()))

    def first(self, outcome: str, limit: int) -> list[Difference]:
        """The first completions of an outcome, in the order of the file."""
        return [Difference(*row) for row in self._database.execute(_FIRST, (outcome, limit))]

    def lacking(self) -> Iterator[bytes]:
        """The rows whose completions Concord does not have as the file has them, in the order of the file."""
        for (document,) in self._database.execute(_DOCUMENTS, LACKING):
            yield document

    def has(self, reference: str) -> bool:
        """Whether the file has a completion of this reference."""
        return bool(self._database.execute(_HAS, (reference,)).fetchone()[0])


async def look_through(
    client: httpx.AsyncClient,
    comparison: Comparison,
    *,
    show: int,
    patience: float,
    on_trouble: Callable[[str], None],
    on_progress: OnProgress,
) -> Extra:
    """What Concord's whole list has and the file lacks; the first `show` of it by reference.

    `on_progress` hears how many were looked at. Raises GaveUp, NotConcord and httpx.HTTPStatusError.
    """
    found, looked_at, after = Extra(), 0, None
    while True:

        async def ask(seconds: float, after: str | None = after) -> tuple[list[dict[str, Any]], str | None]:
            question = {"limit": str(ITEMS)} | ({"after": after} if after else {})
            response = await client.get(LIST, params=question, timeout=seconds)
            must_be_answered(response)
            return _page(response)

        items, after = await insist(ask, patience=patience, on_trouble=on_trouble)
        for one in items:
            if not comparison.has(one["reference"]):
                found.count += 1
                if len(found.first) < show:
                    found.first.append(Difference(one["reference"], stored=one["revision"]))
        looked_at += len(items)
        on_progress(looked_at)
        if after is None:
            return found


def _page(response: httpx.Response) -> tuple[list[dict[str, Any]], str | None]:
    try:
        stated = orjson.loads(response.content)
        return list(stated["items"]), stated["next"]
    except orjson.JSONDecodeError:
        raise NoAnswer(f"{response.url} gave an answer that is not whole") from None
    except (KeyError, TypeError):
        raise NotConcord(f"{response.url} answered, but not as Concord does; is it the right address?") from None
