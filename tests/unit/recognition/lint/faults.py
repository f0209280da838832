"""Faults, each planted into a sound document or its catalogue by changing it; none asks lint whether it worked."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any

from tests.unit.recognition.lint.sound import Json, Sound, text

Plant = Callable[[Sound, Random], bool]
"""Changes the document or the catalogue; False where this document has no place for the fault."""


@dataclass(frozen=True)
class Fault:
    """A kind of fault, the rule of lint that is to find it, and what else may then be found."""

    rule: str
    plant: Plant
    kind: str
    also: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return f"{self.rule}: {self.plant.__name__}"


FAULTS: list[Fault] = []
TWIN = ("overlapping-rules",)
"""Where one of two identical rules is changed, they differ, and so overlap as well."""


def fault(rule: str, kind: str = "bilateral", also: tuple[str, ...] = ()) -> Callable[[Plant], Plant]:
    def register(plant: Plant) -> Plant:
        FAULTS.append(Fault(rule, plant, kind, frozenset(also)))
        return plant

    return register


def trees(document: Json) -> Iterator[Json]:
    """Every node of every rule's tree."""
    waiting = [rule["requires"] for rule in document["rules"]]
    while waiting:
        node = waiting.pop()
        yield node
        for name in ("all", "any", "of"):
            waiting.extend(node.get(name, []))


def leaves(document: Json) -> list[Json]:
    return [node for node in trees(document) if "course" in node]


def lists(document: Json) -> list[tuple[Json, str]]:
    return [(node, name) for node in trees(document) for name in ("all", "any", "of") if name in node]


def with_lines(document: Json) -> list[tuple[int, Json]]:
    return [(at, rule) for at, rule in enumerate(document["rules"]) if rule["grants"] is not None]


def is_modest(rule: Json) -> bool:
    """Not one of the trees at the limits, where another node would be the fault."""
    return sum(1 for _ in trees({"rules": [rule]})) < 15


def pick(random: Random, things: list[Any]) -> Any:
    return random.choice(things) if things else None


# Overlapping rules


@fault("overlapping-rules")
def the_same_completions_for_another_slot(sound: Sound, random: Random) -> bool:
    rules = [
        rule for _, rule in with_lines(sound.document) if any(line["slot"] != "GENERAL" for line in rule["grants"])
    ]
    chosen = pick(random, rules)
    if chosen is None:
        return False
    other = copy.deepcopy(chosen)
    for line in other["grants"]:
        if line["slot"] != "GENERAL":
            line["slot"] = sound.spare_slots[0]
    sound.document["rules"].insert(random.randint(0, len(sound.document["rules"])), other)
    return True


@fault("overlapping-rules")
def a_slot_for_what_is_like_for_like(sound: Sound, random: Random) -> bool:
    chosen = pick(random, [rule for rule in sound.document["rules"] if rule["grants"] is None])
    if chosen is None:
        return False
    line = {"slot": sound.spare_slots[0], "credits": "0.01"}
    sound.document["rules"].append({**copy.deepcopy(chosen), "grants": [line]})
    return True


@fault("overlapping-rules")
def another_amount_of_general_credit(sound: Sound, random: Random) -> bool:
    only_general = [
        rule for _, rule in with_lines(sound.document) if all(line["slot"] == "GENERAL" for line in rule["grants"])
    ]
    chosen = pick(random, [rule for rule in only_general if rule["grants"][0]["credits"] != "0.01"])
    if chosen is None:
        return False
    sound.document["rules"].append({**copy.deepcopy(chosen), "grants": [{"slot": "GENERAL", "credits": "0.01"}]})
    return True


@fault("overlapping-rules")
def bands_that_meet_in_one_mark(sound: Sound, random: Random) -> bool:
    lower = [rule for rule in sound.document["rules"] if rule["requires"].get("maximum_mark") == "59.99"]
    chosen = pick(random, lower)
    if chosen is None:
        return False
    chosen["requires"]["maximum_mark"] = "60"
    return any(
        rule["requires"].get("minimum_mark") == "60"
        and rule["requires"].get("course") == chosen["requires"]["course"]
        and rule["priority"] == chosen["priority"]
        for rule in sound.document["rules"]
    )


