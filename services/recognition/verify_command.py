"""`concord recognition …`: what those who run the recognition service do at their desk."""

import asyncio
import json
import time
from typing import Annotated, Final

import asyncpg
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chassis.database import connect
from services.recognition.application.verifying import MOST_TOLD, Report, verify

recognition: Final = typer.Typer(no_args_is_help=True, help="Check what was decided.")

_LONGEST: Final = 160
"""Characters of a value that are shown."""


@recognition.callback()
def _recognition() -> None:
    """Keeps every command under its name, however few there are."""


@recognition.command("verify")
def verify_decisions(
    database: Annotated[
        str,
        typer.Option(
            envvar="SERVICE_DATABASE_URL",
            metavar="URL",
            show_default=False,
            help="Database of the recognition service, under its own role; safer in the variable.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON, for programs.")] = False,
) -> None:
    """Decide every stored decision of the engine again, and compare.

    It reports whatever is not the same to the byte. Each is decided from its stored inputs and the versions that it
    pins. It only reads, and may run at any time. A release that words its sentences otherwise is reported too.

    The exit code is 1 where a decision differs, or there was none to examine, and 2 where the database cannot be read.
    """
    began = time.monotonic()
    try:
        report = asyncio.run(_whole(database))
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        typer.echo(f"The database cannot be read: {error or type(error).__name__}", err=True)
        raise typer.Exit(code=2) from None
    seconds = time.monotonic() - began
    if as_json:
        typer.echo(json.dumps(_as_json(report, seconds), ensure_ascii=False, indent=2))
    else:
        _show(report, seconds)
    if not report.is_good:
        raise typer.Exit(code=1)


async def _whole(database: str) -> Report:
    connection = await connect(database, default_transaction_read_only="on", application_name="verify")
    report = Report()
    try:
        async for report in verify(connection):  # noqa: B007 - the last one is the whole
            pass
    finally:
        connection.terminate()
    return report


def _show(report: Report, seconds: float) -> None:
    console = Console()
    if report.differences:
        table = Table(expand=True, show_lines=True, border_style="dim", header_style="bold")
        table.add_column("Decision, field", ratio=2, overflow="fold")
        table.add_column("Stored", ratio=3, overflow="fold")
        table.add_column("Decided again", ratio=3, overflow="fold")
        for one in report.differences:
            where = Text.assemble((str(one.decision_id), "bold"), "\n", (one.field, "cyan"))
            table.add_row(where, Text(one.stored[:_LONGEST]), Text(one.decided[:_LONGEST]))
        console.print(table)
        if len(report.differences) == MOST_TOLD:
            console.print(f"Only the first {MOST_TOLD} differences are shown.", highlight=False)
    examined = f"{report.decisions} decisions of {report.evaluations} evaluations examined"
    speed = f"{report.decisions / seconds:.0f} a second" if seconds else "at once"
    console.print(
        f"{examined}, {speed}; {report.by_people} by people or on frozen grants, with nothing to decide again."
    )
    if report.decisions == 0:
        console.print(Text("✗ there is no decision of the engine to examine", style="bold red"))
    elif report.differing:
        console.print(Text(f"✗ {report.differing} of {report.decisions} decisions differ", style="bold red"))
    else:
        console.print(Text("✓ every one is the same, to the byte", style="bold green"))


def _as_json(report: Report, seconds: float) -> dict[str, object]:
    return {
        "decisions": report.decisions,
        "evaluations": report.evaluations,
        "by_people": report.by_people,
        "differing": report.differing,
        "seconds": round(seconds, 3),
        "differences": [
            {"decision_id": str(one.decision_id), "field": one.field, "stored": one.stored, "decided": one.decided}
            for one in report.differences
        ],
    }
