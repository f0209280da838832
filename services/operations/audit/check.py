"""What a check is, and what comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

SHOWN: Final = 5
"""Of the rows that are wrong in one way, so many are named."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold, as SQL over the copies.

    The query gives a row for each thing examined: `id`, text that names it; `wrong`, what is wrong with it, or NULL;
    `waits`, what it still waits for, or NULL. What waits is excused for being wrong, and counted by what it waits for.
    """

    invariant: str
    sentence: str
    sql: str


@dataclass(frozen=True, slots=True)
class Violation:
    """Rows that are wrong in one way: how many, and the first of them."""

    wrong: str
    rows: int
    ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a check."""

    invariant: str
    sentence: str
    examined: int
    violations: Sequence[Violation]
    waiting: Mapping[str, int]
    """Rows that are excused, by what they wait for."""

    @property
    def violated(self) -> int:
        """How many rows are wrong."""
        return sum(violation.rows for violation in self.violations)


@dataclass(frozen=True, slots=True)
class Report:
    """What came of an audit, check by check. An invariant of which no row was examined was not shown to hold."""

    taken_at: datetime
    results: Sequence[Result]

    @property
    def invariants(self) -> list[str]:
        """The invariants, in their order, each once."""
        return list(dict.fromkeys(result.invariant for result in self.results))

    @property
    def violations(self) -> dict[str, int]:
        """Rows that are wrong, by invariant; 0 where it holds."""
        return {name: sum(one.violated for one in self._of(name)) for name in self.invariants}

    @property
    def empty(self) -> list[str]:
        """The invariants of which nothing was examined."""
        return [name for name in self.invariants if not any(one.examined for one in self._of(name))]

    @property
    def broken(self) -> list[str]:
        """The invariants that do not hold."""
        return [name for name, rows in self.violations.items() if rows]

    @property
    def waiting(self) -> dict[str, int]:
        """What is still under way or waits, by what it waits for; a thing may be counted by several checks."""
        found: dict[str, int] = {}
        for result in self.results:
            for name, rows in result.waiting.items():
                found[name] = found.get(name, 0) + rows
        return found

    def _of(self, invariant: str) -> list[Result]:
        return [result for result in self.results if result.invariant == invariant]

    def as_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "taken_at": self.taken_at.isoformat(),
            "violations": self.violations,
            "nothing_examined": self.empty,
            "checks": [
                {
                    "invariant": result.invariant,
                    "sentence": result.sentence,
                    "examined": result.examined,
                    "waiting": dict(result.waiting),
                    "violations": [
                        {"wrong": one.wrong, "rows": one.rows, "first": list(one.ids)} for one in result.violations
                    ],
                }
                for result in self.results
            ],
        }
