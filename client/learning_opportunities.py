"""`concord learning-opportunities publish FILE`: what a member offers, from a file."""

from typing import Annotated, Final

import typer

from client.formats.columns import LEARNING_OPPORTUNITIES
from client.options import (
    ClientId,
    ClientSecret,
    DryRun,
    FileFormat,
    Issuer,
    Patience,
    ProviderUrl,
    Token,
    connection,
    examples,
)
from client.sending import send_file

PATH: Final = "/learning-opportunities:bulk"

learning_opportunities: Final = typer.Typer(no_args_is_help=True, help="What you offer: your part of the catalogue.")


@learning_opportunities.callback()
def _learning_opportunities() -> None:
    """Keeps the command under its name."""


@learning_opportunities.command(
    "publish",
    epilog=examples(
        "concord learning-opportunities publish catalogue.csv --dry-run",
        "concord learning-opportunities publish catalogue.csv",
    ),
)
def publish_learning_opportunities(
    file: Annotated[
        str,
        typer.Argument(
            help="One learning opportunity a row, each with its `id`: NDJSON, or CSV with a header; `-` for standard"
            " input.",
            metavar="FILE",
            show_default=False,
        ),
    ],
    url: ProviderUrl,
    format: FileFormat = None,  # noqa: A002 - the option's own name
    dry_run: DryRun = False,
    patience: Patience = 600.0,
    issuer: Issuer = "",
    client_id: ClientId = "",
    client_secret: ClientSecret = "",
    token: Token = "",
) -> None:
    """Publish or change learning opportunities from FILE.

    The `id` begins with your member id and a colon. One `id` in one `version` is one thing, and is changed by a higher
    `revision`. A refused row stops none of the others: it is named on standard output with its line, the field, the
    value, and what is expected. Publishing a file twice is harmless.

    The exit code is 0 when every row was accepted, 1 when any was refused, 2 when Concord could not be reached or
    asked, and 130 after Ctrl-C.
    """
    where = connection(url, issuer, client_id, client_secret, token)
    summary = send_file(
        file, where, PATH, table=LEARNING_OPPORTUNITIES, format=format, dry_run=dry_run, patience=patience
    )
    if summary.refused:
        raise typer.Exit(1)
