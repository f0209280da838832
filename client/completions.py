"""`concord completions compare FILE`: whether Concord has what a member has."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import httpx
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from client import comparing
from client import file_options as files
from client.comparing import DIFFERENT, SAME, Comparison, Difference, Extra
from client.options import (
    ClientId,
    ClientSecret,
    FileFormat,
    Issuer,
    Patience,
    ProviderUrl,
    Token,
    connection,
    examples,
)
from client.patience import GaveUp, NotConcord
from client.publishing import Summary
from client.reporting import printable
from client.sending import INTERRUPTED, refusal, send_file
from client.session import Connection, SignInFailed

completions: Final = typer.Typer(no_args_is_help=True, help="Whether Concord has what you have.")

_AGAIN: Final = "Nothing is changed by a comparison; start it again."
_MEANING: Final = {
    SAME: "as in the file",
    "missing": "not at Concord",
    "older": "Concord has an older revision",
    "different": "the same revision with other values",
    "newer": "Concord has a newer revision",
    "refused": "could not be published as it is",
    "extra": "at Concord, not in the file",
}


@completions.callback()
def _completions() -> None:
    """Keeps the command under its name."""


@completions.command(
    "compare",
    epilog=examples("concord completions compare june.csv --output lacking.ndjson", "concord publish lacking.ndjson"),
)
def compare_completions(
    file: files.File,
    url: ProviderUrl,
    extra: Annotated[
        bool, typer.Option("--extra", help="Look through all you have at Concord for what FILE lacks.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            dir_okay=False,
            help="Write the rows that Concord lacks, as NDJSON that can be published.",
            show_default=False,
        ),
    ] = None,
    show: Annotated[int, typer.Option(min=0, metavar="N", help="How many of each kind are named.")] = 5,
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
    """Say what of FILE is missing, older or different at Concord.

    Nothing is changed by it. Each completion is compared at its newest revision in FILE, by its reference, its
    revision, and the hash of its values: another spelling of a number or another order of fields is no difference.
    Missing, older and different ones are what `--output` writes; a different one is refused until it gets a higher
    revision.

    The exit code is 0 when all are the same, 1 when any differs or is refused, 2 when FILE or Concord could not be read
    or asked, and 130 after Ctrl-C.
    """
    where = connection(url, issuer, client_id, client_secret, token)
    said = files.own(
        member, learner_type, opportunity_type, completion_type, framework, opportunity_version, revision,
        identity_verified, mark_scale, language,
    )  # fmt: skip
    target = None if output is None else _opened(output, file)
    with Comparison.kept() as comparison:
        summary = send_file(
            file, where, comparing.PATH, patience=patience, format=format, own=said, again=_AGAIN, counts=_compared,
            on_answer=comparison.note,
        )  # fmt: skip
        comparison.settle()
        more = _extra(where, comparison, show=show, patience=patience) if extra else None
        counts = comparison.counts()
        # Rows that cannot be read have no answer, and some refused ones no reference.
        counts["refused"] = summary.refused
        Console().print(_table(comparison, counts, more, show))
        if target is not None:
            _write(target, comparison)
    if summary.refused or (more and more.count) or any(counts[kind] for kind in DIFFERENT):
        raise typer.Exit(1)


def _compared(summary: Summary) -> str:
    again = f", {summary.sent_again:,} sent again after a break" if summary.sent_again else ""
    return f"{summary.known:,} rows compared, {summary.refused:,} refused{again}"


def _opened(output: Path, file: str) -> BinaryIO:
    """The file to write, as yet as it is; raises BadParameter where it cannot be written, or is the one to read."""
    try:
        if file != "-" and output.exists() and output.samefile(file):
            raise typer.BadParameter(f"{output} is the file that is read", param_hint="--output")
        return output.open("ab")
    except OSError as error:
        raise typer.BadParameter(f"{output} cannot be written: {error.strerror}", param_hint="--output") from None


def _write(target: BinaryIO, comparison: Comparison) -> None:
    try:
        with target:
            target.truncate(0)
            target.writelines(document + b"\n" for document in comparison.lacking())
    except OSError as error:
        typer.echo(f"{target.name} cannot be written: {error.strerror}", err=True)
        raise typer.Exit(2) from None


def _extra(where: Connection, comparison: Comparison, *, show: int, patience: float) -> Extra:
    console = Console(stderr=True)

    async def look(on_progress: comparing.OnProgress) -> Extra:
        async with where.open() as client:
            return await comparing.look_through(
                client,
                comparison,
                show=show,
                patience=patience,
                on_trouble=lambda cause: say(f"{cause}; trying again"),
                on_progress=on_progress,
            )

    def say(text: str) -> None:
        console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    try:
        with console.status("looking through what is at Concord …") as status:
            return asyncio.run(look(lambda count: status.update(f"{count:,} looked through at Concord …")))
    except KeyboardInterrupt:
        say(f"interrupted. {_AGAIN}")
        raise typer.Exit(INTERRUPTED) from None
    except (GaveUp, NotConcord, SignInFailed) as error:
        say(f"{error}. {_AGAIN}")
    except httpx.HTTPStatusError as error:
        say(refusal(error.response))
    raise typer.Exit(2)


def _table(comparison: Comparison, counts: Counter[str], more: Extra | None, show: int) -> Table:
    table = Table(border_style="dim", header_style="bold")
    table.add_column("At Concord")
    table.add_column("Completions", justify="right")
    table.add_column("First", overflow="fold")
    for kind, meaning in _MEANING.items():
        if kind == "extra":
            count, first = (more.count, more.first) if more else (0, [])
        else:
            count, first = counts[kind], [] if kind in (SAME, "refused") else comparison.first(kind, show)
        if count or kind in (SAME, "missing"):
            style = "green" if kind == SAME else "yellow" if count else ""
            words = Text.assemble((kind, f"bold {style}"), "\n", (meaning, "dim"))
            table.add_row(words, f"{count:,}", Text("\n".join(map(_named, first))))
    return table


def _named(one: Difference) -> str:
    parts = [printable(one.reference)]
    if one.revision is None:
        parts.append(f"revision {one.stored}")
    elif one.stored is None or one.stored == one.revision:
        parts.append(f"revision {one.revision}")
    else:
        parts.append(f"revision {one.revision}, {one.stored} at Concord")
    if one.line is not None:
        parts.append(f"line {one.line:,}")
    return " · ".join(parts)
