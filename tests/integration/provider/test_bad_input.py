"""What the door refuses: a clear 4xx that names field and value and says what would be right, and nothing stored."""

from typing import Any

import httpx
import orjson

from tests.integration.provider.ground import Ground, completion, esi, opportunity

COMPLETIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"credits": "-15"}, "credits", "above 0"),
    ({"credits": "0"}, "credits", "above 0"),
    ({"credits": "15.125"}, "credits", "two decimals"),
    ({"credits": 15.5}, "credits", "text"),
    ({"credits": ...}, "credits", "required"),
    ({"framework": "CATS"}, "framework", "FHEQ"),
    ({"level": 9}, "level", "FHEQ: 3 to 8"),
    ({"framework": "EQF", "level": 9}, "level", "EQF: 1 to 8"),
    ({"framework": "SCQF", "level": 13}, "level", "12 or less"),
    ({"mark": "101"}, "mark", "from 0 to 100"),
    ({"mark": "-1"}, "mark", "from 0 to 100"),
    ({"mark_scale": {"lowest": "100", "pass": "50", "highest": "0"}}, "mark_scale", "lowest below highest"),
    ({"result": "passed"}, "result", "'pass'"),
    ({"revision": 0}, "revision", "1 or more"),
    ({"revision": "1"}, "revision", "whole number"),
    ({"completed_on": "30.06.2026"}, "completed_on", "YYYY-MM-DD"),
    ({"completed_on": "2026-06-31"}, "completed_on", "YYYY-MM-DD"),
    ({"completed_on": 20260630}, "completed_on", "YYYY-MM-DD"),
    ({"colour": "red"}, "colour", "no field of this name"),
    ({"member": "westfield"}, "member", "no field of this name"),
    ({"title": "Data\x00Ethics"}, "title", "U+0000"),
    ({"revocation_reason": "\x00"}, "revocation_reason", "U+0000"),
    ({"identity_verified_at_assessment": "yes"}, "identity_verified_at_assessment", "true or false"),
    (
        {"learning_opportunity": {"id": "westfield:law", "version": 1}},
        "learning_opportunity.id",
        "`northbridge:`",
    ),
    (
        {"learning_opportunity": {"id": "northbridge-two:law", "version": 1}},
        "learning_opportunity.id",
        "`northbridge:`",
    ),
    ({"learning_opportunity": {"id": "data-ethics", "version": 1}}, "learning_opportunity.id", "form"),
    ({"learner": ...}, "learner", "required"),
    ({"learner": {"scheme": "ESI", "reference": "S-1"}}, "learner.identifier", "ESI"),
    ({"learner": {"scheme": "ESI", "identifier": "", "reference": "S-1"}}, "learner.identifier", "ESI"),
    ({"learner": {"identifier": esi("ann"), "reference": "S-1"}}, "learner.scheme", "ESI"),
    ({"learner": {"scheme": "ULN", "identifier": "9276308686", "reference": "S-1"}}, "learner.scheme", "ESI"),
    ({"learner": {"scheme": "ESI", "identifier": "9276308686", "reference": "S-1"}}, "learner.identifier", "urn:schac"),
    ({"learner": {"scheme": "ESI", "identifier": esi("a b"), "reference": "S-1"}}, "learner.identifier", "code"),
    ({"learner": {"scheme": "ESI", "identifier": esi("ann"), "reference": "\x00"}}, "learner.reference", "U+0000"),
]


async def test_a_bad_completion_is_refused_in_plain_words(ground: Ground, northbridge: httpx.AsyncClient) -> None:
    for changes, field, expected in COMPLETIONS:
        answer = await northbridge.put("/completions/C-1", json=completion(**changes))
        assert answer.status_code == 422, changes
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["type"] == "urn:concord:problem:invalid"
        assert problem["retryable"] is False
        found = [error for error in problem["errors"] if error["field"] == field]
        assert found, (changes, problem)
        assert expected in found[0]["expected"], changes
    assert set((await ground.counts()).values()) == {0}


