"""What an officer decides: it is the claim's new decision, under the same caps, and settles it (decision.md).

A ruling recognises some credit, or none; without reasons there is none. The officer's lines are posted like any other:
within the converted credit of the completion, in rooms and slots that are free.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID

from services.recognition.domain.balances import CAP, LEVEL_CAP, given_back, ledger_of
from services.recognition.domain.catalogue import AgreementVersion, AwardVersion, Catalogue
from services.recognition.domain.claims import claim_date
from services.recognition.domain.deciding import Change, Deciding, look_at
from services.recognition.domain.learner import (
    OFFICER,
    Completion,
    Decision,
    Enrolment,
    Grant,
    Learner,
    Made,
)
from services.recognition.domain.uses import CREDIT_UNITS
from services.recognition.engine import model

GENERAL = "GENERAL"
"""The slot of general credit, which never fills up."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """An officer's decision on a claim: lines in the receiver's unit (none: the claim is declined), and the reasons.

    `decided_by` is the officer's subject at the issuer. `on_appeal` says that it ends an appeal, which reaches
    decisions of closed enrolments too. Raises ValueError where there are no reasons.
    """

    completion_id: UUID
    enrolment_id: UUID
    lines: tuple[model.Line, ...]
    reasons: str
    decided_by: str
    on_appeal: bool = False

    def __post_init__(self) -> None:
        if not self.reasons.strip():
            raise ValueError("an officer's decision without reasons")


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a ruling cannot be posted: the field that is wrong, what stands in the way, and what would be right."""

    field: str
    value: str
    expected: str


class CannotRule(Exception):
    """The ruling cannot be posted; `objections` say everything that stands in the way."""

    def __init__(self, objections: Sequence[Objection]) -> None:
        self.objections = tuple(objections)
        super().__init__("; ".join(f"{one.field} {one.value}: {one.expected}" for one in objections))


@dataclass(frozen=True, slots=True)
class Rooms:
    """What an officer may give on a claim, in the receiver's unit; a room that is None, or not there, never runs out.

    `source` is the completion's own credit, `slots` those of the award that are free. `course_has_a_grant` says that
    another completion of the course counts already, so that nothing more can.
    """

    source: Fraction
    total: Fraction | None
    by_level: Mapping[int, Fraction]
    slots: tuple[str, ...]
    course_has_a_grant: bool


def rooms_for(learner: Learner, completion_id: UUID, enrolment: Enrolment, catalogue: Catalogue) -> Rooms:
    """What an officer may give on a claim that has a decision, as if it had no grant. Raises LookupError."""
    award, current = _decided(learner, completion_id, enrolment, catalogue)
    completion, terms = learner.completions[completion_id], award.terms
    ledger = ledger_of(grant for grant in learner.grants_of(enrolment) if grant != current.grant)
    return Rooms(
        source=_source(completion, award, _pinned(current, catalogue)),
        total=None if terms.import_cap is None else max(terms.import_cap - ledger.imported, Fraction(0)),
        by_level={
            level: max(cap - ledger.imported_by_level.get(level, Fraction(0)), Fraction(0))
            for level, cap in terms.import_cap_by_level.items()
        },
        slots=tuple(slot for slot in award.slots if slot not in ledger.slots_filled),
        course_has_a_grant=completion.course in ledger.granted_courses,
    )


def _decided(
    learner: Learner, completion_id: UUID, enrolment: Enrolment, catalogue: Catalogue
) -> tuple[AwardVersion, Decision]:
    """The enrolment's award, and the claim's current decision."""
    award = catalogue.award(enrolment.award)
    current = learner.decision_on(completion_id, enrolment)
    if award is None or current is None:
        raise LookupError(f"no decision on {completion_id} for {enrolment.enrolment_id}")
    return award, current


def officer_decided(learner: Learner, ruling: Ruling, catalogue: Catalogue, change: Change) -> Decision:
    """Make the ruling the claim's decision; its former grant goes, and what else that rested on is decided again.

    The claim must have a decision. Raises CannotRule.
    """
    enrolment = learner.enrolments[ruling.enrolment_id]
    award, current = _decided(learner, ruling.completion_id, enrolment, catalogue)
    completion = learner.completions[ruling.completion_id]
    rooms = rooms_for(learner, ruling.completion_id, enrolment, catalogue)
    objections = _objections(ruling, completion, award, rooms)
    if enrolment.is_closed(change.today) and not ruling.on_appeal:
        objections.append(Objection("enrolment", enrolment.reference, "an enrolment that is open, or an appeal"))
    if objections:
        raise CannotRule(objections)
    deciding = Deciding(learner, enrolment, award, catalogue, change)
    before = deciding.ledger()
    former, pinned = current.grant, _pinned(current, catalogue)
    if former is not None:
        learner.withdraw(former)
    grant = _grant(ruling, completion, award, current, pinned, learner)
    if grant is not None:
        learner.post(grant)
    decision = _decision(ruling, completion, enrolment, deciding, current, grant, rooms.source, pinned)
    learner.make([Made(decision, change.cause, catalogue.number, None)])
    others = [one for one in former.completions if one != completion.completion_id] if former else []
    opened = dict.fromkeys(others, change.cause)
    if not deciding.is_closed:
        opened = deciding.opened_by_what_came_back(given_back(before, deciding.ledger())) | opened
    look_at(learner, enrolment, catalogue, change, lambda _: opened)
    return decision


