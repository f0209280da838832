"""`concord publish FILE`: a member's completions, from a file, with progress and an answer for every row."""

import asyncio
import os
import stat
import time
from pathlib import Path
from typing import Annotated, Final, NoReturn

import httpx
import typer

from client.publishing import GaveUp, NotConcord, Summary, publish
from client.reporting import Report
from client.rows import rows_in
from client.session import Connection, SignInFailed

PATH: Final = "/completions:bulk"
AGAIN: Final = "What was accepted stays so; publish the file again for the rest."
INTERRUPTED: Final = 130
_YOU: Final = "Who you are"


def publish_command(
    file: Annotated[
        str,
        typer.Argument(
            help="NDJSON in UTF-8: one completion a line, each with its `reference`; `-` for standard input.",
            metavar="FILE",
            show_default=False,
        ),
    ],
    url: Annotated[str, typer.Option(envvar="CONCORD_PROVIDER_URL", help="Address of Concord's provider service.")],
    patience: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long to keep trying where Concord does not answer.")
    ] = 600.0,
    issuer: Annotated[
        str, typer.Option(envvar="CONCORD_ISSUER", help="Address of the OIDC issuer.", rich_help_panel=_YOU)
    ] = "",
    client_id: Annotated[
        str, typer.Option(envvar="CONCORD_CLIENT_ID", help="Your system's client there.", rich_help_panel=_YOU)
    ] = "",
    client_secret: Annotated[
        str,
        typer.Option(envvar="CONCORD_CLIENT_SECRET", help="Its secret; safer in the variable.", rich_help_panel=_YOU),
    ] = "",
    token: Annotated[
        str, typer.Option(envvar="CONCORD_TOKEN", help="A token, instead of the three above.", rich_help_panel=_YOU)
    ] = "",
) -> None:
    """Publish, correct or revoke completions from FILE.

    Rows go through in bulk, several requests at once, each learner's rows in the order of the file. A refused row
    stops none of the others: it is named on standard output with its line, the field, the value, and what is expected.
    After a break, what has no answer is sent again. Publishing a file twice is harmless.

    The exit code is 0 when every row was accepted, 1 when any was refused, 2 when Concord could not be reached or
    asked, and 130 after Ctrl-C.
    """
    connection = _connection(url, issuer, client_id, client_secret, token)
    name = "<stdin>" if file == "-" else Path(file).name
    try:
        source = 0 if file == "-" else os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}", param_hint="FILE") from None
    summary = Summary()
    report = Report(name, _size(source), summary)
    before = _state(source)
    started = time.monotonic()
    try:
        with report:
            asyncio.run(_run(source, connection, report, patience, summary))
    except KeyboardInterrupt:
        _end(report, summary, f"{name}: interrupted", INTERRUPTED)
    except GaveUp as error:
        _end(report, summary, str(error))
    except (SignInFailed, NotConcord, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        _end(report, summary, str(error))
    except httpx.HTTPStatusError as error:
        _end(report, summary, _whole_request_refused(error.response))
    except BrokenPipeError:
        raise  # nobody reads the refused rows any more
    except OSError as error:
        _end(report, summary, f"{name} cannot be read: {error.strerror}")
    if _state(source) != before:
        report.say(f"{name} was changed while it was read; publish it again when it is whole")
    report.say(f"{name}: {_counts(summary)} in {time.monotonic() - started:.1f} s")
    if summary.refused:
        raise typer.Exit(1)


async def _run(source: int, connection: Connection, report: Report, patience: float, summary: Summary) -> None:
    async with connection.open() as client:
        await publish(rows_in(source), client, PATH, report.observer, patience=patience, summary=summary)


def _connection(url: str, issuer: str, client_id: str, client_secret: str, token: str) -> Connection:
    """The connection that the options describe; raises BadParameter where they do not describe one."""
    if not token and not (issuer and client_id and client_secret):
        raise typer.BadParameter(
            "say who you are: set CONCORD_TOKEN, or CONCORD_ISSUER, CONCORD_CLIENT_ID and CONCORD_CLIENT_SECRET"
        )
    token = token.strip()
    if not token.isascii() or not token.isprintable():
        raise typer.BadParameter("this is no token", param_hint="--token")
    for option, address in (("--url", url), ("--issuer", issuer)):
        if address or option == "--url":
            _must_be_address(option, address)
    return Connection(url, issuer, client_id, client_secret, token)


def _must_be_address(option: str, address: str) -> None:
    try:
        parsed = httpx.URL(address)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise typer.BadParameter(f"{address!r} is no address such as https://concord.example", param_hint=option)


def _size(source: int) -> int | None:
    """Bytes of a file; None for a pipe or a terminal, whose end nobody knows."""
    status = os.fstat(source)
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _state(source: int) -> tuple[int, int] | None:
    """What changes when somebody writes to a file. One that is replaced as a whole is read as it was."""
    status = os.fstat(source)
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def _whole_request_refused(response: httpx.Response) -> str:
    try:
        stated = response.json()
        detail = stated.get("detail", "") if isinstance(stated, dict) else ""
    except ValueError:
        detail = response.text[:200]
    return f"{response.request.url} answered {response.status_code}: {detail or response.reason_phrase}"


def _counts(summary: Summary) -> str:
    parts = [f"{summary.accepted:,} accepted", f"{summary.known:,} known already", f"{summary.refused:,} refused"]
    if summary.warnings:
        parts.append(f"{summary.warnings:,} warnings")
    if summary.sent_again:
        parts.append(f"{summary.sent_again:,} sent again after a break")
    return ", ".join(parts)


def _end(report: Report, summary: Summary, message: str, code: int = 2) -> NoReturn:
    report.say(message)
    report.say(f"Until then: {_counts(summary)}. {AGAIN}")
    raise typer.Exit(code)
