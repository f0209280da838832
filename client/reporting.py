"""What a person or a log sees of a publication: a bar or a line now and then, and every refused row."""

import sys
import time
from types import TracebackType
from typing import Any, Final, Self

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from client.formats.reading import Notes
from client.publishing import Observer, Refused, Summary

EVERY: Final = 5.0
"""Seconds between two lines of progress where there is no terminal, and between two of the same trouble."""
MOST_WARNINGS: Final = 50
"""Different warnings that are shown; the rest is counted."""


class Report:
    """Shows how a publication goes, from `with` to its end.

    Progress, warnings and troubles go to standard error: a bar on a terminal, elsewhere a plain line every few
    seconds. Refused rows go to standard output, one line for each fault.
    """

    def __init__(self, name: str, size: int | None, summary: Summary) -> None:
        self._name = name
        self._summary = summary
        self._console = Console(stderr=True)
        self._progress: _Bar | _Lines = (
            _Bar(self._console, name, size) if self._console.is_terminal else _Lines(self._console, name, size)
        )
        self._warnings: set[str] = set()
        self._trouble_at = -EVERY

    def __enter__(self) -> Self:
        self._progress.__enter__()
        return self

    def __exit__(self, *failure: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._progress.__exit__(None, None, None)

    @property
    def observer(self) -> Observer:
        """For `publish` to tell."""
        return Observer(self._on_refused, self._on_warning, self._progress.show, self._on_trouble)

    def say(self, text: str) -> None:
        """A line on standard error; above the bar where there is one."""
        self._console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def _on_refused(self, refused: Refused) -> None:
        for line in describe(self._name, refused):
            if self._console.is_terminal and sys.stdout.isatty():
                self.say(line)  # both are one terminal, and the bar is at its foot
            else:
                typer.echo(printable(line))

    def _on_warning(self, line: int, text: str) -> None:
        if text in self._warnings or len(self._warnings) == MOST_WARNINGS:
            return
        self._warnings.add(text)
        self.say(f"{self._name}:{line}: warning: {text}")
        if len(self._warnings) == MOST_WARNINGS:
            self.say(f"{self._name}: {MOST_WARNINGS} different warnings; further ones are only counted")

    def _on_trouble(self, cause: str) -> None:
        if time.monotonic() - self._trouble_at >= EVERY:
            self._trouble_at = time.monotonic()
            self.say(f"{cause}; trying again")


class _Bar:
    """Progress on a terminal."""

    def __init__(self, console: Console, name: str, size: int | None) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[rows]:,} rows, {task.fields[refused]:,} refused"),
            console=console,
            redirect_stdout=False,
        )
        self._task = self._progress.add_task(printable(name), total=size, rows=0, refused=0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._progress.stop()

    def show(self, size: int, summary: Summary) -> None:
        self._progress.update(self._task, advance=size, rows=summary.answered, refused=summary.refused)


class _Lines:
    """Progress in a log."""

    def __init__(self, console: Console, name: str, size: int | None) -> None:
        self._console = console
        self._name = name
        self._size = size
        self._done = 0
        self._shown_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        pass

    def show(self, size: int, summary: Summary) -> None:
        self._done += size
        if time.monotonic() - self._shown_at < EVERY:
            return
        self._shown_at = time.monotonic()
        share = f"{min(100 * self._done // self._size, 100)} %, " if self._size else ""
        text = f"{self._name}: {share}{summary.answered:,} rows answered, {summary.refused:,} refused"
        self._console.print(printable(text), markup=False, highlight=False, soft_wrap=True)


def describe(name: str, refused: Refused) -> list[str]:
    """A refused row as lines of text: file, line, reference, and per fault the field, its value, and what is right."""
    where = f"{name}:{refused.line}: "
    if refused.reference:
        where += f"{refused.reference}: "
    if not refused.errors:
        return [f"{where}{refused.detail}"]
    return [where + _fault(error) for error in refused.errors]


def not_carried_over(name: str, notes: Notes) -> list[str]:
    """What a file holds and completions do not, as lines of text in the order of the file."""
    return [
        f"{name}:{line}: not carried over: {what}"
        + (f" ({notes.counts[what]:,} times)" if notes.counts[what] > 1 else "")
        for what, line in sorted(notes.first.items(), key=lambda each: each[1])
    ]


def _fault(error: dict[str, Any]) -> str:
    value, expected = error.get("value"), error.get("expected")
    stated = "is missing" if value is None else f"is {orjson.dumps(value).decode()}"
    return f"{error.get('field') or 'the row'} {stated}; expected: {expected}"


def printable(text: str) -> str:
    """A text as a terminal may show it: what would move its cursor or its colours is written as an escape."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
