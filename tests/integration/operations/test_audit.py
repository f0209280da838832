"""The auditor on databases of the services: what it says of nothing, of what is broken, and of what is under way."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from prometheus_client import REGISTRY
from typer.testing import CliRunner

from chassis.database import open_pool
from client.main import collect
from services.operations.audit import kept
from services.operations.audit.auditing import audit
from services.operations.audit.check import Report
from tests.conftest import Database

pytestmark = pytest.mark.servers

SERVICES = ("provider", "recognition", "learner_record", "operations")
Databases = dict[str, Database]


@pytest.fixture
async def databases(database: Callable[[str], Awaitable[Database]]) -> Databases:
    """A fresh database of every service that the auditor reads."""
    return {service: await database(service) for service in SERVICES}


def urls(databases: Databases) -> dict[str, str]:
    return {service: each.url for service, each in databases.items()}


async def do(url: str, sql: str, *arguments: object) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql, *arguments)
    finally:
        await connection.close()


def found(report: Report) -> set[tuple[str, str]]:
    return {(result.invariant, one.wrong) for result in report.results for one in result.violations}


async def accept(databases: Databases, *, ago: timedelta) -> UUID:
    """A completion that its provider accepted so long ago, and of which no event was ever written."""
    completion, at = uuid4(), datetime.now(UTC) - ago
    provider = databases["provider"].url
    await do(provider, "INSERT INTO completion VALUES ($1, 'delmere', 'r1', $2, 'l1')", completion, uuid4())
    await do(
        provider,
        "INSERT INTO completion_revision (completion_id, revision, body_hash, result, completed_on, accepted_at,"
        " claimable_from, warnings, event) VALUES ($1, 1, 'h', 'pass', '2026-01-01', $2, $2, '[]', '{}')",
        completion,
        at,
    )
    return completion


async def test_of_a_young_installation_nothing_is_wrong_and_nothing_shown(databases: Databases) -> None:
    report = await audit(urls(databases))
    assert (report.broken, report.waiting) == ([], {})
    # All that can be examined are the tables' rights.
    assert report.empty == [name for name in report.invariants if name != "I-16"]


async def test_a_fact_whose_event_was_never_written_is_found_once_it_is_old_enough(databases: Databases) -> None:
    young = await accept(databases, ago=timedelta(seconds=1))
    report = await audit(urls(databases), grace=30)
    assert report.broken == []
    assert report.waiting["younger than the grace"] > 0
    report = await audit(urls(databases), grace=0.5)
    assert ("I-10", "its event is nowhere") in found(report)
    nowhere = [one for each in report.results for one in each.violations if one.wrong == "its event is nowhere"]
    assert [one.ids for one in nowhere] == [[f"provider.completion.published.v1 {young} 1"]]


@pytest.mark.parametrize(
    ("service", "right"),
    [
        ("recognition", "UPDATE ON ledger"),
        ("provider", "DELETE ON completion_revision"),
        ("operations", "TRUNCATE ON hop"),
        ("learner_record", "UPDATE (state) ON decision"),
    ],
)
async def test_a_right_to_change_what_is_only_added_to_is_found(databases: Databases, service: str, right: str) -> None:
    await do(databases[service].owner_url, f"GRANT {right} TO {service}")
    assert (await audit(urls(databases))).broken == ["I-16"]


async def test_a_record_set_aside_without_its_bytes_or_without_a_count_is_found(databases: Databases) -> None:
    await do(
        databases["recognition"].url,
        "INSERT INTO set_aside (queue, topic, partition, log_offset, record_key, headers, value, cause, detail,"
        " set_aside_at)"
        " VALUES ('learner:x', 'provider.completion', 0, 0, '\\x00', '[]', NULL, 'bad_value', 'd', now())",
    )
    await do(
        databases["recognition"].url,
        "INSERT INTO fence (topic, partition, next_offset, applied) VALUES ('provider.completion', 0, 1, 1)",
    )
    assert found(await audit(urls(databases))) == {
        ("I-9", "its value is not kept"),
        ("I-9", "set aside is not the number of rows set aside"),
        ("I-9", "1 applied without an effect"),
    }


def _run(databases: Databases, *words: str) -> tuple[int, str]:
    environment = {f"{service.upper()}_DATABASE_URL": each.url for service, each in databases.items()}
    result = CliRunner().invoke(collect(), ["operations", "audit", *words], env=environment | {"COLUMNS": "160"})
    return result.exit_code, result.output


async def test_the_command_says_what_it_found_and_keeps_it_for_the_metrics(databases: Databases) -> None:
    code, said = await asyncio.to_thread(_run, databases)
    assert (code, "nothing to examine for I-1, I-2" in said) == (1, True)
    code, said = await asyncio.to_thread(_run, databases, "--allow-empty")
    assert (code, "13 invariants hold" in said) == (0, True)
    await do(databases["recognition"].owner_url, "GRANT UPDATE ON ledger TO recognition")
    code, said = await asyncio.to_thread(_run, databases, "--allow-empty")
    assert (code, "its service may update it" in said, "recognition.ledger" in said) == (1, True, True)
    pool = await open_pool(databases["operations"].url)
    try:
        await kept.NewestReport(pool).show()
    finally:
        pool.terminate()
    assert REGISTRY.get_sample_value("concord_auditor_violations", {"invariant": "I-16"}) == 1
    assert REGISTRY.get_sample_value("concord_auditor_violations", {"invariant": "I-1"}) == 0


async def test_the_command_says_which_database_cannot_be_read(databases: Databases) -> None:
    gone = databases | {"provider": databases["provider"]._replace(url=databases["provider"].url + "_gone")}
    code, said = await asyncio.to_thread(_run, gone)
    assert (code, "cannot be read" in said) == (2, True)
    await do(databases["recognition"].owner_url, "REVOKE SELECT ON ledger FROM recognition")
    code, said = await asyncio.to_thread(_run, databases)
    assert (code, "permission denied for table ledger" in said) == (2, True)


@pytest.mark.parametrize(("granted", "holds"), [("6.66", True), ("6.67", False)])
async def test_a_grant_above_the_exact_ceiling_is_found(databases: Databases, granted: str, holds: bool) -> None:
    """10 credits at 2 : 3 are 20/3: 6.66 is below, 6.67 is not."""
    claim, learner, decision, grant = uuid4(), uuid4(), uuid4(), uuid4()
    enrolment, now = uuid4(), datetime.now(UTC)
    recognition = databases["recognition"].url
    await do(
        recognition,
        "INSERT INTO agreement VALUES ('a', 1, '{e,n}', '{\"credit_ratio\": \"2/3\", \"credit_units\": null}', 'h', 1,"
        " now(), 'x')",
    )
    await do(recognition, "INSERT INTO member VALUES ('n', 1, 'N', 'FHEQ', '[]', NULL, 'x', '{}')")
    await do(
        recognition,
        "INSERT INTO completion_revision (completion_id, revision, learner_id, provider, reference, learner_reference,"
        " is_matchable, course, course_version, credits, framework, result, completed_on,"
        " identity_verified_at_assessment, revoked, missing_elements, body_hash, accepted_at, claimable_from, event_id)"
        " VALUES ($1, 1, $2, 'e', 'r', 'l', true, 'e:c', 1, 10, 'FHEQ', 'pass', now(), true, false, '{}', 'h', now(),"
        " now(), $1)",
        claim,
        learner,
    )
    await do(
        recognition,
        "INSERT INTO credit_grant VALUES ($1, 0, $2, $3, ARRAY[$4::uuid], '{e:c}', '{}', false, true, 'a', 1, 'w', 1)",
        enrolment,
        grant,
        learner,
        claim,
    )
    await do(
        recognition,
        "INSERT INTO ledger VALUES ($1, 0, false, $2, $3, 'e:c', $4::text::numeric, 4, 'specific', now())",
        grant,
        learner,
        enrolment,
        granted,
    )
    await do(
        recognition,
        "INSERT INTO decision (completion_id, enrolment_id, number, decision_id, learner_id, completion_revision,"
        " provider, receiver, state, grounds, cause, agreement_id, agreement_version, award_id, award_version,"
        " claimed_on, claimable_from, grant_id, is_frozen, catalogue_number, decided_at) VALUES ($1, $2, 1, $3, $4, 1,"
        " 'e', 'n', 'PARTIAL', '[]', 'completion', 'a', 1, 'w', 1, now(), now(), $5, false, 1, $6)",
        claim,
        enrolment,
        decision,
        learner,
        grant,
        now,
    )
    report = await audit(urls(databases))
    assert [one.wrong for each in report.results if each.invariant == "I-5" for one in each.violations] == (
        [] if holds else ["more than its completions come to"]
    )
    assert report.violations["I-4"] == 0
