"""The OpenAPI document of every service: who may ask, and bodies to begin from that would be read."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from chassis.bodies import BODY_MARK, BodyMark
from chassis.identity import Role, dependencies_of, walk
from tests.apis import applications

MOST_USED = {
    "MemberDocument", "LearningOpportunityDocument", "CompletionDocument", "EnrolmentDocument", "Agreement", "Award",
    "ApprovalBody", "RulingDocument", "Question", "QuestionAbout", "BacktestBody", "Wanted",
    "CompletionLine", "LearningOpportunityLine", "EnrolmentLine",
}  # fmt: skip


@pytest.fixture
async def apps() -> dict[str, FastAPI]:
    return await applications()


def marks(app: FastAPI) -> Iterator[BodyMark]:
    for context in iter_route_contexts(app.router.routes):
        for call in dependencies_of(context.dependant) if context.methods else ():
            if hasattr(call, BODY_MARK):
                yield getattr(call, BODY_MARK)


async def test_what_a_body_s_example_shows_would_be_read(apps: dict[str, FastAPI]) -> None:
    shown = set()
    for app in apps.values():
        for mark in marks(app):
            example: Any = getattr(mark.model, "EXAMPLE", None)
            if mark.model is not None and example is not None:
                mark.model.model_validate_json(orjson.dumps(example))
                shown.add(mark.model.__name__)
    assert shown >= MOST_USED
    put = apps["provider"].openapi()["paths"]["/completions/{reference}"]["put"]
    assert put["requestBody"]["content"]["application/json"]["example"]["result"] == "pass"
    compare = apps["provider"].openapi()["paths"]["/completions:compare"]["post"]
    assert compare["requestBody"]["content"]["application/x-ndjson"]["example"]["reference"]


async def test_the_document_states_the_roles_of_every_route(apps: dict[str, FastAPI]) -> None:
    stated = 0
    for service, app in apps.items():
        paths = app.openapi()["paths"]
        for method, path, access in walk(app):
            operation = paths.get(path.replace(":path", ""), {}).get(method.lower())
            if operation is None:
                continue
            expected = None if access == "public" else sorted(role.value for role in access or ())
            assert operation.get("x-roles") == expected, (service, method, path)
            stated += bool(expected)
    assert stated > 40
    assert apps["provider"].openapi()["paths"]["/completions/{reference}"]["put"]["x-roles"] == [Role.PUBLISHER]


async def test_every_operation_has_a_sentence_for_a_title(apps: dict[str, FastAPI]) -> None:
    for service, app in apps.items():
        for path, item in app.openapi()["paths"].items():
            for method, operation in item.items():
                assert " " in operation["summary"], (service, method, path)
                assert not operation["summary"].endswith("."), (service, method, path)