async def test_a_wrong_uln_is_refused_with_the_rule(ground: Ground) -> None:
    rules = {
        "9276308687": "check digit",
        "0276308686": "first is not 0",
        "927630868": "ten digits",
        "92763086866": "ten digits",
        "९२७६३०८६८६": "ten digits",
    }
    async with Ground(ground.pool, scheme="ULN").caller("northbridge", "publisher") as northbridge:
        for identifier, rule in rules.items():
            learner = {"scheme": "ULN", "identifier": identifier, "reference": "S-1"}
            answer = await northbridge.put("/completions/C-1", json=completion(learner=learner))
            assert answer.status_code == 422
            (error,) = answer.json()["errors"]
            assert (error["field"], error["value"]) == ("learner.identifier", identifier)
            assert rule in error["expected"]
    assert set((await ground.counts()).values()) == {0}


async def test_every_fault_is_named_at_once(northbridge: httpx.AsyncClient) -> None:
    answer = await northbridge.put("/completions/C-1", json=completion(credits="0", result="maybe", colour="red"))
    assert {error["field"] for error in answer.json()["errors"]} == {"credits", "result", "colour"}
    answer = await northbridge.put(
        "/completions/C-1",
        json=completion(
            level=9,
            mark="101",
            learning_opportunity={"id": "westfield:law", "version": 1},
            learner={"scheme": "ULN", "identifier": "1", "reference": "S-1"},
        ),
    )
    fields = {error["field"] for error in answer.json()["errors"]}
    assert fields == {"level", "mark", "learning_opportunity.id", "learner.scheme"}


async def test_what_is_no_document_is_refused(ground: Ground, northbridge: httpx.AsyncClient) -> None:
    contents: list[tuple[bytes, int]] = [
        (b"", 422),
        (b"{", 422),
        (b"null", 422),
        (b"\xff", 422),
        (orjson.dumps(completion())[:-1] + b',"revision":2}', 422),
        (b"[" * 100_000, 422),
        (b'{"title":"' + b"x" * (10 * 1024 * 1024) + b'"}', 413),
        (orjson.dumps(completion(learning_outcomes=["x" * 4_000] * 66)), 413),
    ]
    for content, status in contents:
        answer = await northbridge.put(
            "/completions/C-1", content=content, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == answer.json()["status"] == status, content[:40]
    assert set((await ground.counts()).values()) == {0}


async def test_a_malformed_reference_is_refused(ground: Ground, northbridge: httpx.AsyncClient) -> None:
    for reference in ("%00", "C%091", "", "x" * 201):
        answer = await northbridge.put(f"/completions/{reference}", json=completion())
        assert answer.status_code == 422, reference
    assert set((await ground.counts()).values()) == {0}


async def test_a_bad_learning_opportunity_is_refused(
    ground: Ground, northbridge: httpx.AsyncClient, members: None
) -> None:
    bad: list[tuple[dict[str, Any], str]] = [
        ({"level": 9}, "level"),
        ({"credits": "0"}, "credits"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"revision": 0}, "revision"),
        ({"version": 0}, "version"),
        ({"id": "northbridge:data-ethics"}, "id"),
        ({"title": "\x00"}, "title"),
    ]
    for changes, field in bad:
        answer = await northbridge.put("/learning-opportunities/northbridge:data-ethics", json=opportunity(**changes))
        assert answer.status_code == 422
        assert field in {error["field"] for error in answer.json()["errors"]}
    assert await ground.count("learning_opportunity_revision") == 0


async def test_a_made_up_cursor_is_refused(northbridge: httpx.AsyncClient) -> None:
    for after in ("x", "e30", "W10", "WyJhIiwiYiJd", "WyJhXHUwMDAwIl0"):
        assert (await northbridge.get("/completions", params={"after": after})).status_code == 422
