"""`make demo`: starts everything, publishes a small consortium, says what happened, and stays until Ctrl-C."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import stamina
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from deploy.demo import figures, people_file
from deploy.demo.acting import Actors
from deploy.demo.consortium import Document, consortium
from deploy.demo.first import shown_first
from deploy.demo.life import Life
from deploy.demo.live import Live
from deploy.demo.people import Story, story
from deploy.demo.printing import block
from deploy.demo.publishing import DemoRefused, Doors, publish_consortium, publish_learners
from deploy.local.launcher import Progress as StartProgress
from deploy.local.system import NotReady, System
from deploy.local.units import ROOT

FOLDER = ROOT / ".local" / "demo"
SETTLED_WITHIN = 60.0


def main() -> int:
    """Run the demo; 1 where it could not start or something was refused."""
    console = Console()
    stamina.instrumentation.set_on_retry_hooks([])  # what is tried again until it works is no news here
    signal.signal(signal.SIGTERM, _end)
    document, told = consortium(), story(datetime.now(UTC).date())
    System(FOLDER).delete()
    FOLDER.mkdir(mode=0o700, parents=True)
    people = FOLDER / "people.yaml"
    people_file.write(people, told, document["members"])
    system = System(
        FOLDER,
        brokers=int(os.environ.get("BROKERS", "1")),
        values={"ISSUER_PEOPLE": str(people), "SYNTHETIC_EVERY": "0"},
        ends_with_this_process=True,
    )
    parts = Parts(console)
    try:
        with parts.timed("servers and services"), StartProgress(console) as progress:
            system.start(progress=progress)
        asyncio.run(_show(system, document, told, parts))
    except (NotReady, DemoRefused, figures.NotSettled) as error:
        console.print(f"[red]the demo stopped:[/] {error}", highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("\nending …")
    finally:
        # A second Ctrl-C must not leave half of it running.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        system.stop()
    return 0


class Parts:
    """Says how long each part of the demo took, and all of them."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._begun = time.monotonic()

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """A part: its name and its seconds, once it is through."""
        begun = time.monotonic()
        yield
        self.say(what, time.monotonic() - begun)

    def total(self, what: str) -> None:
        """All parts so far."""
        self.say(what, time.monotonic() - self._begun)

    def say(self, what: str, seconds: float) -> None:
        """A line of its own."""
        self.console.print(f"{what:<58} {seconds:5.1f} s", highlight=False)


def _end(*_: object) -> None:
    raise KeyboardInterrupt


async def _show(system: System, document: Document, told: Story, parts: Parts) -> None:
    at, console = system.addresses, parts.console
    doors = Doors(
        provider=at["provider-api"],
        recognition=at["recognition-api"],
        learner_record=at["learner-record-api"],
        issuer=at["issuer"],
        secret=system.environment("issuer")["PUBLISHER_CLIENT_SECRET"],
    )
    actors = Actors(system, doors)
    offered, agreed = len(document["learning_opportunities"]), len(document["agreements"])
    with parts.timed(f"{len(document['members'])} members, {offered} learning opportunities, {agreed} agreements"):
        await publish_consortium(document, doors)
    enrolled, completed = (sum(map(len, rows.values())) for rows in (told.enrolments, told.completions))
    with parts.timed(f"{len(told.learners)} learners: {enrolled} enrolments, {completed:,} completions"):
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("enrolments and completions", total=enrolled + completed)
            await publish_learners(told, doors, on_rows=lambda rows: progress.update(task, advance=rows))
    with parts.timed("every claim decided, and on its learner's record"):
        await figures.settled(system, within=SETTLED_WITHIN)
    first, happened = await shown_first(actors, told, document), await figures.what_happened(system, told)
    with parts.timed("the life of a decision, told with four learners more"):
        became = await Life(system, doors).tell()
    happened.append(await figures.until_seen(system, told, at_once=False))
    parts.total("all of it")
    became_of_it = block("What becomes of decisions", became)
    for shown in (first, block("What just happened", happened, numbers=[1]), became_of_it):
        console.print()
        console.print(shown, highlight=False)
    console.print("\n[bold]Where to look[/]", highlight=False)
    for line in figures.addresses(system, told):
        console.print(line, highlight=False, soft_wrap=True)
    console.print("\nNow a few completions a minute, until Ctrl-C:", highlight=False)
    await Live(system, doors, actors, told).go_on(console)


if __name__ == "__main__":
    sys.exit(main())
