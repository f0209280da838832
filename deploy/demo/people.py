"""The demo's learners and what they completed, from a fixed seed: the same people every time, and nobody real."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from typing import Any, Final

import yaml

SEED: Final = 20260901
LEARNERS: Final = 60
COMPLETIONS_EACH: Final = 5

_GIVEN = (
    "Aisha", "Bram", "Catriona", "Daan", "Elif", "Fergus", "Grace", "Hamish", "Ines", "Jasper", "Kirsty", "Lotte",
    "Mairi", "Noor", "Owen", "Priya", "Quinn", "Rosa", "Sanne", "Tomos", "Una", "Vikram", "Wren", "Yara", "Zofia",
)  # fmt: skip
_FAMILY = (
    "Adeyemi", "Bakker", "Campbell", "de Wit", "Evans", "Fraser", "Green", "Hussain", "Irving", "Jansen", "Khan",
    "Lewis", "MacLeod", "Nowak", "Okafor", "Patel", "Reid", "Smit", "Thomas", "Visser", "Ward", "Young",
)  # fmt: skip

Document = dict[str, Any]


def consortium() -> Document:
    """The members, what they offer, award and agreed."""
    text = files("deploy.demo").joinpath("consortium.yaml").read_text(encoding="utf-8")
    document: Document = yaml.safe_load(text)
    return document


@dataclass(frozen=True)
class Learner:
    """A person of the demo: the name stays with the issuer, the members know a reference, events a pseudonym."""

    number: int
    name: str
    home: str
    identifier: str

    def reference_at(self, member: str) -> str:
        """What a member's own systems call this learner."""
        return f"{member[:2].upper()}-{10_000 + self.number * 7 % 9_000}"

    def as_sent(self, member: str) -> dict[str, str]:
        """The learner in a document that a member sends."""
        return {"scheme": "ESI", "identifier": self.identifier, "reference": self.reference_at(member)}


@dataclass(frozen=True)
class Story:
    """Everything the demo publishes about its learners, by the member that sends it."""

    learners: tuple[Learner, ...]
    enrolments: dict[str, list[Document]]
    completions: dict[str, list[Document]]


def story(today: date, seed: int = SEED) -> Story:
    """Make the learners, their enrolments and their completions; all dates lie in the two years before `today`."""
    rng = random.Random(seed)  # noqa: S311 - the same people every time, no secrets
    document = consortium()
    members = list(document["members"])
    learners = tuple(_learners(rng, members))
    enrolments: dict[str, list[Document]] = {member: [] for member in members}
    completions: dict[str, list[Document]] = {member: [] for member in members}
    for learner in learners:
        for award in _awards(rng, learner, document["awards"]):
            member = award["member"]
            enrolments[member].append(
                {
                    "reference": f"E-{learner.number:04}-{award['id'].partition(':')[2]}",
                    "revision": 1,
                    "learner": learner.as_sent(member),
                    "award": award["id"],
                    "opened_on": (today - timedelta(days=rng.randrange(30, 400))).isoformat(),
                }
            )
        for number, course in enumerate(_courses(rng, learner, document["learning_opportunities"])):
            provider = course.partition(":")[0]
            completions[provider].append(_completion(rng, today, learner, number, course, document))
    return Story(learners, enrolments, completions)


def _learners(rng: random.Random, members: list[str]) -> Iterator[Learner]:
    names = rng.sample([f"{given} {family}" for given in _GIVEN for family in _FAMILY], LEARNERS)
    for number, name in enumerate(names, start=1):
        # The first learner studies at Glenmore: with her the demo's story begins.
        home = "glenmore" if number == 1 else members[number % len(members)]
        code = f"{rng.randrange(10**9):09}"
        yield Learner(number, name, home, f"urn:schac:personalUniqueCode:int:esi:{home}.example:{code}")


def _awards(rng: random.Random, learner: Learner, awards: list[Document]) -> list[Document]:
    """A learner is enrolled at home; one in four somewhere else too; one in fifteen nowhere."""
    if learner.number % 15 == 0:
        return []
    chosen = [award for award in awards if award["member"] == learner.home]
    if learner.number % 4 == 0:
        chosen.append(rng.choice([award for award in awards if award["member"] != learner.home]))
    return chosen


def _courses(rng: random.Random, learner: Learner, offered: dict[str, Document]) -> list[str]:
    """What a learner completed: mostly elsewhere, for that is what the demo is about."""
    if learner.number == 1:
        return [
            "northbridge:data-ethics", "northbridge:machine-learning", "eastmoor:responsible-ai", "delmere:cloud",
            "glenmore:information-law",
        ]  # fmt: skip
    weights = [1 if course.startswith(learner.home) else 3 for course in offered]
    chosen: list[str] = []
    while len(chosen) < COMPLETIONS_EACH:
        course = rng.choices(list(offered), weights)[0]
        if course not in chosen:
            chosen.append(course)
    return chosen


def _completion(
    rng: random.Random, today: date, learner: Learner, number: int, course: str, document: Document
) -> Document:
    provider = course.partition(":")[0]
    offered = document["learning_opportunities"][course]
    mark = rng.randrange(52, 70) if learner.number == 1 else rng.randrange(34, 92)
    pending = learner.number != 1 and rng.random() < 0.05
    completed_on = today - timedelta(days=rng.randrange(20, 700))
    result = "pending" if pending else "pass" if mark >= 40 else "fail"
    return {
        "reference": f"C-{learner.number:04}-{number + 1}",
        "revision": 1,
        "learner": learner.as_sent(provider),
        "learning_opportunity": {"id": course, "version": 1},
        "credits": offered["credits"],
        "framework": document["members"][provider]["framework"],
        "level": offered["level"],
        "result": result,
        "mark": None if pending else str(mark),
        "mark_scale": {"lowest": "0", "pass": "40", "highest": "100"},
        "completed_on": completed_on.isoformat(),
        "issued_on": (completed_on + timedelta(days=14)).isoformat(),
        "workload_hours": None,
        "identity_verified_at_assessment": learner.number == 1 or rng.random() > 0.06,
        "used_for": None,
    }
