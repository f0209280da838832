"""How a tree of requirements can be met (decision.md, Step 2): by which courses, with marks within which bounds.

A learner is taken to hold one completion of each course, as a rule is not met by two completions of one course.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import comb
from typing import Final

from contracts.documents.agreement import Agreement, AllOf, Leaf, NOf, Requirement
from contracts.documents.values import plain

MAXIMUM_DEPTH: Final = 20
MAXIMUM_NODES: Final = 500
_KEPT: Final = 16
"""Ways kept at each node, the lightest first; all that are kept are real ways, so what is found is real."""
_CHOICES: Final = 128
"""Up to so many ways of taking n branches of a list, each is looked at."""


@dataclass(frozen=True)
class Bounds:
    """Marks between these, both included; null is no bound."""

    lowest: Fraction | None = None
    highest: Fraction | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no mark is within."""
        return self.lowest is not None and self.highest is not None and self.lowest > self.highest

    def within(self, other: "Bounds") -> "Bounds":
        """The marks within both."""
        lows = [low for low in (self.lowest, other.lowest) if low is not None]
        highs = [high for high in (self.highest, other.highest) if high is not None]
        return Bounds(max(lows, default=None), min(highs, default=None))

    def take(self, mark: Fraction) -> bool:
        """Whether the mark is within."""
        return not self.within(Bounds(mark, mark)).is_empty

    def some_marks(self) -> tuple[Fraction, ...]:
        """The lowest, the middle and the highest mark within, as far as there are such."""
        lowest, highest = self.lowest, self.highest
        if lowest is None and highest is None:
            return (Fraction(0),)
        if lowest is None or highest is None:
            end = lowest if lowest is not None else highest
            return (Fraction(0) if end is None else end,)
        return tuple(dict.fromkeys((lowest, (lowest + highest) / 2, highest)))

    def __str__(self) -> str:
        """The bounds in words, empty where there are none."""
        if self.lowest is not None and self.highest is not None:
            return f"mark {plain(self.lowest)} to {plain(self.highest)}"
        if self.lowest is not None:
            return f"mark {plain(self.lowest)} or more"
        return f"mark {plain(self.highest)} or less" if self.highest is not None else ""


Way = Mapping[str, Bounds]
"""Courses that together meet a tree, each with the marks that do."""
BoundsOf = Callable[[Leaf], Bounds | None]
"""The marks that a leaf takes; null where nobody can hold what it asks for."""
Weight = Callable[[Way], Fraction | int]


@dataclass(frozen=True)
class Ways:
    """Ways to meet a tree, lightest first; `is_all` where there are no others."""

    ways: tuple[Way, ...]
    is_all: bool = True


@dataclass(frozen=True)
class Node:
    """A node of a tree, where it stands, and how deep: the root is at depth 1."""

    requirement: Requirement
    pointer: str
    depth: int


def nodes(requirement: Requirement, pointer: str) -> Iterator[Node]:
    """Every node of the tree, from the root, in the order written."""
    waiting = [Node(requirement, pointer, 1)]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node.requirement, Leaf):
            continue
        field, branches = branches_of(node.requirement)
        within = range(len(branches) - 1, -1, -1)
        waiting += [Node(branches[at], f"{node.pointer}/{field}/{at}", node.depth + 1) for at in within]


def branches_of(requirement: Requirement) -> tuple[str, tuple[Requirement, ...]]:
    """The field that holds the branches, and the branches; a leaf has none."""
    if isinstance(requirement, Leaf):
        return "", ()
    if isinstance(requirement, NOf):
        return "of", requirement.branches
    return ("all" if isinstance(requirement, AllOf) else "any"), requirement.branches


def is_bearable(requirement: Requirement) -> bool:
    """Whether the tree is within the limits of depth and size; beyond them nothing else is worked out."""
    return all(
        size <= MAXIMUM_NODES and node.depth <= MAXIMUM_DEPTH
        for size, node in enumerate(nodes(requirement, ""), start=1)
    )


def courses_of(requirement: Requirement) -> frozenset[str]:
    """Every course that a leaf names."""
    return frozenset(node.requirement.course for node in nodes(requirement, "") if isinstance(node.requirement, Leaf))


