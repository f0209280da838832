"""`concord recognition verify`: every decision of the engine again, from what is stored."""

import asyncio
import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from chassis.database import transaction
from contracts.ids import completion_id
from contracts.learner_record_award_progress import AwardProgressChanged, AwardVersion, Conferral
from contracts.learner_record_choice import ChoiceMade
from contracts.learner_record_enrolment import EnrolmentRecorded
from contracts.provider_completion import Use
from services.recognition.application.verifying import Report, verify
from services.recognition.verify_command import recognition
from tests.conftest import Database
from tests.integration.recognition.ground import (
    Ground,
    agreement,
    award,
    completion,
    enrolment,
    member,
    opportunity,
    somebody,
)

pytestmark = pytest.mark.servers

NOW = datetime(2026, 9, 2, 12, 0, tzinfo=UTC)


def chosen(enrolled: EnrolmentRecorded, *completions: UUID) -> ChoiceMade:
    return ChoiceMade(
        enrolment_id=enrolled.enrolment_id,
        revision=1,
        learner_id=enrolled.learner_id,
        receiver=enrolled.receiver,
        completions=list(completions),
        made_at=NOW,
    )


def conferred(enrolled: EnrolmentRecorded, *completions: UUID) -> AwardProgressChanged:
    version = AwardVersion(id=enrolled.award, version=1)
    return AwardProgressChanged(
        enrolment_id=enrolled.enrolment_id,
        revision=1,
        learner_id=enrolled.learner_id,
        receiver=enrolled.receiver,
        enrolment_reference=enrolled.reference,
        award=version,
        eligible=True,
        capstone="none",
        conferral=Conferral(
            id=uuid4(),
            award=version,
            conferred_on=date(2026, 9, 2),
            conferred_by="registry",
            completions=list(completions),
        ),
        changed_at=NOW,
    )


async def live_a_whole_life(ground: Ground) -> None:
    """Rules and like for like, caps and choices, conferrals and other uses, agreements of many, revisions."""
    both = {"all": [{"course": "northbridge:stats"}, {"course": "northbridge:ethics"}]}
    many: dict[str, Any] = {
        **agreement(),
        "id": "all",
        "parties": {"members": ["westfield", "strathmore", "ashford"]},
        "credit_units": {"FHEQ": "1", "SCQF": "1", "EQF": "2", "NFQ": "2"},
    }
    del many["credit_ratio"], many["minimum_mark"]
    offered = [opportunity(f"westfield:{course}", framework="EQF") for course in ("stats", "ethics")]
    await ground.consume(member("ashford"), member("westfield", framework="EQF"), *offered)
    await ground.set_up(
        award(import_cap="30", same_level_cap="20"),
        agreement(),
        award("ashford", ladder="data"),
        agreement("northbridge", "ashford", rules=[{"priority": 1, "requires": both, "grants": None}]),
        many,
    )
    for everything_else in (False, True):
        learner = somebody()
        here, there = enrolment(learner), enrolment(learner, "ashford")
        own = [completion(learner, f"northbridge:{course}") for course in ("stats", "ethics", "law")]
        await ground.consume(*own)
        await ground.consume(here, there)
        await ground.consume(chosen(here, own[1].completion_id))
        await ground.consume(
            completion(learner, "westfield:stats", framework="EQF", credits=Decimal("7.5"), level=6),
            completion(learner, "westfield:ethics", framework="EQF", credits=Decimal(5), level=None),
        )
        if everything_else:
            await ground.consume(conferred(here, own[1].completion_id))
            used = Use(title="A certificate elsewhere", framework="FHEQ", level=6)
            await ground.consume(
                completion(learner, "northbridge:law", 2, used_for=used, workload_hours=Decimal("9.5"))
            )
            await ground.consume(completion(learner, "northbridge:stats", 2, result="compensated"))
            await ground.consume(completion(learner, "northbridge:ethics", 2, revoked=True))
    assert (await ground.put(agreement(version=2, minimum_mark="60"))).status_code == 201
    assert (await ground.put(award(version=2, import_cap="90"))).status_code == 201
    await ground.look_again()


async def verified(ground: Ground, at_a_time: int = 1) -> Report:
    report = Report()
    async with ground.pool.acquire() as connection:
        async for report in verify(connection, at_a_time=at_a_time):  # noqa: B007 - the last one is the whole
            pass
    return report


async def as_owner(database: Database, statement: str, *values: object) -> None:
    connection = await asyncpg.connect(database.owner_url)
    try:
        assert not (await connection.execute(statement, *values)).endswith(" 0")
    finally:
        await connection.close()


async def test_a_whole_life_is_decided_again_to_the_same_bytes(ground: Ground) -> None:
    await live_a_whole_life(ground)
    report = await verified(ground)
    assert (report.differences, report.differing) == ([], 0)
    [(of_the_engine, others)] = await ground.rows(
        "SELECT count(evaluation_id), count(*) FILTER (WHERE evaluation_id IS NULL) FROM decision"
    )
    assert (report.decisions, report.by_people) == (of_the_engine, others)
    assert others > 0
    assert report.is_good
    # The life was one: it has what the verification is said to stand.
    codes = {code for (code,) in await ground.rows("SELECT jsonb_array_elements(grounds) ->> 'code' FROM decision")}
    assert codes >= {"CAP_EXCEEDED", "CHOICE_REQUIRED", "ALREADY_USED", "LEVEL_MISSING", "COMPENSATED_NOT_ACCEPTED"}
    [(many, used, choices, withdrawn)] = await ground.rows(
        "SELECT count(*) FILTER (WHERE agreement_id = 'all' AND grant_id IS NOT NULL),"
        " count(*) FILTER (WHERE cardinality(conferrals) > 0),"
        " count(*) FILTER (WHERE (SELECT inputs ->> 'choice' FROM evaluation WHERE evaluation_id ="
        " decision.evaluation_id) IS NOT NULL), (SELECT count(*) FROM ledger WHERE is_withdrawal) FROM decision"
    )
    assert min(many, used, choices, withdrawn) > 0


