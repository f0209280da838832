"""Cases and outcomes as plain JSON values: the format of the acceptance cases, exact both ways.

Numbers are text (numbers.py), dates ISO 8601. A case read back is equal to the one written; equal outcomes are written
as equal bytes.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any, TypeVar

from services.recognition.engine import model
from services.recognition.engine.model import (
    Agreement,
    Award,
    Case,
    Completion,
    Denial,
    Ground,
    Leaf,
    Ledger,
    LevelMapping,
    Outcome,
    Requirement,
    Rule,
    RuleLine,
    Use,
)
from services.recognition.engine.numbers import number_from_text, text_of_number

Json = dict[str, Any]
Value = TypeVar("Value")
Text = TypeVar("Text")


def case_from_json(case: Mapping[str, Any]) -> Case:
    """Read a case; fields that are not of the format are ignored.

    A case states one `claimed_on` for all its completions, or each completion its own, which goes first. Raises
    KeyError, TypeError or ValueError where the case is not of the format.
    """
    claimed_on = case.get("claimed_on")
    agreement, choice = case["agreement"], case.get("choice")
    return Case(
        completions=tuple(_completion(completion, claimed_on) for completion in case["completions"]),
        agreement=None if agreement is None else _agreement(agreement),
        award=_award(case["award"]),
        ledger=_ledger(case["ledger"]),
        choice=None if choice is None else tuple(choice),
    )


def case_to_json(case: Case) -> Json:
    """Write a case; what it is read back as is equal to it."""
    days = {completion.claimed_on for completion in case.completions}
    shared = days.pop() if len(days) == 1 else None
    written: Json = {} if shared is None else {"claimed_on": shared.isoformat()}
    written |= {
        "completions": [_completion_to_json(completion, shared) for completion in case.completions],
        "agreement": None if case.agreement is None else _agreement_to_json(case.agreement),
        "award": {
            "id": case.award.id,
            "version": case.award.version,
            "import_cap": _text(case.award.import_cap),
            "import_cap_by_level": _texts_by_level(case.award.import_cap_by_level),
            "same_level_cap": _text(case.award.same_level_cap),
            "minimum_level": case.award.minimum_level,
        },
        "ledger": {
            "imported": _text(case.ledger.imported),
            "imported_by_level": _texts_by_level(case.ledger.imported_by_level),
            "imported_same_level": _text(case.ledger.imported_same_level),
            "granted_courses": list(case.ledger.granted_courses),
            "slots_filled": list(case.ledger.slots_filled),
        },
        "choice": None if case.choice is None else list(case.choice),
    }
    return written


def outcome_to_json(outcome: Outcome) -> Json:
    """Write an outcome: decisions by completion id, with every ground whole; grants; offers."""
    return {
        "decisions": {
            decision.completion: {
                "state": decision.state.value,
                "grounds": [ground_to_json(ground) for ground in decision.grounds],
                "grade": _text(decision.grade),
            }
            for decision in outcome.decisions
        },
        "grants": [
            {
                "completions": list(grant.completions),
                "lines": [
                    {
                        "slot": line.slot,
                        "credits": text_of_number(line.credits),
                        "level": line.level,
                        "kind": line.kind,
                    }
                    for line in grant.lines
                ],
            }
            for grant in outcome.grants
        ],
        "offers": [list(offer) for offer in outcome.offers],
    }


def outcome_to_bytes(outcome: Outcome) -> bytes:
    """Write an outcome as canonical JSON in UTF-8: equal outcomes give equal bytes."""
    return json.dumps(outcome_to_json(outcome), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def ground_to_json(ground: Ground) -> Json:
    """Write one ground with all that it rests on."""
    return {
        "code": ground.code,
        "state": ground.state.value,
        "clause": ground.clause,
        "document": ground.document,
        "version": ground.version,
        "compared": dict(ground.compared),
        "sentence": ground.sentence,
    }


# Reading


def _number(value: str | int) -> Fraction:
    if isinstance(value, str):
        return number_from_text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return Fraction(value)
    raise TypeError(f"an exact number is text or an integer, not {value!r}")


def _number_or_none(value: str | int | None) -> Fraction | None:
    return None if value is None else _number(value)


def _date_or_none(value: str | None) -> date | None:
    return None if value is None else date.fromisoformat(value)


def _pair(values: Sequence[Value]) -> tuple[Value, Value]:
    first, last = values
    return first, last


def _numbers_by_level(numbers: Mapping[str, str | int]) -> dict[int, Fraction]:
    return {int(level): _number(number) for level, number in numbers.items()}


def _completion(completion: Mapping[str, Any], claimed_on: Any) -> Completion:
    uses = completion["already_used_for"]
    return Completion(
        id=completion["id"],
        course=completion["course"],
        course_version=completion["course_version"],
        credits=_number(completion["credits"]),
        framework=completion["framework"],
        level=completion["level"],
        mark=_number_or_none(completion["mark"]),
        result=completion["result"],
        completed_on=date.fromisoformat(completion["completed_on"]),
        workload_hours=_number_or_none(completion["workload_hours"]),
        identity_verified_at_assessment=completion["identity_verified_at_assessment"],
        signature_valid=completion["signature_valid"],
        revoked=completion["revoked"],
        missing_elements=tuple(completion["missing_elements"]),
        uln=completion["uln"],
        already_used_for=tuple(_use(use) for use in ([uses] if isinstance(uses, Mapping) else uses or ())),
        claimed_on=date.fromisoformat(completion.get("claimed_on", claimed_on)),
        credit_ratio=_number_or_none(completion.get("credit_ratio")),
        provider_suspended=completion.get("provider_suspended"),
        receiver_suspended=completion.get("receiver_suspended"),
    )


def _use(use: Mapping[str, Any]) -> Use:
    return Use(same_ladder=use["same_ladder"], new_award_is_higher=use["new_award_is_higher"], award=use.get("award"))


def _agreement(agreement: Mapping[str, Any]) -> Agreement:
    level_map, rules = agreement.get("level_map"), agreement.get("rules")
    hours, versions = agreement.get("hours_per_credit"), agreement.get("course_versions")
    return Agreement(
        receiver_framework=agreement["receiver_framework"],
        credit_ratio=_number(agreement["credit_ratio"]),
        in_force_from=date.fromisoformat(agreement["in_force_from"]),
        in_force_until=date.fromisoformat(agreement["in_force_until"]),
        in_force_basis=agreement["in_force_basis"],
        on_expired=agreement["on_expired"],
        grade_policy=agreement["grade_policy"],
        excess_credit=agreement["excess_credit"],
        level_map=None if level_map is None else tuple(_level_mapping(entry) for entry in level_map),
        covers_since=_date_or_none(agreement.get("covers_since")),
        run_off_years=agreement.get("run_off_years", 0),
        currency_years=agreement.get("currency_years"),
        provider_currency_years=agreement.get("provider_currency_years"),
        scheme_currency_years=agreement.get("scheme_currency_years"),
        minimum_mark=_number_or_none(agreement.get("minimum_mark")),
        accepts_compensated_pass=agreement.get("accepts_compensated_pass", False),
        credit_step=_number_or_none(agreement.get("credit_step")),
        minimum_claim=_number(agreement.get("minimum_claim", 0)),
        whole_units_only=agreement.get("whole_units_only", True),
        higher_level_may_fill_lower=agreement.get("higher_level_may_fill_lower", False),
        double_counting=tuple(agreement.get("double_counting", ())),
        denied_courses=tuple(
            Denial(denial["course"], denial.get("reason")) for denial in agreement.get("denied_courses", ())
        ),
        excluded_components=tuple(agreement.get("excluded_components", ())),
        course_versions=None if versions is None else _pair(versions),
        requires_identity_check=agreement.get("requires_identity_check", False),
        cmf_sizes_only=agreement.get("cmf_sizes_only", False),
        hours_per_credit=None if hours is None else _pair([_number(number) for number in hours]),
        provider_suspended=agreement.get("provider_suspended", False),
        receiver_suspended=agreement.get("receiver_suspended", False),
        rules=None if rules is None else tuple(_rule(rule) for rule in rules),
        id=agreement.get("id", "agreement"),
        version=agreement.get("version", 1),
    )


def _level_mapping(entry: Mapping[str, Any]) -> LevelMapping:
    return LevelMapping(entry["framework"], entry["level"], entry["is"], entry.get("course"))


def _rule(rule: Mapping[str, Any]) -> Rule:
    grants = rule["grants"]
    return Rule(
        priority=rule["priority"],
        requires=_requirement(rule["requires"]),
        grants=None
        if grants is None
        else tuple(RuleLine(line["slot"], _number(line["credits"]), line.get("level")) for line in grants),
    )


def _requirement(tree: Mapping[str, Any]) -> Requirement:
    if "course" in tree:
        return Leaf(
            tree["course"], _number_or_none(tree.get("minimum_mark")), _number_or_none(tree.get("maximum_mark"))
        )
    if "all" in tree:
        return model.All(tuple(_requirement(branch) for branch in tree["all"]))
    if "any" in tree:
        return model.Any(tuple(_requirement(branch) for branch in tree["any"]))
    return model.NOf(tree["n"], tuple(_requirement(branch) for branch in tree["of"]))


def _award(award: Mapping[str, Any]) -> Award:
    return Award(
        import_cap=_number_or_none(award["import_cap"]),
        same_level_cap=_number_or_none(award["same_level_cap"]),
        import_cap_by_level=_numbers_by_level(award["import_cap_by_level"]),
        minimum_level=award["minimum_level"],
        id=award.get("id", "award"),
        version=award.get("version", 1),
    )


def _ledger(ledger: Mapping[str, Any]) -> Ledger:
    return Ledger(
        imported=_number(ledger["imported"]),
        imported_same_level=_number(ledger["imported_same_level"]),
        imported_by_level=_numbers_by_level(ledger["imported_by_level"]),
        granted_courses=tuple(ledger["granted_courses"]),
        slots_filled=tuple(ledger["slots_filled"]),
    )


# Writing


def _text(number: Fraction | None) -> str | None:
    return None if number is None else text_of_number(number)


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _texts_by_level(numbers: Mapping[int, Fraction]) -> dict[str, str]:
    return {str(level): text_of_number(number) for level, number in numbers.items()}


def _stated(**fields: Any) -> Json:
    """The fields that are not None; the others are optional in the format."""
    return {name: value for name, value in fields.items() if value is not None}


def _completion_to_json(completion: Completion, shared_claimed_on: date | None) -> Json:
    uses = [
        {"same_ladder": use.same_ladder, "new_award_is_higher": use.new_award_is_higher, **_stated(award=use.award)}
        for use in completion.already_used_for
    ]
    return {
        "id": completion.id,
        "course": completion.course,
        "course_version": completion.course_version,
        "credits": text_of_number(completion.credits),
        "framework": completion.framework,
        "level": completion.level,
        "mark": _text(completion.mark),
        "result": completion.result,
        "completed_on": completion.completed_on.isoformat(),
        "workload_hours": _text(completion.workload_hours),
        "identity_verified_at_assessment": completion.identity_verified_at_assessment,
        "signature_valid": completion.signature_valid,
        "revoked": completion.revoked,
        "missing_elements": list(completion.missing_elements),
        "uln": completion.uln,
        "already_used_for": uses if len(uses) > 1 else next(iter(uses), None),
        **_stated(
            claimed_on=completion.claimed_on.isoformat() if shared_claimed_on is None else None,
            credit_ratio=_text(completion.credit_ratio),
            provider_suspended=completion.provider_suspended,
            receiver_suspended=completion.receiver_suspended,
        ),
    }


def _agreement_to_json(agreement: Agreement) -> Json:
    level_map, rules = agreement.level_map, agreement.rules
    hours, versions = agreement.hours_per_credit, agreement.course_versions
    return {
        "id": agreement.id,
        "version": agreement.version,
        "receiver_framework": agreement.receiver_framework,
        "credit_ratio": text_of_number(agreement.credit_ratio),
        "level_map": None
        if level_map is None
        else [
            {"framework": entry.framework, "level": entry.level, "is": entry.maps_to, **_stated(course=entry.course)}
            for entry in level_map
        ],
        "in_force_from": agreement.in_force_from.isoformat(),
        "in_force_until": agreement.in_force_until.isoformat(),
        "covers_since": _day(agreement.covers_since),
        "in_force_basis": agreement.in_force_basis,
        "run_off_years": agreement.run_off_years,
        "currency_years": agreement.currency_years,
        "provider_currency_years": agreement.provider_currency_years,
        "scheme_currency_years": agreement.scheme_currency_years,
        "on_expired": agreement.on_expired,
        "minimum_mark": _text(agreement.minimum_mark),
        "accepts_compensated_pass": agreement.accepts_compensated_pass,
        "grade_policy": agreement.grade_policy,
        "credit_step": _text(agreement.credit_step),
        "minimum_claim": text_of_number(agreement.minimum_claim),
        "whole_units_only": agreement.whole_units_only,
        "excess_credit": agreement.excess_credit,
        "higher_level_may_fill_lower": agreement.higher_level_may_fill_lower,
        "double_counting": list(agreement.double_counting),
        "denied_courses": [{"course": denial.course, "reason": denial.reason} for denial in agreement.denied_courses],
        "excluded_components": list(agreement.excluded_components),
        "course_versions": None if versions is None else list(versions),
        "requires_identity_check": agreement.requires_identity_check,
        "cmf_sizes_only": agreement.cmf_sizes_only,
        "hours_per_credit": None if hours is None else [text_of_number(number) for number in hours],
        "provider_suspended": agreement.provider_suspended,
        "receiver_suspended": agreement.receiver_suspended,
        "rules": None if rules is None else [_rule_to_json(rule) for rule in rules],
    }


def _rule_to_json(rule: Rule) -> Json:
    grants = rule.grants
    return {
        "priority": rule.priority,
        "requires": _requirement_to_json(rule.requires),
        "grants": None
        if grants is None
        else [
            {"slot": line.slot, "credits": text_of_number(line.credits), **_stated(level=line.level)} for line in grants
        ],
    }


def _requirement_to_json(requirement: Requirement) -> Json:
    if isinstance(requirement, Leaf):
        bounds = _stated(minimum_mark=_text(requirement.minimum_mark), maximum_mark=_text(requirement.maximum_mark))
        return {"course": requirement.course, **bounds}
    branches = [_requirement_to_json(branch) for branch in requirement.branches]
    if isinstance(requirement, model.All):
        return {"all": branches}
    if isinstance(requirement, model.Any):
        return {"any": branches}
    return {"n": requirement.n, "of": branches}
