"""`concord operations …`: what the staff of operations do at their desk."""

import asyncio
import json
from typing import Annotated, Final

import asyncpg
import typer
from rich.console import Console

from services.operations.audit import kept, telling
from services.operations.audit.auditing import GRACE, audit
from services.operations.audit.check import Report
from services.operations.set_aside import set_aside

operations: Final = typer.Typer(no_args_is_help=True, help="Audit, and what was set aside.")


@operations.callback()
def _operations() -> None:
    """Keeps every command under its name, however few there are."""


operations.add_typer(set_aside, name="set-aside")


def _database(service: str, variable: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        envvar=variable,
        metavar="URL",
        show_default=False,
        help=f"Database of {service}, under its own role; safer in the variable.",
    )
    return option


@operations.command("audit")
def audit_databases(
    provider: Annotated[str, _database("the provider service", "PROVIDER_DATABASE_URL")],
    recognition: Annotated[str, _database("the recognition service", "RECOGNITION_DATABASE_URL")],
    learner_record: Annotated[str, _database("the learner-record service", "LEARNER_RECORD_DATABASE_URL")],
    operations_database: Annotated[
        str,
        typer.Option(
            "--operations",
            envvar="OPERATIONS_DATABASE_URL",
            metavar="URL",
            show_default=False,
            help="Database of operations.",
        ),
    ],
    zone: Annotated[
        str, typer.Option("--time-zone", envvar="TIME_ZONE", metavar="ZONE", help="The consortium's, by which days go.")
    ] = "UTC",
    grace: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="In which a fact may be on its way unseen.")
    ] = GRACE,
    settle: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="To look again while anything is under way.")
    ] = 0.0,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Accept an invariant for which there is nothing to examine yet.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON, for programs.")] = False,
) -> None:
    """Check that nothing is lost, doubled, invented or out of balance.

    It looks in all services' databases, only reads, may run at any time, and names what is still under way or waits.
    The report is kept, and its violations are the metric concord_auditor_violations.

    The exit code is 1 where an invariant is violated, or nothing was examined for it, and 2 where a database cannot
    be read.
    """
    urls = {
        "provider": provider,
        "recognition": recognition,
        "learner_record": learner_record,
        "operations": operations_database,
    }

    async def look() -> Report:
        report = await audit(urls, zone=zone, grace=grace, settle_within=settle)
        await kept.keep(operations_database, report)
        return report

    try:
        report = asyncio.run(look())
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        typer.echo(f"A database cannot be read: {error}", err=True)
        raise typer.Exit(code=2) from None
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        console = Console()
        console.print(telling.table(report))
        console.print(telling.verdict(report, allow_empty=allow_empty))
    if report.broken or (report.empty and not allow_empty):
        raise typer.Exit(code=1)
