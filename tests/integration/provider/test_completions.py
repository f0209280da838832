"""Publishing, correcting, revoking and reading completions."""

from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import orjson
import pytest

from contracts.ids import completion_id
from contracts.provider_completion import CompletionPublished
from services.provider.api.answers import CompletionAnswer, CompletionView, CompletionWithRevisions
from tests.conftest import Database
from tests.integration.provider.ground import PLACEHOLDER, TABLES, ULN, Ground, completion, esi, opportunity


async def events(ground: Ground) -> list[CompletionPublished]:
    async with ground.pool.acquire() as connection:
        rows = await connection.fetch("SELECT payload FROM outbox WHERE topic = 'provider.completion' ORDER BY id")
    return [CompletionPublished.model_validate_json(row["payload"]) for row in rows]


async def test_a_new_completion_is_stored_with_its_event(ground: Ground, northbridge: httpx.AsyncClient) -> None:
    answer = await northbridge.put("/completions/C-1", json=completion())
    assert answer.status_code == 201
    stated = CompletionAnswer.model_validate_json(answer.content)
    assert stated.completion_id == completion_id("northbridge", "C-1")
    assert stated.revision == 1
    assert stated.accepted_at == stated.claimable_from == ground.clock.now
    (event,) = await events(ground)
    assert (event.provider, event.reference, event.learner_reference) == ("northbridge", "C-1", "S-1")
    assert (event.body_hash, event.accepted_at) == (stated.body_hash, stated.accepted_at)
    assert event.mark_scale is not None
    assert str(event.mark_scale.pass_) == "40"
    async with ground.pool.acquire() as connection:
        stored = await connection.fetchval("SELECT event FROM completion_revision")
    assert CompletionPublished.model_validate_json(orjson.dumps(stored)) == event


async def test_a_repeat_has_the_very_same_answer_whatever_came_later(
    ground: Ground, northbridge: httpx.AsyncClient, consortium: httpx.AsyncClient, members: None
) -> None:
    first = await northbridge.put("/completions/C-1", json=completion())
    ground.clock.now += timedelta(hours=1)
    await northbridge.put("/learning-opportunities/northbridge:data-ethics", json=opportunity())
    second = await northbridge.put("/completions/C-1", json=completion(revision=2, result="fail", mark="38"))
    revoked = await northbridge.put(
        "/completions/C-1", json=completion(revision=5, revoked=True, revocation_reason="Plagiarism")
    )
    assert [one.status_code for one in (first, second, revoked)] == [201, 201, 201]
    before = await ground.counts()
    ground.clock.now += timedelta(hours=1)
    bodies = {1: completion(), 2: completion(revision=2, result="fail", mark="38")}
    for number, answer in ((1, first), (2, second)):
        again = await northbridge.put("/completions/C-1", json=bodies[number])
        assert (again.status_code, again.content) == (200, answer.content)
    assert await ground.counts() == before


async def test_another_spelling_of_the_same_values_is_a_repeat(northbridge: httpx.AsyncClient) -> None:
    first = await northbridge.put("/completions/C-1", json=completion())
    respelt = completion(credits="15.00", mark="62.0", issued_on=None, revoked=False)
    text = orjson.dumps(dict(reversed(respelt.items())), option=orjson.OPT_INDENT_2)
    again = await northbridge.put("/completions/C-1", content=text, headers={"Content-Type": "application/json"})
    assert (again.status_code, again.content) == (200, first.content)


async def test_what_contradicts_a_stored_revision_is_refused_with_what_is_stored(
    ground: Ground, northbridge: httpx.AsyncClient
) -> None:
    first = await northbridge.put("/completions/C-1", json=completion(revision=3))
    before = await ground.counts()
    other = await northbridge.put("/completions/C-1", json=completion(revision=3, mark="63"))
    lower = await northbridge.put("/completions/C-1", json=completion(revision=2))
    for answer, name in ((other, "revision-differs"), (lower, "revision-too-low")):
        problem = answer.json()
        assert answer.status_code == problem["status"] == 409
        assert problem["type"] == f"urn:concord:problem:{name}"
        assert problem["stored"] == first.json()
        assert problem["errors"][0]["field"] == "revision"
        assert "4" in problem["errors"][0]["expected"]
        assert problem["retryable"] is False
    assert await ground.counts() == before


