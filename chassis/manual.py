"""The pages for people about an API and about the events: they load nothing from elsewhere and need no script."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from chassis.openapi import METHODS, ROLES, document
from chassis.problems import TITLES
from contracts.catalogue import BY_TYPE, Topic, topics
from contracts.event import json_schema
from contracts.generate import HEADERS, asyncapi

_HERE: Final = Path(__file__).parent
_CODE: Final = re.compile(r"`([^`]+)`")
_WRAP: Final = re.compile(r"(?<!\n)\n(?!\s*(\n|[-*] ))")
"""Where a source's line was full: not before a blank line, nor before an item of a list."""
_LIMITS: Final = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "pattern": "as {}",
    "default": "default {}",
}
_SAYS_NOTHING: Final[Mapping[str, tuple[Any, ...]]] = {
    "default": (None, [], {}),
    "maximum": (2**31 - 1, 2**63 - 1),
    "minLength": (0, 1),
    "pattern": ("^[^\\x00]*$", "^[^\\x00-\\x1f\\x7f]+$"),
}
"""Limits of the representation, which tell a reader nothing."""
ADVICE: Final[Mapping[int, str]] = {
    401: "Get a token from the issuer, or a new one: it lasts as long as its `expires_in` says.",
    403: "The token is good, and its roles or its member do not permit this.",
    404: "There is no such thing, or none that this token may know of.",
    408: "Send it again.",
    409: "Read `detail` and `stored`; the same request will not succeed unless `retryable` says so.",
    412: "Read the document again, and send your change with its new `ETag`.",
    413: "Send less at once; the limits stand with each request.",
    415: "Send the `Content-Type` that the request asks for.",
    422: "Mend what `errors` names: each with `field`, `value` and `expected`.",
    428: "Send `If-Match` with the `ETag` that you read, or `If-None-Match: *` for a new document.",
    429: "Wait as many seconds as `Retry-After` says, and send it again.",
    500: "A fault of this side; its operators see it. Send it again later.",
    502: "Send it again later.",
    503: "Wait as many seconds as `Retry-After` says, and send it again.",
}
"""What to do after each answer other than success."""


def page(app: FastAPI) -> str:
    """An API's description for people, as HTML."""
    made = document(app)
    schemas = made["components"]["schemas"]
    operations = list(_operations(made))
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in operations:
        groups.setdefault(one["group"], []).append(one)
    statuses = sorted({int(status) for one in operations for status in one["problems"]})
    return _PAGES.get_template("api.html").render(
        info=made["info"],
        address=_variable(made["info"]["title"]),
        groups=groups,
        schemas=dict(sorted(schemas.items())),
        problems=[(status, *TITLES.get(status, ("other", "")), ADVICE.get(status, "")) for status in statuses],
    )


