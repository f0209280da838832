"""`concord operations set-aside …`: what the services could not process is listed, shown, replayed and dropped."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, NoReturn

import httpx
import typer
from rich.console import Console
from rich.table import Table

from chassis.discovery import asked_by_commands
from chassis.identity import ServiceToken
from services.operations.asking import Desks, NotAnswered
from services.operations.domain.aside import dropped_in_words, replayed_in_words
from services.operations.domain.wording import duration

set_aside: Final = typer.Typer(
    no_args_is_help=True,
    help="Records that a service could not process: list, show, replay and drop them.",
)
SERVICES: Final = ("recognition", "learner_record", "operations")

_YOU: Final = "Who you are, and where Concord is"
_WHICH: Final = "Which records"


@dataclass(frozen=True)
class Caller:
    """Where the services are, and as which client of the issuer somebody comes."""

    addresses: dict[str, str]
    issuer: str
    client_id: str
    client_secret: str


@set_aside.callback()
def _set_aside(
    context: typer.Context,
    recognition: Annotated[
        str,
        typer.Option("--recognition-url", envvar="CONCORD_RECOGNITION_URL", help="Recognition.", rich_help_panel=_YOU),
    ] = "",
    learner_record: Annotated[
        str,
        typer.Option(
            "--learner-record-url", envvar="CONCORD_LEARNER_RECORD_URL", help="Learner record.", rich_help_panel=_YOU
        ),
    ] = "",
    operations: Annotated[
        str, typer.Option("--operations-url", envvar="CONCORD_OPERATIONS_URL", help="Operations.", rich_help_panel=_YOU)
    ] = "",
    issuer: Annotated[
        str, typer.Option(envvar="CONCORD_ISSUER", help="Address of the OIDC issuer.", rich_help_panel=_YOU)
    ] = "",
    client_id: Annotated[
        str,
        typer.Option(envvar="CONCORD_CLIENT_ID", help="A client with the role operations.", rich_help_panel=_YOU),
    ] = "",
    client_secret: Annotated[
        str,
        typer.Option(envvar="CONCORD_CLIENT_SECRET", help="Its secret; safer in the variable.", rich_help_panel=_YOU),
    ] = "",
) -> None:
    """Records that a service could not process, and all that queues behind them: list, show, replay and drop them.

    A service whose address is not given is left out.
    """
    addresses = {"recognition": recognition, "learner_record": learner_record, "operations": operations}
    context.obj = Caller({n: a for n, a in addresses.items() if a}, issuer, client_id, client_secret)


_Service = Annotated[
    str | None, typer.Option("--service", help=f"One of {', '.join(SERVICES)}; all of them where none is named.")
]
_Cause = Annotated[
    str | None, typer.Option(help="Set aside for this cause, such as bad_value.", rich_help_panel=_WHICH)
]
_Topic = Annotated[str | None, typer.Option(help="From this topic.", rich_help_panel=_WHICH)]
_Queue = Annotated[
    str | None, typer.Option(help="In this queue, by the name that `list` gives.", rich_help_panel=_WHICH)
]
_Since = Annotated[
    datetime | None, typer.Option(help="Set aside at this instant (UTC) or later.", rich_help_panel=_WHICH)
]
_All = Annotated[bool, typer.Option("--all", help="Everything that waits.", rich_help_panel=_WHICH)]
_Because = Annotated[str, typer.Option(help="Why; it is recorded with who you are.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would come of it.")]
_Ids = Annotated[list[int] | None, typer.Argument(help="Records, by the number that `list` gives.", metavar="[ID...]")]
_AsJson = Annotated[bool, typer.Option("--json", help="Answer with JSON, for programs.")]


@set_aside.command("list")
def list_command(
    context: typer.Context,
    service: _Service = None,
    state: Annotated[str, typer.Option(help="waiting, replayed, dropped, or any.")] = "waiting",
    cause: _Cause = None,
    topic: _Topic = None,
    queue: _Queue = None,
    since: _Since = None,
    behind: Annotated[bool, typer.Option("--behind", help="Also what waits behind another record.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Records of each service at most.")] = 50,
    as_json: _AsJson = False,
) -> None:
    """List what was set aside, the oldest first.

    Of each: why, since when, and how much waits behind it. The exit code is 2 where a service could not be asked.
    """
    by = {"state": None if state == "any" else state, "cause": cause, "topic": topic, "queue": queue}

    async def ask(desks: Desks, auth: httpx.Auth, name: str) -> dict[str, Any]:
        return await desks.listed(name, auth, **by, since=_instant(since), first_only=not behind, limit=limit)

    answers = _each(context, service, ask)
    if as_json:
        typer.echo(json.dumps(answers, ensure_ascii=False, indent=2))
        return
    console = _console()
    found = [(name, item) for name, answer in answers.items() for item in answer["items"]]
    if not found:
        console.print("nothing" if state == "any" else f"nothing is {state}", style="green")
        return
    console.print(_table(found))
    for name, answer in answers.items():
        if answer["next"]:
            console.print(f"{name} has more: narrow it down, or raise --limit", style="yellow")


@set_aside.command("show")
def show_command(
    context: typer.Context,
    service: Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}.")],
    record: Annotated[int, typer.Argument(help="The record's number.", metavar="ID")],
) -> None:
    """Show one record as it came, in JSON.

    With its envelope, its bytes, and what was done about it. Bytes that are not UTF-8 are shown in Base64.

    The exit code is 2 where there is no such record.
    """

    async def ask(desks: Desks, auth: httpx.Auth, name: str) -> dict[str, Any]:
        return await desks.shown(name, auth, record)

    [answer] = _each(context, service, ask).values()
    typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))


@set_aside.command("replay")
def replay_command(
    context: typer.Context,
    because: _Because,
    ids: _Ids = None,
    service: _Service = None,
    cause: _Cause = None,
    topic: _Topic = None,
    queue: _Queue = None,
    since: _Since = None,
    everything: _All = False,
    dry_run: _DryRun = False,
    as_json: _AsJson = False,
) -> None:
    """Process what waits, in order.

    The records named, those that meet the options, or all; what waits behind a record goes with it. A record that fails
    again waits on, and so does all behind it. Doing it twice is harmless. The exit code is 1 where something waits on,
    and 2 where a service could not be asked.
    """
    wanted = _wanted(service, ids, cause, topic, queue, since, because, everything=everything, dry_run=dry_run)
    answers = _done(context, service, "replay", wanted)
    _tell(answers, as_json=as_json, sentence=replayed_in_words)
    if any(queue["waiting"] for answer in answers.values() for queue in answer["queues"]):
        raise typer.Exit(code=1)


@set_aside.command("drop")
def drop_command(
    context: typer.Context,
    because: _Because,
    ids: _Ids = None,
    service: _Service = None,
    cause: _Cause = None,
    topic: _Topic = None,
    queue: _Queue = None,
    since: _Since = None,
    everything: _All = False,
    dry_run: _DryRun = False,
    as_json: _AsJson = False,
) -> None:
    """Give up records; they stay listed as not processed.

    Those named, those that meet the options, or all. What waits behind them waits on, until it is replayed.

    The exit code is 2 where a service could not be asked.
    """
    wanted = _wanted(service, ids, cause, topic, queue, since, because, everything=everything, dry_run=dry_run)
    _tell(_done(context, service, "drop", wanted), as_json=as_json, sentence=dropped_in_words)


def _wanted(
    service: str | None,
    ids: Sequence[int] | None,
    cause: str | None,
    topic: str | None,
    queue: str | None,
    since: datetime | None,
    because: str,
    *,
    everything: bool,
    dry_run: bool,
) -> dict[str, Any]:
    by = {"cause": cause, "topic": topic, "queue": queue, "since": _instant(since)}
    by = {name: value for name, value in by.items() if value is not None}
    if bool(ids) + bool(by) + everything != 1:
        _end("Name records by their numbers, or by options such as --cause, or take --all; one of the three.")
    if ids and service is None:
        _end("Numbers are a service's own: say which with --service.")
    which: dict[str, Any] = {"ids": ids} if ids else {"filter": by} if by else {"all": True}
    return {**which, "because": because, "dry_run": dry_run}


def _instant(since: datetime | None) -> str | None:
    return since.replace(tzinfo=UTC).isoformat() if since is not None else None


def _done(context: typer.Context, service: str | None, what: str, wanted: dict[str, Any]) -> dict[str, Any]:
    async def ask(desks: Desks, auth: httpx.Auth, name: str) -> dict[str, Any]:
        return await desks.done(name, auth, what, wanted)

    return _each(context, service, ask)


def _each(
    context: typer.Context,
    service: str | None,
    ask: Callable[[Desks, httpx.Auth, str], Awaitable[dict[str, Any]]],
) -> dict[str, dict[str, Any]]:
    """Ask one service, or all; ends with 2 where one does not answer."""
    caller: Caller = context.obj
    if service is not None and service not in SERVICES:
        _end(f"There is no service {service}; there are {', '.join(SERVICES)}.")
    names = [service] if service is not None else list(caller.addresses)
    missing = [name for name in names if name not in caller.addresses]
    if missing or not names:
        _end(f"Say where it is: --{(missing or ['recognition'])[0].replace('_', '-')}-url, or its variable.")
    if not (caller.issuer and caller.client_id and caller.client_secret):
        _end("Say who you are: --issuer, --client-id and --client-secret, or their variables.")

    async def run() -> dict[str, dict[str, Any]]:
        auth = ServiceToken(
            issuer=caller.issuer,
            client_id=caller.client_id,
            client_secret=caller.client_secret,
            asked=asked_by_commands(os.environ),
        )
        async with httpx.AsyncClient() as http:
            desks = Desks(http, caller.addresses)
            return {name: await ask(desks, auth, name) for name in names}

    try:
        return asyncio.run(run())
    except NotAnswered as error:
        _end(str(error))


def _console(*, stderr: bool = False) -> Console:
    """Says things as they are: what comes from records is no markup, and `:x:` no emoji."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def _end(message: str) -> NoReturn:
    _console(stderr=True).print(message, soft_wrap=True)
    raise typer.Exit(code=2)