@fault("overlapping-rules")
def two_pairs_with_a_course_in_common(sound: Sound, random: Random) -> bool:
    pairs = [
        rule
        for _, rule in with_lines(sound.document)
        if len(rule["requires"].get("all", [])) == 2 and all("course" in leaf for leaf in rule["requires"]["all"])
    ]
    chosen = pick(random, pairs)
    if chosen is None or all(line["slot"] == "GENERAL" for line in chosen["grants"]):
        return False
    denied = sound.document["denied_courses"].pop()["course"]
    requires = {"all": [copy.deepcopy(chosen["requires"]["all"][0]), {"course": denied}]}
    lines = [{"slot": sound.spare_slots[0], "credits": "0.01"}]
    sound.document["rules"].append({"priority": chosen["priority"], "requires": requires, "grants": lines})
    return True


@fault("overlapping-rules")
def one_slot_with_two_amounts(sound: Sound, random: Random) -> bool:
    alone = [
        rule
        for _, rule in with_lines(sound.document)
        if "course" in rule["requires"] and [line["slot"] == "GENERAL" for line in rule["grants"]] == [False]
    ]
    chosen = pick(random, alone)
    if chosen is None:
        return False
    denied = sound.document["denied_courses"].pop()["course"]
    lines = [{"slot": chosen["grants"][0]["slot"], "credits": "0.01"}]
    rule = {"priority": chosen["priority"], "requires": {"course": denied}, "grants": lines}
    sound.document["rules"].append(rule)
    return bool(chosen["grants"][0]["credits"] != "0.01")


# More credit than there is


@fault("grants-above-source", also=TWIN)
def a_hundredth_more_than_the_least(sound: Sound, random: Random) -> bool:
    if not sound.least:
        return False
    at = random.choice(list(sound.least))
    lines = sound.document["rules"][at]["grants"]
    others = sum((Fraction(line["credits"]) for line in lines[1:]), Fraction(0))
    available = int((sound.least[at] - others) * 100)
    lines[0]["credits"] = text(Fraction(available + 1, 100))
    return True


@fault("grants-above-source", also=TWIN)
def far_more_than_the_least_as_general_credit(sound: Sound, random: Random) -> bool:
    chosen = pick(random, with_lines(sound.document))
    if chosen is None:
        return False
    chosen[1]["grants"].append({"slot": "GENERAL", "credits": "500"})
    return True


@fault("grants-above-source")
def a_version_that_carries_less(sound: Sound, random: Random) -> bool:
    single = [at for at in sound.least if "course" in sound.document["rules"][at]["requires"]]
    at = pick(random, single)
    if at is None:
        return False
    course = sound.document["rules"][at]["requires"]["course"]
    offered = sound.catalogue["learning_opportunities"]
    newest = next(each for each in reversed(offered) if each["id"] == course)
    offered.append({**newest, "version": 4, "credits": "0.01"})
    return True


@fault("grants-above-source")
def a_level_that_only_some_of_the_credit_has(sound: Sound, random: Random) -> bool:
    for rule in sound.document["rules"]:
        lines = rule["grants"] or []
        named = [line for line in lines if "level" in line]
        if (
            len(lines) == 2
            and len(named) == 2
            and named[0]["level"] != named[1]["level"]
            and len(rule["requires"]) == 1
        ):
            if "all" not in rule["requires"] or any(line["slot"] == "GENERAL" for line in lines):
                continue
            low, high = sorted(named, key=lambda line: line["level"])
            high["credits"] = text(Fraction(high["credits"]) + Fraction("0.02"))
            low["credits"] = "0.01"
            return True
    return False


# Levels


@fault("level-out-of-reach", also=TWIN)
def a_level_above_every_course(sound: Sound, random: Random) -> bool:
    chosen = pick(random, with_lines(sound.document))
    if chosen is None:
        return False
    for line in chosen[1]["grants"]:
        line["level"] = 12
    reached = {"FHEQ": 8, "SCQF": 12, "EQF": 8, "NFQ": 10}[sound.catalogue["members"][1]["framework"]]
    return reached < 12


@fault("several-levels-for-one")
def two_entries_for_one_level(sound: Sound, random: Random) -> bool:
    entries = sound.document["level_map"] = sound.document["level_map"] or []
    entry = pick(random, entries) or {"framework": "EQF", "level": 3, "is": 3}
    entries += [dict(entry), {**entry, "is": entry["is"] - 1}]
    return True


