"""`concord enrolments open FILE`: who is enrolled for which award, from a file."""

from typing import Annotated, Final

import typer

from client.formats.columns import ENROLMENTS
from client.options import (
    ClientId,
    ClientSecret,
    DryRun,
    FileFormat,
    Issuer,
    LearnerRecordUrl,
    Patience,
    Token,
    connection,
    examples,
)
from client.sending import send_file

PATH: Final = "/enrolments:bulk"

enrolments: Final = typer.Typer(no_args_is_help=True, help="Who is enrolled with you for which award.")


@enrolments.callback()
def _enrolments() -> None:
    """Keeps the command under its name."""


@enrolments.command(
    "open",
    epilog=examples("concord enrolments open september.csv", "our-system export | concord enrolments open -"),
)
def open_enrolments(
    file: Annotated[
        str,
        typer.Argument(
            help="One enrolment a row, each with its `reference`: NDJSON, or CSV with a header; `-` for standard"
            " input.",
            metavar="FILE",
            show_default=False,
        ),
    ],
    url: LearnerRecordUrl,
    format: FileFormat = None,  # noqa: A002 - the option's own name
    dry_run: DryRun = False,
    patience: Patience = 600.0,
    issuer: Issuer = "",
    client_id: ClientId = "",
    client_secret: ClientSecret = "",
    token: Token = "",
) -> None:
    """Open, change or close enrolments from FILE.

    An enrolment brings in what the learner has earned elsewhere, and is closed by a higher `revision` with `closed_on`.
    Each learner's rows go through in the order of the file. A refused row stops none of the others: it is named on
    standard output with its line, the field, the value, and what is expected. Sending a file twice is harmless.

    The exit code is 0 when every row was accepted, 1 when any was refused, 2 when Concord could not be reached or
    asked, and 130 after Ctrl-C.
    """
    where = connection(url, issuer, client_id, client_secret, token)
    summary = send_file(file, where, PATH, table=ENROLMENTS, format=format, dry_run=dry_run, patience=patience)
    if summary.refused:
        raise typer.Exit(1)
