"""The agreement between members: what equals what, when, and on which terms (decision.md, Fields; documents.md)."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from contracts.documents.values import (
    AgreementId,
    Amount,
    Course,
    Credit,
    Day,
    Number,
    Part,
    Ratio,
    Slot,
    VersionNumber,
    WholeNumber,
    Years,
)
from contracts.event import Framework, Level, MemberId, Text

FRAMEWORKS: tuple[Framework, ...] = ("FHEQ", "SCQF", "EQF", "NFQ")
"""The frameworks of qualifications that members use."""


class Bilateral(Part):
    """One direction: what the provider awarded, the receiver recognises."""

    provider: MemberId
    receiver: MemberId

    @model_validator(mode="after")
    def _are_two(self) -> Self:
        if self.provider == self.receiver:
            raise PydanticCustomError("parties", "provider and receiver should be two members")
        return self


class Multilateral(Part):
    """Every direction between these members."""

    members: Annotated[tuple[MemberId, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _are_named_once(self) -> Self:
        if len(set(self.members)) < len(self.members):
            raise PydanticCustomError("parties", "each member should be named once")
        return self


class CreditUnits(Part):
    """What one credit of each framework is worth beside the others: FHEQ 1 and EQF 2 make 10 ECTS 20 UK credits."""

    FHEQ: Ratio
    SCQF: Ratio
    EQF: Ratio
    NFQ: Ratio

    def of(self, framework: Framework) -> Fraction:
        """The unit of a framework."""
        return {"FHEQ": self.FHEQ, "SCQF": self.SCQF, "EQF": self.EQF, "NFQ": self.NFQ}[framework]


class LevelEntry(Part):
    """A level of the provider's framework is this level of the receiver's, for one course or for all."""

    framework: Framework
    level: Level
    course: Course | None = None
    maps_to: Annotated[Level, Field(alias="is", description="The level in the receiver's framework.")]


class Leaf(Part):
    """A completion of the course whose mark is within the bounds, both included."""

    course: Course
    minimum_mark: Number | None = None
    maximum_mark: Number | None = None


class AllOf(Part):
    """Every branch is required."""

    branches: Annotated[tuple["Requirement", ...], Field(alias="all")]


class AnyOf(Part):
    """One branch is required: the first, as written, that is met."""

    branches: Annotated[tuple["Requirement", ...], Field(alias="any")]


class NOf(Part):
    """n branches are required: the first n, as written, that are met."""

    n: WholeNumber
    branches: Annotated[tuple["Requirement", ...], Field(alias="of")]


def _kind_of_requirement(value: Any) -> str | None:
    if isinstance(value, Leaf | AllOf | AnyOf | NOf):
        return {Leaf: "<leaf>", AllOf: "<all>", AnyOf: "<any>", NOf: "<n>"}[type(value)]
    if not isinstance(value, dict):
        return None
    return next(
        (kind for field, kind in _FIELD_OF_KIND if field in value),
        None,
    )


_FIELD_OF_KIND = (("course", "<leaf>"), ("all", "<all>"), ("any", "<any>"), ("n", "<n>"), ("of", "<n>"))

Requirement = Annotated[
    Annotated[Leaf, Tag("<leaf>")]
    | Annotated[AllOf, Tag("<all>")]
    | Annotated[AnyOf, Tag("<any>")]
    | Annotated[NOf, Tag("<n>")],
    Discriminator(
        _kind_of_requirement,
        custom_error_type="requirement",
        custom_error_message='should be {"course": …}, {"all": […]}, {"any": […]} or {"n": k, "of": […]}',
    ),
]
"""A tree of requirements; the tags in angle brackets never leave this package."""


class Line(Part):
    """Credit that a rule grants: a slot of the receiver's award, or GENERAL, at the level named or the match's."""

    slot: Slot
    credits: Ratio
    level: Level | None = None


class Rule(Part):
    """Who meets `requires` is granted the lines, or like for like; the lowest priority number comes first."""

    priority: WholeNumber
    requires: Requirement
    grants: Annotated[tuple[Line, ...], Field(min_length=1)] | None = None


class Denial(Part):
    """A course that is expressly not recognised; lint asks for the reason, which the learner is shown."""

    course: Course
    reason: Annotated[str, Field(max_length=4000, pattern=r"^[^\x00]*$")] | None = None


class Clause(Part):
    """A name and a text for people; it decides nothing."""

    name: Text
    text: Text


def _kind_of_parties(value: Any) -> str | None:
    if isinstance(value, Bilateral | Multilateral):
        return "<bilateral>" if isinstance(value, Bilateral) else "<multilateral>"
    if not isinstance(value, dict):
        return None
    return "<multilateral>" if "members" in value else "<bilateral>"


Parties = Annotated[
    Annotated[Bilateral, Tag("<bilateral>")] | Annotated[Multilateral, Tag("<multilateral>")],
    Discriminator(
        _kind_of_parties,
        custom_error_type="parties",
        custom_error_message='should be {"provider": …, "receiver": …} or {"members": […]}',
    ),
]
DoubleCounting = Literal["within_ladder", "towards_higher_award", "same_level_up_to_cap"]


class Agreement(Part):
    """A version of an agreement; the meaning of each term is decision.md's, under the same name."""

    EXAMPLE: ClassVar[Mapping[str, object]] = {
        "id": "northbridge-glenmore",
        "version": 1,
        "title": "Data, Northbridge to Glenmore",
        "parties": {"provider": "northbridge", "receiver": "glenmore"},
        "credit_ratio": "1",
        "credit_step": "0.5",
        "in_force_from": "2025-01-01",
        "in_force_until": "2029-12-31",
        "in_force_basis": "claim",
        "minimum_mark": "50",
        "on_expired": "REFERRED",
        "grade_policy": "ungraded",
        "excess_credit": "drop",
        "on_revocation": "withdraw",
    }

    id: AgreementId
    version: VersionNumber
    title: Text
    parties: Parties
    credit_ratio: Annotated[Ratio | None, Field(description="Bilateral: receiver credits per provider credit.")] = None
    credit_units: Annotated[CreditUnits | None, Field(description="Multilateral: all four frameworks.")] = None
    level_map: tuple[LevelEntry, ...] | None = None
    in_force_from: Day
    in_force_until: Day
    covers_since: Day | None = None
    in_force_basis: Literal["claim", "completion"]
    run_off_years: Years = 0
    currency_years: Years | None = None
    provider_currency_years: Years | None = None
    scheme_currency_years: Years | None = None
    on_expired: Literal["DECLINED", "REFERRED"]
    minimum_mark: Number | None = None
    accepts_compensated_pass: bool = False
    grade_policy: Literal["ungraded", "carry"]
    credit_step: Ratio
    minimum_claim: Credit = Fraction(0)
    whole_units_only: bool = True
    excess_credit: Literal["drop", "general"]
    higher_level_may_fill_lower: bool = False
    double_counting: tuple[DoubleCounting, ...] = ()
    denied_courses: tuple[Denial, ...] = ()
    excluded_components: tuple[Course, ...] = ()
    course_versions: Annotated[tuple[VersionNumber, VersionNumber] | None, Field(description="First and last.")] = None
    requires_identity_check: bool = False
    cmf_sizes_only: bool = False
    hours_per_credit: Annotated[tuple[Amount, Amount] | None, Field(description="Lowest and highest.")] = None
    rules: Annotated[tuple[Rule, ...] | None, Field(description="null: every course, like for like.")] = None
    on_revocation: Literal["refer", "withdraw"]
    clauses: tuple[Clause, ...] = ()

    @model_validator(mode="after")
    def _states_what_credit_is_worth(self) -> Self:
        wanted, other = ("credit_units", "credit_ratio") if self.is_multilateral else ("credit_ratio", "credit_units")
        kind = "a multilateral" if self.is_multilateral else "a bilateral"
        if getattr(self, wanted) is None:
            raise PydanticCustomError(
                "missing", "{kind} agreement should state {wanted}", {"kind": kind, "wanted": wanted, "field": wanted}
            )
        if getattr(self, other) is not None:
            raise PydanticCustomError(
                "not_here",
                "{kind} agreement should state {wanted} instead",
                {"kind": kind, "wanted": wanted, "field": other},
            )
        return self

    @property
    def is_multilateral(self) -> bool:
        """Whether it holds in every direction between its members."""
        return isinstance(self.parties, Multilateral)

    @property
    def members(self) -> tuple[str, ...]:
        """Every party, as written."""
        if isinstance(self.parties, Multilateral):
            return self.parties.members
        return (self.parties.provider, self.parties.receiver)

    @property
    def receivers(self) -> tuple[str, ...]:
        """The members that recognise credit under it."""
        return self.parties.members if isinstance(self.parties, Multilateral) else (self.parties.receiver,)
