"""What Concord wrote, as the document that it was: ELMO's own elements, and Concord's beside them (docs/elmo.md)."""

import re
from typing import Any, Final

import orjson

from client.formats.elmo.making import Making
from client.formats.elmo.parsing import Element, Instance
from contracts.elmo import CONCORD_ID, RESULTS

_WHOLE_NUMBERS: Final = frozenset({"revision", "version", "level"})
_YES_OR_NO: Final = frozenset({"identity_verified_at_assessment", "revoked"})


def returned(instance: Instance) -> Making | None:
    """The completion that Concord wrote; None where it is not Concord's."""
    extension = instance.element.first("extension")
    stated = extension.first("completion") if extension else None
    return _Returned(instance, stated).making if stated else None


class _Returned:
    def __init__(self, instance: Instance, stated: Element) -> None:
        self.making = Making()
        element, specification = instance.element, instance.specification
        own = self._values(stated)
        levels = element.all("level")[:1]
        level = levels[0].token_of("value") if levels else ""
        self.making.stated |= {
            "reference": element.identifier(CONCORD_ID),
            "learner": self.making.learner(instance.learner, own.pop("learner_reference", None)),
            "learning_opportunity": {
                "id": own.pop("learning_opportunity", None) or specification.identifier(CONCORD_ID),
                "version": own.pop("version", None),
            },
            "credits": instance.credits[0][1] if instance.credits else None,
            "framework": levels[0].token_of("type") if levels else None,
            "level": self._whole_number("level", level) if level else None,
            "result": RESULTS.get(element.token_of("status")),
            "mark": element.token_of("resultLabel") or None,
            "completed_on": self.making.day(element),
            "title": specification.token_of("title") or None,
            # What stands here too goes before ELMO's own element, which could not hold it.
            **own,
        }

    def _values(self, element: Element) -> dict[str, Any]:
        return {child.name: self._value(child) for child in element.children}

    def _value(self, element: Element) -> Any:
        if element.attributes.get("nil") == "true":
            return None
        if items := element.all("item"):
            return [self._value(item) for item in items]
        if element.children:
            return self._values(element)
        if element.attributes.get("escaped") == "json":
            return self._unescaped(element)
        if element.name in _WHOLE_NUMBERS:
            return self._whole_number(element.name, element.token)
        if element.name in _YES_OR_NO:
            return self._yes_or_no(element.name, element.token)
        return element.text

    def _whole_number(self, field: str, text: str) -> int | None:
        if re.fullmatch(r"[0-9]{1,10}", text):
            return int(text)
        self.making.fault(field, text[:100], "a whole number")
        return None

    def _yes_or_no(self, field: str, text: str) -> bool:
        if text not in ("true", "false"):
            self.making.fault(field, text[:100], "true or false")
        return text == "true"

    def _unescaped(self, element: Element) -> str | None:
        try:
            text = orjson.loads(element.text)
        except orjson.JSONDecodeError:
            text = None
        if isinstance(text, str):
            return text
        self.making.fault(element.name, element.text[:100], "text in the quotes and with the escapes of JSON")
        return None
