"""A document in the making, from one instance: what was found, and what is wrong with it."""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from client.formats.elmo.parsing import Element
from client.formats.reading import Document, Fault

# XML Schema's date may carry a zone, and the older ELMO's may be an instant.
_DAY: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(T.*|Z|[+-][0-9]{2}:[0-9]{2})?")
_SCHEMES: Final = {"esi": "ESI", "uln": "ULN"}
"""By type of a learner's identifier the scheme that it is of."""


@dataclass(slots=True)
class Making:
    """The document so far, and its faults."""

    stated: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    @property
    def document(self) -> Document:
        """The document, without what is not stated."""
        return {name: value for name, value in self.stated.items() if value is not None}

    @property
    def reference(self) -> str | None:
        """Its reference, where it is known."""
        return self.stated.get("reference")

    def fault(self, field: str, value: object, expected: str) -> None:
        """Note what is wrong."""
        self.faults.append(Fault(field, value, expected))

    def learner(self, learner: Element | None, reference: str | None) -> dict[str, Any]:
        """Who the learner is: an identifier that other members know, and the member's own reference."""
        for type_, scheme in _SCHEMES.items():
            if learner and (identifier := learner.identifier(type_)):
                return {"scheme": scheme, "identifier": identifier, "reference": reference}
        expected = 'an identifier that other members know: <identifier type="esi">, or type="uln"'
        self.fault("learner/identifier", types_of(learner), expected)
        return {"reference": reference}

    def day(self, element: Element) -> str | None:
        """The day on which it was completed."""
        stated = element.token_of("date")
        found = _DAY.fullmatch(stated)
        if found is None:
            expected = "<date>, the day on which the learner completed it, as YYYY-MM-DD"
            self.fault("learningOpportunityInstance/date", stated or None, expected)
        return found[1] if found else None


def types_of(element: Element | None) -> str | None:
    """The types of an element's identifiers, for whoever looks for one that is not there; never their values."""
    types = [one.attributes.get("type", "no type") for one in element.all("identifier")] if element else []
    return f"identifiers of {', '.join(types)}"[:200] if types else None