@pytest.mark.parametrize(
    ("alteration", "field"),
    [
        ("UPDATE decision SET grounds = replace(grounds::text, 'needed', 'heeded')::jsonb", "grounds/0/sentence"),
        ("UPDATE decision SET grounds = replace(grounds::text, '\"39\"', '\"38\"')::jsonb", "grounds/0/compared/mark"),
        ("UPDATE decision SET state = 'PARTIAL'", "state"),
        ("UPDATE decision SET grade = 39", "grade"),
        ("UPDATE decision SET claimed_on = claimed_on + 1", "claimed_on"),
        ("UPDATE decision SET evaluation_id = NULL", "evaluation"),
        ("UPDATE decision SET evaluation_id = gen_random_uuid()", "inputs"),
        ("UPDATE decision SET completion_id = gen_random_uuid()", "inputs"),
        ("UPDATE decision SET agreement_version = 9", "inputs"),
    ],
)
async def test_one_altered_decision_is_found_and_named(
    ground: Ground, own_database: Database, alteration: str, field: str
) -> None:
    await ground.set_up()
    learners = [somebody() for _ in range(3)]
    for learner in learners:
        await ground.consume(enrolment(learner), completion(learner, mark=Decimal(39)))
    assert (await verified(ground)).is_good
    await as_owner(own_database, f"{alteration} WHERE learner_id = $1", learners[1])
    report = await verified(ground, at_a_time=2)
    [(altered,)] = await ground.rows("SELECT decision_id FROM decision WHERE learner_id = $1", learners[1])
    assert [(one.decision_id, one.field) for one in report.differences] == [(altered, field)]
    assert (report.decisions, report.differing, report.is_good) == (3, 1, False)


@pytest.mark.parametrize(
    ("alteration", "field"),
    [
        ("UPDATE ledger SET credits = 19.99", "grant/lines/0/credits"),
        ("UPDATE ledger SET level = 6", "grant/lines/0/level"),
        ("DELETE FROM ledger", "grant/lines"),
        ("UPDATE credit_grant SET completions = array_append(completions, gen_random_uuid())", "grant/completions"),
    ],
)
async def test_an_altered_grant_is_found(ground: Ground, own_database: Database, alteration: str, field: str) -> None:
    await ground.set_up()
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner))
    await as_owner(own_database, f"{alteration} WHERE learner_id = $1", learner)
    assert [one.field for one in (await verified(ground)).differences] == [field]


@pytest.mark.parametrize(
    ("alteration", "field"),
    [
        ("UPDATE evaluation SET inputs = replace(inputs::text, '\"58\"', '\"39\"')::jsonb", "state"),
        ("UPDATE agreement SET document = jsonb_set(document, '{minimum_mark}', '\"60\"')", "state"),
        ("UPDATE award SET document = jsonb_set(document, '{minimum_level}', '6')", "state"),
    ],
)
async def test_altered_inputs_and_altered_published_versions_are_found(
    ground: Ground, own_database: Database, alteration: str, field: str
) -> None:
    await ground.set_up()
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner))
    await as_owner(own_database, alteration)
    assert field in [one.field for one in (await verified(ground)).differences]


def run(database: Database, *options: str) -> Result:
    return CliRunner().invoke(recognition, ["verify", *options], env={"SERVICE_DATABASE_URL": database.url})


async def test_the_command_says_what_it_found(ground: Ground, own_database: Database) -> None:
    nothing = await asyncio.to_thread(run, own_database)
    assert (nothing.exit_code, "no decision" in nothing.output) == (1, True), nothing.output
    await ground.set_up()
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner))
    good = await asyncio.to_thread(run, own_database)
    assert (good.exit_code, "every one is the same" in good.output) == (0, True), good.output
    assert re.search(r"1 decisions of 1 evaluations examined, \d+ a second", good.output)
    await as_owner(own_database, "UPDATE decision SET grade = 57")
    bad = await asyncio.to_thread(run, own_database, "--json")
    assert bad.exit_code == 1
    told = json.loads(bad.output)
    [(altered,)] = await ground.rows("SELECT decision_id FROM decision")
    assert told["differences"] == [{"decision_id": str(altered), "field": "grade", "stored": '"57"', "decided": '"58"'}]
    assert (await asyncio.to_thread(run, own_database)).exit_code == 1


async def test_a_database_that_cannot_be_read_is_told_plainly(own_database: Database) -> None:
    away = Database("postgresql://recognition:wrong@127.0.0.1:9/recognition", "")
    result = await asyncio.to_thread(run, away)
    assert (result.exit_code, "cannot be read" in result.output) == (2, True), result.output


async def test_it_writes_nothing(ground: Ground) -> None:
    await ground.set_up()
    learner = somebody()
    published = completion(learner)
    assert published.completion_id == completion_id("northbridge", published.reference)
    await ground.consume(enrolment(learner), published)
    async with transaction(ground.pool) as connection:
        await connection.execute("SET TRANSACTION READ ONLY")
        async for report in verify(connection):
            assert report.is_good
