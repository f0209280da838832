"""What the engine is given and what it gives back, in the words of decision.md.

Quantities (credits, marks, hours, ratios) are exact rationals, dates are days, lists are tuples. Every field means what
decision.md, Fields, says under the same name; only what is not said there is said here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from fractions import Fraction
from typing import Final, Literal

GENERAL: Final = "GENERAL"
"""The slot of general credit: it counts towards volume and never fills up."""

CONSORTIUM: Final = "consortium"
"""The document of a ground that rests on no agreement and no award, but on a rule that every member shares."""

Result = Literal["pass", "compensated", "fail", "not_assessed", "pending"]
Kind = Literal["specific", "general"]


class State(StrEnum):
    """What becomes of a completion, from the best to the worst (decision.md, State)."""

    RECOGNISED = "RECOGNISED"
    PARTIAL = "PARTIAL"
    INCOMPLETE = "INCOMPLETE"
    REFERRED = "REFERRED"
    DECLINED = "DECLINED"
    INVALID = "INVALID"

    @property
    def severity(self) -> int:
        """How bad it is: 0 for RECOGNISED, the worst highest."""
        return _SEVERITY[self]


_SEVERITY: Final = {state: severity for severity, state in enumerate(State)}


@dataclass(frozen=True, slots=True)
class Use:
    """Another award that already counts this credit, seen from the award that is now in question.

    `award` only names it for people.
    """

    same_ladder: bool
    new_award_is_higher: bool
    award: str | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """A completion as claimed for one enrolment, with the day on which the claim is judged (`claimed_on`).

    `credits` and `mark` are the provider's own, `level` is one of `framework` or None where none is stated.
    `uln` is None for a learner without one. `credit_ratio`, `provider_suspended` and `receiver_suspended`, where
    stated, go before the agreement's.
    """

    id: str
    course: str
    course_version: int
    credits: Fraction
    framework: str
    level: int | None
    mark: Fraction | None
    result: Result
    completed_on: date
    workload_hours: Fraction | None
    identity_verified_at_assessment: bool
    signature_valid: bool
    revoked: bool
    missing_elements: tuple[str, ...]
    uln: str | None
    already_used_for: tuple[Use, ...]
    claimed_on: date
    credit_ratio: Fraction | None = None
    provider_suspended: bool | None = None
    receiver_suspended: bool | None = None


@dataclass(frozen=True, slots=True)
class LevelMapping:
    """An entry of a level map: this level of that framework, for one course or (None) for all, is `maps_to`."""

    framework: str
    level: int
    maps_to: int
    course: str | None = None


@dataclass(frozen=True, slots=True)
class Denial:
    """A course that the agreement expressly does not recognise, and why."""

    course: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Leaf:
    """One completion of the course, its mark within the bounds that are set (both included)."""

    course: str
    minimum_mark: Fraction | None = None
    maximum_mark: Fraction | None = None


@dataclass(frozen=True, slots=True)
class All:
    """Every branch is required."""

    branches: "tuple[Requirement, ...]"


@dataclass(frozen=True, slots=True)
class Any:
    """One branch is required: the first that is met, in the order written."""

    branches: "tuple[Requirement, ...]"


@dataclass(frozen=True, slots=True)
class NOf:
    """n branches are required: the first n that are met, in the order written."""

    n: int
    branches: "tuple[Requirement, ...]"


Requirement = Leaf | All | Any | NOf


@dataclass(frozen=True, slots=True)
class RuleLine:
    """Credit that a rule grants, in the receiver's unit; without a level it stands at the level of the match."""

    slot: str
    credits: Fraction
    level: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Who meets `requires` is granted the lines; None grants like for like. The lowest priority number comes first."""

    priority: int
    requires: Requirement
    grants: tuple[RuleLine, ...] | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """A version of an agreement, one direction: the provider's credit at the receiver.

    `rules` is None where every course is recognised like for like.
    """

    receiver_framework: str
    credit_ratio: Fraction
    in_force_from: date
    in_force_until: date
    in_force_basis: Literal["claim", "completion"]
    on_expired: Literal["DECLINED", "REFERRED"]
    grade_policy: Literal["ungraded", "carry"]
    excess_credit: Literal["drop", "general"]
    level_map: tuple[LevelMapping, ...] | None = None
    covers_since: date | None = None
    run_off_years: int = 0
    currency_years: int | None = None
    provider_currency_years: int | None = None
    scheme_currency_years: int | None = None
    minimum_mark: Fraction | None = None
    accepts_compensated_pass: bool = False
    credit_step: Fraction | None = None
    minimum_claim: Fraction = Fraction(0)
    whole_units_only: bool = True
    higher_level_may_fill_lower: bool = False
    double_counting: tuple[str, ...] = ()
    denied_courses: tuple[Denial, ...] = ()
    excluded_components: tuple[str, ...] = ()
    course_versions: tuple[int, int] | None = None
    requires_identity_check: bool = False
    cmf_sizes_only: bool = False
    hours_per_credit: tuple[Fraction, Fraction] | None = None
    provider_suspended: bool = False
    receiver_suspended: bool = False
    rules: tuple[Rule, ...] | None = None
    id: str = "agreement"
    version: int = 1


@dataclass(frozen=True, slots=True)
class Award:
    """What the receiver's award lets in, in whole credits of the receiver's framework; None never runs out."""

    import_cap: Fraction | None = None
    same_level_cap: Fraction | None = None
    import_cap_by_level: Mapping[int, Fraction] = field(default_factory=dict)
    minimum_level: int | None = None
    id: str = "award"
    version: int = 1


@dataclass(frozen=True, slots=True)
class Ledger:
    """What is granted in this enrolment now: balances, and the courses and slots that have a grant."""

    imported: Fraction = Fraction(0)
    imported_same_level: Fraction = Fraction(0)
    imported_by_level: Mapping[int, Fraction] = field(default_factory=dict)
    granted_courses: tuple[str, ...] = ()
    slots_filled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One evaluation: a learner's open completions, the agreement that applies to them, and the enrolment.

    `agreement` is None where there is none in this direction; `choice` holds completion ids in the learner's order of
    preference, None where the learner chose nothing.
    """

    completions: tuple[Completion, ...]
    agreement: Agreement | None
    award: Award
    ledger: Ledger = Ledger()
    choice: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """One reason for a decision.

    `document` is the id of the agreement or award at `version` that `clause` (a JSON pointer) points into; or
    CONSORTIUM, `version` is None and `clause` is the name of the consortium's rule. `compared` pairs the name of each
    side of the comparison with its value, as text. `sentence` says it all in one plain sentence.
    """

    code: str
    state: State
    clause: str
    document: str
    version: int | None
    compared: tuple[tuple[str, str], ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Line:
    """Credit that is posted: specific credit is named by its slot, general credit only counts towards volume."""

    slot: str
    credits: Fraction
    level: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Grant:
    """The lines that are posted on the strength of these completions together (ids, in order)."""

    completions: tuple[str, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of one completion (its id), why, and the grade that travels with it."""

    completion: str
    state: State
    grounds: tuple[Ground, ...]
    grade: Fraction | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """All of an evaluation: a decision for every completion, the grants, and what the learner may choose from.

    Each offer is a set of completions (ids) that fits; empty where nothing waits for a choice.
    """

    decisions: tuple[Decision, ...]
    grants: tuple[Grant, ...]
    offers: tuple[tuple[str, ...], ...] = ()
