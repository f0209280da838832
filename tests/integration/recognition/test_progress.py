"""A publication among evaluations: its progress is a count; killed half way it goes on; nobody is missed (ADR 9)."""

import asyncio
from typing import Any

import pytest

from chassis.batch import Batch
from chassis.database import Connection, in_transaction, transaction
from services.recognition.application import recognise
from services.recognition.application.catalogue import CatalogueReader
from services.recognition.application.standing import StandingQuery
from services.recognition.events import GROUP, Desk
from tests.integration.recognition.ground import (
    UTC_ZONE,
    Ground,
    agreement,
    award,
    completion,
    enrolment,
    member,
    somebody,
)

pytestmark = pytest.mark.servers

LEARNERS = 30
AT_A_TIME = 10


async def left(ground: Ground, document: str = "agreements/northbridge-strathmore") -> int:
    """How many claims are still to be looked at in view of a document, as everybody can read it."""
    async with ground.caller("strathmore", "learner") as anybody:
        return int((await anybody.get(f"/{document}")).json()["to_be_looked_at"])


def again(ground: Ground) -> StandingQuery:
    """The standing query of a process that has just started."""
    return StandingQuery(CatalogueReader(), pool=ground.pool, zone=UTC_ZONE, clock=ground.clock)


async def test_a_publication_killed_half_way_goes_on_and_its_progress_is_a_count(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ground.consume(member("northbridge"), member("strathmore"))
    await ground.put(award())
    learners = [somebody() for _ in range(LEARNERS)]
    for learner in learners:
        await ground.consume(enrolment(learner), completion(learner))
    assert (await ground.put(agreement())).status_code == 201
    assert await left(ground) == LEARNERS

    async def some(connection: Connection) -> int:
        return await again(ground).once(connection, at_a_time=AT_A_TIME)

    assert await in_transaction(ground.pool, some) == AT_A_TIME
    assert await left(ground) == LEARNERS - AT_A_TIME

    has_written, as_it_was = asyncio.Event(), recognise.write

    async def write_and_never_end(*arguments: Any) -> None:
        await as_it_was(*arguments)
        has_written.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(recognise, "write", write_and_never_end)
        killed = asyncio.create_task(in_transaction(ground.pool, some))
        await has_written.wait()
        assert await left(ground) == LEARNERS - AT_A_TIME, "what is not committed does not count"
        killed.cancel()
        await asyncio.gather(killed, return_exceptions=True)
    assert await left(ground) == LEARNERS - AT_A_TIME

    counts = []
    while await in_transaction(ground.pool, some):
        counts.append(await left(ground))
    assert counts == [AT_A_TIME, 0]
    for learner in learners:
        decisions = await ground.decisions_on(learner)
        assert [(one.number, one.state) for one in decisions] == [(1, "REFERRED"), (2, "RECOGNISED")]


async def test_whoever_is_evaluated_while_it_is_published_is_counted_and_found(ground: Ground) -> None:
    """Batches have read the catalogue before; the publication does not wait for them, and they commit after it."""
    await ground.consume(member("northbridge"), member("strathmore"))
    await ground.put(award())
    before, during, after = ([somebody() for _ in range(5)] for _ in range(3))

    def events(learners: list[Any]) -> list[Any]:
        return [event for learner in learners for event in (enrolment(learner), completion(learner))]

    await ground.consume(*events(before))
    have_read, may_go_on = asyncio.Event(), asyncio.Event()

    class Slow(Desk):
        async def write(self, connection: Connection, works: Any) -> None:
            have_read.set()
            await may_go_on.wait()
            await super().write(connection, works)

    records = ground.log(*events(during))

    async def batch(connection: Connection) -> None:
        desk = Slow(CatalogueReader(), zone=UTC_ZONE, clock=ground.clock)
        await Batch(desk, records, ground.clock(), group=GROUP, failures_before=0).handle(connection)

    under_way = asyncio.create_task(in_transaction(ground.pool, batch))
    await have_read.wait()
    assert (await ground.put(agreement())).status_code == 201
    assert await left(ground) == len(before)
    assert await ground.look_again() == len(before)
    may_go_on.set()
    await under_way
    assert await left(ground) == len(during), "they were decided on the catalogue before"
    assert await ground.look_again() == len(during)
    await ground.consume(*events(after))
    assert await left(ground) == 0
    for learner in before + during + after:
        assert [one.state for one in await ground.decisions_on(learner)][-1] == "RECOGNISED"


async def test_an_awards_publication_has_a_count_too(ground: Ground) -> None:
    await ground.set_up(award(import_cap="20"), agreement())
    learner = somebody()
    await ground.consume(enrolment(learner), completion(learner), completion(learner, "northbridge:law"))
    assert await left(ground, "awards/strathmore:pgcert") == 0
    await ground.put(award(version=2, import_cap="40"))
    assert await left(ground, "awards/strathmore:pgcert") == 1, "the one that was granted is settled"
    async with transaction(ground.pool) as connection:
        assert await ground.standing.once(connection) == 1
    assert await left(ground, "awards/strathmore:pgcert") == 0
