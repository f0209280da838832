"""How far a learner is towards the award of an enrolment, and what a conferral may count (documents.md, "Award").

An award is eligible when every condition holds: credit in all, credit at or above levels, categories, and the capstone,
which counts only where it was studied at the awarding member. The capstone is open while every other condition would
hold with it passed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID

from services.learner_record.domain.stack import Attempt, Grant

CapstoneState = Literal["none", "closed", "open", "passed"]


@dataclass(frozen=True, slots=True)
class Category:
    """A minimum of credit from some learning opportunities or slots."""

    name: str
    minimum: Decimal
    of: frozenset[str]


@dataclass(frozen=True, slots=True)
class Capstone:
    """The learning opportunity that draws the parts together; its credit and level once they are known."""

    learning_opportunity: str
    credits: Decimal | None = None
    level: int | None = None


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a version of an award asks for, in whole credits of its framework."""

    award_id: str
    version: int
    framework: str
    credits_required: Decimal
    minimum_by_level: Mapping[int, Decimal]
    categories: tuple[Category, ...]
    capstone: Capstone | None
    ladder: str | None


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: what is required and what is there (None for the capstone), and a sentence for the learner."""

    name: str
    holds: bool
    required: Decimal | None
    has: Decimal | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: every condition, whether all hold, and how the capstone stands."""

    conditions: tuple[Condition, ...]
    capstone: CapstoneState

    @property
    def eligible(self) -> bool:
        """Whether every condition holds."""
        return all(condition.holds for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class _Credit:
    """Credit that counts, under the name that categories know it by: a learning opportunity, or a slot."""

    name: str
    credits: Decimal
    level: int


def progress(requirements: Requirements, grants: Iterable[Grant], own: Iterable[Attempt]) -> Progress:
    """The progress on the strength of these grants (frozen ones count in nothing) and of this own credit."""
    own = list(own)
    counted = [
        *(_Credit(line.slot, line.credits, line.level) for grant in grants if not grant.frozen for line in grant.lines),
        *(_Credit(one.learning_opportunity, one.credits, one.level) for one in own if one.level is not None),
    ]
    conditions = _conditions(requirements, counted)
    capstone = requirements.capstone
    if capstone is None:
        return Progress(tuple(conditions), "none")
    state: CapstoneState = "closed"
    if any(one.learning_opportunity == capstone.learning_opportunity for one in own):
        state = "passed"
    elif all(condition.holds for condition in _conditions(requirements, [*counted, *_as_if_passed(capstone)])):
        state = "open"
    return Progress((*conditions, _capstone(state)), state)


def _as_if_passed(capstone: Capstone) -> list[_Credit]:
    if capstone.credits is None or capstone.level is None:
        return []
    return [_Credit(capstone.learning_opportunity, capstone.credits, capstone.level)]


def _conditions(requirements: Requirements, counted: Sequence[_Credit]) -> list[Condition]:
    def condition(
        name: str, required: Decimal, of: str, counts: Callable[[_Credit], bool] = lambda _: True
    ) -> Condition:
        has = sum((one.credits for one in counted if counts(one)), Decimal(0))
        missing = max(required - has, Decimal(0))
        sentence = f"{_plain(has)} of {_plain(required)} credits{of}."
        if missing:
            verb = "is" if missing == 1 else "are"
            sentence = f"{sentence[:-1]}: {_plain(missing)} {verb} missing."
        return Condition(name, not missing, required, has, sentence)

    return [
        condition("credits", requirements.credits_required, ""),
        *(
            condition(f"level:{level}", minimum, f" at level {level} or above", lambda one, at=level: one.level >= at)  # type: ignore[misc]
            for level, minimum in sorted(requirements.minimum_by_level.items())
        ),
        *(
            condition(
                f"category:{category.name}",
                category.minimum,
                f" in {category.name}",
                lambda one, of=category.of: one.name in of,  # type: ignore[misc]
            )
            for category in requirements.categories
        ),
    ]


def _capstone(state: CapstoneState) -> Condition:
    sentence = {
        "passed": "The capstone is passed.",
        "open": "The capstone is open: with it passed, every condition of the award holds.",
    }.get(state, "The capstone opens when every other condition holds.")
    return Condition("capstone", state == "passed", None, None, sentence)


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


# Conferral


@dataclass(frozen=True, slots=True)
class Conferred:
    """A conferral of the learner's, in whichever enrolment: what it counted is used from then on."""

    conferral_id: UUID
    enrolment_id: UUID
    award_id: str
    ladder: str | None
    completions: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Objection:
    """Why an award cannot be conferred on this credit; `retryable` where that will pass by itself."""

    completion_id: UUID | None
    reason: str
    retryable: bool = False


def is_free(attempt: Attempt, ladder: str | None, others: Iterable[Conferred]) -> bool:
    """Whether own credit may count: no conferral elsewhere counted it, but for awards of one ladder."""
    return all(
        attempt.completion_id not in one.completions or (ladder is not None and one.ladder == ladder) for one in others
    )


def objections(
    requirements: Requirements,
    grants: Iterable[Grant],
    own: Iterable[Attempt],
    known: Mapping[UUID, frozenset[UUID]],
    others: Sequence[Conferred],
) -> list[Objection]:
    """All that stands in the way of a conferral that counts these grants and this own credit.

    `known` are the conferrals that each completion's decision at this enrolment knew: recognition has judged whether
    credit that another conferral counted may count here as well, or it has not done so yet.
    """
    grants, own = list(grants), list(own)
    found = [
        Objection(None, condition.sentence)
        for condition in progress(requirements, grants, own).conditions
        if not condition.holds
    ]
    found += [
        Objection(attempt.completion_id, "This credit was counted in another conferred award.")
        for attempt in own
        if not is_free(attempt, requirements.ladder, others)
    ]
    for completion_id in sorted({one for grant in grants for one in grant.completions}):
        counted_by = {one.conferral_id for one in others if completion_id in one.completions}
        if counted_by - known.get(completion_id, frozenset()):
            reason = (
                "Another award has just been conferred on this credit; recognition decides whether it counts twice."
            )
            found.append(Objection(completion_id, reason, retryable=True))
    return found
