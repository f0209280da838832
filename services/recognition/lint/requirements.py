"""Lint of an agreement's rules, each by itself: can it be met, and is what it grants there (documents.md, Lint)."""

from collections.abc import Iterator
from fractions import Fraction

from contracts.documents.agreement import Agreement, Bilateral, Leaf, NOf, Rule
from contracts.documents.findings import Finding
from contracts.documents.values import GENERAL, plain
from services.recognition.engine.levels import levels_by_comparison
from services.recognition.lint.catalogue import Catalogue, LearningOpportunity
from services.recognition.lint.trees import (
    MAXIMUM_DEPTH,
    MAXIMUM_NODES,
    Bounds,
    BoundsOf,
    Way,
    branches_of,
    is_bearable,
    marks_taken,
    nodes,
    ways_to_meet,
)


def no_tree_is_empty(agreement: Agreement, _: Catalogue) -> Iterator[Finding]:
    """A list without branches is met by nothing (decision.md, Step 2.1)."""
    for at, rule in enumerate(agreement.rules or ()):
        for node in nodes(rule.requires, f"/rules/{at}/requires"):
            field, branches = branches_of(node.requirement)
            if field and not branches:
                yield Finding("empty-tree", f"{node.pointer}/{field}", "[]", "should have at least one branch")


def trees_are_bearable(agreement: Agreement, _: Catalogue) -> Iterator[Finding]:
    """At most 20 deep (the root is 1) and 500 nodes large, so that a person can read it and a decision is quick."""
    for at, rule in enumerate(agreement.rules or ()):
        sizes = [node.depth for node in nodes(rule.requires, f"/rules/{at}/requires")]
        if max(sizes) > MAXIMUM_DEPTH or len(sizes) > MAXIMUM_NODES:
            yield Finding(
                "tree-too-large",
                f"/rules/{at}/requires",
                f"{max(sizes)} deep, {len(sizes)} nodes",
                f"should be at most {MAXIMUM_DEPTH} deep and {MAXIMUM_NODES} nodes large",
            )


def every_tree_can_be_met(agreement: Agreement, _: Catalogue) -> Iterator[Finding]:
    """Some learner, with one completion of each course, could meet every rule.

    A number of branches that the list has not and bounds without a mark between them are refused wherever they stand;
    courses that are denied or excluded, and one course asked for with two different marks, only where the whole rule
    cannot be met without them.
    """
    bounds_of = marks_taken(agreement)
    for at, rule in enumerate(agreement.rules or ()):
        wrong = list(_wrong_in_itself(rule, f"/rules/{at}/requires"))
        yield from wrong
        if wrong or _has_an_empty_list(rule) or not is_bearable(rule.requires):
            continue
        found = ways_to_meet(rule.requires, bounds_of)
        if not found.ways and found.is_all:
            reasons = tuple(_why_not_held(agreement, rule, bounds_of)) or (
                "it takes one course with two different marks, and a learner counts once for each course",
            )
            yield Finding(
                "tree-nothing-can-meet",
                f"/rules/{at}/requires",
                None,
                "should be met by some completions, and none can: " + "; ".join(reasons),
                reasons,
            )


def slots_are_the_receivers(agreement: Agreement, catalogue: Catalogue) -> Iterator[Finding]:
    """Every slot is one of some award of the receiver (in an award that lacks it, its credit counts as volume)."""
    if not isinstance(agreement.parties, Bilateral):
        return
    receiver = agreement.parties.receiver
    known = catalogue.slots_of(receiver)
    for at, rule in enumerate(agreement.rules or ()):
        for position, line in enumerate(rule.grants or ()):
            if line.slot != GENERAL and line.slot not in known:
                yield Finding(
                    "unknown-slot",
                    f"/rules/{at}/grants/{position}/slot",
                    line.slot,
                    f"should be GENERAL or a slot of an award of {receiver}",
                    tuple(sorted(known)),
                )