@pytest.mark.parametrize(
    "learner",
    [
        {"scheme": "ESI", "identifier": esi("bob"), "reference": "S-2"},
        {"scheme": "ESI", "identifier": esi("bob"), "reference": "S-1"},
        {"scheme": "ESI", "identifier": esi("ann"), "reference": "S-2"},
    ],
)
@pytest.mark.parametrize("revision", [1, 2])
async def test_the_learner_of_a_completion_never_changes(
    ground: Ground, northbridge: httpx.AsyncClient, learner: dict[str, str], revision: int
) -> None:
    await northbridge.put("/completions/C-1", json=completion())
    before = await ground.counts()
    answer = await northbridge.put("/completions/C-1", json=completion(revision=revision, learner=learner))
    assert answer.status_code == 409
    assert "revoke this one and use a new reference" in answer.json()["detail"]
    assert await ground.counts() == before


async def test_one_reference_never_stands_for_two_learners(ground: Ground, northbridge: httpx.AsyncClient) -> None:
    await northbridge.put("/completions/C-1", json=completion())
    before = await ground.counts()
    bob = {"scheme": "ESI", "identifier": esi("bob"), "reference": "S-1"}
    answer = await northbridge.put("/completions/C-2", json=completion(learner=bob))
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["field"] == "learner.identifier"
    assert await ground.counts() == before
    ann = {"scheme": "ESI", "identifier": esi("ANN"), "reference": "S-1"}
    assert (await northbridge.put("/completions/C-2", json=completion(learner=ann))).status_code == 201
    assert len({event.learner_id for event in await events(ground)}) == 1


async def test_a_claim_begins_anew_only_with_another_result_or_day(
    ground: Ground, northbridge: httpx.AsyncClient
) -> None:
    changes: list[tuple[dict[str, Any], bool]] = [
        ({}, True),
        ({"mark": "58"}, False),
        ({"result": "fail"}, True),
        ({"result": "fail", "mark": "30"}, False),
        ({"result": "fail", "completed_on": "2026-07-01"}, True),
        ({"result": "fail", "completed_on": "2026-07-01", "revoked": True}, False),
    ]
    claimable = ground.clock.now
    for number, (change, begins_anew) in enumerate(changes, start=1):
        ground.clock.now += timedelta(days=1)
        claimable = ground.clock.now if begins_anew else claimable
        answer = await northbridge.put("/completions/C-1", json=completion(revision=number, **change))
        stated = CompletionAnswer.model_validate_json(answer.content)
        assert (stated.accepted_at, stated.claimable_from) == (ground.clock.now, claimable)
    assert [event.claimable_from for event in await events(ground)][-1] == claimable


async def test_what_a_completion_leaves_out_comes_from_its_learning_opportunity_at_acceptance(
    ground: Ground, northbridge: httpx.AsyncClient, members: None
) -> None:
    address = "/learning-opportunities/northbridge:data-ethics"
    await northbridge.put(address, json=opportunity(quality_assurance=...))
    first = await northbridge.put("/completions/C-1", json=completion(title="My title"))
    assert first.json()["missing_elements"] == ["issued_on", "quality_assurance"]
    assert first.json()["warnings"] == []
    # A later change changes nothing until the next revision.
    await northbridge.put(address, json=opportunity(revision=2, title="New title", workload_hours="160"))
    again = await northbridge.put("/completions/C-1", json=completion(title="My title"))
    assert again.content == first.content
    second = await northbridge.put(
        "/completions/C-1", json=completion(revision=2, issued_on="2026-07-15", workload_hours="140.5")
    )
    assert second.json()["missing_elements"] == []
    old, new = await events(ground)
    assert (old.title, str(old.workload_hours), old.awarding_body) == ("My title", "150", "Northbridge University")
    assert (new.title, str(new.workload_hours)) == ("New title", "140.5")
    assert (new.assessment_type, new.participation_form) == ("Coursework, individually assessed", "Online")
    assert new.learning_outcomes == ["Weigh the interests of those whose data is used"]


