"""`concord decisions follow`: what is decided on a member's completions and enrolments, as it is decided."""

import asyncio
import math
import os
import signal
import sys
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import orjson
import typer
from rich.console import Console
from rich.text import Text

from client.following import Away, NoState, State, follow
from client.options import ClientId, ClientSecret, Issuer, RecognitionUrl, Token, connection, examples
from client.patience import GaveUp, NotConcord
from client.reporting import printable
from client.sending import refusal
from client.session import Connection, SignInFailed

decisions: Final = typer.Typer(no_args_is_help=True, help="What becomes of your completions and enrolments.")

_COLOURS: Final = {
    "RECOGNISED": "green",
    "PARTIAL": "yellow",
    "INCOMPLETE": "yellow",
    "REFERRED": "cyan",
    "DECLINED": "red",
    "INVALID": "magenta",
}


class Side(StrEnum):
    """On which side of a decision the member is."""

    PROVIDER = "provider"
    RECEIVER = "receiver"
    BOTH = "both"


@decisions.callback()
def _decisions() -> None:
    """Keeps the command under its name."""


@decisions.command(
    "follow",
    epilog=examples(
        "concord decisions follow",
        "concord decisions follow --from-start --once > decisions.ndjson",
        "concord decisions follow --from-start --state cursor | our-system",
    ),
)
def follow_decisions(
    url: RecognitionUrl,
    side: Annotated[
        Side,
        typer.Option("--as", metavar="SIDE", help="As provider: on your completions; as receiver: on your enrolments."),
    ] = Side.BOTH,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the first decision there is, not with those to come.")
    ] = False,
    after: Annotated[
        str, typer.Option(metavar="CURSOR", help="Go on after this place, which the command named at its end.")
    ] = "",
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Keep the place in FILE, and go on there after a restart, whatever the two above say.",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End when there is nothing more.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on a terminal too.")] = False,
    patience: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="Give up after so long without an answer; else never."),
    ] = None,
    issuer: Issuer = "",
    client_id: ClientId = "",
    client_secret: ClientSecret = "",
    token: Token = "",
) -> None:
    """Show what is decided on your completions and enrolments, as it is decided.

    Each decision comes once and in order: as a line on a terminal, as a JSON document a line to a pipe or a file. A
    second after it is made it is there, and while Concord is away it is waited for. The place in FILE is kept after
    its decisions were written, so whatever breaks off, none is left out; the last ones may come again.

    Ctrl-C ends it. The exit code is 0 then and with --once, and 2 when Concord refuses or could not be asked.
    """
    if after and from_start:
        raise typer.BadParameter("--from-start and --after are two places to begin; give one of them")
    where = connection(url, issuer, client_id, client_secret, token)
    kept = None if state is None else State(state, side.value)
    try:
        begin = (kept.read() if kept else None) or after or None
    except NoState as error:
        raise typer.BadParameter(str(error), param_hint="--state") from None
    following = _Following(kept, _Lines() if as_json or not sys.stdout.isatty() else _Readable(), begin)
    limit = math.inf if patience is None else patience
    try:
        asyncio.run(following.run(where, side, from_start=from_start, once=once, patience=limit))
    except KeyboardInterrupt:
        pass  # as good an end as any
    except (GaveUp, NotConcord, NoState, SignInFailed, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        following.end(str(error), 2)
    except httpx.HTTPStatusError as error:
        following.end(_why_refused(error.response), 2)
    following.end()


class _Following:
    """A run of the command: where it is, and where it shows what."""

    def __init__(self, state: State | None, shown: "_Lines | _Readable", begin: str | None) -> None:
        self._state = state
        self._shown = shown
        self._after = begin
        self._console = Console(stderr=True)

    async def run(self, where: Connection, side: Side, *, from_start: bool, once: bool, patience: float) -> None:
        """Show what comes, until the end or a signal to stop."""
        running = asyncio.current_task()
        assert running is not None  # noqa: S101 - it runs
        with suppress(NotImplementedError):  # no such signals there
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
        away = Away(self._say)
        async with where.open() as client:
            pages = follow(
                client,
                after=self._after,
                side=side.value,
                from_start=from_start,
                once=once,
                on_trouble=away.on_trouble,
                on_answer=away.on_answer,
                patience=patience,
            )
            with suppress(asyncio.CancelledError):
                async for page in pages:
                    self._shown.show(page.decisions)
                    self._after = page.after
                    if self._state is not None and page.after is not None:
                        self._shown.settle()
                        self._state.write(page.after)

    def end(self, message: str = "", code: int = 0) -> None:
        """Say why it ended, and how to go on; raises typer.Exit where it failed."""
        if message:
            self._say(message)
        if self._after is not None and self._state is None:
            self._say(f"To go on from here: --after {self._after}")
        if code:
            raise typer.Exit(code)

    def _say(self, text: str) -> None:
        self._console.print(printable(text), markup=False, highlight=False, soft_wrap=True)


class _Lines:
    """A JSON document a line."""

    def show(self, found: list[dict[str, Any]]) -> None:
        """Write decisions as they came."""
        sys.stdout.buffer.write(b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in found))
        sys.stdout.buffer.flush()

    def settle(self) -> None:
        """Have what was written on the disk, where it goes to a file."""
        with suppress(OSError):  # a pipe
            os.fsync(sys.stdout.fileno())


class _Readable:
    """A line for people: when, what, how much, whose, and the first reason."""

    def __init__(self) -> None:
        self._console = Console()

    def show(self, found: list[dict[str, Any]]) -> None:
        """Show decisions, each on one line of the terminal."""
        for one in found:
            self._console.print(in_a_line(one), no_wrap=True, overflow="ellipsis", highlight=False)

    def settle(self) -> None:
        """Nothing: a terminal keeps nothing."""


def in_a_line(decision: dict[str, Any]) -> Text:
    """A decision as one line."""
    state = str(decision["state"])
    lines = (decision.get("grant") or {}).get("lines", ())
    credit = " + ".join(f"{line['credits']} at level {line['level']}" for line in lines)
    of = f"{decision['provider']} {decision['completion_reference']}"
    to = f"{decision['receiver']} {decision['enrolment_reference']}"
    reason = next((ground["sentence"] for ground in decision["grounds"]), "")
    return Text.assemble(
        (str(decision["decided_at"])[:16].replace("T", " "), "dim"),
        "  ",
        (f"{state:<10}", f"bold {_COLOURS.get(state, '')}"),
        "  ",
        printable(f"{of} → {to}"),
        (f"  {credit}" if credit else "", "bold"),
        (f"  {printable(reason)}" if reason else "", "dim"),
    )


def _why_refused(response: httpx.Response) -> str:
    said = refusal(response)
    if response.status_code == httpx.codes.UNPROCESSABLE_ENTITY and "after" in said:
        return f"{said}. Take the cursor that this command named at its end, or begin with --from-start."
    return said
