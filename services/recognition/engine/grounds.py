"""Step 1: each completion by itself (decision.md). Every check that applies gives its ground; none cuts another short.

A check's name is a sentence that is true when all is well, and its docstring says when its ground is given and which
clause that rests on. GROUNDS lists them all, in the order of decision.md's table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from services.recognition.engine.clauses import by_agreement, by_award, by_consortium
from services.recognition.engine.leaves import (
    LIKE_FOR_LIKE,
    PlacedLeaf,
    is_accepted_result,
    lower_bound,
    takes_mark,
)
from services.recognition.engine.levels import entries_covering, levels_of
from services.recognition.engine.model import Agreement, Award, Case, Completion, Ground, State, Use
from services.recognition.engine.numbers import text_of_number
from services.recognition.engine.uln import PLACEHOLDER, fault_of_uln
from services.recognition.engine.years import years_later

CMF_HOURS: Final = (100, 150)
"""Hours of a microcredential of the Common Microcredential Framework, both included."""

_SECOND_USES: Final = {
    "within_ladder": "within one ladder of awards",
    "towards_higher_award": "towards a higher award",
    "same_level_up_to_cap": "at the same level up to the award's cap",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """A completion under an agreement in force, with what several checks need to know.

    `levels` are those it may stand at in the receiver's framework. `leaves` are those that name its course, `taking`
    those of them that take its mark; both matter for an accepted result only.
    """

    completion: Completion
    award: Award
    levels: tuple[int, ...]
    leaves: tuple[PlacedLeaf, ...]
    taking: tuple[PlacedLeaf, ...]
    has_accepted_result: bool

    @property
    def level(self) -> int | None:
        """The one level it stands at; None where it is missing, unmapped or ambiguous."""
        return self.levels[0] if len(self.levels) == 1 else None


LeavesByCourse = Mapping[str, tuple[PlacedLeaf, ...]]
Found = Ground | tuple[Ground, ...] | None


def claim_under(
    agreement: Agreement, completion: Completion, award: Award, leaves_by_course: LeavesByCourse | None
) -> Claim:
    """Look at a completion under an agreement in force; no leaves at all means like for like."""
    leaves = LIKE_FOR_LIKE if leaves_by_course is None else leaves_by_course.get(completion.course, ())
    return Claim(
        completion=completion,
        award=award,
        levels=levels_of(completion, agreement),
        leaves=leaves,
        taking=tuple(placed for placed in leaves if takes_mark(placed.leaf, completion, agreement)),
        has_accepted_result=is_accepted_result(completion, agreement),
    )


# Evidence


def signature_verifies(completion: Completion, _: Case) -> Ground | None:
    """SIGNATURE (INVALID): the signature does not verify. Consortium's rule."""
    if completion.signature_valid:
        return None
    return by_consortium("signature_verifies", "SIGNATURE", State.INVALID, signature="invalid", required="valid")


def completed_by_the_claim_date(completion: Completion, _: Case) -> Ground | None:
    """COMPLETED_IN_FUTURE (INVALID): completed after the claim date, and the result is not pending. Consortium's."""
    if completion.result == "pending" or completion.completed_on <= completion.claimed_on:
        return None
    return by_consortium(
        "completed_by_the_claim_date",
        "COMPLETED_IN_FUTURE",
        State.INVALID,
        completed_on=completion.completed_on.isoformat(),
        claimed_on=completion.claimed_on.isoformat(),
    )


def uln_is_valid(completion: Completion, _: Case) -> Ground | None:
    """ULN_CHECK (INVALID): a ULN is given, is not the placeholder, and is no valid ULN. Consortium's rule.

    The number itself is personal data, so the ground does not repeat it.
    """
    if completion.uln is None or completion.uln == PLACEHOLDER:
        return None
    fault = fault_of_uln(completion.uln)
    if fault is None:
        return None
    required = "ten digits, the first not 0, the last the right check digit"
    return by_consortium("uln_is_valid", "ULN_CHECK", State.INVALID, stated=fault, required=required)


def identity_is_known(completion: Completion, _: Case) -> Ground | None:
    """IDENTITY_PLACEHOLDER (REFERRED): the ULN is the placeholder. Consortium's rule."""
    if completion.uln != PLACEHOLDER:
        return None
    return by_consortium(
        "identity_is_known",
        "IDENTITY_PLACEHOLDER",
        State.REFERRED,
        stated="the placeholder",
        required="the learner's own",
    )