@fault("several-levels-for-one")
def two_entries_for_one_course(sound: Sound, random: Random) -> bool:
    course = sound.document["excluded_components"][0]
    entry = {"framework": "NFQ", "level": 3, "course": course, "is": 2}
    sound.document["level_map"] = [entry, *(sound.document["level_map"] or []), {**entry, "is": 1}]
    return True


# Slots and courses


@fault("unknown-slot", also=TWIN)
def a_slot_of_another_members_award(sound: Sound, random: Random) -> bool:
    chosen = pick(random, [line for _, rule in with_lines(sound.document) for line in rule["grants"]])
    if chosen is None:
        return False
    chosen["slot"] = "OF-ALDER"
    return True


@fault("unknown-slot")
def a_slot_that_its_award_gave_up(sound: Sound, random: Random) -> bool:
    slots = {line["slot"] for _, rule in with_lines(sound.document) for line in rule["grants"]} - {"GENERAL"}
    chosen = pick(random, sorted(slots))
    for award in sound.catalogue["awards"]:
        award["slots"] = [slot for slot in award["slots"] if slot != chosen]
    return chosen is not None


@fault("unknown-course")
def a_course_that_was_never_offered(sound: Sound, random: Random) -> bool:
    small = [leaf for rule in sound.document["rules"] if is_modest(rule) for leaf in leaves({"rules": [rule]})]
    leaf = pick(random, small)
    if leaf is None:
        return False
    leaf["course"] = "alder:NEVER"
    return True


@fault("unknown-course")
def a_course_of_another_member(sound: Sound, random: Random) -> bool:
    leaf = pick(random, leaves(sound.document))
    sound.catalogue["learning_opportunities"].append(
        {"id": "birch:C0", "version": 3, "credits": "500", "framework": "FHEQ", "level": 8}
    )
    leaf["course"] = "birch:C0"
    return True


@fault("unknown-course")
def a_denied_course_that_was_never_offered(sound: Sound, random: Random) -> bool:
    sound.document["denied_courses"].append({"course": "alder:NEVER", "reason": "Nobody knows it."})
    return True


@fault("unknown-course", kind="multilateral")
def an_excluded_component_that_was_never_offered(sound: Sound, random: Random) -> bool:
    sound.document["excluded_components"].append("elm:NEVER")
    return True


@fault("unknown-course")
def a_level_for_a_course_that_was_never_offered(sound: Sound, random: Random) -> bool:
    entry = {"framework": "NFQ", "level": 3, "course": "alder:NEVER", "is": 3}
    sound.document["level_map"] = [*(sound.document["level_map"] or []), entry]
    return True


# Trees


@fault("empty-tree")
def a_tree_that_is_empty(sound: Sound, random: Random) -> bool:
    rule = random.choice(sound.document["rules"])
    rule["requires"] = random.choice(({"all": []}, {"any": []}, {"n": 1, "of": []}))
    return True


@fault("empty-tree")
def a_branch_that_is_empty(sound: Sound, random: Random) -> bool:
    chosen = pick(random, [rule for rule in sound.document["rules"] if is_modest(rule)])
    if chosen is None:
        return False
    chosen["requires"] = {"any": [chosen["requires"], {"all": []}]}
    return True


@fault("tree-nothing-can-meet")
def none_of_some(sound: Sound, random: Random) -> bool:
    chosen = pick(random, [rule for rule in sound.document["rules"] if is_modest(rule)])
    if chosen is None:
        return False
    chosen["requires"] = {"n": random.choice((0, -1)), "of": [chosen["requires"]]}
    return True


@fault("tree-nothing-can-meet")
def more_than_there_are(sound: Sound, random: Random) -> bool:
    node = pick(random, [node for node in trees(sound.document) if "n" in node])
    if node is None:
        return False
    node["n"] = len(node["of"]) + 1
    return True


@fault("tree-nothing-can-meet")
def marks_between_which_there_is_none(sound: Sound, random: Random) -> bool:
    leaf = random.choice(leaves(sound.document))
    leaf.update(minimum_mark="50.01", maximum_mark="50")
    return True


@fault("tree-nothing-can-meet")
def a_course_that_is_denied(sound: Sound, random: Random) -> bool:
    needed = [rule for rule in sound.document["rules"] if "course" in rule["requires"] or "all" in rule["requires"]]
    chosen = pick(random, needed)
    if chosen is None:
        return False
    course = (chosen["requires"].get("all") or [chosen["requires"]])[0].get("course")
    if course is None:
        return False
    sound.document["denied_courses"].append({"course": course, "reason": "It is taught at Birch."})
    return True


