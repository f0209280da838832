"""From published documents to what the engine decides by (documents.md: where each input of a case comes from).

`agreement_terms` and `award_terms` depend on the document and the receiver alone, so their results can be kept for as
long as the version is; what depends on a completion or a day is asked for by itself.
"""

from fractions import Fraction

from contracts.documents import agreement as documents
from contracts.documents.award import Award as AwardDocument
from contracts.event import Framework
from services.recognition.engine import model


def agreement_terms(document: documents.Agreement, receiver_framework: Framework) -> model.Agreement:
    """The agreement as the engine reads it at this receiver, nobody suspended.

    Under a multilateral agreement the ratio is that of credit in the receiver's own framework; each completion
    carries its own (`credit_ratio`).
    """
    return model.Agreement(
        receiver_framework=receiver_framework,
        credit_ratio=credit_ratio(document, receiver_framework, receiver_framework),
        in_force_from=document.in_force_from,
        in_force_until=document.in_force_until,
        in_force_basis=document.in_force_basis,
        on_expired=document.on_expired,
        grade_policy=document.grade_policy,
        excess_credit=document.excess_credit,
        level_map=None if document.level_map is None else tuple(_level(entry) for entry in document.level_map),
        covers_since=document.covers_since,
        run_off_years=document.run_off_years,
        currency_years=document.currency_years,
        provider_currency_years=document.provider_currency_years,
        scheme_currency_years=document.scheme_currency_years,
        minimum_mark=document.minimum_mark,
        accepts_compensated_pass=document.accepts_compensated_pass,
        credit_step=document.credit_step,
        minimum_claim=document.minimum_claim,
        whole_units_only=document.whole_units_only,
        higher_level_may_fill_lower=document.higher_level_may_fill_lower,
        double_counting=document.double_counting,
        denied_courses=tuple(model.Denial(denial.course, denial.reason) for denial in document.denied_courses),
        excluded_components=document.excluded_components,
        course_versions=document.course_versions,
        requires_identity_check=document.requires_identity_check,
        cmf_sizes_only=document.cmf_sizes_only,
        hours_per_credit=document.hours_per_credit,
        rules=None if document.rules is None else tuple(_rule(rule) for rule in document.rules),
        id=document.id,
        version=document.version,
    )


def credit_ratio(document: documents.Agreement, framework: Framework, receiver_framework: Framework) -> Fraction:
    """Receiver credits per credit of a completion in this framework.

    Bilateral: the agreement's. Multilateral: the unit of the completion's framework over that of the receiver's.
    """
    if document.credit_units is not None:
        return document.credit_units.of(framework) / document.credit_units.of(receiver_framework)
    if document.credit_ratio is None:
        raise ValueError(f"{document.id} version {document.version} says not what credit is worth")
    return document.credit_ratio


def award_terms(document: AwardDocument) -> model.Award:
    """What the award takes in, as the engine reads it."""
    return model.Award(
        import_cap=document.import_cap,
        same_level_cap=document.same_level_cap,
        import_cap_by_level=dict(document.import_cap_by_level),
        minimum_level=document.minimum_level,
        id=document.id,
        version=document.version,
    )


def _level(entry: documents.LevelEntry) -> model.LevelMapping:
    return model.LevelMapping(entry.framework, entry.level, entry.maps_to, entry.course)


def _rule(rule: documents.Rule) -> model.Rule:
    lines = None
    if rule.grants is not None:
        lines = tuple(model.RuleLine(line.slot, line.credits, line.level) for line in rule.grants)
    return model.Rule(rule.priority, _requirement(rule.requires), lines)


def _requirement(requirement: documents.Requirement) -> model.Requirement:
    if isinstance(requirement, documents.Leaf):
        return model.Leaf(requirement.course, requirement.minimum_mark, requirement.maximum_mark)
    branches = tuple(_requirement(branch) for branch in requirement.branches)
    if isinstance(requirement, documents.AllOf):
        return model.All(branches)
    if isinstance(requirement, documents.AnyOf):
        return model.Any(branches)
    return model.NOf(requirement.n, branches)
