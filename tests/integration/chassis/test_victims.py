"""A batch that PostgreSQL rolls back so that others go on is done again, and nobody is set aside for it (F-10)."""

from uuid import uuid4

import asyncpg
import pytest
from prometheus_client import REGISTRY

from chassis.batch import LOCK_LEARNERS
from chassis.consumer import Consumer
from chassis.database import Pool, transaction
from contracts.learner_record_enrolment import EnrolmentRecorded
from tests.eventually import eventually
from tests.integration.chassis.ground import CountingDesk, effects, enrolment
from tests.integration.chassis.test_consumer import applied, running, send

pytestmark = pytest.mark.servers


def rolled_back() -> float:
    return REGISTRY.get_sample_value("concord_batches_rolled_back_total", {"why": "passing"}) or 0


async def nothing_came_of_it_but_effects(pool: Pool, consumer: Consumer, count: int) -> None:
    assert consumer.stopped_because is None
    assert len(await effects(pool)) == count
    async with transaction(pool) as connection:
        assert await connection.fetchval("SELECT count(*) FROM set_aside") == 0
        assert await connection.fetchval("SELECT sum(applied) FROM fence") == count


@pytest.mark.parametrize("error", ["40001", "40P01"])
async def test_a_commit_that_fails_for_others_is_done_again(
    pool: Pool, kafka_bootstrap: str, topic: str, error: str
) -> None:
    async with transaction(pool) as connection:
        await connection.execute(f"""
            CREATE SEQUENCE tries;
            CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('tries') <= 7 THEN RAISE EXCEPTION 'injected' USING ERRCODE = '{error}'; END IF;
                RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER fail AFTER UPDATE ON fence DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION fail();
        """)
    before = rolled_back()
    await send(kafka_bootstrap, [enrolment(uuid4(), f"E-{n}") for n in range(4)])
    async with running(pool, kafka_bootstrap, f"g-{topic}") as consumer:
        await eventually(applied(pool, 4), within=60)
        await nothing_came_of_it_but_effects(pool, consumer, 4)
    assert rolled_back() - before == 7


async def test_a_deadlock_ends_for_both(pool: Pool, kafka_bootstrap: str, topic: str) -> None:
    first, second = sorted((uuid4(), uuid4()))
    before, own = rolled_back(), 0
    async with transaction(pool) as connection:
        await connection.execute("INSERT INTO learner VALUES ($1), ($2)", first, second)
    await send(kafka_bootstrap, [enrolment(first), enrolment(second)])
    connection = await pool.acquire()
    try:
        held = connection.transaction()
        await held.start()
        await connection.fetch(LOCK_LEARNERS, [second])
        async with running(pool, kafka_bootstrap, f"g-{topic}", CountingDesk(reads=(EnrolmentRecorded,))) as consumer:

            async def batch_waits() -> bool:
                # In a transaction of its own: one sees the sessions as they were when it first looked.
                async with transaction(pool) as looks:
                    waiting: int = await looks.fetchval(
                        "SELECT count(*) FROM pg_stat_activity "
                        "WHERE wait_event_type = 'Lock' AND datname = current_database()"
                    )
                return waiting > 0

            await eventually(batch_waits, within=60, every=0.01)
            # The batch has locked the first learner and waits for the second; the test does it the other way round.
            try:
                await connection.fetch(LOCK_LEARNERS, [first])
            except asyncpg.DeadlockDetectedError:
                own = 1
            await held.rollback()
            await eventually(applied(pool, 2), within=60)
            await nothing_came_of_it_but_effects(pool, consumer, 2)
    finally:
        await pool.release(connection)
    assert own + rolled_back() - before >= 1
