"""What a learner is told: states, kinds of credit and units in plain words."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final


@dataclass(frozen=True, slots=True)
class Wording:
    """A state in words, with the icon and the tone that go with them."""

    label: str
    tone: str
    icon: str
    explanation: str


STATES: Final[Mapping[str, Wording]] = {
    "EARNED": Wording("Earned", "good", "star", "You earned this credit here."),
    "REVOKED": Wording("Revoked", "bad", "back", "The provider has taken this completion back."),
    "RECEIVED": Wording("Received, being decided", "calm", "clock", "It has arrived and is being decided."),
    "RECOGNISED": Wording("Counts in full", "good", "check", "All of this credit is recognised here."),
    "PARTIAL": Wording("Counts in part", "part", "half", "Some of this credit is recognised here."),
    "INCOMPLETE": Wording(
        "Something is still missing", "wait", "hourglass", "It is decided again by itself when what is missing arrives."
    ),
    "REFERRED": Wording(
        "A recognition officer looks at it", "wait", "eye", "A person decides, and you will see the decision here."
    ),
    "DECLINED": Wording("Does not count here", "bad", "cross", "It is not recognised here, for the reasons below."),
    "INVALID": Wording("The evidence cannot be used", "bad", "alert", "What was sent cannot be used as evidence."),
}


def wording(state: str) -> Wording:
    """A state in words; one that a newer service has made is shown as it is."""
    return STATES.get(state) or Wording(state.replace("_", " ").capitalize(), "calm", "question", "")


_NOT_EARNED: Final[Mapping[str, Wording]] = {
    "pending": Wording("Result still to come", "calm", "clock", "You took part, and the result is not known yet."),
    "fail": Wording("Not passed", "bad", "cross", "It was assessed and not passed."),
    "not_assessed": Wording("Not assessed", "calm", "question", "You took part, and it was not assessed."),
}


def own_wording(state: str, result: str) -> Wording:
    """Own credit in words: its state, and where it was not passed that, for then nothing was earned."""
    return _NOT_EARNED.get(result, wording(state)) if state == "EARNED" else wording(state)


_APPEALS: Final[Mapping[str, Wording]] = {
    "lodged": Wording("Appeal lodged", "calm", "clock", "It is on its way to those who decide on it."),
    "open": Wording("Appeal open", "wait", "eye", "Somebody looks at the decision again."),
    "upheld": Wording("Appeal upheld", "good", "check", "It was decided in your favour."),
    "dismissed": Wording("Appeal dismissed", "bad", "cross", "The decision stands."),
    "withdrawn": Wording("Appeal withdrawn", "calm", "back", "You took it back, and the decision stands."),
}


def appeal(standing: str) -> Wording:
    """How an appeal stands, in words."""
    return _APPEALS.get(standing) or Wording(f"Appeal: {standing.replace('_', ' ')}", "calm", "question", "")


_CAPSTONES: Final[Mapping[str, Wording]] = {
    "closed": Wording("Capstone closed", "calm", "hourglass", "It opens when every other condition holds."),
    "open": Wording("Capstone open", "part", "arrow", "You can take it now."),
    "passed": Wording("Capstone passed", "good", "check", "You have passed it."),
}


def capstone(state: str) -> Wording | None:
    """The state of an award's capstone in words; None where it has none."""
    return _CAPSTONES.get(state)


_PLACES: Final = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth")


def place(number: int) -> str:
    """A place in an order, counted from 1: First, Second; beyond the tenth Number 11."""
    return _PLACES[number - 1] if number <= len(_PLACES) else f"Number {number}"


_UNITS: Final = {"FHEQ": "credits", "SCQF": "credits", "EQF": "ECTS credits", "NFQ": "ECTS credits"}

_RESULTS: Final = {
    "pass": "Passed",
    "compensated": "Passed by compensation",
    "fail": "Not passed",
    "not_assessed": "Not assessed",
    "pending": "Result still to come",
}


def number(value: Decimal) -> str:
    """A quantity without trailing zeros: 15, 7.5."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def credit(value: Decimal, framework: str | None = None) -> str:
    """An amount of credit in words, in the framework's unit: 15 credits, 1 credit, 7.5 ECTS credits."""
    unit = _UNITS.get(framework or "", "credits")
    return f"{number(value)} {unit.removesuffix('s') if value == 1 else unit}"


def level(value: int | None, framework: str | None) -> str:
    """A level in words, with its framework: FHEQ level 7."""
    if value is None:
        return "no level stated"
    return f"{framework} level {value}" if framework else f"level {value}"


def result(value: str) -> str:
    """How a completion was assessed, in words."""
    return _RESULTS.get(value, value)


def listed(names: list[str]) -> str:
    """Names in a sentence: A, B and C."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
