"""`concord publish FILE`: a member's completions, from a file, with progress and an answer for every row."""

from typing import Annotated, Final

import typer

from client.options import ClientId, ClientSecret, Issuer, Patience, Token, connection
from client.sending import send_file

PATH: Final = "/completions:bulk"


def publish_command(
    file: Annotated[
        str,
        typer.Argument(
            help="NDJSON in UTF-8: one completion a line, each with its `reference`; `-` for standard input.",
            metavar="FILE",
            show_default=False,
        ),
    ],
    url: Annotated[
        str, typer.Option(envvar="CONCORD_PROVIDER_URL", metavar="URL", help="Address of Concord's provider service.")
    ],
    patience: Patience = 600.0,
    issuer: Issuer = "",
    client_id: ClientId = "",
    client_secret: ClientSecret = "",
    token: Token = "",
) -> None:
    """Publish, correct or revoke completions from FILE.

    Rows go through in bulk, several requests at once, each learner's rows in the order of the file. A refused row
    stops none of the others: it is named on standard output with its line, the field, the value, and what is expected.
    After a break, what has no answer is sent again. Publishing a file twice is harmless.

    The exit code is 0 when every row was accepted, 1 when any was refused, 2 when Concord could not be reached or
    asked, and 130 after Ctrl-C.
    """
    where = connection(url, issuer, client_id, client_secret, token)
    if send_file(file, where, PATH, patience=patience).refused:
        raise typer.Exit(1)
