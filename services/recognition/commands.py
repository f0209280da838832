"""`concord agreement …` and `concord award …`: what the registry staff of a member do with documents at their desk."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer
from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from chassis.identity import IssuerUnreachable
from contracts.documents.agreement import Agreement, Bilateral
from contracts.documents.award import Award
from contracts.documents.findings import DocumentRefused, Finding
from contracts.documents.loading import agreement_from, award_from, read_file
from services.recognition.lint.catalogue import EMPTY, Catalogue, catalogue_from
from services.recognition.lint.documents import lint_agreement, lint_award
from services.recognition.lint.rule import NotChecked, Report
from services.recognition.publishing import Answer, Desk, NotAsked, NotThere, Registry, Tested

agreement: Final = typer.Typer(
    no_args_is_help=True,
    help="Agreements: draft, approve, publish, try out.",
    epilog="Examples:\n\n`concord agreement lint ours-theirs.yaml`\n\n`concord agreement draft ours-theirs.yaml`\n\n"
    "`concord agreement backtest ours-theirs.yaml --since 2026-01-01`\n\n"
    "`concord agreement approve ours-theirs.yaml`\n\n`concord agreement publish ours-theirs.yaml`",
)
award: Final = typer.Typer(
    no_args_is_help=True,
    help="Award definitions: draft, approve, publish.",
    epilog="Examples:\n\n`concord award lint pgcert.yaml`\n\n`concord award draft pgcert.yaml`\n\n"
    "`concord award approve pgcert.yaml`\n\n`concord award publish pgcert.yaml`",
)

_Document = TypeVar("_Document", Agreement, Award)
_File = Annotated[
    Path,
    typer.Argument(exists=True, dir_okay=False, readable=True, metavar="FILE", help="The document, in YAML or JSON."),
]
_CatalogueFile = Annotated[
    Path | None,
    typer.Option(
        "--catalogue",
        exists=True,
        dir_okay=False,
        readable=True,
        metavar="FILE",
        help="What to compare with – members, learning opportunities, awards, agreements – in YAML or JSON.",
    ),
]
_AsJson = Annotated[bool, typer.Option("--json", help="Answer with JSON, for programs.")]


@agreement.callback()
def _agreement() -> None:
    """Keeps every command under its name, however few there are."""


@award.callback()
def _award() -> None:
    """Keeps every command under its name, however few there are."""


@agreement.command("lint")
def lint_agreement_file(file: _File, catalogue: _CatalogueFile = None, as_json: _AsJson = False) -> None:
    """Say what would be refused at the agreement's publication.

    Nobody is asked. The exit code is 1 where there is anything.
    """
    _lint(file, catalogue, agreement_from, lint_agreement, _title_of_agreement, as_json=as_json)


@award.command("lint")
def lint_award_file(file: _File, catalogue: _CatalogueFile = None, as_json: _AsJson = False) -> None:
    """Say what would be refused at the award definition's publication.

    Nobody is asked. The exit code is 1 where there is anything.
    """
    _lint(file, catalogue, award_from, lint_award, _title_of_award, as_json=as_json)


_YOU: Final = "Who you are"
_Url = Annotated[
    str, typer.Option(envvar="CONCORD_RECOGNITION_URL", metavar="URL", help="Concord's recognition service.")
]
_Issuer = Annotated[
    str, typer.Option(envvar="CONCORD_ISSUER", metavar="URL", help="Who gives tokens (OIDC).", rich_help_panel=_YOU)
]
_ClientId = Annotated[
    str,
    typer.Option(envvar="CONCORD_CLIENT_ID", metavar="ID", help="Your registry's client there.", rich_help_panel=_YOU),
]
_ClientSecret = Annotated[
    str,
    typer.Option(
        envvar="CONCORD_CLIENT_SECRET",
        metavar="SECRET",
        help="Its secret; safer in the variable.",
        rich_help_panel=_YOU,
    ),
]


@agreement.command("draft")
def draft_agreement_file(
    file: _File, url: _Url, issuer: _Issuer, client_id: _ClientId, client_secret: _ClientSecret
) -> None:
    """Put FILE to all parties as the draft of its version.

    It says what lint finds. A changed draft is approved anew.

    The exit code is 1 where it is refused or lint finds anything, and 2 where Concord could not be asked.
    """
    registry = Registry(url, issuer, client_id, client_secret)
    _do(Desk.draft, file, "agreements", agreement_from, _title_of_agreement, registry)


@agreement.command("approve")
def approve_agreement_file(
    file: _File, url: _Url, issuer: _Issuer, client_id: _ClientId, client_secret: _ClientSecret
) -> None:
    """Approve a draft for your member, where it is exactly FILE.

    What is approved is its SHA-256 over canonical JSON (RFC 8785).

    The exit code is 1 where it is refused, as where the draft is another by now, and 2 where nobody could be asked.
    """
    registry = Registry(url, issuer, client_id, client_secret)
    _do(Desk.approve, file, "agreements", agreement_from, _title_of_agreement, registry)


@agreement.command("publish")
def publish_agreement_file(
    file: _File, url: _Url, issuer: _Issuer, client_id: _ClientId, client_secret: _ClientSecret
) -> None:
    """Publish FILE, which every party has approved.

    A published version never changes, and a repeat is harmless.

    The exit code is 1 where it is refused, with the findings of lint or who has not approved it, and 2 where Concord
    could not be asked.
    """
    registry = Registry(url, issuer, client_id, client_secret)
    _do(Desk.publish, file, "agreements", agreement_from, _title_of_agreement, registry)


@agreement.command("backtest")
def backtest_agreement_file(
    file: _File,
    url: _Url,
    issuer: _Issuer,
    client_id: _ClientId,
    client_secret: _ClientSecret,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], metavar="DAY", help="Only what was completed then or later."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="DAY", help="Only what was completed by then.")
    ] = None,
    show: Annotated[
        int, typer.Option(min=0, metavar="N", help="Of how many changed claims the reasons are shown.")
    ] = 20,
    as_json: _AsJson = False,
) -> None:
    """Say what FILE would have changed, had it been in force.

    FILE is drafted already, and is tried over the completions that are stored. Nothing is changed by it.

    The exit code is 1 where Concord refuses, and 2 where it could not be asked.
    """
    bounds = {"completed_since": since, "completed_until": until}
    wanted = {name: day.date().isoformat() for name, day in bounds.items() if day is not None}
    with _faults_of(file):
        desk = Desk(file, "agreements", agreement_from, Registry(url, issuer, client_id, client_secret))
        waiting = Console(stderr=True)
        with waiting.status("asking …") as status:
            tested = desk.backtest(wanted, lambda so_far: status.update(f"{so_far.claims} claims decided anew …"))
    if as_json:
        typer.echo(json.dumps(_tested_as_json(tested), ensure_ascii=False, indent=2))
    else:
        Console().print(Panel(_title_of_agreement(desk.document)), *_tested(tested, show))


@award.command("draft")
def draft_award_file(
    file: _File, url: _Url, issuer: _Issuer, client_id: _ClientId, client_secret: _ClientSecret
) -> None:
    """Store FILE as the draft of its version.

    It says what lint finds. A changed draft is approved anew.

    The exit code is 1 where it is refused or lint finds anything, and 2 where Concord could not be asked.
    """
    _do(Desk.draft, file, "awards", award_from, _title_of_award, Registry(url, issuer, client_id, client_secret))


@award.command("approve")
def approve_award_file(
    file: _File, url: _Url, issuer: _Issuer, client_id: _ClientId, client_secret: _ClientSecret
) -> None:
    """Approve a draft for your member, where it is exactly FILE.

    What is approved is its SHA-256 over canonical JSON (RFC 8785).

    The exit code is 1 where it is refused, as where the draft is another by now, and 2 where nobody could be asked.
    """
    _do(Desk.approve, file, "awards", award_from, _title_of_award, Registry(url, issuer, client_id, client_secret))


@award.command("publish")
def publish_award_file(
    file: _File, url: _Url, issuer: _Issuer, client_id: _ClientId, client_secret: _ClientSecret
) -> None:
    """Publish FILE, which its member has approved.

    A published version never changes, and a repeat is harmless.

    The exit code is 1 where it is refused, with the findings of lint, and 2 where Concord could not be asked.
    """
    _do(Desk.publish, file, "awards", award_from, _title_of_award, Registry(url, issuer, client_id, client_secret))


def _do(
    what: Callable[[Desk[_Document]], Answer],
    file: Path,
    kind: str,
    read: Callable[[object], _Document],
    title_of: Callable[[_Document], Text],
    registry: Registry,
) -> None:
    console = Console()
    with _faults_of(file):
        desk = Desk(file, kind, read, registry)
        answer = what(desk)
    is_bad = answer.is_refused or bool(answer.findings)
    console.print(Panel(title_of(desk.document), border_style="red" if is_bad else "green"))
    if answer.findings:
        console.print(_table(answer.findings))
    console.print(f"version {answer.version} {answer.outcome}", markup=False, highlight=False, soft_wrap=True)
    if is_bad:
        raise typer.Exit(code=1)


@contextmanager
def _faults_of(file: Path) -> Iterator[None]:
    """What is wrong with a file, or with asking, said plainly, with its exit code."""
    try:
        yield
    except DocumentRefused as refused:
        _show(Report(refused.findings, (), ()), Text(str(file), style="bold"), file, with_catalogue=False)
        raise typer.Exit(code=1) from None
    except (NotThere, NotAsked, IssuerUnreachable) as error:
        Console().print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(code=1 if isinstance(error, NotThere) else 2) from None


def _tested(tested: Tested, show: int) -> Iterator[Table | Padding]:
    """Counts first, then some changed claims with their reasons."""
    counts = Table(border_style="dim", header_style="bold")
    counts.add_column("Decided now")
    counts.add_column("With this version")
    counts.add_column("Claims", justify="right")
    for (before, after), claims in sorted(tested.states.items()):
        counts.add_row(before, after, str(claims))
    summary = Text(f"{tested.changed} of {tested.claims} claims would be decided otherwise", style="bold")
    summary.append(f"; credit gained {tested.credits_gained}, lost {tested.credits_lost}", style="default")
    if tested.failed:
        summary.append(f"\n{tested.failed} learners' claims cannot be decided under it", style="bold red")
    yield Padding(summary, (1, 1))
    if tested.states:
        yield counts
    shown = Table(expand=True, show_lines=True, border_style="dim", header_style="bold")
    shown.add_column("Completion", max_width=36, overflow="fold")
    shown.add_column("Now, and with this version", max_width=30, overflow="fold")
    shown.add_column("Why", ratio=1, overflow="fold")
    for one in tested.changes[:show]:
        before, after = one["before"], one["after"]
        why = "\n".join(ground["sentence"] for ground in after["grounds"] or before["grounds"])
        states = f"{before['state']} {before['credits']} → {after['state']} {after['credits']}"
        shown.add_row(Text(f"{one['provider']}\n{one['completion_reference']}"), states, Text(why))
    if tested.changes[:show]:
        yield shown
    if len(tested.changes) > show:
        yield Padding(f"{len(tested.changes) - show} more; --json has them all", (0, 1))


def _tested_as_json(tested: Tested) -> dict[str, object]:
    return {
        "claims": tested.claims,
        "changed": tested.changed,
        "failed": tested.failed,
        "states": [
            {"before": before, "after": after, "claims": claims}
            for (before, after), claims in sorted(tested.states.items())
        ],
        "credits_gained": str(tested.credits_gained),
        "credits_lost": str(tested.credits_lost),
        "changes": tested.changes,
    }


def _lint(
    file: Path,
    catalogue_file: Path | None,
    read: Callable[[object], _Document],
    lint: Callable[[_Document, Catalogue], Report],
    title_of: Callable[[_Document], Text],
    *,
    as_json: bool,
) -> None:
    source, title = file, Text(str(file), style="bold")
    try:
        document = read(read_file(file))
        title = title_of(document)
        if catalogue_file is not None:
            source = catalogue_file
        catalogue = EMPTY if catalogue_file is None else catalogue_from(json.dumps(read_file(catalogue_file)))
        report = lint(document, catalogue)
    except DocumentRefused as refused:
        report = Report(refused.findings, (), ())
        if source is not file:
            title = Text(f"Catalogue {source}", style="bold")
    if as_json:
        typer.echo(json.dumps(_as_json(report), ensure_ascii=False, indent=2))
    else:
        _show(report, title, source, with_catalogue=catalogue_file is not None)
    if report.findings:
        raise typer.Exit(code=1)


def _title_of_agreement(document: Agreement) -> Text:
    parties = document.parties
    between = (
        f"{parties.provider} → {parties.receiver}" if isinstance(parties, Bilateral) else " ↔ ".join(parties.members)
    )
    return _title(document.title, f"agreement {document.id}, version {document.version}", between)


def _title_of_award(document: Award) -> Text:
    return _title(
        document.title,
        f"award {document.id}, version {document.version}",
        f"{document.member}, {document.framework} level {document.level}",
    )


def _title(title: str, what: str, who: str) -> Text:
    return Text.assemble((title, "bold"), "\n", (f"{what} · {who}", "dim"))


def _show(report: Report, title: Text, file: Path, *, with_catalogue: bool) -> None:
    console = Console()
    parts: list[Panel | Table | Padding] = [Panel(title, border_style="red" if report.findings else "green")]
    if report.findings:
        parts.append(_table(report.findings))
    if report.not_checked:
        parts.append(_not_checked(report.not_checked, with_catalogue=with_catalogue))
    parts.append(Padding(_summary(report, file), (1, 1)))
    console.print(Group(*parts))


def _table(findings: tuple[Finding, ...]) -> Table:
    table = Table(expand=True, show_lines=True, border_style="dim", header_style="bold")
    table.add_column("What is refused, and where", min_width=26, max_width=44, overflow="fold")
    table.add_column("Why, and what would be right", ratio=1, overflow="fold")
    for finding in findings:
        message = Text(finding.message)
        if finding.value:
            message = Text.assemble((finding.value, "bold yellow"), "  ", message)
        if finding.related:
            message.append("\n" + " · ".join(finding.related), style="dim")
        where = finding.pointer or "the whole document"
        table.add_row(Text.assemble((finding.rule, "bold red"), "\n", (where, "cyan")), message)
    return table


def _not_checked(rules: tuple[NotChecked, ...], *, with_catalogue: bool) -> Padding:
    why = "the catalogue lacks a section" if with_catalogue else "no catalogue"
    lines = Text(f"not checked: {why}", style="yellow")
    for rule in rules:
        lacks = ", ".join(section.replace("_", " ") for section in rule.lacks)
        lines.append(f"\n  {rule.rule}", style="default").append(f"  {rule.sentence}; needs {lacks}", style="dim")
    if not with_catalogue:
        lines.append("\nGive --catalogue FILE, or publish: the service has them all.", style="dim")
    return Padding(lines, (1, 1, 0, 1))


def _summary(report: Report, file: Path) -> Text:
    if not report.checked:
        return Text(f"✗ {file} cannot be checked until this is right", style="bold red")
    checked = f"{len(report.checked)} of {len(report.checked) + len(report.not_checked)} rules checked"
    if not report.findings:
        return Text(f"✓ nothing to refuse; {checked}", style="bold green")
    refused = "1 finding" if len(report.findings) == 1 else f"{len(report.findings)} findings"
    return Text(f"✗ {refused}; {checked}", style="bold red")


def _as_json(report: Report) -> dict[str, object]:
    return {
        "findings": [
            {
                "rule": finding.rule,
                "pointer": finding.pointer,
                "value": finding.value,
                "message": finding.message,
                "related": list(finding.related),
            }
            for finding in report.findings
        ],
        "checked": list(report.checked),
        "not_checked": [
            {"rule": rule.rule, "sentence": rule.sentence, "lacks": list(rule.lacks)} for rule in report.not_checked
        ],
    }