def _pinned(current: Decision, catalogue: Catalogue) -> AgreementVersion | None:
    return catalogue.agreement(current.agreement.id, current.agreement.version) if current.agreement else None


def _source(completion: Completion, award: AwardVersion, pinned: AgreementVersion | None) -> Fraction:
    """The completion's credit in the receiver's unit: by the agreement, or as frameworks are commonly compared."""
    if pinned is None:
        return completion.credits * CREDIT_UNITS[completion.framework] / CREDIT_UNITS[award.framework]
    if pinned.ratios is not None:
        return completion.credits * pinned.ratios[completion.framework, award.framework]
    return completion.credits * pinned.terms[award.framework].credit_ratio


def _objections(ruling: Ruling, completion: Completion, award: AwardVersion, rooms: Rooms) -> list[Objection]:
    """All that stands in the way of the lines."""
    found = []
    total = sum((line.credits for line in ruling.lines), Fraction(0))
    if total > rooms.source:
        expected = f"at most {_number(rooms.source)}, the completion's own credit"
        found.append(Objection("lines", _number(total), expected))
    if rooms.total is not None and total > rooms.total:
        found.append(Objection("lines", _number(total), f"at most {_number(rooms.total)}: {award.id}{CAP}"))
    for level in sorted({line.level for line in ruling.lines} & rooms.by_level.keys()):
        at_level = sum((line.credits for line in ruling.lines if line.level == level), Fraction(0))
        room = rooms.by_level[level]
        if at_level > room:
            found.append(
                Objection("lines", _number(at_level), f"at most {_number(room)}: {award.id}{LEVEL_CAP}{level}")
            )
    slots = [line.slot for line in ruling.lines if line.slot != GENERAL]
    for slot in sorted(set(slots)):
        if slot not in award.slots:
            found.append(Objection("slot", slot, f"a slot of {award.id}, or {GENERAL}"))
        elif slot not in rooms.slots or slots.count(slot) > 1:
            found.append(Objection("slot", slot, "a slot that is not filled yet"))
    if ruling.lines and rooms.course_has_a_grant:
        found.append(Objection("completion", completion.course, "a learning opportunity that has no grant here yet"))
    found += [
        Objection("lines", _number(line.credits), "more than 0, in whole hundredths")
        for line in ruling.lines
        if line.credits <= 0 or (line.credits * 100).denominator != 1
    ]
    return found


def _grant(
    ruling: Ruling,
    completion: Completion,
    award: AwardVersion,
    current: Decision,
    pinned: AgreementVersion | None,
    learner: Learner,
) -> Grant | None:
    if not ruling.lines:
        return None
    return Grant(
        enrolment_id=ruling.enrolment_id,
        ordinal=learner.grants_made.get(ruling.enrolment_id, 0),
        completions=(completion.completion_id,),
        courses=(completion.course,),
        lines=ruling.lines,
        fills=tuple(sorted({line.slot for line in ruling.lines if line.slot != GENERAL})),
        counts_at_same_level=False,
        refers_revocation=pinned is None or pinned.on_revocation == "refer",
        agreement=current.agreement if pinned is not None else None,
        award=award.document,
    )


def _decision(
    ruling: Ruling,
    completion: Completion,
    enrolment: Enrolment,
    deciding: Deciding,
    current: Decision,
    grant: Grant | None,
    source: Fraction,
    pinned: AgreementVersion | None,
) -> Decision:
    state = model.State.DECLINED
    if grant is not None:
        state = model.State.RECOGNISED if grant.credits == source else model.State.PARTIAL
    carries_grade = pinned is not None and pinned.terms[deciding.award.framework].grade_policy == "carry"
    return Decision(
        completion_id=completion.completion_id,
        enrolment_id=enrolment.enrolment_id,
        number=current.number + 1,
        completion_revision=completion.revision,
        state=state,
        grounds=(ground_of(ruling, state),),
        grade=completion.mark if grant is not None and carries_grade else None,
        agreement=current.agreement if pinned is not None else None,
        award=deciding.award.document,
        claimed_on=claim_date(completion, enrolment, current),
        claimable_from=completion.claimable_from,
        grant=grant,
        conferrals=deciding.known_conferrals(completion.completion_id),
    )


def ground_of(ruling: Ruling, state: model.State) -> model.Ground:
    """The one ground of an officer's decision: who decided it, whether on appeal, and the reasons."""
    return model.Ground(
        code=OFFICER,
        state=state,
        clause="officer_decides_what_is_referred",
        document=model.CONSORTIUM,
        version=None,
        compared=(("decided_by", ruling.decided_by), ("on_appeal", "yes" if ruling.on_appeal else "no")),
        sentence=f"A recognition officer decided it, with these reasons: {ruling.reasons}",
    )


def _number(number: Fraction) -> str:
    return str(number.numerator) if number.denominator == 1 else f"{float(number):g}"