def _operations(made: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    address = _variable(made["info"]["title"])
    for path, item in made.get("paths", {}).items():
        for method, operation in item.items():
            if method not in METHODS:
                continue
            answers = operation["responses"]
            yield {
                "method": method.upper(),
                "path": path,
                "id": f"{method}-{re.sub('[{}]', '', path).strip('/').replace('/', '-')}",
                "group": (operation.get("tags") or [path.strip("/").split("/")[0] or "/"])[0],
                "roles": operation.get(ROLES),
                "summary": operation.get("summary", ""),
                "description": operation.get("description", ""),
                "parameters": operation.get("parameters", []),
                "body": operation.get("requestBody"),
                "about_body": _about(operation.get("requestBody") or {}),
                "answers": {status: answer for status, answer in answers.items() if status < "4"},
                "problems": [status for status in answers if status >= "4"],
                "curl": _curl(method.upper(), path, address, operation),
            }


def _about(body: Mapping[str, Any]) -> str:
    """What a body's description says beyond the name of its schema, which stands beside it."""
    said = str(body.get("description", ""))
    return "" if f"/{said}" in str(body.get("content")) else said


def _variable(title: str) -> str:
    """The variable of a shell that has a service's address; `make up` writes it (deploy/local/variables.py)."""
    return f"CONCORD_{title.removeprefix('Concord ').upper().replace(' ', '_')}_URL"


def _curl(method: str, path: str, address: str, operation: Mapping[str, Any]) -> str:
    """The request as a command, to be filled in where `<…>` stands."""
    filled = re.sub(r"\{([^}]+)\}", r"<\1>", path)
    words = [f'curl -X {method} "${address}{filled}"']
    if ROLES in operation:
        words.append('-H "Authorization: Bearer $TOKEN"')
    if "428" in operation["responses"]:
        is_made_so = "If-None-Match" in operation.get("description", "")
        words.append("-H 'If-None-Match: *'" if is_made_so else "-H 'If-Match: \"<ETag>\"'")
    for media, content in (operation.get("requestBody") or {}).get("content", {}).items():
        words.append(f"-H 'Content-Type: {media}'")
        example = content.get("example")
        if media != "application/json":  # a line of many
            line = "@FILE" if example is None else shlex.quote(json.dumps(example, ensure_ascii=False))
            words.append(f"--data-binary {line}")
        else:
            body = "{…}" if example is None else json.dumps(example, indent=2, ensure_ascii=False)
            words.append(f"-d {shlex.quote(body)}")
    return " \\\n  ".join(words)


@cache
def events_page() -> str:
    """The topics and their events for people, as HTML."""
    made = asyncapi()
    channels = [_channel(topic, made) for topic in topics()]
    owners = sorted({one["topic"].owner for one in channels}, key=[one["topic"].owner for one in channels].index)
    return _PAGES.get_template("events.html").render(
        info=made["info"], channels=channels, owners=owners, headers=HEADERS
    )


def _channel(topic: Topic, made: Mapping[str, Any]) -> dict[str, Any]:
    event = BY_TYPE[topic.event]
    schema = json_schema(event)
    parts = schema.pop("$defs", {})
    stored = sorted(files("contracts").joinpath("examples", topic.event).iterdir(), key=lambda file: file.name)
    return {
        "topic": topic,
        "event": event,
        "summary": made["components"]["messages"][topic.event]["summary"],
        "schema": schema,
        # A part has its own place for each topic: two events may have parts of one name.
        "parts": {f"{topic.name}-{name}": part for name, part in sorted(parts.items())},
        "example": json.dumps(json.loads(stored[0].read_text(encoding="utf-8")), indent=2, ensure_ascii=False),
    }


@cache
def asyncapi_json() -> bytes:
    """The AsyncAPI document with every payload's schema in it, so that it stands by itself."""
    made = asyncapi()
    for name, message in made["components"]["messages"].items():
        message["payload"] = json_schema(BY_TYPE[name])
    return json.dumps(made, ensure_ascii=False).encode()


def style() -> str:
    """The pages' style sheet."""
    return (_HERE / "templates" / "api.css").read_text(encoding="utf-8")


def _kind(schema: Mapping[str, Any], within: str = "") -> list[tuple[str, str]]:
    """A schema in words: pairs of text and of the schema that it links to (or empty); `within` begins each link."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[1]
        return [(name, within + name)]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            parts: list[tuple[str, str]] = []
            for index, item in enumerate(schema[several]):
                parts += [(" or " if several != "allOf" else " and ", "")] * (index > 0) + _kind(item, within)
            return parts
    if "enum" in schema:
        return [(" | ".join(str(value) for value in schema["enum"]), "")]
    if "const" in schema:
        return [(repr(schema["const"]), "")]
    if schema.get("type") == "array":
        return [("list of ", ""), *_kind(schema.get("items", {}), within)]
    return [(str(schema.get("format") or schema.get("type") or "anything"), "")]


def _limits(schema: Mapping[str, Any]) -> str:
    """What of a schema bounds a value, in words."""
    bounded = [schema, *(part for part in schema.get("anyOf", []) if "$ref" not in part)]
    found = {
        words.format(json.dumps(part[name], ensure_ascii=False) if name == "default" else part[name]): None
        for part in bounded
        for name, words in _LIMITS.items()
        if name in part and part[name] not in _SAYS_NOTHING.get(name, ())
    }
    return " · ".join(found)


def _prose(text: str) -> Markup:
    """Text with `code` in backticks, in paragraphs as wide as the page."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(_WRAP.sub(" ", text)))))  # noqa: S704  # it is escaped


def _icon() -> str:
    mark = (_HERE / "pages" / "static" / "mark.svg").read_text(encoding="utf-8").strip()
    return "data:image/svg+xml," + quote(mark)


_PAGES: Final = Environment(
    loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_PAGES.filters.update(prose=_prose, limits=_limits)
_PAGES.globals.update(kind=_kind, icon=_icon())
