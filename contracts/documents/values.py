"""The values that documents are made of: exact numbers, names, and the strict base of every part of a document."""

import re
from datetime import date
from fractions import Fraction
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

_EXACT: Final = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,12}|/0*[1-9][0-9]{0,11})?")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SCHEMA: Final = {
    "anyOf": [{"type": "string", "pattern": rf"^{_EXACT.pattern}$"}, {"type": "integer"}],
    "description": 'An exact number: an integer, or text such as "7.5" or "2/3".',
}


def exact(value: object) -> Fraction:
    """Read a number as it is written: an integer, or text like "20", "7.5" or "2/3"; never a binary float."""
    if isinstance(value, Fraction):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**12:
        return Fraction(value)
    if isinstance(value, str) and _EXACT.fullmatch(value):
        return Fraction(value)
    raise PydanticCustomError("exact_number", 'should be an exact number as text, such as "20", "7.5" or "2/3"')


def plain(number: Fraction) -> str:
    """Write a number as an integer, a terminating decimal, or n/d; equal numbers give equal text."""
    rest, places = number.denominator, 0
    while rest % 10 == 0:
        rest, places = rest // 10, places + 1
    for factor in (2, 5):
        while rest % factor == 0:
            rest, places = rest // factor, places + 1
    if rest != 1:
        return f"{number.numerator}/{number.denominator}"
    if places == 0:
        return str(number.numerator)
    digits = f"{abs(number.numerator) * 10**places // number.denominator:0{places + 1}d}"
    sign = "-" if number < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}".rstrip("0").rstrip(".")


def _above_zero(number: Fraction) -> Fraction:
    if number <= 0:
        raise PydanticCustomError("above_zero", "should be above 0")
    return number


def _not_negative(number: Fraction) -> Fraction:
    if number < 0:
        raise PydanticCustomError("not_negative", "should be 0 or more")
    return number


def _in_hundredths(number: Fraction) -> Fraction:
    if not is_in_hundredths(number):
        raise PydanticCustomError("in_hundredths", "should have at most two decimals")
    return number


def is_in_hundredths(number: Fraction) -> bool:
    """Whether the number is a whole number of hundredths, the finest credit that the ledger holds."""
    return (number * 100).denominator == 1


def day(value: object) -> date:
    """Read a day as it is written, YYYY-MM-DD (strict pydantic would take "0" as well, in seconds since 1970)."""
    if isinstance(value, date):
        return value
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError as error:
        raise PydanticCustomError("day", "should be a day that there is: {why}", {"why": str(error)}) from error
    raise PydanticCustomError("day", "should be a day such as 2025-09-01")


_TEXT: Final = PlainSerializer(plain, return_type=str, when_used="json")

Number = Annotated[Fraction, PlainValidator(exact), _TEXT, WithJsonSchema(_SCHEMA)]
"""Any exact number: a mark, hours."""
Ratio = Annotated[Fraction, PlainValidator(exact), AfterValidator(_above_zero), _TEXT, WithJsonSchema(_SCHEMA)]
"""An exact number above 0: receiver credits per provider credit, a unit, a step, the credits of a line."""
Amount = Annotated[Fraction, PlainValidator(exact), AfterValidator(_not_negative), _TEXT, WithJsonSchema(_SCHEMA)]
"""Credit, 0 or more; that it is whole where it must be is a matter for lint, which can say why."""
Credit = Annotated[
    Fraction,
    PlainValidator(exact),
    AfterValidator(_not_negative),
    AfterValidator(_in_hundredths),
    _TEXT,
    WithJsonSchema(_SCHEMA),
]
"""Credit, 0 or more, with at most two decimals."""

Day = Annotated[
    date,
    PlainValidator(day),
    PlainSerializer(date.isoformat, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date"}),
]
"""A day, as YYYY-MM-DD."""
WholeNumber = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
AgreementId = Annotated[
    str, Field(max_length=100, pattern=r"^[^\x00-\x20\x7f/?#]+$", description="The agreement's id, the same for ever.")
]
Course = Annotated[
    str, Field(max_length=200, pattern=r"^[^\x00-\x20\x7f]+$", description="The id of a learning opportunity.")
]
Slot = Annotated[
    str,
    Field(
        max_length=100,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="A place in an award; GENERAL is volume without.",
    ),
]
Years = Annotated[int, Field(ge=0, le=200)]
VersionNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]

GENERAL: Final = "GENERAL"
"""The slot of general credit, which never fills up (decision.md, Fields)."""


class Part(BaseModel):
    """A part of a document: strict, unchangeable, and without fields that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, serialize_by_alias=True)
