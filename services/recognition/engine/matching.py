"""Step 2: which completions are used together, and by which rule (decision.md)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from services.recognition.engine.leaves import accepts, lowest_named_level
from services.recognition.engine.model import GENERAL, Agreement, Completion, Leaf, Ledger, Rule, RuleLine
from services.recognition.engine.requirements import met_by


@dataclass(frozen=True, slots=True)
class Eligible:
    """A completion without any ground of its own, with its one level and its credits in the receiver's unit."""

    completion: Completion
    level: int
    credits: Fraction

    @property
    def id(self) -> str:
        """The completion's."""
        return self.completion.id

    @property
    def course(self) -> str:
        """The completion's."""
        return self.completion.course


@dataclass(frozen=True, slots=True)
class Match:
    """Completions that are used together: by the rule at this position, or (None) like for like without rules.

    `used` stands in the order of ids. `grants` are the rule's lines; None grants like for like. `sharing` are the other
    eligible completions of the same courses, which share the match's fate.
    """

    used: tuple[Eligible, ...]
    rule: int | None
    grants: tuple[RuleLine, ...] | None
    sharing: tuple[Eligible, ...]


@dataclass(frozen=True, slots=True)
class Dispute:
    """Rules (their positions) that compete for a course or a slot, and every eligible completion of their courses."""

    rules: tuple[int, ...]
    involved: tuple[Eligible, ...]


@dataclass(frozen=True, slots=True)
class Matching:
    """What step 2 leaves: every eligible completion is in one match, in one dispute, or free."""

    matches: tuple[Match, ...]
    disputes: tuple[Dispute, ...]
    free: tuple[Eligible, ...]


Attempts = Mapping[str, Sequence[Eligible]]
"""For each course its eligible completions, in the order in which one is taken."""


def attempts_by_course(eligible: Iterable[Eligible]) -> dict[str, list[Eligible]]:
    """Eligible completions by course, the one to be taken first."""
    attempts: dict[str, list[Eligible]] = {}
    for candidate in eligible:
        attempts.setdefault(candidate.course, []).append(candidate)
    for several in attempts.values():
        if len(several) > 1:
            several.sort(key=_preference)
    return attempts


def _preference(candidate: Eligible) -> tuple[object, ...]:
    """The highest mark, none is lowest; then the earliest date, then the smaller id; what is used elsewhere, last."""
    completion = candidate.completion
    mark = completion.mark
    return (
        bool(completion.already_used_for),
        mark is None,
        Fraction(0) if mark is None else -mark,
        completion.completed_on,
        completion.id,
    )


def match_like_for_like(eligible: Iterable[Eligible]) -> Matching:
    """Without rules: of each course the first attempt is a match by itself, and the others share its fate."""
    matches = tuple(
        Match((attempts[0],), None, None, tuple(attempts[1:])) for attempts in attempts_by_course(eligible).values()
    )
    return Matching(matches, (), ())


def slots_of(rule: Rule) -> frozenset[str]:
    """The slots that a rule fills; general credit and credit like for like fill none."""
    return frozenset(line.slot for line in rule.grants or () if line.slot != GENERAL)


@dataclass(frozen=True, slots=True)
class _MetRule:
    """An open rule and the completions that meet it."""

    position: int
    rule: Rule
    slots: frozenset[str]
    used: tuple[Eligible, ...]
    courses: frozenset[str]

    @property
    def takes_a_course_twice(self) -> bool:
        """Two completions of one course meet no rule."""
        return len(self.courses) < len(self.used)

    @property
    def fills_a_slot_or_is_like_for_like(self) -> bool:
        return bool(self.slots) or self.rule.grants is None


