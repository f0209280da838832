"""What others wrote, as far as it is a completion, with what a member says once for the whole file."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from client.formats.elmo.making import Making, types_of
from client.formats.elmo.parsing import INSTANCE, SPECIFICATION, Element, Instance
from client.formats.reading import Notes
from contracts.elmo import CONCORD_ID, RESULTS, SCHEMES
from contracts.event import Framework, plain

_NUMBER: Final = re.compile(r"[+-]?([0-9]{1,9}(\.[0-9]{0,9})?|\.[0-9]{1,9})")
_NOT_IN_CODES: Final = re.compile(r"[\x00-\x20\x7f]")
_LANGUAGE: Final = "http://www.w3.org/XML/1998/namespace lang"
LONGEST_REFERENCE: Final = 200


@dataclass(frozen=True, slots=True)
class MarkScale:
    """The scale of a file's marks, as decimal texts; a higher mark is better."""

    lowest: str
    passing: str
    highest: str


@dataclass(frozen=True, slots=True)
class Own:
    """What a member says of its own ELMO files, since ELMO does not; files that Concord wrote need none of it."""

    member: str | None = None
    """The member's id, with which the ids of its learning opportunities begin."""
    learner_type: str = "local"
    """The type of the learner's `identifier` that is the member's own reference for the learner."""
    opportunity_type: str = "local"
    """The type of a specification's `identifier` that is the member's own code for the learning opportunity."""
    completion_type: str | None = None
    """The type of an instance's `identifier` that names the completion; without one the reference is made of the
    learner's reference, the code, and the day."""
    framework: Framework | None = None
    """The framework of level and credit, where a file states several."""
    version: int = 1
    """The version of the learning opportunities."""
    revision: int = 1
    """The revision of the completions: a higher one than before where they are corrected."""
    identity_verified: bool | None = None
    """Whether it was verified at the assessments who the learner is."""
    mark_scale: MarkScale | None = None
    """The scale of results that are numbers. Without it no mark is taken: in some places 1 is the best."""
    language: str = "en"
    """Which of several titles is taken; the first where there is none in this language."""


def made(instance: Instance, own: Own, notes: Notes) -> Making | None:
    """The completion in an instance; None where it is something else, which is noted."""
    foreign = _Foreign(instance, own, notes)
    if (what := foreign.what_else_it_is()) is not None:
        notes.add(instance.element.line, f"{INSTANCE}: {what}")
        return None
    return foreign.make()


