"""`make demo`: starts everything, publishes a small consortium, says what happened, and stays until Ctrl-C."""

import asyncio
import os
import signal
import sys
import time
from datetime import UTC, datetime

import stamina
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from deploy.demo import figures, people_file
from deploy.demo.life import Life
from deploy.demo.people import Document, Story, consortium, story
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
    begun = time.monotonic()
    try:
        with StartProgress(console) as progress:
            system.start(progress=progress)
        console.print(f"\nall services are ready after {time.monotonic() - begun:.1f} s\n", highlight=False)
        asyncio.run(_publish(system, document, told, console))
        console.print("\nIt goes on until Ctrl-C.", highlight=False)
        while system.is_running:
            time.sleep(0.5)
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


def _end(*_: object) -> None:
    raise KeyboardInterrupt


async def _publish(system: System, document: Document, told: Story, console: Console) -> None:
    at = system.addresses
    doors = Doors(
        provider=at["provider-api"],
        recognition=at["recognition-api"],
        learner_record=at["learner-record-api"],
        issuer=at["issuer"],
        secret=system.environment("issuer")["PUBLISHER_CLIENT_SECRET"],
    )
    await publish_consortium(document, doors)
    total = sum(len(rows) for rows in (*told.enrolments.values(), *told.completions.values()))
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console) as progress:
        task = progress.add_task("enrolments and completions", total=total)
        await publish_learners(told, doors, on_rows=lambda rows: progress.update(task, advance=rows))
    await figures.settled(system, within=SETTLED_WITHIN)
    console.print(await figures.table(system))
    console.print(await Life(system, doors).tell())
    for line in figures.addresses(system, told, document):
        console.print(line, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