@fault("tree-nothing-can-meet")
def every_choice_is_excluded(sound: Sound, random: Random) -> bool:
    chosen = pick(random, sound.document["rules"])
    courses = {leaf["course"] for leaf in leaves({"rules": [chosen]})}
    sound.document["excluded_components"] = sorted({*sound.document["excluded_components"], *courses})
    return True


@fault("tree-nothing-can-meet")
def one_course_twice_with_different_marks(sound: Sound, random: Random) -> bool:
    chosen = pick(random, [rule for rule in sound.document["rules"] if "course" in rule["requires"]])
    if chosen is None:
        return False
    course = chosen["requires"]["course"]
    low, high = {"course": course, "minimum_mark": "1", "maximum_mark": "39"}, {"course": course, "minimum_mark": "70"}
    chosen["requires"] = {"all": [low, high]}
    return True


@fault("tree-nothing-can-meet")
def a_mark_that_the_agreement_does_not_take(sound: Sound, random: Random) -> bool:
    chosen = pick(random, [rule for rule in sound.document["rules"] if "course" in rule["requires"]])
    if chosen is None or sound.document["accepts_compensated_pass"]:
        return False
    sound.document["minimum_mark"] = "40"
    chosen["requires"] = {"course": chosen["requires"]["course"], "maximum_mark": "39.9"}
    return True


@fault("tree-too-large")
def one_deeper_than_may_be(sound: Sound, random: Random) -> bool:
    rule = random.choice(sound.document["rules"])
    for _ in range(20):
        rule["requires"] = {random.choice(("all", "any")): [rule["requires"]]}
    return True


@fault("tree-too-large")
def one_larger_than_may_be(sound: Sound, random: Random) -> bool:
    rule = random.choice(sound.document["rules"])
    size = sum(1 for _ in trees({"rules": [rule]}))
    leaf = leaves({"rules": [rule]})[0]
    rule["requires"] = {"any": [rule["requires"], *([leaf] * (500 - size))]}
    return True


# Terms


@fault("denial-without-reason")
def a_denial_that_says_nothing(sound: Sound, random: Random) -> bool:
    denial = sound.document["denied_courses"][0]
    denial["reason"] = random.choice((None, "", "  "))
    if denial["reason"] is None and random.random() < 0.5:
        del denial["reason"]
    return True


@fault("denial-without-reason", kind="multilateral")
def a_denial_that_says_nothing_to_anybody(sound: Sound, random: Random) -> bool:
    return a_denial_that_says_nothing(sound, random)


@fault("not-in-hundredths")
def a_step_in_thousandths(sound: Sound, random: Random) -> bool:
    sound.document["credit_step"] = random.choice(("0.001", "0.005", "1/3", "2.125"))
    return True


@fault("not-in-hundredths", also=TWIN)
def a_line_in_thousandths(sound: Sound, random: Random) -> bool:
    lines = [line for _, rule in with_lines(sound.document) for line in rule["grants"]]
    line = pick(random, lines)
    if line is None:
        return False
    line["credits"] = random.choice(("0.001", "1/300"))
    return True


@fault("dates-reversed")
def an_end_before_the_beginning(sound: Sound, random: Random) -> bool:
    document = sound.document
    document["in_force_from"], document["in_force_until"] = document["in_force_until"], document["in_force_from"]
    return True


@fault("dates-reversed", kind="multilateral")
def a_past_that_is_the_future(sound: Sound, random: Random) -> bool:
    sound.document["covers_since"] = f"{sound.document['in_force_from'][:4]}-09-02"
    return True


@fault("range-reversed")
def versions_that_run_backwards(sound: Sound, random: Random) -> bool:
    sound.document["course_versions"] = [4, 3]
    return True


@fault("range-reversed")
def hours_that_run_backwards(sound: Sound, random: Random) -> bool:
    sound.document["hours_per_credit"] = ["30", "25"]
    return True


@fault("belongs-to-one-direction", kind="multilateral")
def a_term_of_one_direction(sound: Sound, random: Random) -> bool:
    sound.document |= random.choice(
        (
            {"minimum_mark": "40"},
            {"hours_per_credit": ["9", "11"]},
            {"level_map": [{"framework": "EQF", "level": 5, "is": 5}]},
            {"rules": []},
        )
    )
    return True