def levels_are_within_reach(agreement: Agreement, catalogue: Catalogue) -> Iterator[Finding]:
    """A leaf takes no completion below the lowest level that the rule's lines name (decision.md, Step 1).

    A rule that rests only on courses whose level in the catalogue is lower is met by nothing.
    """
    for at, rule, source in _rules_with_lines(agreement, catalogue):
        named = [line.level for line in rule.grants or () if line.level is not None]
        if not named or not ways_to_meet(rule.requires, source.bounds_of).ways:
            continue
        found = ways_to_meet(rule.requires, source.bounds_at_or_above(min(named)))
        if not found.ways and found.is_all:
            levels = tuple(source.described(course) for course in source.below(rule, min(named)))
            yield Finding(
                "level-out-of-reach",
                f"/rules/{at}/grants",
                f"level {min(named)}",
                f"should name a level that its courses reach: {', '.join(levels)}",
                levels,
            )


def grants_are_covered(agreement: Agreement, catalogue: Catalogue) -> Iterator[Finding]:
    """Credit is never created: the lines are within the converted credit of the least that meets the rule.

    In all, and for every level that a line names: the lines at or above it within the credit at or above it
    (decision.md, Step 3). A course counts with the covered version that carries least; without a level, or with one
    that maps to several, it counts at every level.
    """
    for at, rule, source in _rules_with_lines(agreement, catalogue):
        lines = rule.grants or ()
        named = sorted({line.level for line in lines if line.level is not None})
        bounds_of = source.bounds_at_or_above(min(named)) if named else source.bounds_of
        for level in (None, *named):
            granted = sum((line.credits for line in lines if _is_at_or_above(line.level, level)), Fraction(0))
            found = ways_to_meet(rule.requires, bounds_of, source.credit_at_or_above(level))
            if not found.ways:
                break
            least = found.ways[0]
            available = source.credit_at_or_above(level)(least)
            if granted > available:
                where = "" if level is None else f" at level {level} or above"
                parts = tuple(source.described(course) for course in sorted(least))
                yield Finding(
                    "grants-above-source",
                    f"/rules/{at}/grants",
                    plain(granted),
                    f"should be at most {plain(available)} credits{where}, and grants {plain(granted)}: "
                    f"the rule is met by {', '.join(parts)}",
                    parts,
                )
                break


def _is_at_or_above(line: int | None, level: int | None) -> bool:
    return level is None or (line is not None and line >= level)


def _has_an_empty_list(rule: Rule) -> bool:
    return any(
        field and not branches for field, branches in (branches_of(n.requirement) for n in nodes(rule.requires, ""))
    )


def _wrong_in_itself(rule: Rule, pointer: str) -> Iterator[Finding]:
    for node in nodes(rule.requires, pointer):
        requirement = node.requirement
        if (
            isinstance(requirement, NOf)
            and requirement.branches
            and not 1 <= requirement.n <= len(requirement.branches)
        ):
            yield Finding(
                "tree-nothing-can-meet",
                f"{node.pointer}/n",
                str(requirement.n),
                f"should be 1 to {len(requirement.branches)}, as many as there are branches",
            )
        if isinstance(requirement, Leaf) and Bounds(requirement.minimum_mark, requirement.maximum_mark).is_empty:
            yield Finding(
                "tree-nothing-can-meet",
                node.pointer,
                str(Bounds(requirement.minimum_mark, requirement.maximum_mark)),
                "should have a `maximum_mark` that is not below the `minimum_mark`",
            )


def _why_not_held(agreement: Agreement, rule: Rule, bounds_of: BoundsOf) -> Iterator[str]:
    denied = {denial.course for denial in agreement.denied_courses}
    seen: set[str] = set()
    for node in nodes(rule.requires, ""):
        leaf = node.requirement
        if not isinstance(leaf, Leaf) or bounds_of(leaf) is not None or leaf.course in seen:
            continue
        seen.add(leaf.course)
        if leaf.course in denied:
            yield f"{leaf.course} is denied (/denied_courses)"
        elif leaf.course in agreement.excluded_components:
            yield f"{leaf.course} is excluded (/excluded_components)"
        else:
            yield f"{leaf.course} is asked for with a mark below /minimum_mark"


