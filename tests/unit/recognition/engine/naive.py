"""Steps 2 to 5 a second time, written from decision.md alone: slow, literal, and sharing no code with the engine.

It takes what step 1 leaves (eligible completions with their level) and says for each its set of codes, and what is
granted. It searches where the engine remembers, compares whole sets where the engine keeps balances, and knows no
sentences.
"""

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations
from typing import Any

from services.recognition.engine.model import All, Case, Completion, Leaf, NOf, Requirement, Rule

PARTIAL_CODES = {"EXCESS_NOT_USED", "ROUNDED_DOWN"}


@dataclass
class NaiveMatch:
    used: set[str]
    rule: Rule | None
    lines: list[list[Any]] = field(default_factory=list)  # slot, credits, level, kind, fills a slot
    excess: list[Any] | None = None
    codes: set[str] = field(default_factory=set)
    out: bool = False
    given: list[tuple[str, Fraction, int, str]] = field(default_factory=list)
    waits: bool = False


class Naive:
    def __init__(self, case: Case, levels: dict[str, int]) -> None:
        assert case.agreement is not None
        self.case, self.agreement, self.levels = case, case.agreement, levels
        self.by_id = {completion.id: completion for completion in case.completions}
        self.codes: dict[str, set[str]] = {id_: set() for id_ in levels}
        self.matches: list[NaiveMatch] = []
        self.share: dict[str, NaiveMatch] = {}
        self.free = set(levels)

    # Step 2

    def better(self, id_: str) -> tuple[Any, ...]:
        one = self.by_id[id_]
        return (len(one.already_used_for) > 0, -one.mark if one.mark is not None else 10**9, one.completed_on, one.id)

    def attempts(self, course: str) -> list[str]:
        return sorted((id_ for id_ in self.free if self.by_id[id_].course == course), key=self.better)

    def leaf_takes(self, leaf: Leaf, one: Completion) -> bool:
        low = leaf.minimum_mark
        if low is None and one.result != "compensated":
            low = self.agreement.minimum_mark
        if one.mark is None:
            return low is None and leaf.maximum_mark is None
        return not (low is not None and one.mark < low) and not (
            leaf.maximum_mark is not None and one.mark > leaf.maximum_mark
        )

    def leaf_accepts(self, leaf: Leaf, rule: Rule, id_: str) -> bool:
        named = [line.level for line in (rule.grants or ()) if line.level is not None]
        return self.leaf_takes(leaf, self.by_id[id_]) and (not named or self.levels[id_] >= min(named))

    def meets(self, tree: Requirement, rule: Rule) -> set[str]:
        """The completions that meet the tree; the empty set if it is not met."""
        if isinstance(tree, Leaf):
            return set([id_ for id_ in self.attempts(tree.course) if self.leaf_accepts(tree, rule, id_)][:1])
        parts = [self.meets(branch, rule) for branch in tree.branches]
        met = [part for part in parts if part]
        if isinstance(tree, All):
            return set().union(*parts) if len(met) == len(parts) else set()
        n = tree.n if isinstance(tree, NOf) else 1
        return set().union(*met[:n]) if 1 <= n <= len(met) else set()

    def slots(self, rule: Rule) -> set[str]:
        return {line.slot for line in (rule.grants or ())} - {"GENERAL"}

    def courses(self, ids: set[str]) -> set[str]:
        return {self.by_id[id_].course for id_ in ids}

    def match(self) -> None:
        if self.agreement.rules is None:
            for course in self.courses(self.free):
                first, *others = self.attempts(course)
                self.matches.append(NaiveMatch({first}, None))
                self.share.update(dict.fromkeys(others, self.matches[-1]))
            self.free = set()
            return
        closed = set(self.case.ledger.slots_filled)
        while True:
            met = []
            for rule in self.agreement.rules:
                used = self.meets(rule.requires, rule)
                if used and not self.slots(rule) & closed and len(self.courses(used)) == len(used):
                    met.append((rule, used))
            if not met:
                return
            lowest = min(rule.priority for rule, _ in met)
            met = [(rule, used) for rule, used in met if rule.priority == lowest]
            most = max(len(used) for _, used in met)
            met = [(rule, used) for rule, used in met if len(used) == most]
            if any(self.slots(rule) or rule.grants is None for rule, _ in met):
                met = [(rule, used) for rule, used in met if self.slots(rule) or rule.grants is None]
            different: list[tuple[Rule, set[str]]] = []
            for rule, used in met:
                if not any(used == other and self.same_grants(rule, one) for one, other in different):
                    different.append((rule, used))
            touching = {
                (left, right)
                for left, right in combinations(range(len(different)), 2)
                if self.courses(different[left][1]) & self.courses(different[right][1])
                or self.slots(different[left][0]) & self.slots(different[right][0])
            }
            in_dispute = {position for pair in touching for position in pair}
            for position, (rule, used) in enumerate(different):
                same = {id_ for id_ in self.free if self.by_id[id_].course in self.courses(used)} - used
                closed |= self.slots(rule)
                if position in in_dispute:
                    for id_ in used | same:
                        self.codes[id_] = {"AMBIGUOUS_RULES"}
                else:
                    self.matches.append(NaiveMatch(set(used), rule))
                    self.share.update(dict.fromkeys(same, self.matches[-1]))
            for _, used in different:
                self.free = {id_ for id_ in self.free if self.by_id[id_].course not in self.courses(used)}

    def same_grants(self, one: Rule, other: Rule) -> bool:
        if one.grants is None or other.grants is None:
            return one.grants is None and other.grants is None
        return Counter((line.slot, line.credits, line.level) for line in one.grants) == Counter(
            (line.slot, line.credits, line.level) for line in other.grants
        )

    # Step 3

    def worth(self, id_: str) -> Fraction:
        one = self.by_id[id_]
        return one.credits * (self.agreement.credit_ratio if one.credit_ratio is None else one.credit_ratio)

    def floor(self, number: Fraction) -> Fraction:
        step = self.agreement.credit_step
        return number if step is None else (number / step).__floor__() * step

    def convert(self, match: NaiveMatch) -> None:
        agreement = self.agreement
        if match.rule is None or match.rule.grants is None:
            for id_ in sorted(match.used, key=lambda id_: self.by_id[id_].course):
                match.lines.append([self.by_id[id_].course, self.worth(id_), self.levels[id_], "specific", False])
        else:
            level = min(self.levels[id_] for id_ in match.used)
            source = sum(self.worth(id_) for id_ in match.used)
            for grant in match.rule.grants:
                kind = "general" if grant.slot == "GENERAL" else "specific"
                at = grant.level if grant.level is not None else level
                match.lines.append([grant.slot, grant.credits, at, kind, kind == "specific"])
            named = {grant.level for grant in match.rule.grants if grant.level is not None}
            if any(level > one for one in named) and not agreement.higher_level_may_fill_lower:
                match.codes.add("LEVEL_MISMATCH")
            together = sum(line[1] for line in match.lines)
            if together > source or any(
                sum(line[1] for line in match.lines if line[2] >= one)
                > sum(self.worth(id_) for id_ in match.used if self.levels[id_] >= one)
                for one in named
            ):
                match.codes.add("GRANT_EXCEEDS_SOURCE")
            if together < source and agreement.excess_credit == "drop":
                match.codes.add("EXCESS_NOT_USED")
            if together < source and agreement.excess_credit == "general":
                match.excess = ["GENERAL", source - together, level, "general", False]
        for line in [*match.lines, *([match.excess] if match.excess else [])]:
            if self.floor(line[1]) < line[1]:
                match.codes.add("ROUNDED_DOWN")
            line[1] = self.floor(line[1])
        match.lines = [line for line in match.lines if line[1] != 0]
        if match.excess and match.excess[1] == 0:
            match.excess = None
        if not match.lines:
            match.codes.add("ROUNDED_TO_NOTHING")
        match.out = bool(match.codes - PARTIAL_CODES)

    # Steps 4 and 5: a cap is a name and what a line of a match takes of it

    def caps(self) -> list[tuple[str, int | None, Fraction]]:
        award, ledger = self.case.award, self.case.ledger
        caps: list[tuple[str, int | None, Fraction]] = []
        if award.import_cap is not None:
            caps.append(("CAP", None, award.import_cap - ledger.imported))
        for level, cap in award.import_cap_by_level.items():
            caps.append(("LEVEL_CAP", level, cap - ledger.imported_by_level.get(level, Fraction(0))))
        if award.same_level_cap is not None:
            caps.append(("SAME_LEVEL_CAP", None, award.same_level_cap - ledger.imported_same_level))
        return caps

    def reused(self, match: NaiveMatch) -> bool:
        return any(
            not use.same_ladder and not use.new_award_is_higher
            for id_ in match.used
            for use in self.by_id[id_].already_used_for
        )

    def under(self, cap: tuple[str, int | None, Fraction], match: NaiveMatch, level: int) -> bool:
        name, of, _ = cap
        return (
            name == "CAP" or (name == "LEVEL_CAP" and of == level) or (name == "SAME_LEVEL_CAP" and self.reused(match))
        )

    def need(self, cap: tuple[str, int | None, Fraction], match: NaiveMatch) -> Fraction:
        return sum((line[1] for line in match.lines if self.under(cap, match, line[2])), Fraction(0))

    def room(self, cap: tuple[str, int | None, Fraction]) -> Fraction:
        """The room of a cap now: what it was, without all that is given so far."""
        return cap[2] - sum(
            (
                credits_
                for match in self.matches
                for _, credits_, level, _ in match.given
                if self.under(cap, match, level)
            ),
            Fraction(0),
        )

    def code(self, cap: tuple[str, int | None, Fraction], room: Fraction) -> str:
        return f"{cap[0]}_REACHED" if room <= 0 else f"{cap[0]}_EXCEEDED"

    def obstacles(self, match: NaiveMatch) -> set[str]:
        return {self.code(cap, self.room(cap)) for cap in self.caps() if 0 < self.need(cap, match) > self.room(cap)}

    def place(self, match: NaiveMatch) -> tuple[Any, ...]:
        chosen = [
            position
            for position, id_ in enumerate(self.case.choice or ())
            if id_ in self.by_id and self.by_id[id_].course in self.courses(match.used)
        ]
        return (
            chosen[0] if chosen else 10**6,
            min(self.by_id[id_].completed_on for id_ in match.used),
            min(match.used),
        )

    def give(self, match: NaiveMatch) -> None:
        match.given = [(slot, credits_, level, kind) for slot, credits_, level, kind, _ in match.lines]

    def fit_caps(self) -> None:
        playing = sorted((match for match in self.matches if not match.out), key=self.place)
        whole = sum(
            (line[1] for match in playing for line in [*match.lines, *([match.excess] if match.excess else [])]),
            self.case.ledger.imported,
        )
        if whole < self.agreement.minimum_claim:
            for match in playing:
                match.codes.add("BELOW_MIN_CLAIM")
            return
        if self.agreement.whole_units_only:
            self.whole_units(playing)
        else:
            self.split(playing)
        for match in playing:
            if match.excess and match.given:
                slot, credits_, level, kind, _ = match.excess
                reserved = {
                    cap: sum((self.need(cap, waiting) for waiting in playing if waiting.waits), Fraction(0))
                    for cap in self.caps()
                }
                if all(
                    credits_ <= self.room(cap) - reserved[cap] for cap in self.caps() if self.under(cap, match, level)
                ):
                    match.given.append((slot, credits_, level, kind))
                else:
                    match.codes.add("EXCESS_NOT_USED")

    def whole_units(self, playing: list[NaiveMatch]) -> None:
        rest = []
        for match in playing:
            found = self.obstacles(match)
            match.codes |= found
            if not found:
                rest.append(match)
        overrun = [
            cap
            for cap in self.caps()
            if 0 < sum((self.need(cap, match) for match in rest), Fraction(0)) > self.room(cap)
        ]
        if not overrun:
            for match in rest:
                self.give(match)
        elif all(self.place(match)[0] == 10**6 for match in rest):
            for match in rest:
                if any(self.need(cap, match) for cap in overrun):
                    match.codes.add("CHOICE_REQUIRED")
                    match.waits = True
            for match in rest:
                if not match.waits:
                    self.give(match)
        else:
            for match in rest:
                found = self.obstacles(match)
                match.codes |= found
                if not found:
                    self.give(match)

    def split(self, playing: list[NaiveMatch]) -> None:
        for match in playing:
            before = set(match.codes)
            for line in [line for line in match.lines if line[4]] + [line for line in match.lines if not line[4]]:
                slot, credits_, level, kind, fills = line
                applying = [cap for cap in self.caps() if self.under(cap, match, level)]
                short = [cap for cap in applying if self.room(cap) < credits_]
                codes = {self.code(cap, self.room(cap)) for cap in short}
                if short and fills:
                    match.codes, match.given = before | codes, []
                    break
                match.codes |= codes
                gets = max(self.floor(min(self.room(cap) for cap in applying)), Fraction(0)) if short else credits_
                if gets:
                    match.given.append((slot, gets, level, kind))

    # The end

    def judge_free(self) -> None:
        assert self.free == set() or self.agreement.rules is not None
        granted = [match for match in self.matches if match.given]
        filled = set(self.case.ledger.slots_filled) | {
            slot
            for match in granted
            if match.rule is not None and match.rule.grants is not None
            for slot, _, _, _ in match.given
        }
        gone = (
            set(self.case.ledger.granted_courses)
            | {course for match in granted for course in self.courses(match.used)}
            | {denial.course for denial in self.agreement.denied_courses}
            | set(self.agreement.excluded_components)
        )

        def leaves(tree: Requirement) -> list[Leaf]:
            return [tree] if isinstance(tree, Leaf) else [leaf for branch in tree.branches for leaf in leaves(branch)]

        def possible(tree: Requirement) -> bool:
            if isinstance(tree, Leaf):
                return tree.course not in gone
            count = sum(possible(branch) for branch in tree.branches)
            if isinstance(tree, All):
                return count == len(tree.branches) > 0
            return 1 <= (tree.n if isinstance(tree, NOf) else 1) <= count

        for id_ in self.free:
            rules = [
                rule
                for rule in self.agreement.rules or ()
                if any(
                    leaf.course == self.by_id[id_].course and self.leaf_accepts(leaf, rule, id_)
                    for leaf in leaves(rule.requires)
                )
            ]
            if any(not self.slots(rule) & filled and possible(rule.requires) for rule in rules):
                self.codes[id_] = {"RULE_NOT_SATISFIED"}
            elif any(self.slots(rule) & filled for rule in rules):
                self.codes[id_] = {"SLOT_FILLED"}
            else:
                self.codes[id_] = {"NO_RULE"}

    def run(self) -> tuple[dict[str, set[str]], list[tuple[list[str], list[tuple[str, Fraction, int, str]]]]]:
        self.match()
        for match in self.matches:
            self.convert(match)
        self.fit_caps()
        for match in self.matches:
            for id_ in match.used:
                self.codes[id_] = match.codes
        for id_, match in self.share.items():
            self.codes[id_] = {"DUPLICATE_CLAIM"} if match.given else match.codes
        self.judge_free()
        return self.codes, sorted((sorted(match.used), sorted(match.given)) for match in self.matches if match.given)