def every_element_is_stated(completion: Completion, _: Case) -> tuple[Ground, ...]:
    """MISSING_ELEMENT:name (REFERRED), for each element that the completion lacks. Consortium's rule."""
    if not completion.missing_elements:
        return ()
    return tuple(
        by_consortium(
            "every_element_is_stated",
            f"MISSING_ELEMENT:{name}",
            State.REFERRED,
            element=name.replace("_", " "),
            stated="missing",
            required="every completion has to state",
        )
        for name in dict.fromkeys(completion.missing_elements)
    )


def completion_stands(completion: Completion, _: Case) -> Ground | None:
    """REVOKED (DECLINED): the provider revoked it. Consortium's rule."""
    if not completion.revoked:
        return None
    return by_consortium("completion_stands", "REVOKED", State.DECLINED, stated="revoked", required="still stands")


def identity_was_verified(claim: Claim, agreement: Agreement) -> Ground | None:
    """ID_NOT_VERIFIED_AT_ASSESSMENT (REFERRED): the agreement requires the check, and it was not made."""
    if not agreement.requires_identity_check or claim.completion.identity_verified_at_assessment:
        return None
    return by_agreement(
        agreement,
        "/requires_identity_check",
        "ID_NOT_VERIFIED_AT_ASSESSMENT",
        State.REFERRED,
        required="an identity check at the assessment",
        stated="none",
    )


# The agreement


def agreement_exists(_: Completion, case: Case) -> Ground | None:
    """NO_AGREEMENT (REFERRED): there is none in this direction. Consortium's rule: a person decides."""
    if case.agreement is not None:
        return None
    return by_consortium("agreement_exists", "NO_AGREEMENT", State.REFERRED, stated="no agreement", required="one")


def members_are_not_suspended(claim: Claim, agreement: Agreement) -> Ground | None:
    """MEMBER_SUSPENDED (REFERRED): the provider or the receiver is. Consortium's rule: its registry suspends.

    A suspension that the completion states itself goes before the agreement's.
    """
    provider, receiver = claim.completion.provider_suspended, claim.completion.receiver_suspended
    suspended = {
        "provider": agreement.provider_suspended if provider is None else provider,
        "receiver": agreement.receiver_suspended if receiver is None else receiver,
    }
    members = [member for member, is_suspended in suspended.items() if is_suspended]
    if not members:
        return None
    return by_consortium(
        "members_are_not_suspended",
        "MEMBER_SUSPENDED",
        State.REFERRED,
        member=" and the ".join(members),
        stated="is suspended" if len(members) == 1 else "are suspended",
        required="active",
    )


def agreement_is_in_force(completion: Completion, case: Case) -> Ground | None:
    """AGREEMENT_NOT_IN_FORCE (REFERRED): there is an agreement, and it is not in force for the completion."""
    return None if case.agreement is None else agreement_is_in_force_for(completion, case.agreement)


def agreement_is_in_force_for(completion: Completion, agreement: Agreement) -> Ground | None:
    """AGREEMENT_NOT_IN_FORCE (REFERRED): the judged date is before the start or after the end.

    The start is the earlier of `in_force_from` and `covers_since`. A date after the end does not count if it was
    completed by `in_force_until` and claimed by `in_force_until` + run-off.
    """
    by_claim = agreement.in_force_basis == "claim"
    judged_on = completion.claimed_on if by_claim else completion.completed_on
    basis = "claimed" if by_claim else "completed"

    since = agreement.covers_since
    covered_from, clause = agreement.in_force_from, "/in_force_from"
    if since is not None and since < covered_from:
        covered_from, clause = since, "/covers_since"
    if judged_on < covered_from:
        return by_agreement(
            agreement,
            clause,
            "AGREEMENT_NOT_IN_FORCE",
            State.REFERRED,
            variant="before",
            basis=basis,
            covered_from=covered_from.isoformat(),
            judged_on=judged_on.isoformat(),
        )

    ends_on = agreement.in_force_until
    if judged_on <= ends_on:
        return None
    if agreement.run_off_years == 0 or completion.completed_on > ends_on:
        return by_agreement(
            agreement,
            "/in_force_until",
            "AGREEMENT_NOT_IN_FORCE",
            State.REFERRED,
            variant="after",
            basis=basis,
            in_force_until=ends_on.isoformat(),
            judged_on=judged_on.isoformat(),
        )
    run_off_until = years_later(ends_on, agreement.run_off_years)
    if completion.claimed_on <= run_off_until:
        return None
    return by_agreement(
        agreement,
        "/run_off_years",
        "AGREEMENT_NOT_IN_FORCE",
        State.REFERRED,
        variant="run_off",
        in_force_until=ends_on.isoformat(),
        run_off_until=run_off_until.isoformat(),
        completed_on=completion.completed_on.isoformat(),
        claimed_on=completion.claimed_on.isoformat(),
    )


