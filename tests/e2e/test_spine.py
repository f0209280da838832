"""One completion, from the provider's request to the receiver's record, over every process of the system."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
import yaml

from deploy.demo.consortium import consortium
from tests.eventually import eventually
from tests.whole import Whole, completion, enrolment

pytestmark = pytest.mark.servers


def entries(record: dict[str, Any] | None, reference: str) -> list[dict[str, Any]]:
    """The entries of a record, own and recognised, that are about one completion."""
    if record is None:
        return []
    found: list[dict[str, Any]] = []

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            if "entry_id" in part and part["completion"]["reference"] == reference:
                found.append(part)
            for value in part.values():
                walk(value)
        elif isinstance(part, list):
            for value in part:
                walk(value)

    walk(record)
    return found


async def decided(whole: Whole, member: str, code: str, reference: str) -> dict[str, Any]:
    """The entry of a completion at a receiver, as soon as it has a decision."""

    async def entry() -> dict[str, Any] | None:
        found = entries(await whole.record(member, code), reference)
        return next((one for one in found if one["decision_number"]), None)

    return await eventually(entry, what=f"a decision on {reference} at {member}")


async def test_a_completion_ends_as_one_entry_at_the_receiver_whichever_came_first(whole: Whole) -> None:
    first, second = completion("s1", "delmere:cloud"), completion("s2", "delmere:cloud")
    assert (await whole.publish(first)).status_code == 201
    assert (await whole.enrol(enrolment("s1", "northbridge:bsc-data-science"))).status_code == 201
    assert (await whole.enrol(enrolment("s2", "northbridge:bsc-data-science"))).status_code == 201
    assert (await whole.publish(second)).status_code == 201
    for code, document in (("s1", first), ("s2", second)):
        entry = await decided(whole, "northbridge", code, document["reference"])
        # 6 ECTS are 12 English credits by the multilateral agreement; EQF 6 is FHEQ 6.
        assert (entry["state"], entry["grounds"]) == ("RECOGNISED", [])
        assert [(line["credits"], line["level"]) for line in entry["counts_as"]["lines"]] == [("12", 6)]
        assert entry["agreement"] == {"id": "consortium-microcredentials", "version": 1}


async def test_a_fraction_survives_the_whole_path(whole: Whole) -> None:
    """10 at 2 : 3 with a step of 0.01 is 6.66, and the loss is shown."""
    document = completion("f1", "eastmoor:data-stories", credits="10")
    await whole.enrol(enrolment("f1", "northbridge:bsc-data-science"))
    await whole.publish(document)
    entry = await decided(whole, "northbridge", "f1", document["reference"])
    assert entry["state"] == "PARTIAL"
    assert [line["credits"] for line in entry["counts_as"]["lines"]] == ["6.66"]
    assert [ground["code"] for ground in entry["grounds"]] == ["ROUNDED_DOWN"]
    assert "20/3" in entry["grounds"][0]["compared"].values()


async def test_a_correction_supersedes_and_a_revocation_is_shown(whole: Whole) -> None:
    document = completion("c1", "delmere:cloud", mark="38", result="fail")
    await whole.enrol(enrolment("c1", "northbridge:bsc-data-science"))
    await whole.publish(document)
    entry = await decided(whole, "northbridge", "c1", document["reference"])
    assert (entry["state"], [g["code"] for g in entry["grounds"]]) == ("DECLINED", ["NOT_PASSED"])
    assert entry["appeals"]["days"] == 20
    await whole.publish(document | {"revision": 2, "mark": "58", "result": "pass"})

    async def state(wanted: str) -> bool:
        found = entries(await whole.record("northbridge", "c1"), document["reference"])
        return [one["state"] for one in found] == [wanted]

    await eventually(lambda: state("RECOGNISED"))
    await whole.publish(document | {"revision": 3, "revoked": True, "revocation_reason": "issued in error"})
    await eventually(lambda: state("REFERRED"))
    entry = entries(await whole.record("northbridge", "c1"), document["reference"])[0]
    assert "REVOKED" in [ground["code"] for ground in entry["grounds"]]
    assert entry["counts_as"]["frozen"] is True


async def test_the_receiver_and_the_provider_read_the_decision_in_their_feeds(whole: Whole) -> None:
    document = completion("d1", "delmere:databases")
    await whole.enrol(enrolment("d1", "eastmoor:cert-digital"))
    await whole.publish(document)
    await decided(whole, "eastmoor", "d1", document["reference"])

    async def seen_by(member: str, side: str) -> list[str]:
        references: list[str] = []
        async with whole.at("recognition-api", f"{member}-system") as http:
            after: str | None = None
            while True:
                page = (await http.get("/decisions", params={"as": side} | ({"after": after} if after else {}))).json()
                references += [item["completion_reference"] for item in page["items"]]
                if not page["items"] or page["next"] is None:
                    return references
                after = page["next"]

    for member, side in (("delmere", "provider"), ("eastmoor", "receiver")):

        async def is_there(member: str = member, side: str = side) -> bool:
            return document["reference"] in await seen_by(member, side)

        await eventually(is_there)
    assert document["reference"] not in await seen_by("glenmore", "both")


async def test_the_journey_shows_every_hop(whole: Whole) -> None:
    document = completion("j1", "delmere:cloud")
    await whole.enrol(enrolment("j1", "northbridge:bsc-data-science"))
    answer = (await whole.publish(document)).json()

    async def journey() -> dict[str, Any] | None:
        async with whole.at("operations", "delmere-system") as http:
            response = await http.get(f"/journeys/{answer['completion_id']}", headers={"Accept": "application/json"})
        body: dict[str, Any] = response.json()
        return body if response.status_code == 200 and len(body["chains"][0]["hops"]) >= 5 else None

    chain = (await eventually(journey))["chains"][0]
    topics = [hop["topic"] for hop in chain["hops"]]
    for topic in ("provider.completion", "recognition.decision", "learner_record.entry"):
        assert topic in topics
    assert len(chain["trace_ids"]) == 1, "the trace is broken"


async def test_many_learners_at_once_are_each_decided(whole: Whole) -> None:
    codes = [f"m{number}" for number in range(30)]

    async def one(code: str) -> None:
        await asyncio.gather(
            whole.publish(completion(code, "delmere:cloud")),
            whole.enrol(enrolment(code, "northbridge:bsc-data-science")),
        )

    await asyncio.gather(*(one(code) for code in codes))
    for code in codes:
        assert (await decided(whole, "northbridge", code, f"{code}-cloud"))["state"] == "RECOGNISED"


async def test_agreements_and_awards_are_published_from_files_by_the_command(whole: Whole, tmp_path: Path) -> None:
    award = {
        "id": "eastmoor:cert-files", "version": 1, "member": "eastmoor", "title": "Certificate from a file",
        "framework": "FHEQ", "level": 4, "credits_required": 60, "minimum_level": 4,
    }  # fmt: skip
    doors = whole.doors
    environment = {
        "CONCORD_RECOGNITION_URL": doors.recognition,
        "CONCORD_ISSUER": doors.issuer,
        "CONCORD_CLIENT_ID": "eastmoor-system",
        "CONCORD_CLIENT_SECRET": doors.secret,
    }

    async def concord(*words: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "client.main", *words),
            env={**os.environ, **environment, "COLUMNS": "200"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode or 0, out.decode()

    file = tmp_path / "award.yaml"
    file.write_text(yaml.safe_dump(award))
    code, said = await concord("award", "publish", str(file))
    assert (code, "Not approved by eastmoor" in said) == (1, True)
    for step in ("draft", "approve", "publish"):
        assert await concord("award", step, str(file)) == (0, ANY)
    code, said = await concord("award", "publish", str(file))
    assert (code, "version 1 known already" in said) == (0, True)
    file.write_text(yaml.safe_dump(award | {"version": 2, "import_cap": "118.8"}))
    code, said = await concord("award", "publish", str(file))
    assert (code, "118.8" in said) == (1, True)
    agreement = next(one for one in consortium()["agreements"] if "members" not in one["parties"])
    file.write_text(yaml.safe_dump(agreement | {"title": "Another text of a published version"}))
    code, said = await concord("agreement", "publish", str(file))
    assert code == 1
    assert "answered 40" in said
