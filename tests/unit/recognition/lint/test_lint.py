"""Lint, rule by rule: what is said, where, and what is rightly let through."""

import json
from pathlib import Path
from typing import Any

import pytest

import contracts
from contracts.documents.findings import DocumentRefused, Finding
from contracts.documents.loading import agreement_from, award_from, read_file
from services.recognition.lint.awards import courses_named as courses_of_award
from services.recognition.lint.catalogue import EMPTY, Catalogue, catalogue_from
from services.recognition.lint.documents import AGREEMENT_RULES, AWARD_RULES, lint_agreement, lint_award
from services.recognition.lint.terms import courses_named

EXAMPLES = Path(contracts.__file__).parent / "examples" / "documents"
AGREEMENTS = ("consortium-microcredentials", "northbridge-strathmore", "brabant-northbridge")
AWARDS = ("strathmore-pgcert-data", "northbridge-bsc-data-science")
Json = dict[str, Any]

A, B, C, D = ({"course": f"brabant:{name}"} for name in "abcd")


def example(name: str) -> Json:
    raw = read_file(EXAMPLES / f"{name}.yaml")
    assert isinstance(raw, dict)
    return raw


def catalogue() -> Catalogue:
    return catalogue_from(json.dumps(example("catalogue")))


def rule(requires: Json, *lines: Json, priority: int = 1) -> Json:
    return {"priority": priority, "requires": requires, "grants": list(lines) or None}


def line(slot: str, credit: str = "10", **level: int) -> Json:
    return {"slot": slot, "credits": credit, **level}


def marks(leaf: Json, lowest: str | None = None, highest: str | None = None) -> Json:
    return {**leaf, "minimum_mark": lowest, "maximum_mark": highest}


def findings(*rules: Json, context: Catalogue = EMPTY, **terms: Any) -> list[Finding]:
    document = {**example("brabant-northbridge"), "rules": list(rules), **terms}
    return list(lint_agreement(agreement_from(document), context).findings)


def found(*rules: Json, context: Catalogue = EMPTY, **terms: Any) -> set[str]:
    return {finding.rule for finding in findings(*rules, context=context, **terms)}


@pytest.mark.parametrize("name", AGREEMENTS)
def test_an_example_agreement_is_published(name: str) -> None:
    report = lint_agreement(agreement_from(example(name)), catalogue())
    assert (report.findings, report.not_checked) == ((), ())
    assert len(report.checked) == len(AGREEMENT_RULES)


@pytest.mark.parametrize("name", AWARDS)
def test_an_example_award_is_published(name: str) -> None:
    report = lint_award(award_from(example(name)), catalogue())
    assert (report.findings, report.not_checked) == ((), ())
    assert len(report.checked) == len(AWARD_RULES)


def test_what_cannot_be_checked_is_said_and_not_passed_off_as_checked() -> None:
    report = lint_agreement(agreement_from(example("northbridge-strathmore")))
    assert {rule.rule for rule in report.not_checked} | set(report.checked) == {rule.id for rule in AGREEMENT_RULES}
    lacks = {rule.rule: rule.lacks for rule in report.not_checked}
    assert lacks["grants-above-source"] == ("members", "learning_opportunities")
    assert lacks["unknown-slot"] == ("awards",)
    assert "overlapping-rules" in report.checked
    partly = catalogue().model_copy(update={"awards": None})
    assert [
        rule.rule for rule in lint_agreement(agreement_from(example("brabant-northbridge")), partly).not_checked
    ] == ["unknown-slot"]


def test_rule_ids_are_unique_and_rules_are_true_sentences() -> None:
    for rules in (AGREEMENT_RULES, AWARD_RULES):
        assert len({rule.id for rule in rules}) == len(rules)
        assert all(rule.check.__doc__ for rule in rules)


