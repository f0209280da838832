"""A decision as one plain English paragraph for the learner whose it is (decision.md, "State").

It says what was granted, as what and under which documents; what was not, and why, in the grounds' own sentences; the
day of the claim; and what comes next: nothing, a wait, a choice, a person's decision, a correction, or an appeal.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final

from services.recognition.domain.declines import AppealRoute
from services.recognition.domain.learner import DocumentVersion
from services.recognition.engine.model import GENERAL, Line, State
from services.recognition.engine.numbers import text_of_number

CHOICE: Final = "CHOICE_REQUIRED"


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a decision.

    `codes` and `sentences` are its grounds', in their order. `lines` are those of its grant (none: nothing is granted),
    which rests on so many completions (`rests_on`). `replaced` says that a newer decision took its place.
    """

    state: State
    codes: Sequence[str]
    sentences: Sequence[str]
    lines: Sequence[Line]
    rests_on: int
    is_frozen: bool
    grade: Fraction | None
    provider: str
    receiver: str
    agreement: DocumentVersion | None
    award: DocumentVersion
    claimed_on: date
    referrals_to: str
    appeals: AppealRoute | None
    replaced: bool = False


def explain(told: Told) -> str:
    """The paragraph."""
    parts = [_outcome(told), *_reasons(told), _judged(told), *_next(told)]
    if told.replaced:
        parts.insert(0, "A newer decision has taken the place of this one.")
    return " ".join(parts)


def _outcome(told: Told) -> str:
    award = f"{told.award.id} (version {told.award.version})"
    if told.is_frozen:
        return f"The credit that this completion was granted towards {award} counts no more until a person has decided."
    if told.lines:
        together = "" if told.rests_on < 2 else f" together with {_number_of(told.rests_on - 1, 'other completion')}"
        grade = "" if told.grade is None else f", and the mark {text_of_number(told.grade)} goes with it"
        part = "Part of this completion is" if told.state is State.PARTIAL else "This completion is"
        return f"{part} recognised{together} towards {award}: {_granted(told.lines)}{grade}."
    return {
        State.RECOGNISED: f"This completion is recognised towards {award}.",
        State.PARTIAL: f"This completion is recognised in part towards {award}.",
        State.INCOMPLETE: f"Whether this completion counts towards {award} cannot be said yet.",
        State.REFERRED: f"A person at {told.receiver} decides whether this completion counts towards {award}.",
        State.DECLINED: f"This completion does not count towards {award}.",
        State.INVALID: f"This completion cannot be judged for {award} as it stands.",
    }[told.state]


def _granted(lines: Iterable[Line]) -> str:
    return _listed(
        f"{_credits(line.credits)} at level {line.level} as "
        + ("general credit" if line.slot == GENERAL or line.kind == "general" else line.slot)
        for line in lines
    )


def _reasons(told: Told) -> list[str]:
    if told.state is State.PARTIAL and told.lines and told.sentences:
        return ["Not all of it counts.", *told.sentences]
    return list(told.sentences)


def _judged(told: Told) -> str:
    if told.agreement is None:
        under = f"the terms of {told.receiver}, without an agreement"
    else:
        under = f"the agreement {told.agreement.id}, version {told.agreement.version}"
    return f"The claim of {told.claimed_on.isoformat()} was judged under {under}."


def _next(told: Told) -> list[str]:
    if told.replaced:
        return ["What to do next is said by the newer decision."]
    if told.is_frozen or told.state is State.REFERRED:
        return [f"You need do nothing: it is with {told.referrals_to}, at {told.receiver}."]
    if told.state is State.INCOMPLETE:
        if CHOICE in told.codes:
            return ["Choose what is to count first; it is decided again at once, and you may choose anew later."]
        return ["You need do nothing: it is decided again by itself as soon as that changes."]
    if told.state is State.RECOGNISED:
        return ["You need do nothing."]
    if told.state is State.INVALID:
        return [f"Ask {told.provider} to correct it; it is decided again by itself then.", _appeal(told)]
    return [_appeal(told)]


def _appeal(told: Told) -> str:
    appeals = told.appeals
    if appeals is None:
        return f"If you think this is wrong, ask {told.referrals_to}, at {told.receiver}."
    within, stages = _number_of(appeals.days, "day"), _listed(appeals.stages, "then")
    return f"If you think this is wrong, you may appeal within {within}, before {stages}: {appeals.route.rstrip('.')}."


def _credits(amount: Fraction) -> str:
    return "1 credit" if amount == 1 else f"{text_of_number(amount)} credits"


def _number_of(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _listed(texts: Iterable[str], word: str = "and") -> str:
    *before, last = texts
    return f"{', '.join(before)} {word} {last}" if before else last


def explain_undecided(waits_for: str | None, award: str, provider: str, receiver: str) -> str:
    """Why nothing can be decided: `waits_for` names what is not known, or (None) the enrolment is closed."""
    if waits_for is None:
        return f"This enrolment for {award} is closed, and nothing more is decided for it."
    missing = {
        "award": f"{receiver} has not published its award {award}",
        "receiver": f"{receiver} is not known as a member",
        "provider": f"{provider} is not known as a member",
    }[waits_for]
    return f"It cannot be said yet: {missing}."
