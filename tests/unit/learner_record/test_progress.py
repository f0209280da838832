"""Eligibility, capstones and conferrals (domain.md, "Sizes of awards"; documents.md, "Award definition")."""

from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4, uuid5

import pytest

from services.learner_record.domain.progress import (
    Capstone,
    Category,
    Conferred,
    Requirements,
    is_free,
    objections,
    progress,
)
from services.learner_record.domain.stack import Attempt, Grant, Line, own_credit_that_counts

SPACE = uuid4()
CAPSTONE = "strathmore:capstone"


def id_of(name: str) -> UUID:
    return uuid5(SPACE, name)


def own(name: str, credits_: int | str, level: int, **changes: object) -> Attempt:
    fields: dict[str, object] = {
        "completion_id": id_of(name),
        "learning_opportunity": f"strathmore:{name}",
        "credits": Decimal(credits_),
        "framework": "FHEQ",
        "level": level,
        "result": "pass",
        "mark": Decimal(60),
        "completed_on": date(2026, 6, 1),
        **changes,
    }
    return Attempt(**fields)  # type: ignore[arg-type]


def granted(name: str, credits_: int | str, level: int, slot: str = "GENERAL", *, frozen: bool = False) -> Grant:
    kind = "general" if slot == "GENERAL" else "specific"
    line = Line(slot, Decimal(credits_), level, kind)  # type: ignore[arg-type]
    return Grant(id_of(f"grant of {name}"), frozenset({id_of(name)}), (line,), frozen)


def award(credits_: int, minimum: dict[int, int] | None = None, **changes: object) -> Requirements:
    fields: dict[str, object] = {
        "award_id": "strathmore:award",
        "version": 1,
        "framework": "FHEQ",
        "credits_required": Decimal(credits_),
        "minimum_by_level": {level: Decimal(least) for level, least in (minimum or {}).items()},
        "categories": (),
        "capstone": None,
        "ladder": None,
        **changes,
    }
    return Requirements(**fields)  # type: ignore[arg-type]


PGCERT = award(60, {7: 40})
HONOURS = award(360, {6: 120})


@pytest.mark.parametrize(
    ("requirements", "credit", "eligible"),
    [
        (PGCERT, [own("a", 40, 7), granted("b", 20, 6)], True),
        (PGCERT, [own("a", 30, 7), granted("b", 30, 6)], False),
        (PGCERT, [own("a", 40, 8), granted("b", 20, 6)], True),
        (PGCERT, [own("a", 40, 7), granted("b", "19.99", 6)], False),
        (PGCERT, [own("a", 40, 7), granted("b", 20, 6, frozen=True)], False),
        (HONOURS, [own("a", 260, 5), own("b", 100, 6)], False),
        (HONOURS, [own("a", 240, 5), own("b", 120, 6)], True),
    ],
)
def test_an_award_is_eligible_when_every_condition_holds(
    requirements: Requirements, credit: list[Attempt | Grant], eligible: bool
) -> None:
    grants = [one for one in credit if isinstance(one, Grant)]
    attempts = [one for one in credit if isinstance(one, Attempt)]
    assert progress(requirements, grants, attempts).eligible is eligible


@pytest.mark.parametrize(("credits_", "eligible"), [(22, False), (24, True)])
def test_a_category_has_its_minimum_from_courses_and_slots(credits_: int, eligible: bool) -> None:
    category = Category("Core", Decimal(24), frozenset({"strathmore:a", "CORE"}))
    requirements = award(24, categories=(category,))
    made = progress(requirements, [granted("b", 12, 7, "CORE"), granted("c", 30, 7)], [own("a", credits_ - 12, 7)])
    assert made.eligible is eligible
    if not eligible:
        [missing] = [one.sentence for one in made.conditions if not one.holds]
        assert missing == "22 of 24 credits in Core: 2 are missing."


@pytest.mark.parametrize(
    ("credit", "state"),
    [
        ([own("a", 20, 7)], "closed"),
        ([own("a", 40, 6)], "closed"),  # 60 with it, but only 20 of them at level 7
        ([own("a", 40, 7)], "open"),
        ([own("a", 60, 7)], "open"),
        ([own("a", 40, 7), own("capstone", 20, 7)], "passed"),
        ([own("capstone", 20, 7)], "passed"),
    ],
)
def test_the_capstone_opens_when_every_condition_would_hold_with_it_passed(credit: list[Attempt], state: str) -> None:
    made = progress(award(60, {7: 40}, capstone=Capstone(CAPSTONE, Decimal(20), 7)), [], credit)
    assert made.capstone == state
    assert made.eligible is (state == "passed" and len(credit) == 2)


def test_a_capstone_counts_only_where_it_was_studied_at_the_awarding_member() -> None:
    requirements = award(60, {7: 40}, capstone=Capstone(CAPSTONE, Decimal(20), 7))
    elsewhere = [granted("a", 40, 7), granted("b", 20, 7, CAPSTONE)]
    made = progress(requirements, elsewhere, [])
    assert (made.capstone, made.eligible) == ("open", False)


def test_a_capstone_that_is_not_in_the_catalogue_yet_opens_on_the_credit_of_the_rest_alone() -> None:
    requirements = award(60, capstone=Capstone(CAPSTONE))
    assert progress(requirements, [], [own("a", 40, 7)]).capstone == "closed"
    assert progress(requirements, [], [own("a", 60, 7)]).capstone == "open"


def test_what_is_missing_is_said_in_words() -> None:
    sentences = [one.sentence for one in progress(PGCERT, [granted("a", 39, 7)], []).conditions]
    assert sentences == [
        "39 of 60 credits: 21 are missing.",
        "39 of 40 credits at level 7 or above: 1 is missing.",
    ]


def test_of_several_attempts_the_best_counts_once() -> None:
    worse, better = own("a", 40, 7, mark=Decimal(45)), own("a", 40, 7, mark=Decimal(70), completion_id=id_of("again"))
    assert own_credit_that_counts([worse, better], "FHEQ") == [better]


# Conferral


def conferred(*completions: str, ladder: str | None = None) -> Conferred:
    ids = frozenset(id_of(one) for one in completions)
    return Conferred(id_of("conferral"), id_of("other enrolment"), "strathmore:other", ladder, ids)


def test_own_credit_counts_in_two_conferred_awards_only_within_one_ladder() -> None:
    attempt = own("a", 60, 7)
    assert is_free(attempt, "data", [])
    assert is_free(attempt, "data", [conferred("b")])
    assert is_free(attempt, "data", [conferred("a", ladder="data")])
    assert not is_free(attempt, "data", [conferred("a", ladder="law")])
    assert not is_free(attempt, None, [conferred("a")])
    [objection] = objections(award(60), [], [attempt], {}, [conferred("a")])
    assert (objection.completion_id, objection.retryable) == (id_of("a"), False)


def test_recognised_credit_that_another_conferral_counted_waits_for_recognitions_word() -> None:
    grants = [granted("a", 60, 7)]
    [objection] = objections(award(60), grants, [], {}, [conferred("a")])
    assert (objection.completion_id, objection.retryable) == (id_of("a"), True)
    known = {id_of("a"): frozenset({id_of("conferral")})}
    assert objections(award(60), grants, [], known, [conferred("a")]) == []


def test_what_the_award_lacks_is_an_objection_of_its_own() -> None:
    [objection] = objections(award(60), [], [own("a", 59, 7)], {}, [])
    assert (objection.completion_id, objection.reason) == (None, "59 of 60 credits: 1 is missing.")
