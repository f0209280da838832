"""What is wrong with a document: one small type for what reading refuses and for what lint finds."""

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError

UNREADABLE: Final = "unreadable"
UNKNOWN_FIELD: Final = "unknown-field"
MISSING_FIELD: Final = "missing-field"
WRONG_VALUE: Final = "wrong-value"
_SUBJECT: Final = re.compile(r"^(?:Input|String|Tuple|Value error,) ")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: the rule, where (JSON pointer), the value there, and what would be right.

    `related` shows what it was compared with: the other place, the courses, the numbers.
    """

    rule: str
    pointer: str
    value: str | None
    message: str
    related: tuple[str, ...] = ()


class DocumentRefused(ValueError):
    """The document cannot be read as what it should be; says everything that is wrong with it."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("; ".join(f"{finding.pointer or '/'}: {finding.message}" for finding in self.findings))


def pointer_to(*steps: str | int) -> str:
    """The JSON pointer (RFC 6901) of these steps."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def findings_of(error: ValidationError, model: type[BaseModel]) -> tuple[Finding, ...]:
    """Say plainly what pydantic refused, in document order."""
    known = sorted(_field_names(model.model_json_schema()))
    return tuple(_finding(detail, known) for detail in error.errors(include_url=False))


def _finding(detail: Any, known: list[str]) -> Finding:
    # Tags of unions are in angle brackets, and pydantic marks a mapping's key by "[key]": neither is in the document.
    steps = [step for step in detail["loc"] if not (isinstance(step, str) and step[:1] in "<[" and step[-1:] in ">]")]
    context = detail.get("ctx", {})
    value, kind = detail["input"], detail["type"]
    if "field" in context:
        steps.append(context["field"])
        value = value.get(context["field"]) if isinstance(value, dict) else None
    pointer = pointer_to(*steps)
    if kind == "extra_forbidden":
        close = [
            name for name in difflib.get_close_matches(str(steps[-1]), known, n=1, cutoff=0.75) if name != steps[-1]
        ]
        hint = f"; did you mean `{close[0]}`?" if close else ""
        return Finding(UNKNOWN_FIELD, pointer, _shown(value), f"`{steps[-1]}` is no field here{hint}")
    if kind == "missing":
        message = detail["msg"] if "field" in context else f"`{steps[-1]}` is required"
        return Finding(MISSING_FIELD, pointer, None, message)
    return Finding(WRONG_VALUE, pointer, _shown(value), _plain_message(detail["msg"]))


def _plain_message(message: str) -> str:
    return _SUBJECT.sub("", message).replace(" after validation", "")


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _field_names(schema: Any) -> set[str]:
    if isinstance(schema, dict):
        own = set(schema.get("properties", {})) if isinstance(schema.get("properties"), dict) else set()
        return own.union(*(_field_names(part) for part in schema.values()))
    if isinstance(schema, list):
        return set().union(*(_field_names(part) for part in schema))
    return set()
