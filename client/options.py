"""The options that commands share: which file, where Concord is, who you are, and for how long it is tried."""

import os
from collections.abc import Callable
from typing import Annotated, Final, TypeVar

import httpx
import typer

from client.formats import Format
from client.session import Connection

_YOU: Final = "Who you are"

Command = TypeVar("Command", bound=Callable[..., None])

ProviderUrl = Annotated[
    str, typer.Option(envvar="CONCORD_PROVIDER_URL", metavar="URL", help="Concord's provider service.")
]
RecognitionUrl = Annotated[
    str, typer.Option(envvar="CONCORD_RECOGNITION_URL", metavar="URL", help="Concord's recognition service.")
]
LearnerRecordUrl = Annotated[
    str, typer.Option(envvar="CONCORD_LEARNER_RECORD_URL", metavar="URL", help="Concord's learner record service.")
]
FileFormat = Annotated[
    Format | None,
    typer.Option("--format", help="What FILE is, where its beginning and its name do not tell.", show_default=False),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Have everything checked by Concord, and nothing stored.")]
Patience = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="How long to try while Concord does not answer.")
]
Issuer = Annotated[
    str, typer.Option(envvar="CONCORD_ISSUER", metavar="URL", help="Who gives tokens (OIDC).", rich_help_panel=_YOU)
]
ClientId = Annotated[
    str,
    typer.Option(envvar="CONCORD_CLIENT_ID", metavar="ID", help="Your system's client there.", rich_help_panel=_YOU),
]
ClientSecret = Annotated[
    str,
    typer.Option(
        envvar="CONCORD_CLIENT_SECRET",
        metavar="SECRET",
        help="Its secret; safer in the variable.",
        rich_help_panel=_YOU,
    ),
]
Token = Annotated[
    str,
    typer.Option(
        envvar="CONCORD_TOKEN", metavar="TOKEN", help="A token, instead of the three above.", rich_help_panel=_YOU
    ),
]


def examples(*commands: str) -> str:
    """The end of a command's help: what one types."""
    return "\n\n".join(("Example:" if len(commands) == 1 else "Examples:", *(f"`{one}`" for one in commands)))


def with_examples(*commands: str) -> Callable[[Command], Command]:
    """Gives a function that is a command by itself the end of its help."""

    def give(command: Command) -> Command:
        setattr(command, "epilog", examples(*commands))  # noqa: B010 - a function has no such field of its own
        return command

    return give


def connection(url: str, issuer: str, client_id: str, client_secret: str, token: str) -> Connection:
    """The connection that the options describe; raises BadParameter where they do not describe one."""
    if not token and not (issuer and client_id and client_secret):
        raise typer.BadParameter(
            "say who you are: set CONCORD_TOKEN, or CONCORD_ISSUER, CONCORD_CLIENT_ID and CONCORD_CLIENT_SECRET"
        )
    token = token.strip()
    if not token.isascii() or not token.isprintable():
        raise typer.BadParameter("this is no token", param_hint="--token")
    for option, address in (("--url", url), ("--issuer", issuer)):
        if address or option == "--url":
            _must_be_address(option, address)
    # What only some issuers need has no options of its own (docs/sign-in.md).
    audience, scope = os.environ.get("CONCORD_AUDIENCE", "concord"), os.environ.get("CONCORD_SCOPE", "")
    return Connection(url, issuer, client_id, client_secret, token, audience=audience, scope=scope)


def _must_be_address(option: str, address: str) -> None:
    try:
        parsed = httpx.URL(address)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise typer.BadParameter(f"{address!r} is no address such as https://concord.example", param_hint=option)