def _table(found: Sequence[tuple[str, dict[str, Any]]]) -> Table:
    table = Table(border_style="dim", header_style="bold", show_lines=True)
    # A queue's name is copied from here, so a pseudonym stays in one line.
    table.add_column("Record", no_wrap=True)
    table.add_column("Why", overflow="fold")
    table.add_column("How it stands", overflow="fold")
    now = datetime.now(UTC)
    for service, item in found:
        since = duration((now - datetime.fromisoformat(item["set_aside_at"])).total_seconds())
        stands = {"waiting": f"for {since}\n{item['behind']} behind", "dropped": "dropped: not processed"}
        done = f"\n{item['acted_by']}: {item['because']}" if item["acted_by"] else ""
        table.add_row(
            f"{service} {item['id']}\n{item['queue'] or 'by itself'}\n"
            f"{item['topic']}/{item['partition']} offset {item['offset']}",
            f"{item['cause']}\n{item['detail']}",
            stands.get(item["state"], item["state"]) + done,
        )
    return table


def _tell(
    answers: dict[str, dict[str, Any]], *, as_json: bool, sentence: Callable[[dict[str, Any], bool], str]
) -> None:
    if as_json:
        typer.echo(json.dumps(answers, ensure_ascii=False, indent=2))
        return
    console = _console()
    for name, answer in answers.items():
        for queue in answer["queues"]:
            words = sentence(queue, answer["dry_run"])
            console.print(f"{name}: {words}", soft_wrap=True)
        for record in answer["not_waiting"]:
            console.print(f"{name}: {record} does not wait; nothing is done about it")
        if not answer["queues"] and not answer["not_waiting"]:
            console.print(f"{name}: nothing waits that is meant")
