"""An API's own description: OpenAPI 3.1 with the roles each request needs and every problem it may answer."""

import re
from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic import BaseModel

from chassis.bodies import BODY_MARK, BodyMark
from chassis.identity import access_of, dependencies_of
from chassis.problems import MEDIA_TYPE, TITLES, ProblemDetails

CONDITION_MARK: Final = "concord_condition"
"""Set on a dependency that asks for `If-Match`; its routes answer 412 and 428."""

_REFERENCE: Final = "#/components/schemas/{model}"
METHODS: Final = ("get", "put", "post", "patch", "delete")
ROLES: Final = "x-roles"
"""Of an operation: the roles, of which its caller needs one; empty: any token will do; absent: none is needed."""
EXAMPLE: Final = "EXAMPLE"
"""Of a model that bodies are read as: a body that would be accepted."""
_FIRST_WORDS: Final = re.compile(r"[.;](\s|$)|:\s(?!\*)|\n\n")


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
    access = access_of(context)
    if access != "public":
        statuses |= {401, 403}
        operation[ROLES] = sorted(role.value for role in access or ())
    if not context.summary and operation.get("description"):
        operation["summary"] = _FIRST_WORDS.split(operation["description"], 1)[0].replace("\n", " ")
    parameters = operation.get("parameters", [])
    if any(parameter["in"] == "path" for parameter in parameters):
        statuses.add(404)
    for call in dependencies_of(context.dependant):
        mark: BodyMark | None = getattr(call, BODY_MARK, None)
        if mark is not None:
            statuses |= {408, 413, 415}
            schema = _add_schema(schemas, mark.model) if mark.model else {"type": "string"}
            content = {mark.media_type: {"schema": schema}}
            example = getattr(mark.model, EXAMPLE, None)
            # A line of a bulk request is its document and more, and has an example of its own.
            if example is not None and (mark.media_type == "application/json" or EXAMPLE in vars(mark.model)):
                content[mark.media_type]["example"] = example
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
