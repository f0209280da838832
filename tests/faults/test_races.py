"""What crosses between processes of one service: the same request, claims for the same room, a new agreement (F-40)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from itertools import permutations
from typing import Any, Final
from urllib.parse import quote

import httpx
import orjson
import pytest

from contracts.ids import completion_id, enrolment_id
from deploy.demo.consortium import consortium
from deploy.demo.publishing import approve_document, publish_consortium, publish_document
from tests.eventually import eventually
from tests.faults.runs import running
from tests.servers import Run
from tests.whole import Whole, completion, enrolment

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

TIMES: Final = 200
OFFERED: Final = {
    "northbridge": "northbridge:statistics",
    "glenmore": "glenmore:networks",
    "delmere": "delmere:cloud",
    "eastmoor": "eastmoor:data-stories",
}
AWARDED: Final = {
    "northbridge": "northbridge:bsc-data-science",
    "glenmore": "glenmore:pgcert-data",
    "delmere": "delmere:bachelor-ict",
    "eastmoor": "eastmoor:cert-digital",
}
CURRENT: Final = (
    "SELECT DISTINCT ON (completion_id, enrolment_id) completion_id, enrolment_id, state, agreement_id, grounds "
    "FROM decision ORDER BY completion_id, enrolment_id, number DESC"
)
UNDECIDED: Final = "SELECT count(*) FROM claim WHERE waits_for IS NOT NULL"


@pytest.fixture(scope="module")
async def whole(servers: Run) -> AsyncIterator[Whole]:
    """Two processes of each service that the races are about; members, courses and awards, and no agreement."""
    copies = {"provider-api": 2, "recognition-worker": 2}
    async with running(servers.folder / "races", with_consortium=False, copies=copies) as whole:
        await publish_consortium(consortium() | {"agreements": []}, whole.doors)
        yield whole


def agreed(provider: str, receiver: str) -> dict[str, Any]:
    """An agreement of two members: like for like, in credits of one size."""
    return {
        "id": f"{provider}-to-{receiver}",
        "version": 1,
        "title": "Credit",
        "parties": {"provider": provider, "receiver": receiver},
        "credit_ratio": "1",
        "credit_step": "0.01",
        "in_force_from": "2024-01-01",
        "in_force_until": "2034-12-31",
        "in_force_basis": "claim",
        "on_expired": "DECLINED",
        "grade_policy": "carry",
        "excess_credit": "drop",
        "on_revocation": "refer",
    }


async def in_bulk(http: httpx.AsyncClient, kind: str, documents: Sequence[dict[str, Any]]) -> None:
    """Send documents, and see that each is new."""
    content = b"\n".join(map(orjson.dumps, documents))
    response = await http.post(f"/{kind}s:bulk", content=content, headers={"Content-Type": "application/x-ndjson"})
    assert {orjson.loads(line)["status"] for line in response.content.splitlines()} == {201}


async def test_the_same_put_at_two_processes_at_once_is_one_completion(whole: Whole) -> None:
    documents = [completion(f"same{number}", "northbridge:data-ethics") for number in range(100)]
    async with (
        whole.at("provider-api", "northbridge-system") as one,
        whole.at("provider-api-2", "northbridge-system") as other,
    ):

        async def put(http: httpx.AsyncClient, document: dict[str, Any]) -> tuple[int, bytes]:
            body = {name: value for name, value in document.items() if name != "reference"}
            response = await http.put(f"/completions/{quote(document['reference'])}", json=body)
            return response.status_code, response.content

        answers = [
            await asyncio.gather(*(put(http, document) for http in (one, other, other, one))) for document in documents
        ]
    assert [sorted(status for status, _ in each) for each in answers] == [[200, 200, 200, 201]] * 100
    assert [len({body for _, body in each}) for each in answers] == [1] * 100
    ids = [completion_id("northbridge", document["reference"]) for document in documents]
    stored = await whole.fetch("provider", "SELECT FROM completion_revision WHERE completion_id = ANY ($1)", ids)
    assert len(stored) == 100


async def test_an_agreement_published_while_evaluations_run_reaches_everybody(whole: Whole) -> None:
    """Whoever was decided on the catalogue before it, and commits later, is found by the number it was stamped with."""
    claims = 0
    for provider, receiver in permutations(OFFERED, 2):
        codes = [f"{provider}-{receiver}-{number}" for number in range(60)]
        async with (
            whole.at("learner-record-api", f"{receiver}-system") as record,
            whole.at("provider-api", f"{provider}-system") as publish,
            whole.at("recognition-api", "consortium") as registry,
        ):
            await in_bulk(record, "enrolment", [enrolment(code, AWARDED[receiver]) for code in codes])
            documents = [completion(code, OFFERED[provider]) for code in codes]
            agreement = agreed(provider, receiver)
            await approve_document(agreement, whole.doors)
            for begin in range(0, len(codes), 5):
                if begin == 20:
                    publishing = asyncio.create_task(registry.put(f"/agreements/{agreement['id']}", json=agreement))
                await in_bulk(publish, "completion", documents[begin : begin + 5])
            assert (await publishing).status_code == 201
        claims += len(codes)

    async def missed() -> Counter[str]:
        """Claims without a decision, or with one that knows no agreement."""
        current = await whole.fetch("recognition", CURRENT)
        assert all(row["agreement_id"] or "NO_AGREEMENT" in str(row["grounds"]) for row in current)
        without = Counter(str(row["state"]) for row in current if row["agreement_id"] is None)
        return without + Counter({"undecided": claims - len(current)})

    async def nobody_is_missed() -> bool:
        return not await missed()

    try:
        await eventually(nobody_is_missed, within=120)
    except AssertionError:
        pytest.fail(f"of {claims} claims these were missed: {dict(await missed())}")


async def test_two_claims_with_room_for_one_never_both_get_it(whole: Whole) -> None:
    """The award is published: both processes find every first claim, and the second claims come in meanwhile.

    The claim that is decided first gets the room; where both are found by one evaluation, the learner is to choose.
    """
    codes = [f"room{number}" for number in range(TIMES)]
    award: dict[str, Any] = {
        "id": "northbridge:one-course", "version": 1, "member": "northbridge", "title": "Certificate of one course",
        "framework": "FHEQ", "level": 6, "credits_required": "60", "import_cap": "20", "minimum_level": 4,
    }  # fmt: skip
    async with (
        whole.at("learner-record-api", "northbridge-system") as record,
        whole.at("provider-api", "eastmoor-system") as publish,
        whole.at("recognition-api", "northbridge-system") as registry,
    ):
        await publish_document(agreed("eastmoor", "northbridge"), whole.doors)
        await in_bulk(record, "enrolment", [enrolment(code, award["id"]) for code in codes])
        await in_bulk(publish, "completion", [completion(code, "eastmoor:programming", credits="20") for code in codes])

        async def all_wait() -> bool:
            return int((await whole.fetch("recognition", UNDECIDED))[0][0]) == TIMES

        await eventually(all_wait, within=120)
        second = [completion(code, "eastmoor:data-stories", credits="20") for code in codes]
        await approve_document(award, whole.doors)
        publishing = asyncio.create_task(registry.put(f"/awards/{quote(award['id'])}", json=award))
        for begin in range(0, TIMES, 5):
            await in_bulk(publish, "completion", second[begin : begin + 5])
        assert (await publishing).status_code == 201
    mine = {enrolment_id("northbridge", enrolment(code, award["id"])["reference"]) for code in codes}

    async def all_decided() -> bool:
        current = await whole.fetch("recognition", CURRENT)
        return sum(row["enrolment_id"] in mine for row in current) == 2 * TIMES

    await eventually(all_decided, within=120)
    current = [row for row in await whole.fetch("recognition", CURRENT) if row["enrolment_id"] in mine]
    states: dict[Any, list[str]] = {}
    for row in current:
        states.setdefault(row["enrolment_id"], []).append(row["state"])
    outcomes = Counter(tuple(sorted(each)) for each in states.values())
    first_come, chosen = outcomes.pop(("DECLINED", "RECOGNISED"), 0), outcomes.pop(("INCOMPLETE", "INCOMPLETE"), 0)
    assert not outcomes
    assert first_come + chosen == TIMES
    assert first_come > 0, "no second claim came in behind the first: nothing crossed"
    posted = await whole.fetch("recognition", "SELECT enrolment_id, sum(credits) FROM ledger GROUP BY enrolment_id")
    assert [balance for enrolled, balance in posted if enrolled in mine] == [Decimal(20)] * first_come
