"""The demo's learners and what they completed, from a fixed seed: the same people every time, and nobody real."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from deploy.demo.consortium import Document, consortium

SEED: Final = 20260901
LEARNERS: Final = 500
COMPLETIONS: Final = 3_000

_GIVEN = (
    "Aisha", "Bram", "Catriona", "Daan", "Elif", "Fergus", "Grace", "Hamish", "Ines", "Jasper", "Kirsty", "Lotte",
    "Morag", "Noor", "Oscar", "Pooja", "Quinn", "Rosa", "Sanne", "Tomos", "Una", "Vikram", "Wren", "Yara", "Zofia",
    "Anouk", "Callum", "Dilys", "Emeka", "Femke",
)  # fmt: skip
_FAMILY = (
    "Adeyemi", "Bakker", "Chowdhury", "de Wit", "Evans", "Fraser", "Green", "Hussain", "Irving", "Jansen", "Khan",
    "Lewis", "MacLeod", "Nowak", "Okafor", "Patel", "Reid", "Smit", "Thomas", "Visser", "Ward", "Young", "Zielinski",
)  # fmt: skip


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

    @property
    def named(self) -> tuple[Learner, ...]:
        """The three that the demo names."""
        return self.learners[: len(_KNOWN)]

    @property
    def first(self) -> Learner:
        """Who is shown first: her credit from three members opens the capstone of an award at a fourth."""
        return self.learners[0]

    @property
    def unenrolled(self) -> Learner:
        """Who is enrolled nowhere, and has a record all the same."""
        return self.learners[1]

    @property
    def watched(self) -> Learner:
        """Whose page moves as long as the demo runs."""
        return self.learners[2]


_KNOWN: Final = (("Mairi Campbell", "glenmore"), ("Owen Rees", "eastmoor"), ("Priya Nair", "northbridge"))
"""The three that the demo names, in the order of the story's properties: a name and where each studies."""
_ENROLLED: Final = {1: ("glenmore:pgcert-data",), 2: (), 3: ("northbridge:bsc-data-science",)}
_COMPLETED: Final = {
    1: {
        "northbridge:data-ethics": 74,
        "ashmere:data-governance-consent": 66,
        "ashmere:data-governance-stewardship": 71,
        "delmere:trustworthy-ai": 68,
    },
    2: {
        "ashmere:programming-python": 63,
        "ashmere:statistics-describing": 58,
        "eastmoor:bookkeeping": 71,
        "delmere:databases": 65,
        "glenmore:data-literacy": 77,
    },
    3: {"eastmoor:programming": 64, "ashmere:statistics-inference": 58},
}
"""What they completed, with the mark out of 100."""


def story(today: date, seed: int = SEED) -> Story:
    """Make the learners, their enrolments and their completions; no date lies after `today`."""
    rng = random.Random(seed)  # noqa: S311 - the same people every time, no secrets
    document = consortium()
    members = list(document["members"])
    learners = tuple(_learners(rng, members))
    many = _how_many(rng)
    enrolments: dict[str, list[Document]] = {member: [] for member in members}
    completions: dict[str, list[Document]] = {member: [] for member in members}
    for learner in learners:
        awards = _awards(rng, learner, document["awards"])
        for award in awards:
            opened_on = today - timedelta(days=rng.randrange(30, 400))
            enrolments[award["member"]].append(_enrolment(learner, award, opened_on))
        courses = _COMPLETED.get(learner.number) or _courses(rng, learner, awards, many[learner.number])
        for number, course in enumerate(courses, start=1):
            known_mark = _COMPLETED.get(learner.number, {}).get(course)
            made = completion(rng, today, learner, course, f"C-{learner.number:04}-{number}", mark=known_mark)
            completions[course.partition(":")[0]].append(made)
    return Story(learners, enrolments, completions)


def _learners(rng: random.Random, members: list[str]) -> Iterator[Learner]:
    others = rng.sample([f"{given} {family}" for given in _GIVEN for family in _FAMILY], LEARNERS - len(_KNOWN))
    studying = [*_KNOWN, *((name, members[number % len(members)]) for number, name in enumerate(others))]
    for number, (name, home) in enumerate(studying, start=1):
        code = f"{rng.randrange(10**9):09}"
        yield Learner(number, name, home, f"urn:schac:personalUniqueCode:int:esi:{home}.example:{code}")


def _how_many(rng: random.Random) -> Counter[int]:
    """How many completions each of the others has, by number: one at least, and all together COMPLETIONS."""
    others = range(len(_KNOWN) + 1, LEARNERS + 1)
    rest = COMPLETIONS - sum(map(len, _COMPLETED.values())) - len(others)
    return Counter(others) + Counter(rng.choices(others, k=rest))