def version_is_covered(claim: Claim, agreement: Agreement) -> Ground | None:
    """VERSION_NOT_COVERED (REFERRED): the course's version is outside `course_versions`."""
    if agreement.course_versions is None:
        return None
    first, last = agreement.course_versions
    version = claim.completion.course_version
    if first <= version <= last:
        return None
    return by_agreement(
        agreement,
        "/course_versions",
        "VERSION_NOT_COVERED",
        State.REFERRED,
        version=str(version),
        first=str(first),
        last=str(last),
    )


def workload_suits_the_credits(claim: Claim, agreement: Agreement) -> Ground | None:
    """WORKLOAD_INCONSISTENT (REFERRED): hours outside credits × `hours_per_credit`."""
    hours = claim.completion.workload_hours
    if agreement.hours_per_credit is None or hours is None:
        return None
    lowest, highest = (claim.completion.credits * per_credit for per_credit in agreement.hours_per_credit)
    if lowest <= hours <= highest:
        return None
    return by_agreement(
        agreement,
        "/hours_per_credit",
        "WORKLOAD_INCONSISTENT",
        State.REFERRED,
        hours=text_of_number(hours),
        lowest=text_of_number(lowest),
        highest=text_of_number(highest),
    )


def size_is_the_frameworks(claim: Claim, agreement: Agreement) -> Ground | None:
    """OUTSIDE_CMF_SIZE (REFERRED): `cmf_sizes_only`, and hours not in 100–150."""
    hours = claim.completion.workload_hours
    lowest, highest = CMF_HOURS
    if not agreement.cmf_sizes_only or hours is None or lowest <= hours <= highest:
        return None
    return by_agreement(
        agreement,
        "/cmf_sizes_only",
        "OUTSIDE_CMF_SIZE",
        State.REFERRED,
        hours=text_of_number(hours),
        lowest=str(lowest),
        highest=str(highest),
    )


def workload_is_stated(claim: Claim, agreement: Agreement) -> Ground | None:
    """MISSING_ELEMENT:workload (REFERRED): one of the two checks above needs hours, and there are none.

    Given once only: not where the completion is listed as lacking its workload anyway.
    """
    compares_hours = agreement.hours_per_credit is not None or agreement.cmf_sizes_only
    if not compares_hours or claim.completion.workload_hours is not None:
        return None
    if "workload" in claim.completion.missing_elements:
        return None
    by_hours = agreement.hours_per_credit is not None
    return by_agreement(
        agreement,
        "/hours_per_credit" if by_hours else "/cmf_sizes_only",
        "MISSING_ELEMENT:workload",
        State.REFERRED,
        variant="workload",
        stated="no hours",
        required="a certain number of hours per credit" if by_hours else "100 to 150 hours",
    )


def course_is_not_denied(claim: Claim, agreement: Agreement) -> Ground | None:
    """EXPLICITLY_DENIED (DECLINED): the course is listed in `denied_courses`."""
    course = claim.completion.course
    for position, denial in enumerate(agreement.denied_courses):
        if denial.course == course:
            return by_agreement(
                agreement,
                f"/denied_courses/{position}",
                "EXPLICITLY_DENIED",
                State.DECLINED,
                variant="" if denial.reason else "bare",
                course=course,
                denied=denial.course,
                reason=denial.reason or "",
            )
    return None


def course_is_not_excluded(claim: Claim, agreement: Agreement) -> Ground | None:
    """EXCLUDED_COMPONENT (DECLINED): the course is listed in `excluded_components`."""
    course = claim.completion.course
    if course not in agreement.excluded_components:
        return None
    position = agreement.excluded_components.index(course)
    return by_agreement(
        agreement,
        f"/excluded_components/{position}",
        "EXCLUDED_COMPONENT",
        State.DECLINED,
        course=course,
        excluded=agreement.excluded_components[position],
    )


# The result, its age, and what is used already


def result_is_known(completion: Completion, _: Case) -> Ground | None:
    """AWAITING_RESULT (INCOMPLETE): the result is pending. Consortium's rule."""
    if completion.result != "pending":
        return None
    return by_consortium(
        "result_is_known", "AWAITING_RESULT", State.INCOMPLETE, result=completion.result, required="known"
    )


