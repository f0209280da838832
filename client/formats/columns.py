"""The fields of what members send as columns of a table: their names, and what the text of a cell stands for.

They are those of the contracts, such as `provider.completion.published.v1`, without what Concord adds to what a member
states; tests/contract/test_columns.py holds them against the documents that the services take.
"""

import re
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from contracts.event import Event
from contracts.learner_record_enrolment import EnrolmentRecorded
from contracts.provider_completion import CompletionPublished
from contracts.provider_learning_opportunity import LearningOpportunityPublished

SEPARATOR: Final = "|"
"""Stands between the items of a list in one cell."""

_ADDED: Final = frozenset(
    {
        "completion_id",
        "enrolment_id",
        "learning_opportunity_id",
        "provider",
        "receiver",
        "member",
        "learner_id",
        "learner_reference",
        "learner_is_matchable",
        "missing_elements",
        "body_hash",
        "accepted_at",
        "claimable_from",
    }
)
"""Fields of events that no member states, or that it states in another way."""
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_COMMA: Final = re.compile(r"-?[0-9]+,[0-9]+")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Unfit(ValueError):
    """The text of a cell does not stand for a value of its column; the message says what would."""


@dataclass(frozen=True, slots=True)
class Column:
    """A field: its name with a dot before each part of a part, whether every completion has it, and its values."""

    name: str
    is_required: bool
    value_of: Callable[[str], Any]
    """The value that a text stands for; raises Unfit."""

    @property
    def path(self) -> tuple[str, ...]:
        """Where the value stands in the document."""
        return tuple(self.name.split("."))


def plain_name(name: str) -> str:
    """A column's name without what does not distinguish it: capitals, spaces, dots, dashes and underscores."""
    return re.sub(r"[\s._-]+", "", name).casefold()


def _text(text: str) -> str:
    return text


def _whole(text: str) -> int:
    if _WHOLE.fullmatch(text):
        return int(text)
    raise Unfit("a whole number, such as 7")


def _number(text: str) -> str:
    if _NUMBER.fullmatch(text):
        return text
    if _COMMA.fullmatch(text):
        raise Unfit(f"a number with a decimal point, not a comma: {text.replace(',', '.')}")
    raise Unfit("a number, such as 15 or 7.5")


def _flag(text: str) -> bool:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    raise Unfit("true or false")


def _day(text: str) -> str:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise Unfit("a day of the calendar as YYYY-MM-DD, such as 2026-06-30")


def _items(text: str) -> list[str]:
    items = [item.strip() for item in text.split(SEPARATOR)]
    if all(items):
        return items
    raise Unfit(f"texts with one {SEPARATOR} between two of them, none of them empty")


_VALUE_OF: Final[Mapping[type, Callable[[str], Any]]] = {
    str: _text,
    int: _whole,
    Decimal: _number,
    bool: _flag,
    date: _day,
    list: _items,
}


def _columns(model: type[BaseModel], before: str, is_required: bool, without: frozenset[str]) -> Iterator[Column]:
    for field_name, about in model.model_fields.items():
        if field_name in without:
            continue
        name, kind = before + (about.alias or field_name), _kind(about.annotation)
        needed = is_required and about.is_required()
        if issubclass(kind, BaseModel):
            yield from _columns(kind, f"{name}.", needed, frozenset())
        else:
            yield Column(name, needed, _VALUE_OF[kind])


def _kind(annotation: Any) -> type:
    """The type of a field's values where it has one, without what is said about them."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kind(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        (stated,) = (one for one in get_args(annotation) if one is not type(None))
        return _kind(stated)
    if origin is Literal:
        return str
    found = origin or annotation
    assert isinstance(found, type)  # noqa: S101 - the contract's own types
    return found


@dataclass(frozen=True, slots=True)
class Table:
    """A kind of thing that files hold: what one of them is called, and its columns by name."""

    one: str
    columns: Mapping[str, Column]


def _table(one: str, event: type[Event], *names: str) -> Table:
    """What a member states of the things that an event is about; `names` are said in another way there."""
    columns = [*(Column(name, True, _text) for name in names), *_columns(event, "", is_required=True, without=_ADDED)]
    return Table(one, {column.name: column for column in columns})


_LEARNER: Final = ("learner.scheme", "learner.identifier", "learner.reference")
COMPLETIONS: Final = _table("A completion", CompletionPublished, *_LEARNER)
LEARNING_OPPORTUNITIES: Final = _table("A learning opportunity", LearningOpportunityPublished, "id")
ENROLMENTS: Final = _table("An enrolment", EnrolmentRecorded, *_LEARNER)