def _awards(rng: random.Random, learner: Learner, awards: list[Document]) -> list[Document]:
    """A learner is enrolled in an award at home; one in four in one somewhere else too."""
    if learner.number in _ENROLLED:
        return [award for award in awards if award["id"] in _ENROLLED[learner.number]]
    chosen = [rng.choice([award for award in awards if award["member"] == learner.home])]
    if learner.number % 4 == 0:
        chosen.append(rng.choice([award for award in awards if award["member"] != learner.home]))
    return chosen


def _enrolment(learner: Learner, award: Document, opened_on: date) -> Document:
    return {
        "reference": f"E-{learner.number:04}-{award['id'].partition(':')[2]}",
        "revision": 1,
        "learner": learner.as_sent(award["member"]),
        "award": award["id"],
        "opened_on": opened_on.isoformat(),
    }


def _courses(rng: random.Random, learner: Learner, awards: list[Document], many: int) -> list[str]:
    """What a learner completed: mostly elsewhere, for that is what the demo is about, and mostly of their own stage."""
    offered = consortium()["learning_opportunities"]
    stage = any(map(is_postgraduate, awards))
    weights = [
        (1 if course.startswith(learner.home) else 3) * (8 if is_postgraduate(about) == stage else 1)
        for course, about in offered.items()
    ]
    chosen: list[str] = []
    while len(chosen) < many:
        course = rng.choices(list(offered), weights)[0]
        if course not in chosen and offered[course]["kind"] != "capstone":
            chosen.append(course)
    return chosen


def is_postgraduate(about: Document) -> bool:
    """Whether a learning opportunity, or an award, is above a first degree."""
    return bool(about["level"] >= {"FHEQ": 7, "SCQF": 11, "EQF": 7}[about["framework"]])


_FATES: Final = {
    "well": 86, "failed": 4, "compensated": 2, "pending": 3, "not assessed": 1,
    "long ago": 2, "not verified": 2, "no date of issue": 1, "used before": 1, "revoked": 1,
}  # fmt: skip
"""What becomes of how many of a hundred completions."""


def completion(
    rng: random.Random, today: date, learner: Learner, course: str, reference: str, *, mark: int | None = None
) -> Document:
    """What a learner's member sends about a completion: passed with this mark out of 100, or as chance has it."""
    provider = course.partition(":")[0]
    offered = consortium()["learning_opportunities"][course]
    fate = rng.choices(list(_FATES), list(_FATES.values()))[0] if mark is None else "well"
    result = {"failed": "fail", "compensated": "compensated", "pending": "pending", "not assessed": "not_assessed"}
    low, high = (20, 40) if fate == "failed" else (34, 40) if fate == "compensated" else (40, 92)
    mark = rng.randrange(low, high) if mark is None else mark
    days = rng.randrange(2_000, 2_600) if fate == "long ago" else rng.randrange(20, 700)
    completed_on = today - timedelta(days=days)
    issued_on = min(completed_on + timedelta(days=14), today)
    has_mark = fate not in ("pending", "not assessed")
    stated: Document = {
        "reference": reference,
        "revision": 1,
        "learner": learner.as_sent(provider),
        "learning_opportunity": {"id": course, "version": 1},
        "credits": offered["credits"],
        "framework": offered["framework"],
        "level": offered["level"],
        "result": result.get(fate, "pass"),
        "mark": _on_scale(mark, offered["framework"]) if has_mark else None,
        "mark_scale": _SCALES[offered["framework"] == "EQF"],
        "completed_on": completed_on.isoformat(),
        "issued_on": None if fate == "no date of issue" else issued_on.isoformat(),
        "identity_verified_at_assessment": fate != "not verified",
    }
    if fate == "used before":
        stated["used_for"] = {"title": "Certificate of an earlier school", "framework": "FHEQ", "level": 4}
    if fate == "revoked":
        stated |= {"revoked": True, "revocation_reason": "Awarded in error: the mark was another learner's."}
    return stated


_SCALES: Final = ({"lowest": "0", "pass": "40", "highest": "100"}, {"lowest": "1", "pass": "5.5", "highest": "10"})
"""Out of a hundred; and from 1 to 10, as in the Netherlands."""


def _on_scale(mark: int, framework: str) -> str:
    """A mark out of 100 on its member's scale: 40 is 5.5 there, and 100 is 10."""
    if framework != "EQF":
        return str(mark)
    tenths = 10 + mark * 45 // 40 if mark < 40 else 55 + (mark - 40) * 45 // 60
    return f"{tenths // 10}.{tenths % 10}"