def completion_was_assessed(completion: Completion, _: Case) -> Ground | None:
    """NOT_ASSESSED (DECLINED): the result is `not_assessed`. Consortium's rule."""
    if completion.result != "not_assessed":
        return None
    return by_consortium(
        "completion_was_assessed", "NOT_ASSESSED", State.DECLINED, result="not assessed", required="pass"
    )


def completion_was_passed(completion: Completion, _: Case) -> Ground | None:
    """NOT_PASSED (DECLINED): the result is `fail`. Consortium's rule."""
    if completion.result != "fail":
        return None
    return by_consortium(
        "completion_was_passed", "NOT_PASSED", State.DECLINED, result=completion.result, required="pass"
    )


def compensation_is_accepted(claim: Claim, agreement: Agreement) -> Ground | None:
    """COMPENSATED_NOT_ACCEPTED (DECLINED): the result is `compensated`, which the agreement does not accept."""
    if claim.completion.result != "compensated" or agreement.accepts_compensated_pass:
        return None
    return by_agreement(
        agreement,
        "/accepts_compensated_pass",
        "COMPENSATED_NOT_ACCEPTED",
        State.DECLINED,
        result=claim.completion.result,
        required="full pass",
    )


def completion_is_current(claim: Claim, agreement: Agreement) -> Ground | None:
    """CURRENCY (`on_expired`): the claim date is after the completion date + years, the smallest that is set.

    The last day counts; 0 years is a limit too.
    """
    limits = [
        (years, clause)
        for years, clause in (
            (agreement.currency_years, "/currency_years"),
            (agreement.provider_currency_years, "/provider_currency_years"),
            (agreement.scheme_currency_years, "/scheme_currency_years"),
        )
        if years is not None
    ]
    if not limits:
        return None
    years, clause = min(limits)
    completion = claim.completion
    current_until = years_later(completion.completed_on, years)
    if completion.claimed_on <= current_until:
        return None
    return by_agreement(
        agreement,
        clause,
        "CURRENCY",
        State(agreement.on_expired),
        completed_on=completion.completed_on.isoformat(),
        years=str(years),
        current_until=current_until.isoformat(),
        claimed_on=completion.claimed_on.isoformat(),
    )


def course_counts_once(completion: Completion, case: Case) -> Ground | None:
    """DUPLICATE_CLAIM (DECLINED): the course already has a grant in this enrolment. Consortium's rule."""
    if completion.course not in case.ledger.granted_courses:
        return None
    return duplicate_claim(completion.course, granted="is already granted")


def duplicate_claim(course: str, *, granted: str) -> Ground:
    """The ground DUPLICATE_CLAIM, for a course that is granted in the way described."""
    return by_consortium(
        "course_counts_once", "DUPLICATE_CLAIM", State.DECLINED, course=course, granted=granted, allowed="once"
    )


def permission_for(use: Use, agreement: Agreement, award: Award) -> str | None:
    """The entry of `double_counting` that permits credit so used to count here as well; None if none does."""
    if use.same_ladder and "within_ladder" in agreement.double_counting:
        return "within_ladder"
    if use.new_award_is_higher and "towards_higher_award" in agreement.double_counting:
        return "towards_higher_award"
    neither = not use.same_ladder and not use.new_award_is_higher
    if neither and award.same_level_cap is not None and "same_level_up_to_cap" in agreement.double_counting:
        return "same_level_up_to_cap"
    return None


def every_use_is_permitted(claim: Claim, agreement: Agreement) -> Ground | None:
    """ALREADY_USED (DECLINED): another award counts it, and no entry of `double_counting` permits that.

    Each use is tested; one that is not permitted is enough.
    """
    for use in claim.completion.already_used_for:
        if permission_for(use, agreement, claim.award) is None:
            return by_agreement(
                agreement,
                "/double_counting",
                "ALREADY_USED",
                State.DECLINED,
                award=use.award or "another award",
                same_ladder="yes" if use.same_ladder else "no",
                new_award_is_higher="yes" if use.new_award_is_higher else "no",
                permitted=_second_uses(agreement),
            )
    return None


def _second_uses(agreement: Agreement) -> str:
    permitted = [_SECOND_USES.get(entry, entry) for entry in agreement.double_counting]
    return f"a second use only {' or '.join(permitted)}" if permitted else "no second use"


# Level