class _Foreign:
    def __init__(self, instance: Instance, own: Own, notes: Notes) -> None:
        self._instance = instance
        self._element = instance.element
        self._specification = instance.specification
        self._own = own
        self._notes = notes
        self._making = Making()
        self._is_part_of_credit = any(
            parent.has_credit and parent.token_of("type") != "Degree Programme" for parent in instance.parents
        )

    def what_else_it_is(self) -> str | None:
        """What it is where it is no completion: a whole degree, something unfinished, a part without credit."""
        kind = self._specification.token_of("type")
        if kind == "Degree Programme":
            return "a degree programme"
        if self._element.token_of("status") == "in-progress":
            return "in progress"
        if not self._instance.credits and (kind != "Course" or self._is_part_of_credit):
            return "without credit"
        return None

    def make(self) -> Making:
        """The document, of everything that is stated and said."""
        own, making = self._own, self._making
        learner = self._learner_reference()
        code = self._code()
        day = making.day(self._element)
        title, issuer = self._title(self._specification), self._title(self._instance.issuer)
        if own.identity_verified is None:
            expected = (
                "said for the whole file, since ELMO does not say it: --identity-verified or --no-identity-verified"
            )
            making.fault("identity_verified_at_assessment", None, expected)
        making.stated |= {
            "reference": self._reference(learner, code, day),
            "revision": own.revision,
            "learner": making.learner(self._instance.learner, learner),
            "learning_opportunity": {"id": self._opportunity(code), "version": own.version},
            **self._credit(),
            "result": self._result(),
            **self._mark(),
            "completed_on": day,
            "identity_verified_at_assessment": own.identity_verified,
            "title": title.token if title else None,
            "awarding_body": issuer.token if issuer else None,
            "learning_outcomes": [one.token for one in self._specification.all("learningOutcome") if one.token] or None,
        }
        self._note_around()
        return making

    def _learner_reference(self) -> str | None:
        learner, type_ = self._instance.learner, self._own.learner_type
        if learner and (found := learner.identifier(type_)):
            return found
        expected = f'your own reference of the learner, <identifier type="{type_}">; --learner-type names another type'
        self._making.fault("learner/identifier", types_of(learner), expected)
        return None

    def _code(self) -> str | None:
        type_ = self._own.opportunity_type
        if found := self._specification.identifier(type_) or self._specification.identifier(CONCORD_ID):
            return found
        expected = (
            f'your code of the learning opportunity, <identifier type="{type_}">; --opportunity-type names another'
        )
        self._making.fault(f"{SPECIFICATION}/identifier", types_of(self._specification), expected)
        return None

    def _opportunity(self, code: str | None) -> str | None:
        """The id at Concord: as it is stated, or the member's id, a colon, and the code."""
        if stated := self._specification.identifier(CONCORD_ID):
            return stated
        if self._own.member is None:
            expected = "your id in the consortium, with which the ids of your learning opportunities begin: --member"
            self._making.fault("learning_opportunity.id", code, expected)
            return None
        # The older ELMO's codes, and some of today's, have spaces, which no id may have.
        return f"{self._own.member}:{_NOT_IN_CODES.sub(_escaped, code)}" if code else None

    def _reference(self, learner: str | None, code: str | None, day: str | None) -> str | None:
        type_ = self._own.completion_type or CONCORD_ID
        stated = self._element.identifier(type_)
        if stated is None and self._own.completion_type:
            expected = f'your reference of the completion, <identifier type="{type_}">, as --completion-type says'
            self._making.fault(f"{INSTANCE}/identifier", types_of(self._element), expected)
        made = f"{learner}/{code}/{day}" if learner and code and day else None
        reference = stated or made
        if reference and len(reference) > LONGEST_REFERENCE:
            expected = f"at most {LONGEST_REFERENCE} characters; --completion-type names an identifier to use instead"
            self._making.fault("reference", reference[:60] + "…", expected)
        return reference

    def _credit(self) -> dict[str, Any]:
        """Credit, framework and level: those of a framework whose own credit is stated; nothing is converted."""
        # Of several of one kind the first.
        stated = dict(reversed(self._instance.credits))
        levels: dict[str, str] = {}
        for one in self._element.all("level"):
            levels.setdefault(one.token_of("type").upper(), one.token_of("value"))
        named = [one for one in levels if one in SCHEMES]
        frameworks: list[str] = [self._own.framework] if self._own.framework else named or ["EQF", "FHEQ", "SCQF"]
        framework = next((one for one in frameworks if SCHEMES[one] in stated), None)
        if framework is None:
            there = ", ".join(f"{scheme} {value}" for scheme, value in stated.items()) or None
            wanted = " or ".join(dict.fromkeys(f"{SCHEMES[one]}, the credit of {one}" for one in frameworks))
            self._making.fault(f"{INSTANCE}/credit", there, f"<credit> with a <value> in the <scheme> {wanted}")
            return {}
        for scheme in stated.keys() - {SCHEMES[framework]}:
            self._notes.add(self._element.line, f"credit in {scheme}")
        for other in levels.keys() - {framework}:
            self._notes.add(self._element.line, f"level of {other}")
        value = stated[SCHEMES[framework]]
        if not _NUMBER.fullmatch(value):
            self._making.fault(f"{INSTANCE}/credit", value, "a number")
        elif self._is_part_of_credit:
            self._making.fault(f"{INSTANCE}/credit", value, "none: what it is a part of has credit itself")
        else:
            value = plain(Decimal(value))
        return {"credits": value, "framework": framework, "level": self._level(levels.get(framework, ""))}

    def _level(self, stated: str) -> int | None:
        if stated and not re.fullmatch(r"[0-9]{1,2}", stated):
            self._making.fault(f"{INSTANCE}/level", stated, "a level as a number, or none")
            return None
        return int(stated) if stated else None

    def _result(self) -> str | None:
        """ELMO: where no status is stated, it is passed."""
        status = self._element.token_of("status") or "passed"
        if status not in RESULTS:
            self._making.fault(f"{INSTANCE}/status", status, f"one of {', '.join(RESULTS)}")
        return RESULTS.get(status)

    def _mark(self) -> dict[str, Any]:
        older = self._element.first("result")
        stated = (older.attributes.get("number") or older.token) if older else self._element.token_of("resultLabel")
        if not stated:
            return {}
        scale = self._own.mark_scale
        number = stated.replace(",", ".", 1)
        if scale is None or not _NUMBER.fullmatch(number):
            why = "a number, but of no scale that is said" if _NUMBER.fullmatch(number) else "no number"
            self._notes.add(self._element.line, f"{INSTANCE}/resultLabel: {why}")
            return {}
        on_scale = {"lowest": scale.lowest, "pass": scale.passing, "highest": scale.highest}
        return {"mark": plain(Decimal(number)), "mark_scale": on_scale}

    def _title(self, element: Element | None) -> Element | None:
        titles = [one for one in element.all("title") if one.token] if element else []
        wanted = self._own.language.lower()
        in_language = (one for one in titles if one.attributes.get(_LANGUAGE, "").lower() == wanted)
        return next(in_language, titles[0] if titles else None)

    def _note_around(self) -> None:
        """Note the titles and identifiers that went nowhere."""
        own, instance = self._own, self._instance
        used = {
            "learner": {"esi", "uln", own.learner_type.lower()},
            SPECIFICATION: {CONCORD_ID, own.opportunity_type.lower()},
            INSTANCE: {(own.completion_type or CONCORD_ID).lower()},
        }
        for element in (instance.learner, instance.issuer, instance.specification, instance.element):
            if element is None or element.is_noted:
                continue
            element.is_noted = True
            for other in element.all("title"):
                if other is not self._title(element):
                    self._notes.add(other.line, f"{element.name}/title in another language")
            for one in element.all("identifier"):
                type_ = one.attributes.get("type", "no type")
                if type_.lower() not in used.get(element.name, ()):
                    self._notes.add(one.line, f"{element.name}/identifier of type {type_[:60]}")


def _escaped(character: re.Match[str]) -> str:
    return f"%{ord(character[0]):02X}"
