"""Answers that say what is wrong: RFC 9457 problem details with a stable `type` (ADR 12)."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol

import orjson
from pydantic import BaseModel, Field
from starlette.responses import Response

MEDIA_TYPE: Final = "application/problem+json"
LONGEST_VALUE: Final = 100
"""Characters of a refused value that an answer repeats at most."""
RETRY_AFTER_SECONDS: Final = 1

TITLES: Final[dict[int, tuple[str, str]]] = {
    401: ("unauthenticated", "A valid token is needed"),
    403: ("forbidden", "Not allowed"),
    404: ("not-found", "Not found"),
    405: ("method-not-allowed", "This method is not served here"),
    408: ("too-slow", "The body came too slowly"),
    409: ("conflict", "In conflict with what is stored"),
    412: ("stale", "Changed by somebody else since it was read"),
    413: ("too-large", "The body is too large"),
    415: ("unsupported-media-type", "A body of another media type is needed"),
    422: ("invalid", "Some values cannot be accepted"),
    428: ("precondition-required", "A precondition is needed"),
    429: ("too-many-requests", "Too many requests"),
    500: ("internal", "Something went wrong on this side"),
    502: ("bad-gateway", "A service behind this one answered unexpectedly"),
    503: ("unavailable", "Not available at the moment"),
}
"""For each status its usual problem: the last part of its `type`, and its title."""


class FieldError(BaseModel):
    """One value that was refused."""

    field: str = Field(description="Where it stands: names and indices, joined by dots; empty for the whole body.")
    value: Any = Field(description="What stands there, cut at 100 characters; null where nothing does.")
    expected: str = Field(description="What would be right.")


class ProblemDetails(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="Stable name of the kind of problem: `urn:concord:problem:<name>`.")
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="This occurrence in words.")
    retryable: bool = Field(description="Whether the same request may succeed when it is sent again later.")
    errors: list[FieldError] | None = Field(None, description="The values that were refused.")


class FaultLike(Protocol):
    """Anything that names a field, its value, and what would be right."""

    @property
    def field(self) -> str:
        """Where the value stands."""

    @property
    def value(self) -> object:
        """What stands there."""

    @property
    def expected(self) -> str:
        """What would be right."""


class Fault(NamedTuple):
    """One thing that is wrong with what was sent: where, what stands there, and what would be right."""

    field: str
    value: object
    expected: str


class Problem(Exception):
    """An answer other than success; raise it anywhere under a route.

    `name` is the last part of the type's URN and `title` its words (default: the status's usual ones). `more` are
    further members of the answer, such as what is stored.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        name: str | None = None,
        title: str | None = None,
        retryable: bool = False,
        errors: Iterable[FaultLike] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        usual_name, usual_title = TITLES.get(status, ("other", "The request was not served"))
        self.status = status
        self.detail = detail
        self.name = name or usual_name
        self.title = title or usual_title
        self.retryable = retryable
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.more = dict(more or {})
        super().__init__(f"{status} {self.name}: {detail}")

    @property
    def type(self) -> str:
        """The stable URI of the kind of problem."""
        return f"urn:concord:problem:{self.name}"

    def details(self) -> dict[str, Any]:
        """The members of the problem document."""
        document: dict[str, Any] = {
            **self.more,
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "retryable": self.retryable,
        }
        if self.errors:
            document["errors"] = [
                {"field": fault.field, "value": shown(fault.value), "expected": fault.expected} for fault in self.errors
            ]
        return document

    def response(self) -> Response:
        """The problem as an answer."""
        body = orjson.dumps(self.details(), default=str)
        return Response(body, status_code=self.status, media_type=MEDIA_TYPE, headers=self.headers)


def shown(value: object) -> object:
    """A refused value as it may be repeated: itself where it is short, else the first 100 characters of its text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        # Beyond this a JSON reader may lose digits, and Python itself refuses to write very long ones.
        return value if abs(value) < 2**53 else f"an integer of {value.bit_length()} bits"
    if isinstance(value, float):
        return value
    if isinstance(value, str):
        text = value
    elif isinstance(value, bytes | bytearray):
        text = bytes(value[: LONGEST_VALUE + 1]).decode(errors="replace")
    else:
        text = _as_json(value)
    # What JSON readers and databases stumble over is shown as its escape.
    text = text[: LONGEST_VALUE + 1].replace("\x00", "\\u0000").encode(errors="backslashreplace").decode()
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _as_json(value: object) -> str:
    try:
        return orjson.dumps(value, default=str).decode()
    except (TypeError, ValueError):
        return type(value).__name__


def unauthenticated(detail: str, *, error: str | None = None) -> Problem:
    """401: no token, or one that is not accepted; `error` is RFC 6750's code for the latter."""
    challenge = 'Bearer realm="concord"' + (f', error="{error}"' if error else "")
    return Problem(401, detail, headers={"WWW-Authenticate": challenge})


def forbidden(detail: str, *, name: str | None = None) -> Problem:
    """403: the token is good and does not permit this."""
    return Problem(403, detail, name=name)


def not_found(detail: str) -> Problem:
    """404: there is no such thing, or none that this token may know of."""
    return Problem(404, detail)


def conflict(
    detail: str,
    *,
    name: str | None = None,
    errors: Iterable[FaultLike] = (),
    stored: Mapping[str, Any] | None = None,
) -> Problem:
    """409: in conflict with what is stored; `stored` says what that is."""
    return Problem(409, detail, name=name, errors=errors, more={"stored": dict(stored)} if stored else None)


def invalid(errors: Iterable[FaultLike], detail: str | None = None) -> Problem:
    """422: values that cannot be accepted, each with its field and with what would be right."""
    faults = tuple(errors)
    if detail is None:
        fields = ", ".join(dict.fromkeys(fault.field or "the body" for fault in faults[:5]))
        detail = f"{len(faults)} value{'' if len(faults) == 1 else 's'} cannot be accepted: {fields}"
    return Problem(422, detail, errors=faults)


def unavailable(detail: str, *, name: str | None = None) -> Problem:
    """503: the same request may succeed soon."""
    return Problem(503, detail, name=name, retryable=True, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