def level_is_stated(completion: Completion, _: Case) -> Ground | None:
    """LEVEL_MISSING (REFERRED): there is no level. Consortium's rule."""
    if completion.level is not None:
        return None
    return by_consortium("level_is_stated", "LEVEL_MISSING", State.REFERRED, stated="no level", required="one")


def level_is_mapped(claim: Claim, agreement: Agreement) -> Ground | None:
    """LEVEL_UNMAPPED (REFERRED): neither the level map nor the national comparison covers the level."""
    level = claim.completion.level
    if level is None or claim.levels:
        return None
    return by_consortium(
        "levels_compare_nationally",
        "LEVEL_UNMAPPED",
        State.REFERRED,
        framework=claim.completion.framework,
        level=str(level),
        receiver_framework=agreement.receiver_framework,
    )


def level_is_unambiguous(claim: Claim, agreement: Agreement) -> Ground | None:
    """LEVEL_AMBIGUOUS (REFERRED): the level map, or else the national comparison, gives more than one level."""
    if len(claim.levels) < 2:
        return None
    compared = {
        "framework": claim.completion.framework,
        "level": str(claim.completion.level),
        "receiver_framework": agreement.receiver_framework,
        "levels": " and ".join(map(str, claim.levels)),
    }
    if entries_covering(claim.completion, agreement):
        return by_agreement(agreement, "/level_map", "LEVEL_AMBIGUOUS", State.REFERRED, **compared)
    return by_consortium("levels_compare_nationally", "LEVEL_AMBIGUOUS", State.REFERRED, **compared)


def level_is_high_enough(claim: Claim, _: Agreement) -> Ground | None:
    """BELOW_HE_LEVEL (DECLINED): the one level is below the award's `minimum_level`."""
    minimum, level = claim.award.minimum_level, claim.level
    if minimum is None or level is None or level >= minimum:
        return None
    return by_award(
        claim.award,
        "/minimum_level",
        "BELOW_HE_LEVEL",
        State.DECLINED,
        level=str(level),
        minimum_level=str(minimum),
    )


# The rules: at most one of these five


def a_rule_names_the_course(claim: Claim, agreement: Agreement) -> Ground | None:
    """NO_RULE (REFERRED): there are rules and no leaf names the course, whatever the result."""
    if claim.leaves:
        return None
    return by_agreement(
        agreement,
        "/rules",
        "NO_RULE",
        State.REFERRED,
        variant="course",
        covered="other courses" if agreement.rules else "no course",
        course=claim.completion.course,
    )


def mark_is_stated(claim: Claim, agreement: Agreement) -> Ground | None:
    """MISSING_ELEMENT:mark (REFERRED): an accepted result without a mark, and no leaf takes that."""
    if not _no_leaf_takes(claim) or claim.completion.mark is not None:
        return None
    placed = claim.leaves[0]
    return by_agreement(
        agreement,
        _clause_of_bounds(placed),
        "MISSING_ELEMENT:mark",
        State.REFERRED,
        variant="mark",
        stated="no mark",
        required=f"a mark of {_band(placed, claim.completion, agreement)}",
    )


def mark_reaches_a_minimum(claim: Claim, agreement: Agreement) -> Ground | None:
    """GRADE_BELOW_MIN (DECLINED): the mark of an accepted result is below the lower bound of every leaf."""
    mark = claim.completion.mark
    if mark is None or not _is_below_every_minimum(claim, agreement):
        return None
    minimum, placed = min(
        (
            (bound, placed)
            for placed in claim.leaves
            if (bound := lower_bound(placed.leaf, claim.completion, agreement)) is not None
        ),
        key=lambda pair: pair[0],
    )
    return by_agreement(
        agreement,
        "/minimum_mark" if placed.leaf.minimum_mark is None else _clause_of_bounds(placed),
        "GRADE_BELOW_MIN",
        State.DECLINED,
        mark=text_of_number(mark),
        minimum_mark=text_of_number(minimum),
    )


def mark_is_within_a_rule(claim: Claim, agreement: Agreement) -> Ground | None:
    """NO_RULE (REFERRED): no leaf takes the mark of an accepted result, which is above, or in a gap."""
    mark = claim.completion.mark
    if mark is None or not _no_leaf_takes(claim) or _is_below_every_minimum(claim, agreement):
        return None
    return by_agreement(
        agreement,
        "/rules",
        "NO_RULE",
        State.REFERRED,
        variant="mark",
        course=claim.completion.course,
        mark=text_of_number(mark),
        bands="; ".join(dict.fromkeys(_band(placed, claim.completion, agreement) for placed in claim.leaves)),
    )