def marks_taken(agreement: Agreement) -> BoundsOf:
    """The marks that each leaf takes under the agreement (decision.md, Step 1).

    The lower bound is the leaf's own, else `minimum_mark`, which an accepted compensated pass need not meet. A
    course that is denied or excluded can be held by nobody.
    """
    barred = {denial.course for denial in agreement.denied_courses} | set(agreement.excluded_components)
    general = None if agreement.accepts_compensated_pass else agreement.minimum_mark

    def bounds_of(leaf: Leaf) -> Bounds | None:
        if leaf.course in barred:
            return None
        bounds = Bounds(leaf.minimum_mark if leaf.minimum_mark is not None else general, leaf.maximum_mark)
        return None if bounds.is_empty else bounds

    return bounds_of


def ways_to_meet(requirement: Requirement, bounds_of: BoundsOf, weight: Weight = len) -> Ways:
    """The ways to meet a tree, lightest first: every one, or the lightest that a bounded search finds."""
    if isinstance(requirement, Leaf):
        bounds = bounds_of(requirement)
        return Ways(() if bounds is None else ({requirement.course: bounds},))
    branches = [ways_to_meet(branch, bounds_of, weight) for branch in requirement.branches]
    if isinstance(requirement, AllOf):
        return _together(branches, weight) if branches else Ways(())
    needed = requirement.n if isinstance(requirement, NOf) else 1
    if not 1 <= needed <= len(branches):
        return Ways(())
    if comb(len(branches), needed) <= _CHOICES:
        return _lightest((_together(chosen, weight) for chosen in combinations(branches, needed)), weight)
    met = [branch for branch in branches if branch.ways]
    by_weight = sorted(met, key=lambda branch: weight(branch.ways[0]))
    choices = [by_weight[:needed], met[:needed], met[-needed:]] if len(met) >= needed else []
    found = _lightest((_together(chosen, weight) for chosen in choices), weight).ways
    perhaps_met = [branch for branch in branches if branch.ways or not branch.is_all]
    return Ways(found, is_all=len(perhaps_met) < needed)


def held(requirement: Requirement, bounds_of: BoundsOf, marks: Mapping[str, Fraction]) -> frozenset[str] | None:
    """The courses that a learner with these marks uses for the tree; null where it is not met (Step 2.1)."""
    if isinstance(requirement, Leaf):
        bounds, mark = bounds_of(requirement), marks.get(requirement.course)
        taken = bounds is not None and mark is not None and bounds.take(mark)
        return frozenset((requirement.course,)) if taken else None
    needed = len(requirement.branches) if isinstance(requirement, AllOf) else 1
    if isinstance(requirement, NOf):
        needed = requirement.n
    if needed < 1:
        return None
    used: list[frozenset[str]] = []
    for branch in requirement.branches:
        met = held(branch, bounds_of, marks)
        if met is not None:
            used.append(met)
        if len(used) == needed:
            return frozenset().union(*used)
    return None


def merged(one: Way, other: Way) -> Way | None:
    """Both ways by one learner; null where a course would need two different marks."""
    both = dict(one)
    for course, bounds in other.items():
        both[course] = bounds.within(both.get(course, bounds))
        if both[course].is_empty:
            return None
    return both


def _together(branches: Iterable[Ways], weight: Weight) -> Ways:
    so_far = Ways(({},))
    for branch in branches:
        if not branch.ways and branch.is_all:
            return Ways(())
        pairs = (merged(one, other) for one in so_far.ways for other in branch.ways)
        found = _distinct(way for way in pairs if way is not None)
        is_all = so_far.is_all and branch.is_all and len(found) <= _KEPT
        so_far = Ways(tuple(sorted(found, key=weight)[:_KEPT]), is_all)
    return so_far


def _lightest(alternatives: Iterable[Ways], weight: Weight) -> Ways:
    collected = list(alternatives)
    found = _distinct(way for ways in collected for way in ways.ways)
    is_all = all(ways.is_all for ways in collected) and len(found) <= _KEPT
    return Ways(tuple(sorted(found, key=weight)[:_KEPT]), is_all)


def _distinct(ways: Iterable[Way]) -> list[Way]:
    return list({frozenset(way.items()): way for way in ways}.values())