class _Source:
    """What the provider's courses carry: credit in the receiver's unit, and levels in the receiver's framework."""

    def __init__(self, agreement: Agreement, ratio: Fraction, receiver_framework: str, catalogue: Catalogue) -> None:
        self._agreement = agreement
        self._ratio = ratio
        self._framework = receiver_framework
        self._catalogue = catalogue
        self._held = marks_taken(agreement)

    def bounds_of(self, leaf: Leaf) -> Bounds | None:
        """The marks that a leaf takes; null where the catalogue has no covered version of its course."""
        return None if self._least(leaf.course) is None else self._held(leaf)

    def bounds_at_or_above(self, level: int) -> BoundsOf:
        """The same, for leaves whose course is not known to be below the level."""

        def bounds_of(leaf: Leaf) -> Bounds | None:
            return self.bounds_of(leaf) if self._reaches(leaf.course, level) else None

        return bounds_of

    def credit_at_or_above(self, level: int | None) -> "_Credit":
        """The converted credit of a way at or above a level, or all of it."""
        return _Credit(self, level)

    def credit_of(self, course: str, level: int | None) -> Fraction:
        """The converted credit of a course, 0 where it is known to be below the level."""
        least = self._least(course)
        if least is None or (level is not None and not self._reaches(course, level)):
            return Fraction(0)
        return least.credits * self._ratio

    def below(self, rule: Rule, level: int) -> list[str]:
        """The courses of the rule that are known to be below the level."""
        leaves = (node.requirement for node in nodes(rule.requires, ""))
        courses = {leaf.course for leaf in leaves if isinstance(leaf, Leaf)}
        return sorted(course for course in courses if not self._reaches(course, level))

    def described(self, course: str) -> str:
        """A course with its credits and level, as the receiver counts them."""
        least, level = self._least(course), self._level(course)
        if least is None:
            return course
        credit = f"{plain(least.credits * self._ratio)} credits" + (f" at level {level}" if level is not None else "")
        return f"{course} (version {least.version}: {credit})"

    def _reaches(self, course: str, level: int) -> bool:
        own = self._level(course)
        return own is None or own >= level

    def _least(self, course: str) -> LearningOpportunity | None:
        return self._catalogue.credits_of(course, self._agreement.course_versions)

    def _level(self, course: str) -> int | None:
        levels: set[int] = set()
        for opportunity in self._catalogue.course.get(course, ()):
            if opportunity.level is None:
                return None
            levels.update(self._mapped(opportunity, opportunity.level))
        return levels.pop() if len(levels) == 1 else None

    def _mapped(self, opportunity: LearningOpportunity, level: int) -> set[int]:
        if opportunity.framework != self._framework:
            entries = [
                entry
                for entry in self._agreement.level_map or ()
                if (entry.framework, entry.level) == (opportunity.framework, level)
                and entry.course in (None, opportunity.id)
            ]
            own = [entry.maps_to for entry in entries if entry.course is not None]
            mapped = own or [entry.maps_to for entry in entries]
            if mapped:
                return set(mapped)
        return set(levels_by_comparison(opportunity.framework, level, self._framework))


class _Credit:
    """The weight of a way: its converted credit at or above a level."""

    def __init__(self, source: _Source, level: int | None) -> None:
        self._source = source
        self._level = level

    def __call__(self, way: Way) -> Fraction:
        return sum((self._source.credit_of(course, self._level) for course in way), Fraction(0))


def _rules_with_lines(agreement: Agreement, catalogue: Catalogue) -> Iterator[tuple[int, Rule, _Source]]:
    """The rules that grant lines, of a bilateral agreement whose receiver is known and whose trees are bearable."""
    if not isinstance(agreement.parties, Bilateral) or agreement.credit_ratio is None:
        return
    receiver = catalogue.member.get(agreement.parties.receiver)
    if receiver is None:
        return
    source = _Source(agreement, agreement.credit_ratio, receiver.framework, catalogue)
    for at, rule in enumerate(agreement.rules or ()):
        if rule.grants is not None and is_bearable(rule.requires):
            yield at, rule, source
