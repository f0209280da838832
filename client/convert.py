"""`concord convert FILE`: what would be published of a file, as NDJSON, without asking anybody."""

import os
import sys
from pathlib import Path
from typing import Annotated, BinaryIO

import orjson
import typer

from client import file_options as files
from client.formats import File, Format, NotAsSaid
from client.options import FileFormat, with_examples
from client.publishing import too_large
from client.reporting import describe, not_carried_over, printable
from client.rows import LARGEST_ROW, Refused, Row
from client.sending import opened


@with_examples(
    "concord convert june.csv --output june.ndjson",
    "concord convert june.xml --member northbridge | concord publish -",
)
def convert_command(
    file: files.File,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write; else standard output.", show_default=False
        ),
    ] = None,
    format: FileFormat = None,  # noqa: A002 - the option's own name
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
    """Write what `concord publish` would send of FILE.

    It is NDJSON, one completion a line. Nothing is sent and nobody is asked, so what only Concord can tell (a revision
    that is stored already, a learner known by another identifier, a mark beyond its scale) is not checked here;
    `concord publish --dry-run` checks it. Rows of which no completion can be made are named on standard error, and so
    is what FILE holds and a completion does not.

    The exit code is 0 when every row was written, 1 when any was refused, and 2 when FILE could not be read.
    """
    said = files.own(
        member, learner_type, opportunity_type, completion_type, framework, opportunity_version, revision,
        identity_verified, mark_scale, language,
    )  # fmt: skip
    name, source = opened(file)
    rows = File(source, name, format=format, own=said)
    if output is None:
        refused = _convert(name, rows, sys.stdout.buffer)
    else:
        with _created(output, source) as target:
            refused = _convert(name, rows, target)
    if refused:
        raise typer.Exit(1)


def _created(output: Path, source: int) -> BinaryIO:
    """The file to write; raises BadParameter where it is the one that is read, or cannot be written."""
    try:
        if output.exists() and os.path.samestat(output.stat(), os.fstat(source)):
            raise typer.BadParameter(f"{output} is the file that is read", param_hint="--output")
        return output.open("wb")
    except OSError as error:
        raise typer.BadParameter(f"{output} cannot be written: {error.strerror}", param_hint="--output") from None


def _convert(name: str, rows: File, target: BinaryIO) -> int:
    """Write what can be written, say the rest, and count the refused rows."""
    written = refused = 0
    try:
        for row in rows:
            if isinstance(read := _checked(row), Refused):
                refused += 1
                for line in describe(name, read):
                    _say(line)
            else:
                written += 1
                target.write(read.text + b"\n")
        target.flush()
    except NotAsSaid as error:
        _say(f"{name}: {error}")
        raise typer.Exit(2) from None
    except BrokenPipeError:
        raise  # nobody reads what is written any more
    except OSError as error:
        _say(f"{name} cannot be converted: {error.strerror}")
        raise typer.Exit(2) from None
    for line in not_carried_over(name, rows.notes):
        _say(line)
    _say(f"{name}: {written:,} written, {refused:,} refused, read as {(rows.format or Format.NDJSON).name}")
    return refused


def _checked(row: Row | Refused) -> Row | Refused:
    """A row as it can be written: any other is no line of NDJSON, or larger than Concord takes."""
    if isinstance(row, Refused):
        return row
    if len(row.text) > LARGEST_ROW:
        return too_large(row, f"a row of at most {LARGEST_ROW:,} bytes")
    try:
        is_object = isinstance(orjson.loads(row.text), dict)
    except orjson.JSONDecodeError:
        is_object = False
    if is_object:
        return row
    value = row.text[:60].decode(errors="replace")
    error = {"field": "", "value": value, "expected": "a JSON document in UTF-8: an object"}
    return Refused(row.number, None, "The row is no JSON document.", (error,))


def _say(text: str) -> None:
    typer.echo(printable(text), err=True)
