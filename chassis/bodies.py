"""Bodies of requests: read within a limit, parsed strictly, and refused in plain words (ADR 12 and 14)."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request

from chassis.problems import Fault, Problem, invalid

LIMIT: Final = 256 * 1024
"""Bytes that the body of one document may have."""

Model = TypeVar("Model", bound=BaseModel)

BODY_MARK: Final = "concord_body"


@dataclass(frozen=True)
class BodyMark:
    """What a dependency reads from the body, for the API's description."""

    media_type: str
    model: type[BaseModel] | None
    description: str


def body(model: type[Model], *, limit: int = LIMIT) -> Callable[[Request], Awaitable[Model]]:
    """A dependency that gives the request's JSON body as a `model`, whose fields are taken strictly.

    Use as `Annotated[Thing, Depends(body(Thing))]`. Answers 413 beyond `limit` bytes, without reading on; 415 where
    the body is not JSON by its content type; 422 where it is not JSON, repeats a key, has the character U+0000, or
    does not fit the model – naming each field, its value, and what would be right.
    """

    async def read(request: Request) -> Model:
        _must_be(request, "application/json")
        return parse(model, await read_within(request, limit))

    setattr(read, BODY_MARK, BodyMark("application/json", model, model.__name__))
    return read


def raw_body(
    media_type: str, *, limit: int, description: str, model: type[BaseModel] | None = None
) -> Callable[[Request], Awaitable[bytes]]:
    """A dependency that gives the bytes of a body of the given media type, such as `application/x-ndjson`.

    Answers 413 and 415 as `body` does; the description is for the API's own, and so is the `model` of what is in it.
    """

    async def read(request: Request) -> bytes:
        _must_be(request, media_type)
        return await read_within(request, limit)

    setattr(read, BODY_MARK, BodyMark(media_type, model, description))
    return read


def _must_be(request: Request, media_type: str) -> None:
    stated, *parameters = request.headers.get("content-type", "").split(";")
    charset = next((p.split("=", 1)[1] for p in parameters if p.strip().lower().startswith("charset=")), "utf-8")
    if stated.strip().lower() != media_type or charset.strip().strip('"').lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Problem(415, f"The body must be {media_type} in UTF-8.", headers={"Accept": media_type})
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "The body must not be compressed.")


async def read_within(request: Request, limit: int) -> bytes:
    """The body's bytes; raises 413 as soon as there are more than `limit`, or the request says that there will be."""
    too_large = Problem(413, f"The body may have {limit} bytes at most.", more={"limit": limit})
    stated = request.headers.get("content-length", "")
    if stated.isascii() and stated.isdigit() and int(stated[:20]) > limit:
        raise too_large
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > limit:
            raise too_large
    return bytes(received)


def parse(model: type[Model], raw: bytes) -> Model:
    """A JSON document as a `model`, strictly; raises the Problem 422 that names what is wrong (see `body`)."""
    _must_be_plain(raw)
    try:
        return model.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise invalid(faults(error)) from None


class _Repeated(ValueError):
    def __init__(self, key: str) -> None:
        self.key = key


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Repeated(key)
            seen.add(key)
    return found


def _not_json(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _must_be_plain(raw: bytes) -> None:
    """Refuse what JSON readers disagree about (a key twice), and what PostgreSQL cannot store (U+0000)."""
    try:
        # Numbers stay text here: only the model says what they are.
        document = json.loads(
            raw, object_pairs_hook=_no_key_twice, parse_int=str, parse_float=str, parse_constant=_not_json
        )
    except _Repeated as error:
        raise invalid([Fault(error.key, None, "a key that stands only once in its object")]) from None
    except (ValueError, RecursionError):
        text = raw[:200].decode(errors="replace")
        raise invalid([Fault("", text, "a JSON document in UTF-8")], "The body is not JSON.") from None
    if b"\\u0000" in raw:
        found = [
            Fault(field, value, "text without the character U+0000")
            for field, value in _texts("", document)
            if "\x00" in value
        ]
        if found:
            raise invalid(found[:20])


def _texts(field: str, value: Any) -> list[tuple[str, str]]:
    """Every text of a document with its field, keys included."""
    found: list[tuple[str, str]] = []
    waiting: list[tuple[str, Any]] = [(field, value)]
    while waiting:
        field, value = waiting.pop()
        if isinstance(value, str):
            found.append((field, value))
        elif isinstance(value, dict):
            found += [(field, key) for key in value]
            waiting += [(f"{field}.{key}" if field else key, item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{field}.{index}" if field else str(index), item) for index, item in enumerate(value)]
    return found


def faults(error: ValidationError, *, without: int = 0) -> list[Fault]:
    """What a failed validation found, in plain words; the first `without` parts of each place are left out."""
    return faults_of(error.errors(include_url=False), without=without)


def faults_of(details: Sequence[ErrorDetails], *, without: int = 0) -> list[Fault]:
    """The same for pydantic's own list of errors."""
    found = []
    for detail in details[:100]:
        field = ".".join(str(part) for part in detail["loc"][without:])
        value = None if detail["type"] == "missing" else detail.get("input")
        found.append(Fault(field.replace("\x00", "\\u0000")[:200], value, in_words(detail)))
    return found


_IN_WORDS: Final[Mapping[str, str]] = {
    "missing": "a value, since the field is required",
    "extra_forbidden": "no field of this name",
    "string_type": "text",
    "string_too_short": "text of at least {min_length} characters",
    "string_too_long": "text of at most {max_length} characters",
    "string_pattern_mismatch": "text of the form {pattern}",
    "string_unicode": "text in UTF-8",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of fewer digits",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "decimal_type": 'a decimal number as text, such as "12.5"',
    "decimal_parsing": 'a decimal number as text, such as "12.5"',
    "decimal_max_digits": "a number of at most {max_digits} digits",
    "decimal_max_places": "a number of at most {decimal_places} decimals",
    "decimal_whole_digits": "a number of at most {whole_digits} digits before the point",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "literal_error": "one of {expected}",
    "enum": "one of {expected}",
    "uuid_type": "a UUID",
    "uuid_parsing": "a UUID",
    "url_type": "an address (URL)",
    "url_parsing": "an address (URL)",
    "date_type": "a day of the calendar as YYYY-MM-DD",
    "date_parsing": "a day of the calendar as YYYY-MM-DD",
    "date_from_datetime_parsing": "a day of the calendar as YYYY-MM-DD",
    "datetime_type": "an instant with its zone, such as 2026-01-31T12:00:00Z",
    "datetime_parsing": "an instant with its zone, such as 2026-01-31T12:00:00Z",
    "datetime_from_date_parsing": "an instant with its zone, such as 2026-01-31T12:00:00Z",
    "timezone_aware": "an instant with its zone, such as 2026-01-31T12:00:00Z",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "too_short": "at least {min_length} items",
    "too_long": "at most {max_length} items",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "none_required": "null",
    "union_tag_invalid": "{discriminator} to be one of {expected_tags}",
    "union_tag_not_found": "an object with the field {discriminator}",
    "json_invalid": "a JSON document in UTF-8 ({error})",
}


def in_words(detail: ErrorDetails) -> str:
    """What would be right, in plain words; a model's own message stands as it is."""
    pattern = _IN_WORDS.get(detail["type"])
    if pattern is None:
        return detail["msg"].removeprefix("Value error, ")
    try:
        return pattern.format(**detail.get("ctx", {}))
    except (KeyError, IndexError):
        return detail["msg"]