OVERLAPS = {
    "one course, two slots": (rule(A, line("M1")), rule(A, line("M2"))),
    "one course, a slot and like for like": (rule(A, line("M1")), rule(A)),
    "one course, two levels": (rule(A, line("M1", level=5)), rule(A, line("M1", level=4))),
    "pairs with a course in common": (rule({"all": [A, B]}, line("M1")), rule({"all": [B, C]}, line("M2"))),
    "pairs like for like": (rule({"all": [A, B]}), rule({"all": [B, C]})),
    "a slot from either of two, in two amounts": (rule(A, line("M1", "10")), rule(B, line("M1", "20"))),
    "bands that share a mark": (rule(marks(A, "40", "60"), line("M1")), rule(marks(A, "60"), line("M2"))),
    "two of three, twice, one in common": (
        rule({"n": 2, "of": [A, B, C]}, line("M1")),
        rule({"n": 2, "of": [C, D, {"course": "brabant:e"}]}, line("M2")),
    ),
    "a choice that comes to the same": (
        rule({"any": [A, {"all": [A, B]}]}, line("M1")),
        rule({"any": [C, A]}, line("M2")),
    ),
    "two amounts of general credit": (rule(A, line("GENERAL", "5")), rule(A, line("GENERAL", "10"))),
}

NO_OVERLAPS = {
    "two courses": (rule(A, line("M1")), rule(B, line("M2"))),
    "two priorities": (rule(A, line("M1")), rule(A, line("M2"), priority=2)),
    "the same twice": (rule(A, line("M1"), line("GENERAL")), rule(A, line("GENERAL", "10.0"), line("M1"))),
    "like for like twice": (rule({"any": [A, B]}), rule({"any": [B, C]})),
    "a part and its whole": (rule(A, line("M1")), rule({"all": [A, B]}, line("M2"))),
    "a slot, or else general credit": (rule(A, line("M1")), rule(A, line("GENERAL"))),
    "bands with a gap": (rule(marks(A, "1", "1.69"), line("M1")), rule(marks(A, "1.7"), line("M2"))),
    "bands that meet in no mark of this agreement": (
        rule(marks(A, None, "45"), line("M1")),
        rule(marks(A, None, "39"), line("M2")),
    ),
    "one slot from either of two, in one amount": (rule(A, line("M1")), rule(B, line("M1"))),
}


@pytest.mark.parametrize("rules", OVERLAPS.values(), ids=OVERLAPS)
def test_rules_that_would_dispute_are_refused_with_their_overlap(rules: tuple[Json, Json]) -> None:
    overlap = [finding for finding in findings(*rules) if finding.rule == "overlapping-rules"]
    assert [finding.pointer for finding in overlap] == ["/rules/1"]
    assert overlap[0].related[0] == "/rules/0"
    assert any(witness.startswith("brabant:") for witness in overlap[0].related[1:])


@pytest.mark.parametrize("rules", NO_OVERLAPS.values(), ids=NO_OVERLAPS)
def test_rules_that_decide_between_themselves_are_let_through(rules: tuple[Json, Json]) -> None:
    assert "overlapping-rules" not in found(*rules, minimum_mark="40", accepts_compensated_pass=False)


def test_an_overlap_is_told_with_the_completions_and_both_targets() -> None:
    (overlap,) = findings(rule(marks(A, "40", "60"), line("M1", "7.5")), rule(marks(A, "60"), line("M2", level=5)))
    assert overlap.message == (
        "/rules/0 and /rules/1 should differ in priority or in what meets them: who holds brabant:a (mark 60) meets "
        "both; /rules/0 grants 7.5 M1, /rules/1 grants 10 M2 at level 5"
    )


def test_a_compensated_pass_below_the_minimum_can_put_rules_in_dispute() -> None:
    rules = (rule(marks(A, None, "45"), line("M1")), rule(marks(A, None, "39"), line("M2")))
    assert "overlapping-rules" in found(*rules, minimum_mark="40", accepts_compensated_pass=True)


def test_each_pair_that_would_dispute_is_shown() -> None:
    pairs = [rule({"all": [one, other]}, line(f"M{at}")) for at, (one, other) in enumerate([(A, B), (B, C), (C, D)])]
    shown = [(finding.related[0], finding.pointer) for finding in findings(*pairs)]
    assert shown == [("/rules/0", "/rules/1"), ("/rules/1", "/rules/2")]


