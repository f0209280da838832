"""`concord publish FILE`: a member's completions, from a file, with progress and an answer for every row."""

from typing import Final

import typer

from client import file_options as files
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
    with_examples,
)
from client.sending import send_file

PATH: Final = "/completions:bulk"


@with_examples(
    "concord publish june.csv --dry-run", "concord publish june.csv", "our-system export | concord publish -"
)
def publish_command(
    file: files.File,
    url: ProviderUrl,
    dry_run: DryRun = False,
    format: FileFormat = None,  # noqa: A002 - the option's own name
    patience: Patience = 600.0,
    issuer: Issuer = "",
    client_id: ClientId = "",
    client_secret: ClientSecret = "",
    token: Token = "",
    member: files.Member = "",
    learner_type: files.LearnerType = "local",
    opportunity_type: files.OpportunityType = "local",
    completion_type: files.CompletionType = "",
    framework: files.OfFramework = None,
    opportunity_version: files.OpportunityVersion = 1,
    revision: files.Revision = 1,
    identity_verified: files.IdentityVerified = None,
    mark_scale: files.Scale = None,
    language: files.Language = "en",
) -> None:
    """Publish, correct or revoke completions from FILE.

    Rows go through in bulk, several requests at once, each learner's rows in the order of the file. A refused row
    stops none of the others: it is named on standard output with its line, the field, the value, and what is expected.
    After a break, what has no answer is sent again. Publishing a file twice is harmless.

    With `--dry-run` nothing is stored, and the report says what would have become of each row. Rows count for each
    other where they go in one request, so a contradiction between rows far apart may show only in earnest.

    The exit code is 0 when every row was accepted (or would be), 1 when any was refused, 2 when FILE or Concord could
    not be read or asked, and 130 after Ctrl-C.
    """
    where = connection(url, issuer, client_id, client_secret, token)
    said = files.own(
        member, learner_type, opportunity_type, completion_type, framework, opportunity_version, revision,
        identity_verified, mark_scale, language,
    )  # fmt: skip
    if send_file(file, where, PATH, patience=patience, format=format, own=said, dry_run=dry_run).refused:
        raise typer.Exit(1)