async def test_an_unknown_learning_opportunity_is_accepted_with_a_warning(northbridge: httpx.AsyncClient) -> None:
    answer = await northbridge.put("/completions/C-1", json=completion())
    assert answer.status_code == 201
    (warning,) = answer.json()["warnings"]
    assert "northbridge:data-ethics version 2 is not published" in warning
    assert answer.json()["missing_elements"] == [
        "title",
        "awarding_body",
        "issued_on",
        "learning_outcomes",
        "assessment_type",
        "participation_form",
        "quality_assurance",
    ]


async def test_everybody_acts_in_their_own_namespace(
    ground: Ground, northbridge: httpx.AsyncClient, westfield: httpx.AsyncClient
) -> None:
    first = await northbridge.put("/completions/C-1", json=completion())
    other = completion(learning_opportunity={"id": "westfield:law", "version": 1}, mark="41")
    second = await westfield.put("/completions/C-1", json=other)
    assert second.status_code == 201
    assert second.json()["completion_id"] != first.json()["completion_id"]
    assert (await northbridge.put("/completions/C-1", json=completion())).content == first.content
    assert (await northbridge.get("/completions/C-1")).json()["mark"] == "62"
    assert (await westfield.get("/completions/C-1")).json()["mark"] == "41"
    # Both members mean the same person, and so do their events.
    assert len({event.learner_id for event in await events(ground)}) == 1


async def test_a_completion_is_read_at_its_newest_revision_with_all_numbers(
    ground: Ground, northbridge: httpx.AsyncClient
) -> None:
    assert (await northbridge.get("/completions/C-1")).status_code == 404
    for revision in (1, 3):
        await northbridge.put("/completions/C-1", json=completion(revision=revision, mark=f"6{revision}"))
    answer = await northbridge.get("/completions/C-1")
    stated = CompletionWithRevisions.model_validate_json(answer.content)
    assert (stated.revision, stated.mark) == (3, "63")
    assert [one.revision for one in stated.revisions] == [1, 3]
    assert "learner_id" not in answer.json()
    assert "esi" not in answer.text


async def test_references_may_have_any_printable_characters(northbridge: httpx.AsyncClient) -> None:
    for reference in ("2026/07/ä b", "C:1", "100%", "?x=1#y", "…"):
        address = "/completions/" + "".join(f"%{byte:02X}" for byte in reference.encode())
        answer = await northbridge.put(address, json=completion())
        assert answer.status_code == 201, answer.text
        assert answer.json()["reference"] == reference
        assert (await northbridge.get(address)).json()["reference"] == reference


async def test_completions_are_listed_page_by_page(
    northbridge: httpx.AsyncClient, westfield: httpx.AsyncClient
) -> None:
    references = ["a", "A", "b", "ä", "C-1"]
    for reference in references:
        await northbridge.put(f"/completions/{reference}", json=completion())
    await northbridge.put("/completions/b", json=completion(revision=2))
    for reference in ("B", "b", "z"):
        law = completion(learning_opportunity={"id": "westfield:law", "version": 1})
        await westfield.put(f"/completions/{reference}", json=law)
    seen: list[CompletionView] = []
    parameters: dict[str, Any] = {"limit": 2}
    while True:
        page = (await northbridge.get("/completions", params=parameters)).json()
        assert len(page["items"]) <= 2
        seen += [CompletionView.model_validate_json(orjson.dumps(item)) for item in page["items"]]
        if page["next"] is None:
            break
        parameters["after"] = page["next"]
    assert [one.reference for one in seen] == sorted(references)
    assert {one.provider for one in seen} == {"northbridge"}
    assert {one.reference: one.revision for one in seen}["b"] == 2


