"""What of a completion is used already for another award (documents.md, `already_used_for`)."""

from fractions import Fraction
from typing import Final

from services.recognition.domain.catalogue import AwardVersion, Catalogue
from services.recognition.domain.learner import Completion, Enrolment, Learner, Use
from services.recognition.engine import model
from services.recognition.engine.levels import levels_by_comparison

CREDIT_UNITS: Final = {"FHEQ": Fraction(1), "SCQF": Fraction(1), "EQF": Fraction(2), "NFQ": Fraction(2)}
"""What a framework's credit is worth in UK credits (domain.md, "Units and levels"), where no agreement says."""


def uses_of(
    completion: Completion, enrolment: Enrolment, award: AwardVersion, learner: Learner, catalogue: Catalogue
) -> tuple[model.Use, ...]:
    """A use stated by the provider, and every conferral in Concord that counted it for another enrolment."""
    stated = () if completion.used_for is None else (_outside(completion.used_for, award),)
    conferred = (
        used
        for one in learner.conferrals_elsewhere(completion.completion_id, enrolment)
        if (used := catalogue.award_version(one.award.id, one.award.version)) is not None
    )
    return (*stated, *(_here(used, award) for used in conferred))


def _outside(used_for: Use, award: AwardVersion) -> model.Use:
    """A use for an award outside Concord; of equal levels neither award is higher."""
    levels = levels_by_comparison(used_for.framework, used_for.level, award.framework)
    return model.Use(
        same_ladder=_is_one_ladder(used_for.ladder, award.ladder),
        new_award_is_higher=bool(levels) and award.level > max(levels),
        award=used_for.title,
    )


def _here(used: AwardVersion, award: AwardVersion) -> model.Use:
    """A use by a conferral: at one level the award that requires more credit is the higher one."""
    levels = levels_by_comparison(used.framework, used.level, award.framework)
    requires_more = _in_uk_credits(award) > _in_uk_credits(used)
    return model.Use(
        same_ladder=_is_one_ladder(used.ladder, award.ladder),
        new_award_is_higher=bool(levels)
        and (award.level > max(levels) or (set(levels) == {award.level} and requires_more)),
        award=used.id,
    )


def _is_one_ladder(one: str | None, other: str | None) -> bool:
    return one is not None and one == other


def _in_uk_credits(award: AwardVersion) -> Fraction:
    return award.credits_required * CREDIT_UNITS[award.framework]
