"""The business state of a system, without times: what two runs of the same story must have in common."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.catalogue import topics
from tests.eventually import eventually
from tests.whole import Whole

State = dict[str, list[tuple[str, ...]]]
"""The rows of every table that matters, as text, sorted."""

QUERIES: Final[dict[str, tuple[str, str]]] = {
    "completions": (
        "provider",
        "SELECT completion_id, revision, body_hash FROM completion_revision",
    ),
    "enrolments": (
        "learner_record",
        "SELECT enrolment_id, revision, body_hash FROM enrolment_revision",
    ),
    "decisions": (
        "recognition",
        "SELECT completion_id, enrolment_id, number, completion_revision, state, grade, agreement_id, "
        "agreement_version, award_version, grant_id, is_frozen, grounds::text FROM decision",
    ),
    "current decisions": (
        "recognition",
        "SELECT DISTINCT ON (completion_id, enrolment_id) completion_id, enrolment_id, number, state, grant_id "
        "FROM decision ORDER BY completion_id, enrolment_id, number DESC",
    ),
    "grants": ("recognition", "SELECT enrolment_id, ordinal, grant_id, completions, fills FROM credit_grant"),
    "ledger": (
        "recognition",
        "SELECT grant_id, line, is_withdrawal, enrolment_id, slot, credits, level, kind FROM ledger",
    ),
    "entries": (
        "learner_record",
        "SELECT DISTINCT ON (entry_id) entry_id, member, completion_id, enrolment_id, completion_revision, "
        "decision_id, decision_number, state FROM entry ORDER BY entry_id, revision DESC",
    ),
    "hops": (
        "operations",
        "SELECT event_type, event_id, caused_by, completion_id FROM hop WHERE event_type NOT IN "
        "('learner_record.entry.updated.v1', 'learner_record.award_progress.changed.v1')",
    ),
    # Progress is told as often as it is looked at; how it stands in the end is the same in all runs.
    "award progress": (
        "learner_record",
        "SELECT enrolment_id, eligible, capstone, conferral_id, lost FROM ("
        "SELECT DISTINCT ON (enrolment_id) * FROM award_progress ORDER BY enrolment_id, revision DESC"
        ") AS told WHERE eligible OR capstone IN ('open', 'passed') OR lost <> '{}'",
    ),
    # Whether an entry is seen as RECEIVED before its decision depends on which topic was read first, and its later
    # revisions are counted from there: what stood on the record, in whichever revision, is the same in all runs.
    "hops to the record": (
        "operations",
        "SELECT DISTINCT completion_id, facts->>'enrolment_id', facts->>'completion_revision', facts->>'state' "
        "FROM hop WHERE event_type = 'learner_record.entry.updated.v1' AND facts->>'state' <> 'RECEIVED'",
    ),
}
OUTBOXES: Final = ("provider", "recognition", "learner_record")
READERS: Final = ("recognition", "learner_record", "operations")


async def business_state(whole: Whole) -> State:
    """Every table that matters, sorted."""
    return {
        name: sorted(tuple(str(value) for value in row) for row in await whole.fetch(service, sql))
        for name, (service, sql) in QUERIES.items()
    }


async def settled_state(whole: Whole) -> State:
    """The business state once nothing is under way any more: nothing is to be sent, and everybody has read all."""
    log = AIOKafkaConsumer(*(topic.name for topic in topics()), bootstrap_servers=whole.system.addresses["kafka"])
    await log.start()

    async def nothing_is_under_way() -> bool:
        if any([await whole.fetch(service, "SELECT 1 FROM outbox LIMIT 1") for service in OUTBOXES]):
            return False
        if await whole.fetch("learner_record", "SELECT 1 FROM progress_due LIMIT 1"):
            return False
        ends = await log.end_offsets(log.assignment())
        for service in READERS:
            fences = await whole.fetch(service, "SELECT topic, partition, next_offset FROM fence")
            read = {TopicPartition(topic, partition): at for topic, partition, at in fences}
            # A reader has fences of the topics that it reads, for each partition that ever had a record.
            mine = {partition.topic for partition in read}
            if any(end > read.get(at, 0) for at, end in ends.items() if at.topic in mine):
                return False
        return True

    before: State = {}

    async def still() -> State:
        nonlocal before
        if not await nothing_is_under_way():
            return {}
        now = await business_state(whole)
        same, before = now == before, now
        return now if same else {}

    try:
        await eventually(lambda: log.assignment())
        return await eventually(still, within=300, every=0.5, what="everything is sent, read and stands still")
    finally:
        await log.stop()


async def sent_twice(bootstrap: str, *of: str) -> int:
    """How many records of the topics are there more than once."""
    consumer = AIOKafkaConsumer(*of, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        await eventually(lambda: consumer.assignment())
        ends = await consumer.end_offsets(consumer.assignment())
        ids: Counter[bytes] = Counter()
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                ids.update(dict(record.headers)["ce_id"] for record in records)
        return sum(count - 1 for count in ids.values())
    finally:
        await consumer.stop()


@dataclass(frozen=True)
class Difference:
    """What a run has less and more than the undisturbed one; a row that came out otherwise is lost and a phantom."""

    lost: dict[str, int]
    """Rows of the undisturbed run that are not there, by table."""
    doubled: dict[str, int]
    """Rows that are there more often than in the undisturbed run."""
    phantom: dict[str, int]
    """Rows that the undisturbed run has not got."""

    @classmethod
    def between(cls, undisturbed: State, here: State) -> "Difference":
        """Compare table by table. Tables that only one of them has count in full."""
        lost: dict[str, int] = {}
        doubled: dict[str, int] = {}
        phantom: dict[str, int] = {}
        for name in undisturbed | here:
            wanted, found = Counter(undisturbed.get(name, [])), Counter(here.get(name, []))
            surplus = found - wanted
            for counts, number in (
                (lost, (wanted - found).total()),
                (doubled, sum(count for row, count in surplus.items() if row in wanted)),
                (phantom, sum(count for row, count in surplus.items() if row not in wanted)),
            ):
                if number:
                    counts[name] = number
        return cls(lost, doubled, phantom)

    @property
    def is_none(self) -> bool:
        """Whether both are the same."""
        return not (self.lost or self.doubled or self.phantom)

    def __str__(self) -> str:
        lost, doubled, phantom = (sum(each.values()) for each in (self.lost, self.doubled, self.phantom))
        return (
            f"lost {lost} doubled {doubled} phantom {phantom}; "
            f"final state equal to undisturbed run: {'yes' if self.is_none else 'no'}"
        )


def examples(undisturbed: State, here: State, *, most: int = 3) -> dict[str, Any]:
    """A few rows of each table that differ, for whoever looks for the cause."""
    return {
        name: sorted(set(undisturbed.get(name, [])) ^ set(here.get(name, [])))[:most]
        for name in undisturbed | here
        if undisturbed.get(name) != here.get(name)
    }
