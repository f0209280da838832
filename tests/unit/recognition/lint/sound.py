"""Sound documents by construction: each rule rests on courses of its own, or shares them in a way that decides itself.

Nothing here knows how lint works: a rule's least credit and lowest level are known, as it was built from them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from typing import Any

Json = dict[str, Any]

COLUMNS = ("FHEQ", "SCQF", "EQF", "NFQ")
FIRST_YEAR, SECOND_YEAR, MASTERS, DOCTORAL = (4, 7, 5, 6), (5, 8, 5, 6), (7, 11, 7, 9), (8, 12, 8, 10)
RATIOS = {"FHEQ": 1, "SCQF": 1, "EQF": 2, "NFQ": 2}


@dataclass(frozen=True)
class Course:
    """A course with the least credit (in the receiver's unit) and the level (in its framework) that it brings."""

    id: str
    credit: Fraction
    level: int


@dataclass
class Sound:
    """An agreement or award, the catalogue around it, and for each rule with lines the least credit it rests on."""

    document: Json
    catalogue: Json
    least: dict[int, Fraction] = field(default_factory=dict)
    spare_slots: list[str] = field(default_factory=list)


def text(number: Fraction) -> str:
    return str(number) if number.denominator in (1, 3, 6, 7, 9) else f"{float(number):.4f}".rstrip("0").rstrip(".")


def hundredths(number: Fraction) -> str:
    return text(Fraction(math.floor(number * 100), 100))


class Builder:
    """Builds one bilateral agreement with rules."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.provider_framework, self.receiver_framework = random.choice(COLUMNS), random.choice(COLUMNS)
        self.ratio = Fraction(RATIOS[self.provider_framework], RATIOS[self.receiver_framework])
        if random.random() < 0.3:
            self.ratio = Fraction(random.choice(("2/3", "5/2", "1", "4/5")))
        self.minimum_mark = random.choice((None, None, "40", "50", "9.5"))
        self.level_map: list[Json] = []
        self.versions = random.choice((None, None, [2, 4]))
        self.opportunities: list[Json] = []
        self.rules: list[Json] = []
        self.least: dict[int, Fraction] = {}
        self.slots: list[str] = []
        self.priority = random.randint(-1, 2)

    def course(self) -> Course:
        number = len(self.opportunities)
        id_ = f"alder:C{number}"
        carried = Fraction(self.random.choice((5, 10, 15, 20, 30, "7.5", "2.25")))
        row = self.random.choice((MASTERS, MASTERS, DOCTORAL, SECOND_YEAR))
        own, receivers = (row[COLUMNS.index(name)] for name in (self.provider_framework, self.receiver_framework))
        if row is SECOND_YEAR and self.provider_framework != self.receiver_framework:
            entry: Json = {"framework": self.provider_framework, "level": own, "is": receivers}
            if entry not in self.level_map:
                self.level_map.append(entry)
            if self.random.random() < 0.3:
                receivers = FIRST_YEAR[COLUMNS.index(self.receiver_framework)]
                self.level_map.insert(0, {**entry, "course": id_, "is": receivers})
        about = {"id": id_, "framework": self.provider_framework, "level": own}
        if self.versions is not None:
            # Not covered, and so no matter however little it carries.
            self.opportunities.append({**about, "version": 1, "credits": "1"})
            self.opportunities.append({**about, "version": 2, "credits": text(carried + 5)})
        self.opportunities.append({**about, "version": 3, "credits": text(carried)})
        return Course(id_, carried * self.ratio, receivers)

    def leaf(self, course: Course) -> Json:
        leaf: Json = {"course": course.id}
        if self.random.random() < 0.2:
            leaf["minimum_mark"] = str(self.random.choice((45, "50.5", 60)))
        if self.random.random() < 0.1:
            leaf["maximum_mark"] = str(self.random.choice((60, "74.5", 90)))
        return leaf

    def slot(self) -> str:
        self.slots.append(f"MODULE-{len(self.slots)}")
        return self.slots[-1]

    def add(self, requires: Json, courses: list[Course], least: Fraction, *, slot: str | None = None) -> None:
        """A rule that grants at most the least that meets it, in one line or two, with a level that all reach."""
        total = Fraction(hundredths(least * self.random.choice((1, 1, Fraction(3, 4)))))
        lowest = min(course.level for course in courses)
        slot = slot or self.slot()
        lines: list[Json] = [{"slot": slot, "credits": text(total)}]
        if self.random.random() < 0.3 and total >= 2:
            lines = [{"slot": slot, "credits": text(total - 1)}, {"slot": "GENERAL", "credits": "1"}]
        for line in lines:
            if self.random.random() < 0.4:
                line["level"] = lowest - self.random.choice((0, 0, 1))
        self.rule(requires, lines, least)

    def rule(self, requires: Json, lines: list[Json] | None, least: Fraction) -> None:
        if lines is not None:
            self.least[len(self.rules)] = least
        self.rules.append({"priority": self.priority, "requires": requires, "grants": lines})


def one_course(build: Builder) -> None:
    course = build.course()
    build.add(build.leaf(course), [course], course.credit)


def all_of_some(build: Builder) -> None:
    courses = [build.course() for _ in range(build.random.randint(2, 4))]
    build.add({"all": [build.leaf(c) for c in courses]}, courses, sum((c.credit for c in courses), Fraction(0)))


def any_of_some(build: Builder) -> None:
    courses = [build.course() for _ in range(build.random.randint(2, 4))]
    build.add({"any": [build.leaf(c) for c in courses]}, courses, min(c.credit for c in courses))


def some_of_some(build: Builder) -> None:
    courses = [build.course() for _ in range(build.random.randint(3, 6))]
    n = build.random.randint(1, len(courses))
    least = sum(sorted(c.credit for c in courses)[:n], Fraction(0))
    build.add({"n": n, "of": [build.leaf(c) for c in courses]}, courses, least)


def one_and_a_choice(build: Builder) -> None:
    first, *others = courses = [build.course() for _ in range(3)]
    requires = {"all": [build.leaf(first), {"any": [build.leaf(c) for c in others]}]}
    build.add(requires, courses, first.credit + min(c.credit for c in others))


def two_or_one(build: Builder) -> None:
    first, second, alone = courses = [build.course() for _ in range(3)]
    requires = {"any": [{"all": [build.leaf(first), build.leaf(second)]}, build.leaf(alone)]}
    build.add(requires, courses, min(first.credit + second.credit, alone.credit))


def bands_of_marks(build: Builder) -> None:
    course = build.course()
    build.add({"course": course.id, "minimum_mark": "40", "maximum_mark": "59.99"}, [course], course.credit)
    build.add({"course": course.id, "minimum_mark": "60", "maximum_mark": "69.99"}, [course], course.credit)
    build.add({"course": course.id, "minimum_mark": "70"}, [course], course.credit)


def part_and_whole(build: Builder) -> None:
    first, second = build.course(), build.course()
    build.add({"course": first.id}, [first], first.credit)
    build.add({"all": [{"course": first.id}, {"course": second.id}]}, [first, second], first.credit + second.credit)


def slot_and_fallback(build: Builder) -> None:
    course = build.course()
    build.add({"course": course.id}, [course], course.credit)
    build.rule({"course": course.id}, [{"slot": "GENERAL", "credits": hundredths(course.credit)}], course.credit)


def the_same_twice(build: Builder) -> None:
    one_course(build)
    at = len(build.rules) - 1
    build.rule(build.rules[at]["requires"], [dict(line) for line in build.rules[at]["grants"]], build.least[at])


def one_slot_by_priority(build: Builder) -> None:
    first, second, slot = build.course(), build.course(), build.slot()
    build.add({"course": first.id}, [first], first.credit, slot=slot)
    build.priority += 1
    build.add({"course": second.id}, [second], second.credit, slot=slot)


def one_course_by_priority(build: Builder) -> None:
    course = build.course()
    for _ in range(2):
        build.add({"course": course.id}, [course], course.credit)
        build.priority += 1


def like_for_like(build: Builder) -> None:
    courses = [build.course() for _ in range(build.random.randint(1, 4))]
    build.rule({"any": [build.leaf(c) for c in courses]}, None, Fraction(0))


def a_line_for_each_level(build: Builder) -> None:
    courses = [build.course() for _ in range(2)]
    lines: list[Json] = [{"slot": build.slot(), "credits": hundredths(c.credit), "level": c.level} for c in courses]
    if build.random.random() < 0.5:
        # Without its level the line stands at the lowest of the two, which the other line names.
        max(lines, key=lambda line: int(line["level"])).pop("level")
    build.rule({"all": [{"course": c.id} for c in courses]}, lines, sum((c.credit for c in courses), Fraction(0)))


def as_deep_as_may_be(build: Builder) -> None:
    course = build.course()
    tree: Json = {"course": course.id}
    for _ in range(19):
        tree = {"all": [tree]}
    build.add(tree, [course], course.credit)


def as_large_as_may_be(build: Builder) -> None:
    courses = [build.course() for _ in range(3)]
    leaves = [{"course": courses[at % 3].id, "minimum_mark": str(40 + at % 40)} for at in range(499)]
    build.add({"any": leaves}, courses, min(c.credit for c in courses))


SHAPES: tuple[Callable[[Builder], None], ...] = (
    one_course,
    all_of_some,
    any_of_some,
    some_of_some,
    one_and_a_choice,
    two_or_one,
    bands_of_marks,
    part_and_whole,
    slot_and_fallback,
    the_same_twice,
    one_slot_by_priority,
    one_course_by_priority,
    like_for_like,
    a_line_for_each_level,
)
EXTREMES = (as_deep_as_may_be, as_large_as_may_be)


def _member(id_: str, framework: str) -> Json:
    return {"id": id_, "framework": framework, "referrals_to": f"Office of {id_}", "appeals": {"route": "Write"}}


def _terms(random: Random) -> Json:
    first = random.randint(2018, 2026)
    return {
        "in_force_from": f"{first}-09-01",
        "in_force_until": f"{first + random.randint(1, 6)}-08-31",
        "covers_since": random.choice((None, f"{first - 2}-09-01", f"{first}-09-01")),
        "in_force_basis": random.choice(("claim", "completion")),
        "run_off_years": random.randint(0, 3),
        "currency_years": random.choice((None, 5)),
        "on_expired": random.choice(("DECLINED", "REFERRED")),
        "accepts_compensated_pass": random.random() < 0.3,
        "grade_policy": random.choice(("ungraded", "carry")),
        "credit_step": random.choice(("0.01", "0.5", "1", 5, "2.25")),
        "minimum_claim": random.choice(("0", "7.5", 20)),
        "whole_units_only": random.random() < 0.5,
        "excess_credit": random.choice(("drop", "general")),
        "higher_level_may_fill_lower": random.random() < 0.5,
        "double_counting": random.sample(["within_ladder", "towards_higher_award", "same_level_up_to_cap"], 2),
        "on_revocation": random.choice(("refer", "withdraw")),
    }


def sound_bilateral(seed: int) -> Sound:
    """An agreement from alder to birch with rules; every hundredth has a tree at the limits of size."""
    random = Random(f"bilateral {seed}")
    build = Builder(random)
    for shape in random.choices(SHAPES, k=random.randint(1, 5)):
        shape(build)
        build.priority = random.choice((build.priority, random.randint(-1, 2)))
    if seed % 100 < 2:
        EXTREMES[seed % 100](build)
    denied, excluded = build.course(), build.course()
    spare = [build.slot() for _ in range(2)]
    document = {
        "id": "alder-birch",
        "version": random.randint(1, 9),
        "title": "From Alder to Birch",
        "parties": {"provider": "alder", "receiver": "birch"},
        "credit_ratio": str(build.ratio),
        "level_map": build.level_map or ([] if random.random() < 0.5 else None),
        "minimum_mark": build.minimum_mark,
        "denied_courses": [{"course": denied.id, "reason": "It teaches what every student of Birch knows."}],
        "excluded_components": [excluded.id],
        "course_versions": build.versions,
        "hours_per_credit": random.choice((None, ["9", "11.5"], [10, 10])),
        "rules": build.rules,
        **_terms(random),
    }
    half = len(build.slots) // 2
    catalogue = {
        "members": [_member("alder", build.provider_framework), _member("birch", build.receiver_framework)],
        "learning_opportunities": build.opportunities,
        "awards": [
            {"id": "birch:one", "member": "birch", "slots": build.slots[:half]},
            {"id": "birch:two", "member": "birch", "slots": build.slots[half:]},
            {"id": "alder:one", "member": "alder", "slots": ["OF-ALDER"]},
        ],
        "agreements": [
            {"id": "alder-birch", "parties": {"provider": "alder", "receiver": "birch"}},
            {"id": "birch-alder", "parties": {"provider": "birch", "receiver": "alder"}},
            {"id": "both", "parties": {"members": ["alder", "birch"]}},
        ],
    }
    return Sound(document, catalogue, build.least, spare)


def sound_multilateral(seed: int) -> Sound:
    """An agreement between two to four members, on terms that fit every direction."""
    random = Random(f"multilateral {seed}")
    members = random.sample(["alder", "birch", "cedar", "damson"], random.randint(2, 4))
    courses = [f"{member}:C{number}" for member in members for number in range(3)]
    document = {
        "id": "all",
        "version": 1,
        "title": "Between all",
        "parties": {"members": members},
        "credit_units": {name: str(unit) for name, unit in RATIOS.items()},
        "denied_courses": [{"course": courses[0], "reason": "Withdrawn."}],
        "excluded_components": courses[1:2],
        **_terms(random),
    }
    catalogue = {
        "members": [_member(member, random.choice(COLUMNS)) for member in members],
        "learning_opportunities": [
            {"id": course, "version": 1, "credits": "10", "framework": "FHEQ", "level": 7} for course in courses
        ],
        "awards": [],
        "agreements": [
            {"id": "alder-birch", "parties": {"provider": "alder", "receiver": "birch"}},
            {"id": "more", "parties": {"members": [*members, "elm"]}},
        ],
    }
    return Sound(document, catalogue)


def sound_award(seed: int) -> Sound:
    """An award of birch, whole in all its credit."""
    random = Random(f"award {seed}")
    framework = random.choice(COLUMNS)
    courses = [f"birch:C{number}" for number in range(4)]
    level = MASTERS[COLUMNS.index(framework)]
    document = {
        "id": "birch:pgcert",
        "version": 1,
        "member": "birch",
        "title": "PGCert",
        "framework": framework,
        "level": level,
        "ladder": random.choice((None, "Data")),
        "credits_required": random.choice((60, "60", "60.0")),
        "minimum_by_level": {str(level): "40", str(level - 1): 60},
        "categories": [{"name": "Core", "minimum": "20", "of": ["MODULE-0", courses[0]]}],
        "capstone": random.choice((None, courses[1])),
        "slots": ["MODULE-0", "MODULE-1"],
        "import_cap": random.choice((None, 0, "40")),
        "import_cap_by_level": random.choice(({}, {str(level): "20"})),
        "same_level_cap": random.choice((None, "20")),
        "minimum_level": level - 1,
    }
    catalogue = {
        "members": [_member("birch", framework)],
        "learning_opportunities": [
            {"id": course, "version": 1, "credits": "20", "framework": framework, "level": level} for course in courses
        ],
        "awards": [],
        "agreements": [],
    }
    return Sound(document, catalogue)
