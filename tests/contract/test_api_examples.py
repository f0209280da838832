"""The OpenAPI document of every service: who may ask, and bodies to begin from that would be read."""

import html
import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from chassis import manual
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


async def test_every_request_is_shown_as_a_command_that_a_shell_reads(apps: dict[str, FastAPI]) -> None:
    shown: dict[str, list[str]] = {}
    for app in apps.values():
        for command in re.findall(r"<code>(curl -X.*?)</code>", manual.page(app), re.DOTALL):
            words = shlex.split(html.unescape(command))
            shown[f"{words[2]} {words[3]}"] = words
        served = sum(len(item) for item in app.openapi()["paths"].values())
        assert served == manual.page(app).count("<code>curl -X")
    member = shown["PUT $CONCORD_PROVIDER_URL/members/<member_id>"]
    assert {"Authorization: Bearer $TOKEN", "If-None-Match: *", "Content-Type: application/json"} <= set(member)
    assert json.loads(member[member.index("-d") + 1])["framework"] == "FHEQ"
    assert 'If-Match: "<ETag>"' in shown["PUT $CONCORD_LEARNER_RECORD_URL/conferrals/<reference>"]
    assert "Authorization: Bearer $TOKEN" not in shown["GET $CONCORD_PROVIDER_URL/faces"]
    line = shown["POST $CONCORD_PROVIDER_URL/completions:bulk"]
    assert json.loads(line[line.index("--data-binary") + 1])["reference"]