@pytest.mark.parametrize(
    ("requires", "pointer"),
    [
        ({"n": 0, "of": [A]}, "/rules/0/requires/n"),
        ({"any": [B, {"n": 3, "of": [A, B]}]}, "/rules/0/requires/any/1/n"),
        ({"any": [B, marks(A, "60", "59.9")]}, "/rules/0/requires/any/1"),
        ({"all": [marks(A, "60"), marks(A, None, "59.9")]}, "/rules/0/requires"),
        ({"all": [A, {"course": "brabant:denied"}]}, "/rules/0/requires"),
        ({"n": 2, "of": [A, {"course": "brabant:denied"}, {"course": "brabant:excluded"}]}, "/rules/0/requires"),
        (marks(A, None, "9.9"), "/rules/0/requires"),
    ],
)
def test_a_tree_that_nothing_can_meet_is_refused_where_it_cannot(requires: Json, pointer: str) -> None:
    unmet = findings(
        rule(requires),
        denied_courses=[{"course": "brabant:denied", "reason": "Taught here."}],
        excluded_components=["brabant:excluded"],
    )
    assert [(finding.rule, finding.pointer) for finding in unmet] == [("tree-nothing-can-meet", pointer)]


@pytest.mark.parametrize(
    "requires",
    [
        {"any": [A, {"course": "brabant:denied"}]},
        {"all": [marks(A, "60"), marks(A, None, "60")]},
        {"n": 2, "of": [A, A]},
        {"n": 1, "of": [{"course": "brabant:denied"}, A]},
        {"n": 30, "of": [{"course": f"brabant:{number}"} for number in range(60)]},
        {"all": [{"any": [{"course": f"brabant:{a}{b}"} for b in range(9)]} for a in range(9)]},
    ],
)
def test_a_tree_that_something_can_meet_is_let_through(requires: Json) -> None:
    denied = [{"course": "brabant:denied", "reason": "Taught here."}]
    assert found(rule(requires), denied_courses=denied) == set()


def test_a_long_list_of_which_too_few_can_be_held_is_refused() -> None:
    courses = [f"brabant:{number}" for number in range(60)]
    requires = {"n": 30, "of": [{"course": course} for course in courses]}
    assert found(rule(requires), excluded_components=courses[29:]) == {"tree-nothing-can-meet"}


def test_the_limits_of_a_tree_are_twenty_and_five_hundred() -> None:
    deep: Json = A
    for _ in range(19):
        deep = {"all": [deep]}
    assert found(rule(deep)) == set()
    assert found(rule({"all": [deep]})) == {"tree-too-large"}
    assert found(rule({"any": [A] * 499})) == set()
    assert found(rule({"any": [A] * 500})) == {"tree-too-large"}


@pytest.mark.parametrize("requires", [{"all": []}, {"any": []}, {"n": 1, "of": []}, {"any": [A, {"all": []}]}])
def test_an_empty_tree_is_refused_and_said_once(requires: Json) -> None:
    assert [finding.rule for finding in findings(rule(requires))] == ["empty-tree"]


STATISTICS, FIRST, DATABASES = ({"course": f"brabant:{name}"} for name in ("statistics", "programming-1", "databases"))
# 6 ECTS at FHEQ 5, 10 at FHEQ 4 and 5 at FHEQ 5, two for one.


@pytest.mark.parametrize(
    ("requires", "lines", "granted", "available"),
    [
        (STATISTICS, [line("STAT205", "12.01")], "12.01", "12"),
        ({"all": [STATISTICS, STATISTICS]}, [line("STAT205", "13")], "13", "12"),
        ({"any": [STATISTICS, DATABASES]}, [line("STAT205", "12")], "12", "10"),
        ({"n": 2, "of": [STATISTICS, FIRST, DATABASES]}, [line("STAT205", "20"), line("GENERAL", "2.5")], "22.5", "22"),
        ({"all": [STATISTICS, FIRST]}, [line("STAT205", "20", level=5), line("GENERAL", "1", level=4)], "20", "12"),
    ],
)
def test_more_than_the_least_that_meets_a_rule_is_refused_with_the_numbers(
    requires: Json, lines: list[Json], granted: str, available: str
) -> None:
    (above,) = findings(rule(requires, *lines), context=catalogue())
    assert (above.rule, above.pointer, above.value) == ("grants-above-source", "/rules/0/grants", granted)
    assert f"at most {available} credits" in above.message
    assert all("brabant:" in part for part in above.related)


