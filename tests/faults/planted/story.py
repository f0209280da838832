"""A small story on a whole system, in which every planted bug has its occasion, and the audit at its end.

`python -m tests.faults.planted.story FOLDER [PROCESS CRASH_AT]` prints the audit's report as JSON.
"""

import asyncio
import json
import sys
import uuid
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from deploy.local.system import System
from services.operations.audit.auditing import audit
from services.operations.audit.check import Report
from tests.eventually import eventually
from tests.whole import Whole, completion, enrolment

GRACE: Final = 8.0
"""Seconds, as the audit has it: the last completions come so much later than the first."""
STILL: Final = (
    ("provider", "SELECT count(*) FROM outbox"),
    ("recognition", "SELECT count(*), sum(next_offset) FROM fence"),
    ("recognition", "SELECT count(*) FROM decision"),
    ("learner_record", "SELECT count(*), sum(next_offset) FROM fence"),
    ("operations", "SELECT count(*) FROM hop"),
)
BSC, PGCERT, CERT = "northbridge:bsc-data-science", "glenmore:pgcert-data", "eastmoor:cert-digital"
CLOUD, STORIES, ETHICS = "delmere:cloud", "eastmoor:data-stories", "northbridge:data-ethics"

ENROLMENTS: Final = (
    *((code, BSC) for code in ("slow", "plain", "poison", "corrected", "lost", "revoked", "frozen", "round", "late")),
    *((code, PGCERT) for code in ("half", "cap")),
    ("plain", CERT),
)
FAILED: Final = {"mark": "38", "result": "fail"}
FIRST: Final = (
    completion("slow", CLOUD),
    completion("plain", CLOUD),
    completion("poison", CLOUD),
    completion("corrected", CLOUD, **FAILED),
    completion("lost", CLOUD),
    completion("revoked", CLOUD, **FAILED),
    completion("frozen", CLOUD),
    completion("round", STORIES, credits="10"),  # 10 at 2 : 3 is no whole number of hundredths
    completion("half", ETHICS, mark="60"),  # a rule wants another one besides
    completion("cap", "eastmoor:responsible-ai"),
)
THEN: Final = (
    completion("corrected", CLOUD, revision=2),
    completion("lost", CLOUD, revision=2, **FAILED),
    completion("revoked", CLOUD, revision=2, revoked=True, revocation_reason="issued in error", **FAILED),
    completion("frozen", CLOUD, revision=2, revoked=True, revocation_reason="issued in error"),
    completion("cap", ETHICS, mark="60"),
    completion("cap", "northbridge:machine-learning", mark="70"),
)
LAST: Final = (completion("late", CLOUD), completion("late", "delmere:databases"))


async def _still(whole: Whole) -> None:
    """Wait until nothing moves any more: with a bug, what else one would wait for may never come."""

    before: list[Any] = []

    async def nothing_moves() -> bool:
        nonlocal before
        now = [tuple(row) for one in STILL for row in await whole.fetch(*one)]
        same, before = now == before, now
        return same

    await eventually(nothing_moves, within=120, every=2.0)


async def _send_unreadable(bootstrap: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        headers = [
            ("ce_id", str(uuid.uuid4()).encode()),
            ("ce_type", b"provider.completion.published.v1"),
            ("ce_time", b"2026-01-01T00:00:00Z"),
        ]
        await producer.send_and_wait("provider.completion", b"{", key=str(uuid.uuid4()).encode(), headers=headers)
    finally:
        await producer.stop()


async def tell(system: System, fault: tuple[str, str] | None) -> Report:
    """Tell the story, with a process that dies at a crash point in its first part, and audit what came of it."""
    whole = Whole(system)
    await whole.found()
    await _still(whole)
    if fault is not None:
        process, point = fault
        system.set_environment(process, {"CRASH_AT": point})
        await asyncio.to_thread(system.restart, process)
    for code, award in ENROLMENTS:
        (await whole.enrol(enrolment(code, award))).raise_for_status()
    slow = asyncio.create_task(whole.publish(FIRST[0]))
    for document in FIRST[1:]:
        (await whole.publish(document)).raise_for_status()
    (await slow).raise_for_status()
    await _send_unreadable(system.addresses["kafka"])
    await _still(whole)
    if fault is not None:
        system.set_environment(fault[0], {})
    for document in THEN:
        (await whole.publish(document)).raise_for_status()
    await asyncio.sleep(GRACE)  # so that what follows overtakes whatever is still on its way
    for document in LAST:
        (await whole.publish(document)).raise_for_status()
    await _still(whole)
    services = ("provider", "recognition", "learner_record", "operations")
    return await audit({service: whole.database(service) for service in services}, grace=GRACE, settle_within=3 * GRACE)


def main() -> None:
    """Tell it on a system of its own in a folder."""
    folder, *fault = sys.argv[1:]
    system = System(Path(folder), ends_with_this_process=True)
    try:
        system.start()
        report = asyncio.run(tell(system, (fault[0], fault[1]) if fault else None))
    finally:
        system.delete()
    sys.stdout.write(json.dumps(report.as_json()) + "\n")


if __name__ == "__main__":
    main()
