"""An API's own description: OpenAPI 3.1 with every problem it may answer, and a page for people."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import RouteContext, iter_route_contexts
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel

from chassis.bodies import BODY_MARK, BodyMark
from chassis.identity import access_of, dependencies_of
from chassis.problems import MEDIA_TYPE, TITLES, ProblemDetails

CONDITION_MARK: Final = "concord_condition"
"""Set on a dependency that asks for `If-Match`; its routes answer 412 and 428."""

_REFERENCE: Final = "#/components/schemas/{model}"
_METHODS: Final = ("get", "put", "post", "patch", "delete")
_HERE: Final = Path(__file__).parent


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that answers these statuses besides those that follow from what it takes."""
    return {status: {"description": TITLES[status][1]} for status in statuses}


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document; made once, and kept."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version="3.1.0",
            description=app.description or None,
            routes=app.router.routes,
        )
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        _add_schema(schemas, ProblemDetails)
        for context in iter_route_contexts(app.router.routes):
            for operation in _operations(made, context):
                _complete(operation, context, schemas)
        app.openapi_schema = made
    return app.openapi_schema


def _operations(made: dict[str, Any], context: RouteContext) -> Iterator[dict[str, Any]]:
    path = made.get("paths", {}).get(context.path_format or "", {})
    for method in context.methods or ():
        if method.lower() in path:
            yield path[method.lower()]


def _complete(operation: dict[str, Any], context: RouteContext, schemas: dict[str, Any]) -> None:
    # Any request may be one too many, or meet a database that is away, and any address may be malformed.
    statuses = {422, 429, 503}
    if access_of(context) != "public":
        statuses |= {401, 403}
    parameters = operation.get("parameters", [])
    if any(parameter["in"] == "path" for parameter in parameters):
        statuses.add(404)
    for call in dependencies_of(context.dependant):
        mark: BodyMark | None = getattr(call, BODY_MARK, None)
        if mark is not None:
            statuses |= {408, 413, 415}
            schema = _add_schema(schemas, mark.model) if mark.model else {"type": "string"}
            content = {mark.media_type: {"schema": schema}}
            operation["requestBody"] = {"required": True, "description": mark.description, "content": content}
        if hasattr(call, CONDITION_MARK):
            statuses |= {412, 428}
    responses = operation.setdefault("responses", {})
    reference = {"$ref": _REFERENCE.format(model=ProblemDetails.__name__)}
    stated = {int(status) for status in responses if status.isdigit() and int(status) >= 400}
    for status in sorted(statuses | stated):
        answer = responses.setdefault(str(status), {})
        if status in statuses or set(answer.get("content", {})) <= {"application/json"}:
            answer["description"] = TITLES[status][1] if status in TITLES else answer.get("description", "")
            answer["content"] = {MEDIA_TYPE: {"schema": reference}}
    operation["responses"] = dict(sorted(responses.items()))


def _add_schema(schemas: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Add a model, as it is read, to the schemas, and give the reference to it.

    A name that stands there for something else – the same model as it is written – gets `Input` behind it.
    """
    own = model.model_json_schema(ref_template=_REFERENCE, mode="validation")
    parts: dict[str, Any] = own.pop("$defs", {})
    if "$ref" in own:  # a model that refers to itself
        name = str(own["$ref"]).rsplit("/", 1)[1]
    else:
        name = model.__name__
        parts[name] = own
    names = {part: part if schemas.get(part, content) == content else f"{part}Input" for part, content in parts.items()}
    if any(new != old for old, new in names.items()):
        # What refers to a renamed part is renamed as well, or two readings of it would share a name.
        names = {part: f"{part}Input" if part in schemas else part for part in names}
    for part, content in parts.items():
        schemas[names[part]] = _renamed(content, names)
    return {"$ref": _REFERENCE.format(model=names[name])}


def _renamed(content: Any, names: dict[str, str]) -> Any:
    if isinstance(content, dict):
        renamed = {key: _renamed(value, names) for key, value in content.items()}
        reference = content.get("$ref")
        if isinstance(reference, str):
            renamed["$ref"] = _REFERENCE.format(model=names[reference.rsplit("/", 1)[1]])
        return renamed
    if isinstance(content, list):
        return [_renamed(item, names) for item in content]
    return content


_PAGES: Final = Environment(
    loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def page(app: FastAPI) -> str:
    """The API's description for people, as HTML that loads nothing from elsewhere."""
    made = document(app)
    schemas = made["components"]["schemas"]
    operations = [
        {
            "method": method.upper(),
            "path": path,
            "id": f"{method}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}",
            "group": (operation.get("tags") or [path.strip("/").split("/")[0] or "/"])[0],
            "open": "security" not in operation,
            **{key: operation.get(key, "") for key in ("summary", "description", "parameters", "responses")},
            "body": operation.get("requestBody"),
        }
        for path, item in made.get("paths", {}).items()
        for method, operation in item.items()
        if method in _METHODS
    ]
    return _PAGES.get_template("api.html").render(
        info=made["info"], operations=operations, schemas=dict(sorted(schemas.items())), kind=_kind
    )


def style() -> str:
    """The page's style sheet."""
    return (_HERE / "templates" / "api.css").read_text()


def _kind(schema: dict[str, Any]) -> list[tuple[str, str]]:
    """A schema in words: pairs of text and of the name of the schema that it links to (or empty)."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[1]
        return [(name, name)]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            parts: list[tuple[str, str]] = []
            for index, item in enumerate(schema[several]):
                parts += [(" or " if several != "allOf" else " and ", "")] * (index > 0) + _kind(item)
            return parts
    if "enum" in schema:
        return [(" | ".join(str(value) for value in schema["enum"]), "")]
    if "const" in schema:
        return [(repr(schema["const"]), "")]
    if schema.get("type") == "array":
        return [("list of ", ""), *_kind(schema.get("items", {}))]
    return [(str(schema.get("format") or schema.get("type") or "anything"), "")]
