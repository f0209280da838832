"""One learner's rows are accepted in the order of the file, though several requests are under way at once."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.database import Pool
from client.publishing import LANES, _Lanes
from client.rows import Row
from tests.integration.client.ground import Service, concord, line, provider, serving, written
from tests.integration.provider.ground import PLACEHOLDER, esi
from tests.tokens import Issuer

pytestmark = pytest.mark.servers


async def test_revisions_of_a_learner_are_accepted_in_order_however_the_identifier_is_spelt(
    service: Service, tmp_path: Path
) -> None:
    chance = random.Random(7)
    rows: list[bytes] = []
    # A number of learners that lanes do not divide, or each would come back to its lane by chance.
    learners, each_has = 43, 37
    for number in range(learners * each_has):
        name, place = f"l{number % learners}", number // learners
        identifier = chance.choice([esi(name), esi(name).upper(), esi(name).title()])
        # The member calls the learner by another reference each time, so that the identifier alone ties the rows.
        rows.append(
            line(
                f"C-{number}",
                learner={"scheme": "ESI", "identifier": identifier, "reference": f"S-{number}"},
                title=str(place),
            )
        )
    result = await concord(written(tmp_path / "a.ndjson", rows), environment=service.environment())
    assert result.code == 0, result
    titles: dict[object, list[int]] = {}
    for event in await service.events():
        titles.setdefault(event.learner_id, []).append(int(event.title or ""))
    assert len(titles) == learners
    assert all(each == list(range(each_has)) for each in titles.values())


@pytest.fixture
async def uln_service(pool: Pool, issuer: Issuer) -> AsyncIterator[Service]:
    async with serving(provider(pool, issuer, scheme="ULN")) as url:
        yield Service(url, pool, issuer)


def uln(number: int) -> str:
    """The nth Unique Learner Number with a right check digit, near enough."""
    for digits in range(100_000_000 + 11 * number, 999_999_999):
        weighted = sum(int(digit) * weight for digit, weight in zip(str(digits), range(10, 1, -1), strict=True))
        check = (10 - weighted) % 11
        if check < 10:
            return f"{digits}{check}"
    raise AssertionError("there are more")


async def test_a_learner_who_gets_an_identifier_in_the_middle_of_a_file_is_no_conflict(
    uln_service: Service, tmp_path: Path
) -> None:
    """A placeholder is refused once the learner is known, so these rows must not overtake those."""

    def row(reference: str, identifier: str, learner: str) -> bytes:
        return line(reference, learner={"scheme": "ULN", "identifier": identifier, "reference": learner})

    unknown = [row(f"A-{n}", PLACEHOLDER, f"S-{n}") for n in range(700)]
    known = [row(f"B-{n}", uln(n), f"S-{n}") for n in range(700)]
    file = written(tmp_path / "a.ndjson", unknown + known[::-1])
    result = await concord(file, environment=uln_service.environment())
    assert result.code == 0, result.out
    assert "1,400 accepted" in result.err


@pytest.mark.parametrize("seed", range(10))
async def test_rows_that_are_tied_are_never_under_way_in_two_requests(seed: int) -> None:
    chance = random.Random(seed)
    rows = [
        Row(number, b"x", f"l{chance.randrange(30)}", (f"reference {chance.randrange(400)}",))
        for number in range(2_000)
    ]
    lanes = _Lanes()
    under_way: dict[str, int] = {}
    last: dict[str, int] = {}
    seen: list[int] = []

    async def read() -> None:
        for row in rows:
            await lanes.put(row)
        lanes.end()

    async def send(lane: int) -> None:
        async for request in lanes.requests(lane):
            for row in request:
                for tie in row.ties:
                    assert under_way.setdefault(tie, lane) == lane
                    assert last.get(tie, -1) < row.number
                    last[tie] = row.number
            for _ in range(chance.randrange(20)):
                await asyncio.sleep(0)  # others go on
            for row in request:
                seen.append(row.number)
                for tie in row.ties:
                    under_way.pop(tie, None)
            lanes.let_go(request)

    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        for lane in range(LANES):
            group.create_task(send(lane))
    assert sorted(seen) == list(range(2_000))
    assert lanes._lane_of == {}
    assert not lanes._unanswered