def match_by_rules(
    eligible: Iterable[Eligible], rules: Sequence[Rule], agreement: Agreement, ledger: Ledger
) -> Matching:
    """With rules: the best open rules that are met take their completions, until no open rule is met."""
    free = attempts_by_course(eligible)
    closed = set(ledger.slots_filled)
    matches: list[Match] = []
    disputes: list[Dispute] = []

    met = _meet(enumerate(rules), free, closed, agreement)
    while best := _best_of(met):
        for group in _competing(best):
            attempts = [free.pop(course) for course in sorted(set().union(*(one.courses for one in group)))]
            closed.update(*(one.slots for one in group))
            if len(group) == 1:
                matches.append(_match(group[0], attempts))
            else:
                involved = tuple(candidate for several in attempts for candidate in several)
                disputes.append(Dispute(tuple(sorted(one.position for one in group)), involved))
        met = _still_met(met, free, closed, agreement)
    return Matching(tuple(matches), tuple(disputes), tuple(one for several in free.values() for one in several))


def _match(met: _MetRule, attempts: Iterable[Sequence[Eligible]]) -> Match:
    used = {candidate.id for candidate in met.used}
    sharing = tuple(one for several in attempts for one in several if one.id not in used)
    return Match(met.used, met.position, met.rule.grants, sharing)


def _meet(rules: Iterable[tuple[int, Rule]], free: Attempts, closed: set[str], agreement: Agreement) -> list[_MetRule]:
    """Those of the rules that are open (none of their slots is closed) and met by completions still free."""
    met: list[_MetRule] = []
    for position, rule in rules:
        slots = slots_of(rule)
        if not slots.isdisjoint(closed):
            continue
        lowest_level = lowest_named_level(rule)

        def first_accepted(leaf: Leaf, lowest_level: int | None = lowest_level) -> Eligible | None:
            for candidate in free.get(leaf.course, ()):
                if accepts(leaf, lowest_level, candidate.completion, candidate.level, agreement):
                    return candidate
            return None

        found = met_by(rule.requires, first_accepted)
        if found is not None:
            used = {candidate.id: candidate for candidate in found}  # one that meets several branches counts once
            courses = frozenset(candidate.course for candidate in found)
            met.append(_MetRule(position, rule, slots, tuple(used[id_] for id_ in sorted(used)), courses))
    return met


def _still_met(met: Iterable[_MetRule], free: Attempts, closed: set[str], agreement: Agreement) -> list[_MetRule]:
    """Those that are still open and met. With fewer completions free and more slots closed, no rule joins them.

    What meets a rule goes on meeting it while it is free, so only the others have to be met anew.
    """
    still: list[_MetRule] = []
    for one in met:
        if not one.slots.isdisjoint(closed):
            continue
        if all(course in free for course in one.courses):
            still.append(one)
        else:
            still += _meet([(one.position, one.rule)], free, closed, agreement)
    return still


def _best_of(met: Iterable[_MetRule]) -> list[_MetRule]:
    """The lowest priority number; of these, most completions; of these, slots and like for like before general credit.

    Rules with the same completions and the same grants count as one: the first.
    """
    candidates = [one for one in met if not one.takes_a_course_twice]
    if not candidates:
        return []
    first = min(one.rule.priority for one in candidates)
    candidates = [one for one in candidates if one.rule.priority == first]
    most = max(len(one.used) for one in candidates)
    candidates = [one for one in candidates if len(one.used) == most]
    candidates = [one for one in candidates if one.fills_a_slot_or_is_like_for_like] or candidates
    if len(candidates) == 1:
        return candidates
    distinct: dict[tuple[object, object], _MetRule] = {}
    for one in candidates:
        lines = None if one.rule.grants is None else frozenset(Counter(one.rule.grants).items())
        distinct.setdefault((tuple(candidate.id for candidate in one.used), lines), one)
    return list(distinct.values())


def _competing(met: Iterable[_MetRule]) -> list[list[_MetRule]]:
    """Rules that share a course or a slot with one another, directly or through others, in one group each."""
    groups: list[tuple[set[tuple[str, str]], list[_MetRule]]] = []
    for one in met:
        claims = {("course", course) for course in one.courses} | {("slot", slot) for slot in one.slots}
        members = [one]
        apart: list[tuple[set[tuple[str, str]], list[_MetRule]]] = []
        for others, group in groups:
            if others.isdisjoint(claims):
                apart.append((others, group))
            else:
                claims |= others
                members = group + members
        groups = [*apart, (claims, members)]
    return [members for _, members in groups]
