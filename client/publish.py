"""`concord publish FILE`: a member's completions, from a file, with progress and an answer for every row."""

import asyncio
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, BinaryIO

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from client.publishing import GaveUp, Observer, Refused, Summary, publish, rows_of
from client.session import Connection, SignInFailed

MOST_SHOWN = 1000
"""Refused rows that are printed one by one; beyond that they are only counted, or written with --refused."""


def publish_command(
    file: Annotated[
        Path, typer.Argument(help="NDJSON: one completion a line, with its `reference`; - for standard input.")
    ],
    url: Annotated[str, typer.Option(envvar="CONCORD_PROVIDER_URL", help="Base address of the provider service.")],
    issuer: Annotated[str, typer.Option(envvar="CONCORD_ISSUER", help="Address of the OIDC issuer.")] = "",
    client_id: Annotated[
        str, typer.Option(envvar="CONCORD_CLIENT_ID", help="Your system's client at the issuer.")
    ] = "",
    client_secret: Annotated[
        str, typer.Option(envvar="CONCORD_CLIENT_SECRET", help="Its secret; better in the variable.", show_envvar=True)
    ] = "",
    token: Annotated[str, typer.Option(envvar="CONCORD_TOKEN", help="A token at hand, instead of a client.")] = "",
    patience: Annotated[float, typer.Option(help="Seconds to keep trying where Concord does not answer.")] = 600.0,
) -> None:
    """Publish completions from FILE.

    Good rows go through even where others are refused; publishing the same file again is harmless. The exit code is
    0 when every row was accepted, 1 when any was refused, 2 when Concord could not be reached or asked.
    """
    if not token and not (issuer and client_id and client_secret):
        raise typer.BadParameter(
            "say who you are: CONCORD_TOKEN, or CONCORD_ISSUER with CONCORD_CLIENT_ID and CONCORD_CLIENT_SECRET"
        )
    if str(file) != "-" and not file.is_file():
        raise typer.BadParameter(f"{file} is not a file", param_hint="FILE")
    console = Console(stderr=True)
    started = time.monotonic()
    try:
        summary = asyncio.run(_run(file, Connection(url, issuer, client_id, client_secret, token), console, patience))
    except GaveUp as error:
        _fail(console, f"{error}. Rows that were accepted stay so; publish the file again for the rest.")
    except SignInFailed as error:
        _fail(console, f"no token: {error}")
    except httpx.HTTPStatusError as error:
        _fail(console, _whole_request_refused(error.response))
    else:
        _conclude(console, file, summary, time.monotonic() - started)


async def _run(file: Path, connection: Connection, console: Console, patience: float) -> Summary:
    shown = 0
    size_of_file = None if str(file) == "-" else file.stat().st_size  # noqa: ASYNC240 - nothing else runs yet

    def on_refused(refused: Refused) -> None:
        nonlocal shown
        shown += 1
        if shown <= MOST_SHOWN:
            for line in describe(file.name, refused):
                console.print(line, markup=False, highlight=False, soft_wrap=True)
        elif shown == MOST_SHOWN + 1:
            console.print(f"more than {MOST_SHOWN} rows were refused; the rest is only counted", markup=False)

    def on_warning(line: int, text: str) -> None:
        if shown < MOST_SHOWN:
            console.print(f"{file.name}:{line}: warning: {text}", markup=False, highlight=False, soft_wrap=True)

    with ExitStack() as stack:
        source: BinaryIO = sys.stdin.buffer if str(file) == "-" else stack.enter_context(file.open("rb"))
        progress = stack.enter_context(
            Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[rows]:,} rows"),
                console=console,
            )
        )
        task = progress.add_task(file.name, total=size_of_file, rows=0)

        def on_progress(size: int, summary: Summary) -> None:
            progress.update(task, advance=size, rows=summary.answered)

        async with connection.open() as client:
            return await publish(
                rows_of(source),
                client,
                "/completions:bulk",
                Observer(on_refused, on_warning, on_progress),
                patience=patience,
            )


def describe(name: str, refused: Refused) -> list[str]:
    """A refused row as lines of text: file, line, field, value, and what would be right."""
    where = f"{name}:{refused.line}:"
    if not refused.errors:
        return [f"{where} {refused.detail}"]
    return [f"{where} {error['field']}: {error.get('value')!r}: {error['expected']}" for error in refused.errors]


def _whole_request_refused(response: httpx.Response) -> str:
    try:
        detail = response.json().get("detail", "")
    except ValueError:
        detail = response.text[:200]
    return f"{response.request.url} answered {response.status_code}: {detail}"


def _fail(console: Console, message: str) -> None:
    console.print(message, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(2)


def _conclude(console: Console, file: Path, summary: Summary, seconds: float) -> None:
    parts = [f"{summary.accepted:,} accepted", f"{summary.known:,} known already", f"{summary.refused:,} refused"]
    if summary.sent_again:
        parts.append(f"{summary.sent_again:,} sent again after a break")
    console.print(f"{file.name}: {', '.join(parts)} in {seconds:.1f} s", markup=False, highlight=False)
    if summary.refused:
        raise typer.Exit(1)