def level_is_reached(claim: Claim, agreement: Agreement) -> Ground | None:
    """LEVEL_TOO_LOW (DECLINED): the level is known, some leaf takes the mark, and none of those accepts the level."""
    level = claim.level
    if not claim.has_accepted_result or not claim.taking or level is None:
        return None
    above = [
        (placed.lowest_level, placed)
        for placed in claim.taking
        if placed.lowest_level is not None and placed.lowest_level > level
    ]
    if len(above) < len(claim.taking):
        return None
    required_level, placed = min(above, key=lambda pair: pair[0])
    return by_agreement(
        agreement,
        f"/rules/{placed.rule}",
        "LEVEL_TOO_LOW",
        State.DECLINED,
        level=str(level),
        required_level=str(required_level),
    )


def _no_leaf_takes(claim: Claim) -> bool:
    """There are leaves to compare the mark of an accepted result with, and none of them takes it."""
    return claim.has_accepted_result and bool(claim.leaves) and not claim.taking


def _is_below_every_minimum(claim: Claim, agreement: Agreement) -> bool:
    mark = claim.completion.mark
    if mark is None or not _no_leaf_takes(claim):
        return False
    bounds = (lower_bound(placed.leaf, claim.completion, agreement) for placed in claim.leaves)
    return all(bound is not None and mark < bound for bound in bounds)


def _clause_of_bounds(placed: PlacedLeaf) -> str:
    return "/minimum_mark" if placed.rule is None else f"/rules/{placed.rule}"


def _band(placed: PlacedLeaf, completion: Completion, agreement: Agreement) -> str:
    """The marks that a leaf takes, in words."""
    lowest, highest = lower_bound(placed.leaf, completion, agreement), placed.leaf.maximum_mark
    if lowest is None:
        return "any" if highest is None else f"{text_of_number(highest)} or less"
    if highest is None:
        return f"{text_of_number(lowest)} or more"
    return f"{text_of_number(lowest)} to {text_of_number(highest)}"


# All of them


@dataclass(frozen=True, slots=True)
class Always:
    """A check that needs no agreement in force."""

    check: Callable[[Completion, Case], Found]


@dataclass(frozen=True, slots=True)
class InForce:
    """A check marked ° in decision.md: only an agreement in force refuses anything."""

    check: Callable[[Claim, Agreement], Found]


GROUNDS: Final[tuple[Always | InForce, ...]] = (
    Always(signature_verifies),
    Always(completed_by_the_claim_date),
    Always(uln_is_valid),
    Always(identity_is_known),
    Always(every_element_is_stated),
    Always(completion_stands),
    InForce(identity_was_verified),
    Always(agreement_exists),
    InForce(members_are_not_suspended),
    Always(agreement_is_in_force),
    InForce(version_is_covered),
    InForce(workload_suits_the_credits),
    InForce(size_is_the_frameworks),
    InForce(workload_is_stated),
    InForce(course_is_not_denied),
    InForce(course_is_not_excluded),
    Always(result_is_known),
    Always(completion_was_assessed),
    Always(completion_was_passed),
    InForce(compensation_is_accepted),
    InForce(completion_is_current),
    Always(course_counts_once),
    InForce(every_use_is_permitted),
    Always(level_is_stated),
    InForce(level_is_mapped),
    InForce(level_is_unambiguous),
    InForce(level_is_high_enough),
    InForce(a_rule_names_the_course),
    InForce(mark_is_stated),
    InForce(mark_reaches_a_minimum),
    InForce(mark_is_within_a_rule),
    InForce(level_is_reached),
)
"""Every ground of step 1, in the order of decision.md's table."""


def grounds_of(completion: Completion, case: Case, leaves_by_course: LeavesByCourse | None) -> tuple[Ground, ...]:
    """Every ground of a completion by itself; none: it is eligible."""
    agreement = case.agreement
    claim = None
    if agreement is not None and agreement_is_in_force(completion, case) is None:
        claim = claim_under(agreement, completion, case.award, leaves_by_course)
    grounds: list[Ground] = []
    for entry in GROUNDS:
        if isinstance(entry, Always):
            found = entry.check(completion, case)
        elif claim is not None and agreement is not None:
            found = entry.check(claim, agreement)
        else:
            continue
        if isinstance(found, Ground):
            grounds.append(found)
        elif found:
            grounds.extend(found)
    return tuple(grounds)