async def test_a_placeholder_is_accepted_and_matches_nobody(ground: Ground) -> None:
    uln = Ground(ground.pool, scheme="ULN")

    def learner(identifier: str, reference: str) -> dict[str, str]:
        return {"scheme": "ULN", "identifier": identifier, "reference": reference}

    async with uln.caller("northbridge", "publisher") as northbridge, uln.caller("westfield", "publisher") as westfield:
        first = await northbridge.put("/completions/C-1", json=completion(learner=learner(PLACEHOLDER, "S-1")))
        assert first.status_code == 201
        assert first.json()["learner_is_matchable"] is False
        assert "cannot be matched" in first.json()["warnings"][1]
        assert len(first.json()["warnings"]) == 2
        again = await northbridge.put("/completions/C-1", json=completion(learner=learner(PLACEHOLDER, "S-1")))
        assert (again.status_code, again.content) == (200, first.content)
        await northbridge.put("/completions/C-2", json=completion(learner=learner(PLACEHOLDER, "S-2")))
        law = {"id": "westfield:law", "version": 1}
        await westfield.put(
            "/completions/C-1", json=completion(learner=learner(PLACEHOLDER, "S-1"), learning_opportunity=law)
        )
        strangers = await events(uln)
        assert len({event.learner_id for event in strangers}) == 3
        assert not any(event.learner_is_matchable for event in strangers)
        # The learner is given an identifier: new completions have it, the old one stays the stranger's.
        assert (
            await northbridge.put("/completions/C-1", json=completion(revision=2, learner=learner(ULN, "S-1")))
        ).status_code == 409
        known = await northbridge.put("/completions/C-3", json=completion(learner=learner(ULN, "S-1")))
        assert known.status_code == 201
        assert known.json()["learner_is_matchable"] is True
        back = await northbridge.put("/completions/C-4", json=completion(learner=learner(PLACEHOLDER, "S-1")))
        assert back.status_code == 409
        gone = completion(revision=2, learner=learner(PLACEHOLDER, "S-1"), revoked=True)
        assert (await northbridge.put("/completions/C-1", json=gone)).status_code == 201


async def test_the_services_role_can_neither_change_nor_delete_what_was_accepted(ground: Ground) -> None:
    async with ground.pool.acquire() as connection:
        for table in set(TABLES) - {"outbox"}:
            may = {
                right: await connection.fetchval("SELECT has_table_privilege(current_user, $1, $2)", table, right)
                or await connection.fetchval("SELECT has_any_column_privilege(current_user, $1, 'UPDATE')", table)
                for right in ("UPDATE", "DELETE", "TRUNCATE")
            }
            # Identifiers go when their learner is erased.
            forgets = table == "learner_identifier"
            assert may == {"UPDATE": False, "DELETE": forgets, "TRUNCATE": False}, table


async def test_an_identifier_stands_in_one_table_alone(
    own_database: Database, northbridge: httpx.AsyncClient, capfd: pytest.CaptureFixture[str]
) -> None:
    code = "p7q9zz41"
    learner = {"scheme": "ESI", "identifier": esi(code), "reference": "S-1"}
    await northbridge.put("/completions/C-1", json=completion(learner=learner))
    await northbridge.put("/completions/C-1", json=completion(learner=learner, mark="1"))
    await northbridge.put("/completions/C-2", json=completion(learner=learner, level=12))
    holders = []
    connection = await asyncpg.connect(own_database.owner_url)
    try:
        for (table,) in await connection.fetch("SELECT relname FROM pg_stat_user_tables"):
            rows = await connection.fetch(f"SELECT t.* FROM {table} AS t")  # noqa: S608 - from the catalogue
            if any(code in str(value) for row in rows for value in row):
                holders.append(table)
    finally:
        await connection.close()
    assert holders == ["learner_identifier"]
    captured = capfd.readouterr()
    assert code not in captured.out + captured.err
