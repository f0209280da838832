"""Learners' rights over all services at once: export, who read it, erasure (docs/privacy.md)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import orjson
import pytest

from chassis.batch import lock_learners
from chassis.database import Pool, open_pool
from chassis.learners import Learner
from chassis.names import Names
from chassis.settings import Settings
from contracts.ids import appeal_id
from contracts.provider_completion import CompletionPublished
from services.learner_record.api.rights import Access, LearnerExport
from services.learner_record.others import Others
from services.operations.main import application as operations_application
from tests.conftest import Database
from tests.eventually import eventually
from tests.integration.learner_record import ground as of_record
from tests.integration.operations import story
from tests.integration.provider import ground as of_provider
from tests.integration.recognition import ground as of_recognition
from tests.integration.test_held import held_by

pytestmark = pytest.mark.servers

ANN = of_record.learner_id("ann")
IDENTIFIER = of_record.esi("ann").lower()
"""As it is stored."""
STATEMENT = "The module is the same as yours."


class AsService(httpx.Auth):
    """The learner-record service's own token."""

    def __init__(self, sign: Callable[[dict[str, Any]], str]) -> None:
        self._sign = sign

    def auth_flow(self, request: httpx.Request) -> Any:
        claims = {"sub": "learner-record", "roles": ["learner", "service"]}
        request.headers["Authorization"] = f"Bearer {self._sign(claims)}"
        yield request


