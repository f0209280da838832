"""A file through a bulk endpoint, as commands do it: progress, every refused row named, and an exit code at the end."""

import asyncio
import os
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

import httpx
import typer

from client.formats import File, Format, NotAsSaid
from client.formats.columns import COMPLETIONS, Table
from client.formats.elmo import Own
from client.publishing import GaveUp, NotConcord, Row, Summary, publish
from client.reporting import Report, not_carried_over
from client.session import Connection, SignInFailed

AGAIN: Final = "What was accepted stays so; publish the file again for the rest."
NOTHING_STORED: Final = "Nothing was stored."
INTERRUPTED: Final = 130


def in_words(summary: Summary, *, dry_run: bool = False) -> str:
    """What became of the rows, counted; or what would have become of them."""
    would = "would be " if dry_run else ""
    parts = [
        f"{summary.accepted:,} {would}accepted",
        f"{summary.known:,} known already",
        f"{summary.refused:,} {would}refused",
    ]
    if summary.warnings:
        parts.append(f"{summary.warnings:,} warnings")
    if summary.sent_again:
        parts.append(f"{summary.sent_again:,} sent again after a break")
    return ", ".join(parts)


def send_file(
    file: str,
    connection: Connection,
    path: str,
    *,
    patience: float,
    table: Table = COMPLETIONS,
    format: Format | None = None,  # noqa: A002 - the option's own name
    own: Own | None = None,
    dry_run: bool = False,
    again: str = AGAIN,
    counts: Callable[[Summary], str] | None = None,
    on_answer: Callable[[Row, dict[str, Any]], None] = lambda _row, _answer: None,
) -> Summary:
    """Send the rows of a file (`-`: standard input) to the endpoint at `path`, and say what became of them.

    `table` says what the file holds, `format` in which form (else it is recognised), `own` what a member says of its
    ELMO files. With `dry_run` nothing is stored. `on_answer` gets every row with its answer. `again` says what to do
    after a break, `counts` what is counted.

    Raises typer.Exit with 2 where Concord could not be reached or asked, and 130 after Ctrl-C.
    """
    name, source = opened(file)
    rows = File(source, name, table=table, format=format, own=own)
    in_all = counts or partial(in_words, dry_run=dry_run)
    summary = Summary()
    report = Report(name, _size(source), summary)
    before = _state(source)
    started = time.monotonic()

    def end(message: str, code: int = 2, *, is_begun: bool = True) -> NoReturn:
        report.say(message)
        if is_begun:
            report.say(f"Until then: {in_all(summary)}. {NOTHING_STORED if dry_run else again}")
        raise typer.Exit(code)

    async def run() -> None:
        async with connection.open() as client:
            observer = replace(report.observer, on_answer=on_answer)
            await publish(rows.rows(), client, path, observer, patience=patience, summary=summary, dry_run=dry_run)

    try:
        with report:
            asyncio.run(run())
    except KeyboardInterrupt:
        end(f"{name}: interrupted", INTERRUPTED)
    except (GaveUp, SignInFailed, NotConcord, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        end(str(error))
    except httpx.HTTPStatusError as error:
        end(refusal(error.response))
    except NotAsSaid as error:
        end(f"{name}: {error}", is_begun=summary.answered > 0)
    except BrokenPipeError:
        raise  # nobody reads the refused rows any more
    except OSError as error:
        end(f"{name} cannot be read: {error.strerror}")
    if _state(source) != before:
        report.say(f"{name} was changed while it was read; send it again when it is whole")
    for line in not_carried_over(name, rows.notes):
        report.say(line)
    read_as = f", read as {rows.format.name}" if rows.format else ""
    report.say(f"{name}: {in_all(summary)} in {time.monotonic() - started:.1f} s{read_as}")
    if dry_run:
        report.say(NOTHING_STORED)
    return summary


def opened(file: str) -> tuple[str, int]:
    """A file's name as reports have it, and its descriptor (`-`: standard input); raises BadParameter."""
    if file == "-":
        return "<stdin>", 0
    try:
        return Path(file).name, os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}", param_hint="FILE") from None


def refusal(response: httpx.Response) -> str:
    """What a service that refuses a whole request says, in one line."""
    try:
        stated = response.json()
        detail = stated.get("detail", "") if isinstance(stated, dict) else ""
    except ValueError:
        detail = response.text[:200]
    return f"{response.request.url} answered {response.status_code}: {detail or response.reason_phrase}"


def _size(source: int) -> int | None:
    """Bytes of a file; None for a pipe or a terminal, whose end nobody knows."""
    status = os.fstat(source)
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _state(source: int) -> tuple[int, int] | None:
    """What changes when somebody writes to a file. One that is replaced as a whole is read as it was."""
    status = os.fstat(source)
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None