@pytest.mark.parametrize(
    ("requires", "lines"),
    [
        (STATISTICS, [line("STAT205", "12")]),
        ({"any": [STATISTICS, DATABASES]}, [line("STAT205", "10")]),
        ({"n": 2, "of": [STATISTICS, FIRST, DATABASES]}, [line("STAT205", "20"), line("GENERAL", "2")]),
        ({"all": [STATISTICS, FIRST]}, [line("STAT205", "12", level=5), line("COMP101", "20", level=4)]),
        # Below its lowest named level a leaf takes nothing, so the first course is no way to meet this.
        ({"any": [FIRST, STATISTICS]}, [line("STAT205", "12", level=5)]),
    ],
)
def test_what_the_least_carries_may_be_granted(requires: Json, lines: list[Json]) -> None:
    assert found(rule(requires, *lines), context=catalogue()) == set()


def test_a_level_that_no_course_of_the_rule_reaches_is_refused() -> None:
    (out_of_reach,) = findings(rule({"any": [FIRST, STATISTICS]}, line("STAT205", level=6)), context=catalogue())
    assert (out_of_reach.rule, out_of_reach.value) == ("level-out-of-reach", "level 6")
    assert out_of_reach.related == (
        "brabant:programming-1 (version 1: 20 credits at level 4)",
        "brabant:statistics (version 1: 12 credits at level 5)",
    )


def test_a_level_that_is_not_known_is_not_guessed() -> None:
    """EQF 5 is FHEQ 4 or 5 where no entry says which; what cannot be decided is not refused."""
    assert found(rule(STATISTICS, line("STAT205", "12", level=6)), context=catalogue(), level_map=None) == set()


def test_a_rule_on_a_course_that_the_catalogue_lacks_says_that_alone() -> None:
    requires = {"all": [STATISTICS, A]}
    assert found(rule(requires, line("STAT205", "500")), context=catalogue()) == {"unknown-course"}


def test_only_the_rules_have_to_name_the_providers_courses() -> None:
    terms = {"excluded_components": ["northbridge:honours-project"]}
    assert found(rule(STATISTICS), context=catalogue(), **terms) == set()
    (foreign,) = findings(rule({"course": "northbridge:algorithms"}), context=catalogue())
    assert foreign.message == "should be one of the provider's (`brabant:…`)"


def test_a_new_version_of_a_published_agreement_is_no_second_agreement() -> None:
    document = example("brabant-northbridge")
    published = {"agreements": [{"id": document["id"], "parties": document["parties"]}]}
    context = catalogue_from(json.dumps({**example("catalogue"), **published}))
    assert lint_agreement(agreement_from({**document, "version": 2}), context).findings == ()
    (second,) = lint_agreement(agreement_from({**document, "id": "another"}), context).findings
    assert second.message == "should be a new version of brabant-northbridge, which is published for these parties"


def test_between_many_members_a_term_of_one_direction_is_refused_and_an_empty_level_map_is_none() -> None:
    document = example("consortium-microcredentials")
    entry = {"framework": "EQF", "level": 5, "is": 5}
    for name, value in (("level_map", [entry]), ("rules", []), ("hours_per_credit", [1, 2]), ("minimum_mark", "0")):
        (refused,) = lint_agreement(agreement_from({**document, name: value})).findings
        assert (refused.rule, refused.pointer) == ("belongs-to-one-direction", f"/{name}")
    assert lint_agreement(agreement_from({**document, "level_map": []})).findings == ()


def test_a_minimum_claim_is_no_cap_and_need_not_be_whole() -> None:
    assert found(rule(A), minimum_claim="7.5") == set()


def test_only_so_many_findings_of_one_rule_are_shown() -> None:
    twins = [rule(A, line("M1", str(number + 1))) for number in range(40)]
    assert len(findings(*twins)) == 100


def test_the_courses_that_lint_looks_up_are_all_that_a_document_names() -> None:
    agreement = agreement_from(example("northbridge-strathmore"))
    codes = ["study-skills", "data-capstone", "data-ethics", "data-visualisation"]
    codes += ["machine-learning", "bayesian-statistics", "causal-inference"]
    assert courses_named(agreement) == {f"northbridge:{code}" for code in codes}
    award = award_from(example("northbridge-bsc-data-science"))
    assert courses_of_award(award) == {"northbridge:algorithms", "northbridge:honours-project"}


@pytest.mark.parametrize("content", ["{", '{"members": [{"id": "a"}]}', '{"persons": []}'])
def test_a_catalogue_that_cannot_be_read_is_refused(content: str) -> None:
    with pytest.raises(DocumentRefused):
        catalogue_from(content)