@dataclass
class Whole:
    """All services, each on a database of its own, without Kafka: events are handed from one to the next."""

    provider: of_provider.Ground
    recognition: of_recognition.Ground
    record: of_record.Ground
    operations: Any
    pools: dict[str, Pool]
    away: set[str]

    @asynccontextmanager
    async def learner(self, code: str = "ann") -> AsyncIterator[httpx.AsyncClient]:
        async with self.record.caller(None, "learner", learner=of_record.esi(code)) as client:
            yield client

    async def publish(self, reference: str = "C-1", **changes: Any) -> httpx.Response:
        async with self.provider.caller("northbridge", "publisher") as client:
            return await client.put(f"/completions/{reference}", json=of_provider.completion(**changes))

    async def erase(self, **body: Any) -> httpx.Response:
        async with self.record.caller(None, "consortium") as registry:
            return await registry.post("/erasures", json={"why": "Asked for by the learner", **body})

    async def rows(self, service: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        async with self.pools[service].acquire() as connection:
            return [tuple(row) for row in await connection.fetch(statement, *values)]


@pytest.fixture
async def whole(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Whole]:
    services = ("provider", "recognition", "learner_record", "operations")
    urls = {one: (await database(one)).url for one in services}
    pools = {one: await open_pool(urls[one], size=3) for one in services}
    provider = of_provider.Ground(pools["provider"])
    recognition = of_recognition.Ground(pools["recognition"])
    away: set[str] = set()

    def served(name: str, app: Any) -> httpx.AsyncBaseTransport:
        inner = httpx.ASGITransport(app=app)

        async def answer(request: httpx.Request) -> httpx.Response:
            if name in away:
                raise httpx.ConnectError("it is away", request=request)
            return await inner.handle_async_request(request)

        return httpx.MockTransport(answer)

    keys = httpx.MockTransport(lambda _: httpx.Response(200, json=of_recognition.SIGNER.jwks))
    settings = Settings(
        service_database_url=urls["operations"],
        oidc_issuer=of_record.ISSUER,
        oidc_jwks_url=f"{of_record.ISSUER}/jwks",
        oidc_client_id="operations",
        oidc_client_secret="of-this-test",  # noqa: S106
        public_url="http://operations.test",
    )
    operations = operations_application(
        settings, pools["operations"], provider.clock, httpx.AsyncClient(transport=keys)
    )
    # One issuer for all.
    provider = of_provider.Ground(pools["provider"], signer=of_recognition.SIGNER)
    apps = {"provider": provider.app, "recognition": recognition.app, "operations": operations}
    mounts = {f"http://{name}.test": served(name, app) for name, app in apps.items()}
    others = Others(
        httpx.AsyncClient(mounts=mounts),
        {name: f"http://{name}.test" for name in apps},
        AsService(of_recognition.SIGNER.sign),
    )
    record = of_record.Ground(
        pools["learner_record"], urls["learner_record"], signer=of_recognition.SIGNER, others=others
    )
    yield Whole(provider, recognition, record, operations, pools, away)
    for pool in pools.values():
        pool.terminate()


async def something_everywhere(whole: Whole) -> CompletionPublished:
    """A completion, an enrolment, a decision, an appeal of Ann's, and the journey of it all."""
    assert (await whole.publish()).status_code == 201
    assert (await whole.record.enrol("strathmore", "E-1", award="strathmore:pgcert")).status_code == 201
    [(payload,)] = await whole.rows("provider", "SELECT payload FROM outbox WHERE topic = 'provider.completion'")
    published = CompletionPublished.model_validate_json(payload)
    [(enrolment, _, _)] = await whole.record.sent("learner_record.enrolment")
    await whole.recognition.set_up(of_recognition.award(), of_recognition.agreement(minimum_mark="80"))
    await whole.recognition.consume(enrolment, published)
    [decision] = await whole.recognition.published()
    assert decision.learner_id == ANN
    await whole.record.receive(of_record.member("strathmore"), published, decision)
    logs = story.Logs()
    events = (published, enrolment, decision)
    await story.see(whole.pools["operations"], [logs.put(event, story.BEGAN) for event in events])
    async with whole.learner() as learner:
        lodged = await learner.put(f"/record/appeals/{decision.decision_id}", json={"statement": STATEMENT})
        assert lodged.status_code == 201, lodged.text
    return published


async def test_the_export_has_everything_that_is_held_in_all_services(whole: Whole) -> None:
    published = await something_everywhere(whole)
    # Somebody else's is not in it.
    stranger = {"scheme": "ESI", "identifier": of_record.esi("bob"), "reference": "S-2"}
    assert (await whole.publish("C-2", learner=stranger)).status_code == 201
    async with whole.learner() as learner:
        answer = await learner.get("/record/export")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    document = LearnerExport.model_validate_json(answer.content)
    assert document.learner_id == ANN
    rows = {f"{of}.{table}": held for of, tables in document.services.items() for table, held in tables.items()}
    assert set(rows) == {f"{of}.{table}" for of in document.services for table in held_by(of)}
    assert {name for name, held in rows.items() if held} == {
        "provider.learner", "provider.learner_identifier", "provider.completion", "provider.completion_revision",
        "recognition.learner", "recognition.completion_revision", "recognition.enrolment_revision",
        "recognition.decision", "recognition.evaluation",
        "learner_record.learner", "learner_record.learner_identifier", "learner_record.enrolment",
        "learner_record.enrolment_revision", "learner_record.completion_revision", "learner_record.decision",
        "learner_record.entry", "learner_record.appeal_request", "learner_record.appeal_statement",
        "operations.hop", "operations.learner",
    }  # fmt: skip
    assert rows["provider.learner_identifier"][0]["identifier"] == IDENTIFIER
    assert rows["learner_record.appeal_statement"][0]["statement"] == STATEMENT
    assert {row["event_type"] for row in rows["operations.hop"]} == {
        "provider.completion.published.v1", "learner_record.enrolment.recorded.v1", "recognition.decision.made.v1",
    }  # fmt: skip
    [credit] = rows["recognition.completion_revision"]
    assert credit["completion_id"] == str(published.completion_id)
    assert b'"credits": 15.00' in answer.content, "a number keeps its digits"
    assert b"S-2" not in answer.content


async def test_the_export_is_whole_or_not_given(whole: Whole) -> None:
    async with whole.learner("nobody-knows-me") as learner:
        assert (await learner.get("/record/export")).status_code == 200
        for service in ("provider", "recognition", "operations"):
            whole.away.add(service)
            for path in ("/record/export", "/record/accesses"):
                answer = await learner.get(path)
                assert (answer.status_code, answer.json()["retryable"]) == (503, True)
                assert service in answer.json()["detail"]
            whole.away.remove(service)


async def test_who_read_is_noted_and_shown_to_the_learner(whole: Whole) -> None:
    published = await something_everywhere(whole)
    [decision] = await whole.recognition.published()
    appeal = appeal_id(decision.decision_id)
    async with whole.learner() as learner:
        assert (await learner.get("/record")).status_code == 200
        assert (await learner.get("/record/accesses")).json() == [], "one's own reading is nobody else's"
    async with whole.record.caller("strathmore", "publisher") as system:
        assert (await system.get("/members/strathmore/learners/M-ann/record")).status_code == 200
        assert (await system.get("/members/strathmore/learners/M-unknown/record")).status_code == 404
    async with whole.record.caller("strathmore", "officer") as officer:
        assert (await officer.get(f"/appeals/{appeal}/statements")).status_code == 200
    async with whole.record.caller("northbridge", "officer") as another:
        assert (await another.get(f"/appeals/{appeal}/statements")).status_code == 403
    async with whole.recognition.caller("strathmore", "officer") as officer:
        assert (await officer.get(f"/decisions/{decision.decision_id}")).status_code == 200
    headers = {"Authorization": f"Bearer {of_recognition.SIGNER.sign({'sub': 'olive', 'roles': ['operations']})}"}
    transport = httpx.ASGITransport(app=whole.operations)
    async with httpx.AsyncClient(transport=transport, base_url="http://operations.test", headers=headers) as staff:
        assert (await staff.get(f"/journeys/{published.completion_id}")).status_code == 200
        assert (await staff.get("/journeys/00000000-0000-0000-0000-000000000000")).status_code == 404
    async with whole.learner() as learner:
        accesses = [Access.model_validate(one) for one in (await learner.get("/record/accesses")).json()]
    assert sorted((one.service, one.what, one.subject, one.member, tuple(one.roles)) for one in accesses) == [
        ("learner_record", "appeal statement", "somebody at strathmore", "strathmore", ("officer",)),
        ("learner_record", "record", "somebody at strathmore", "strathmore", ("publisher",)),
        ("operations", "journey", "olive", None, ("operations",)),
        ("recognition", "decision", "somebody of strathmore", "strathmore", ("officer",)),
    ]
    assert [one.read_at for one in accesses] == sorted((one.read_at for one in accesses), reverse=True)
    async with whole.learner("bob") as another_learner:
        assert (await another_learner.get("/record/accesses")).json() == []


async def test_the_log_of_accesses_is_only_ever_added_to(whole: Whole) -> None:
    for service in ("recognition", "learner_record", "operations"):
        for statement in ("UPDATE record_access SET subject = ''", "DELETE FROM record_access"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await whole.rows(service, statement)
    for service in ("provider", "learner_record"):
        for statement in ("UPDATE erased_learner SET why = ''", "DELETE FROM erased_learner"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await whole.rows(service, statement)


async def everything(whole: Whole) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of decisions and of what they rest on."""
    tables = {
        "provider": ("completion", "completion_revision"),
        "recognition": ("completion_revision", "enrolment_revision", "decision", "evaluation", "credit_grant"),
        "learner_record": (
            "enrolment",
            "enrolment_revision",
            "completion_revision",
            "decision",
            "entry",
            "appeal_request",
        ),
    }
    return {
        f"{service}.{table}": await whole.rows(service, f"SELECT * FROM {table} ORDER BY 1, 2")  # noqa: S608
        for service, names in tables.items()
        for table in names
    }


async def test_erasure_takes_identifiers_and_statements_and_leaves_the_chain_of_decisions(whole: Whole) -> None:
    await something_everywhere(whole)
    kept = await everything(whole)
    first, again = await whole.erase(identifier=IDENTIFIER), await whole.erase(learner_id=str(ANN))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert (first.json()["learner_id"], first.json()["erased_by"]) == (str(ANN), "somebody at None")
    assert await everything(whole) == kept
    async with whole.learner() as learner:
        export = (await learner.get("/record/export")).content
    # Nowhere is the identifier, nor what she wrote.
    assert IDENTIFIER.encode() not in export
    assert STATEMENT.encode() not in export
    services = orjson.loads(export)["services"]
    assert len(services["recognition"]["decision"]) == 1
    for service in ("provider", "learner_record"):
        assert services[service]["learner_identifier"] == []
        assert len(services[service]["erased_learner"]) == 1
    # And a member's own reference leads nowhere any more.
    async with whole.record.caller("strathmore", "publisher") as system:
        assert (await system.get("/members/strathmore/learners/M-ann/record")).status_code == 404
    async with whole.record.caller("northbridge", "publisher") as system:
        assert (await system.get("/members/northbridge/learners/S-1/record")).status_code == 404


async def test_after_the_erasure_nothing_is_accepted_about_the_learner(whole: Whole) -> None:
    await something_everywhere(whole)
    [decision] = await whole.recognition.published()
    assert (await whole.erase(learner_id=str(ANN))).status_code == 201
    before = await everything(whole)
    answers = [
        await whole.publish("C-9"),
        await whole.publish(),  # a repeat
        await whole.publish(revision=2, mark="70"),
        await whole.record.enrol("strathmore", "E-9"),
        await whole.record.enrol("strathmore", "E-1", award="strathmore:pgcert"),
        await whole.record.enrol("strathmore", "E-1", revision=2, award="strathmore:pgcert", closed_on="2026-09-01"),
    ]
    async with whole.learner() as learner:
        path = f"/record/choices/{decision.enrolment_id}"
        answers.append(await learner.put(path, json={"completions": []}))
        path = f"/record/appeals/{decision.decision_id}"
        answers.append(await learner.put(path, json={"statement": "Once more", "withdrawn": True}))
    assert [(one.status_code, one.json()["type"]) for one in answers] == [(409, "urn:concord:problem:erased")] * 8
    assert await everything(whole) == before
    assert await whole.rows("provider", "SELECT FROM learner_identifier") == []
    # Of others everything is, also in one request with hers, and under the reference that was hers.
    bob = {"scheme": "ESI", "identifier": of_record.esi("bob"), "reference": "S-1"}
    rows = [of_provider.completion(reference="C-9"), of_provider.completion(reference="C-10", learner=bob)]
    async with whole.provider.caller("northbridge", "publisher") as client:
        bulk = await client.post(
            "/completions:bulk",
            content=b"\n".join(orjson.dumps(row) for row in rows),
            headers={"Content-Type": "application/x-ndjson"},
        )
    assert [orjson.loads(line)["status"] for line in bulk.content.splitlines()] == [409, 201]


async def test_an_erasure_that_did_not_reach_the_provider_is_not_said_to_be_done(whole: Whole) -> None:
    await something_everywhere(whole)
    whole.away.add("provider")
    answer = await whole.erase(learner_id=str(ANN))
    assert (answer.status_code, answer.json()["retryable"]) == (503, True)
    whole.away.clear()
    assert (await whole.erase(learner_id=str(ANN))).status_code == 201
    for service in ("provider", "learner_record"):
        assert await whole.rows(service, "SELECT FROM learner_identifier") == []


async def test_an_erasure_waits_for_what_is_being_accepted_and_erases_it_too(whole: Whole) -> None:
    """A request has stored the identifier and not committed: only under the learner's lock the erasure sees it."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with whole.pools["provider"].acquire() as accepting:
        under_way = accepting.transaction()
        await under_way.start()
        await lock_learners(accepting, [ANN])
        names = Names("northbridge", {})
        names.note("S-1", Learner(ANN, "ESI", IDENTIFIER, matchable=True), whole.provider.clock())
        await names.write(accepting)
        erasing = asyncio.create_task(whole.erase(learner_id=str(ANN)))

        async def stands_or_is_done() -> bool:
            return erasing.done() or bool((await whole.rows("provider", waiting))[0][0])

        await eventually(stands_or_is_done)
        await under_way.commit()
        assert (await erasing).status_code == 201
    assert await whole.rows("provider", "SELECT FROM learner_identifier") == []


async def test_an_erasure_names_one_learner(whole: Whole) -> None:
    both = {"learner_id": str(ANN), "identifier": IDENTIFIER}
    for body in ({}, both, {"identifier": "somebody"}, {"learner_id": "ann"}, {"learner_id": str(ANN), "why": ""}):
        answer = await whole.erase(**body)
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:concord:problem:invalid"), body
    for service in ("provider", "learner_record"):
        assert await whole.rows(service, "SELECT FROM erased_learner") == []
