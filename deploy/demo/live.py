"""What goes on while the demo runs: a few completions a minute, through the API, so that learners' pages move."""

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from rich.console import Console
from rich.table import Table

from contracts.ids import completion_id
from deploy.demo.acting import Actors, eventually
from deploy.demo.consortium import Document, consortium
from deploy.demo.people import SEED, Learner, Story, completion, is_postgraduate
from deploy.demo.publishing import DemoRefused, Doors, put
from deploy.local.system import System

EVERY: Final = 15.0
"""Seconds from one completion to the next."""

_IN_WORDS: Final = {
    "RECOGNISED": "counts in full", "PARTIAL": "counts in part", "INCOMPLETE": "waits for something",
    "REFERRED": "goes to an officer", "DECLINED": "does not count", "INVALID": "cannot be used",
}  # fmt: skip
_RESULTS: Final = {
    "pass": "passed", "compensated": "passed by compensation", "fail": "did not pass", "pending": "took",
    "not_assessed": "took",
}  # fmt: skip


class Live:
    """Learners complete one thing after the other, every second time the one whose page is to be watched."""

    def __init__(self, system: System, doors: Doors, actors: Actors, told: Story, seed: int = SEED) -> None:
        self._system = system
        self._doors = doors
        self._actors = actors
        self._told = told
        self._rng = random.Random(seed)  # noqa: S311 - the same story every time, no secrets

    async def go_on(self, console: Console, every: float = EVERY) -> None:
        """Until the system ends: publish, and say in a line what came of it."""
        for learner, course in upcoming(self._told, self._rng):
            try:
                line = await self.publish(learner, course)
            except (httpx.TransportError, DemoRefused) as error:
                line = f"{learner.name}: {str(error).splitlines()[0]}; it goes on"
            row = Table.grid(padding=(0, 2, 0, 0))
            row.add_row(f"{datetime.now().astimezone():%H:%M:%S}", line)
            console.print(row, highlight=False)
            for _ in range(round(every / 0.5)):
                if not self._system.is_running:
                    return
                await asyncio.sleep(0.5)

    async def publish(self, learner: Learner, course: str) -> str:
        """Publish a completion as its provider, and say what became of it where the learner is enrolled."""
        today = datetime.now(UTC).date()
        stated = completion(self._rng, today, learner, course, f"L-{learner.number:04}-{course.partition(':')[2]}")
        stated |= {"completed_on": today.isoformat(), "issued_on": today.isoformat()}
        provider, reference = course.partition(":")[0], stated.pop("reference")
        async with self._actors.system(provider, self._doors.provider) as http:
            await put(http, f"/completions/{reference}", stated)
        decided = await self._decided(learner, provider, str(completion_id(provider, reference)))
        title = consortium()["learning_opportunities"][course]["title"]
        became = ", ".join(f"{_IN_WORDS[entry['state']]} at {_name(at)}" for at, entry in decided)
        return f"{learner.name} {_RESULTS[stated['result']]} {title} at {_name(provider)}: {became}"

    async def _decided(self, learner: Learner, provider: str, completed: str) -> list[tuple[str, Any]]:
        async def there() -> list[tuple[str, Any]] | None:
            enrolments = [one for one in await self._actors.enrolments(learner.identifier) if not one["closed_on"]]
            elsewhere = [one for one in enrolments if one["at"]["member"] != provider]
            decided = [
                (enrolled["at"]["member"], entry)
                for enrolled in elsewhere
                for entry in enrolled["entries"]
                if entry["completion"]["completion_id"] == completed and not entry["is_being_decided"]
            ]
            return decided if len(decided) == len(elsewhere) else None

        return await eventually(there, "what became of it")


def upcoming(told: Story, rng: random.Random) -> Iterator[tuple[Learner, str]]:
    """Who completes what next, at a member where the learner is not enrolled; nobody anything twice."""
    done = {
        (row["learner"]["identifier"], row["learning_opportunity"]["id"])
        for rows in told.completions.values()
        for row in rows
    }
    enrolled_at: dict[str, set[str]] = {}
    for member, rows in told.enrolments.items():
        for row in rows:
            enrolled_at.setdefault(row["learner"]["identifier"], set()).add(member)
    # The learner who is shown first stays as she is described.
    others = [one for one in told.learners if one.identifier in enrolled_at and one != told.first]
    is_watched = False
    while True:
        is_watched = not is_watched
        learner = told.watched if is_watched else rng.choice(others)
        open_to = [
            course
            for course, offered in consortium()["learning_opportunities"].items()
            if course.partition(":")[0] not in enrolled_at[learner.identifier]
            and (learner.identifier, course) not in done
            and offered["kind"] != "capstone"
            and (not is_watched or _is_of_her_subject(offered))
        ]
        if open_to:
            course = rng.choice(open_to)
            done.add((learner.identifier, course))
            yield learner, course


def _is_of_her_subject(offered: Document) -> bool:
    """Whether it is about data, computing or statistics, and below a master's degree, as her award is."""
    return offered["subject"].startswith(("06", "054")) and not is_postgraduate(offered)


def _name(member: str) -> str:
    """A member in short."""
    return member.capitalize()