@fault("belongs-to-one-direction", kind="multilateral")
def marks_of_one_scale(sound: Sound, random: Random) -> bool:
    course = sound.catalogue["learning_opportunities"][-1]["id"]
    sound.document["rules"] = [{"priority": 1, "requires": {"course": course, "minimum_mark": "40"}, "grants": None}]
    return True


# Parties


@fault("party-not-a-member", also=("unknown-course",))
def a_party_that_nobody_knows(sound: Sound, random: Random) -> bool:
    sound.document["parties"] = {"provider": "nobody", "receiver": "birch"}
    return True


@fault("party-not-a-member", kind="multilateral")
def one_party_of_many_that_nobody_knows(sound: Sound, random: Random) -> bool:
    sound.document["parties"]["members"][random.randrange(2)] = "nobody"
    return True


@fault("nobody-takes-referrals")
def a_receiver_without_an_office(sound: Sound, random: Random) -> bool:
    sound.catalogue["members"][1]["referrals_to"] = random.choice((None, " "))
    return True


@fault("nobody-takes-referrals", kind="multilateral")
def one_of_many_without_an_office(sound: Sound, random: Random) -> bool:
    del random.choice(sound.catalogue["members"])["referrals_to"]
    return True


@fault("nobody-takes-appeals")
def a_receiver_without_appeals(sound: Sound, random: Random) -> bool:
    sound.catalogue["members"][1]["appeals"] = random.choice((None, {"route": " "}))
    return True


@fault("nobody-takes-appeals", kind="multilateral")
def one_of_many_without_appeals(sound: Sound, random: Random) -> bool:
    del random.choice(sound.catalogue["members"])["appeals"]
    return True


@fault("second-agreement")
def another_agreement_for_the_direction(sound: Sound, random: Random) -> bool:
    other = {"id": "older", "parties": {"provider": "alder", "receiver": "birch"}}
    sound.catalogue["agreements"].insert(random.randint(0, 3), other)
    return True


@fault("second-agreement", kind="multilateral")
def another_agreement_for_the_members(sound: Sound, random: Random) -> bool:
    members = sorted(sound.document["parties"]["members"], reverse=True)
    sound.catalogue["agreements"].append({"id": "older", "parties": {"members": members}})
    return True


@fault("reserved-id", also=("second-agreement",))
def an_agreement_where_gaps_are_read(sound: Sound, random: Random) -> bool:
    sound.document["id"] = "gaps"
    return True


# Awards


@fault("reserved-id", kind="award")
def an_award_where_drafts_are_read(sound: Sound, random: Random) -> bool:
    sound.document["id"] += random.choice(("/drafts", "/drafts/1", "/drafts/1/approval"))
    return True


@fault("award-framework", kind="award")
def an_award_in_a_foreign_framework(sound: Sound, random: Random) -> bool:
    frameworks = ["FHEQ", "SCQF", "EQF", "NFQ"]
    frameworks.remove(sound.document["framework"])
    sound.catalogue["members"][0]["framework"] = random.choice(frameworks)
    return True


@fault("not-whole-credits", kind="award")
def a_part_of_a_credit(sound: Sound, random: Random) -> bool:
    document, amount = sound.document, random.choice(("118.8", "0.5", "100/3"))
    place = random.randrange(6)
    if place == 0:
        document["categories"][0]["minimum"] = amount
    elif place == 1:
        document["minimum_by_level"][random.choice(list(document["minimum_by_level"]))] = amount
    elif place == 2:
        document["import_cap_by_level"] = {str(document["level"]): amount}
    else:
        document[("credits_required", "import_cap", "same_level_cap")[place - 3]] = amount
    return True


@fault("unknown-course", kind="award")
def a_capstone_that_was_never_offered(sound: Sound, random: Random) -> bool:
    sound.document["capstone"] = "birch:NEVER"
    return True


@fault("unknown-course", kind="award")
def a_category_of_neither_course_nor_slot(sound: Sound, random: Random) -> bool:
    sound.document["categories"][0]["of"].append("MODULE-9")
    return True


@fault("party-not-a-member", kind="award")
def an_award_of_nobody(sound: Sound, random: Random) -> bool:
    sound.catalogue["members"] = []
    return True
