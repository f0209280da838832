"""One unbroken trace from the request over both topics to the record's entry, across processes (ADR 11)."""

import asyncio
import contextlib
import secrets
import signal

import pytest

from tests.eventually import eventually
from tests.otlp import Receiver
from tests.whole import Whole, completion, enrolment

pytestmark = pytest.mark.servers

CHAIN = (
    ("provider", "PUT /completions/{reference}"),
    ("provider", "send provider.completion"),
    ("recognition", "process provider.completion"),
    ("recognition", "send recognition.decision"),
    ("learner_record", "process recognition.decision"),
    ("learner_record", "send learner_record.entry"),
    ("operations", "process learner_record.entry"),
)
SAMPLED, NOT_SAMPLED = 50, 15


def chain_of(traces: Receiver, trace_id: str) -> list[tuple[str, str]]:
    """The longest way from the request through the trace's spans, each the child of the one before, as far as CHAIN."""
    spans = [span for span in traces.spans() if span.trace_id == trace_id]
    at = [span for span in spans if (span.service, span.name) == CHAIN[0]]
    walked = []
    for step in CHAIN:
        at = [span for span in at if (span.service, span.name) == step]
        if not at:
            break
        walked.append(step)
        ids = {span.span_id for span in at}
        at = [span for span in spans if span.parent_id in ids]
    return walked


async def test_every_sampled_request_is_one_trace_to_the_record_in_a_mixed_batch(
    whole: Whole, traces: Receiver
) -> None:
    ahead, *codes = [f"t{number}" for number in range(1 + SAMPLED + NOT_SAMPLED)]
    trace_ids = {code: secrets.token_hex(16) for code in codes}
    await asyncio.gather(*(whole.enrol(enrolment(code, "northbridge:bsc-data-science")) for code in (ahead, *codes)))

    async def enrolled() -> bool:
        rows = await whole.fetch("recognition", "SELECT count(*) FROM enrolment_revision WHERE reference ~ '^t[0-9]+-'")
        return int(rows[0][0]) == 1 + len(codes)

    async def relayed() -> bool:
        return await whole.fetch("provider", "SELECT 1 FROM outbox LIMIT 1") == []

    await eventually(enrolled)
    # While the worker stands still the records pile up, so that it takes them in one batch. The fetch that it has
    # under way is answered with the first record to arrive: a completion ahead of the others, and on its topic first.
    whole.system.kill("recognition-worker", signal.SIGSTOP)
    try:
        assert (await whole.publish(completion(ahead, "delmere:cloud"))).status_code == 201
        await eventually(relayed)
        for number, code in enumerate(codes):
            flags = "01" if number < SAMPLED else "00"
            header = f"00-{trace_ids[code]}-{secrets.token_hex(8)}-{flags}"
            assert (await whole.publish(completion(code, "delmere:cloud"), traceparent=header)).status_code == 201
    finally:
        whole.system.kill("recognition-worker", signal.SIGCONT)

    wanted = {trace_ids[code] for code in codes[:SAMPLED]}

    def broken() -> dict[str, list[tuple[str, str]]]:
        chains = {trace_id: chain_of(traces, trace_id) for trace_id in wanted}
        return {trace_id: chain for trace_id, chain in chains.items() if chain != list(CHAIN)}

    with contextlib.suppress(AssertionError):
        await eventually(lambda: not broken(), within=30)
    assert broken() == {}
    seen = {span.trace_id for span in traces.spans()}
    assert not seen & {trace_ids[code] for code in codes[SAMPLED:]}, "a trace that nobody sampled was exported"
    batches = [span for span in traces.spans() if span.service == "recognition" and span.name == "poll"]
    assert max(len(wanted & set(span.links)) for span in batches) >= SAMPLED
    by_topic = [s for s in traces.spans() if s.service == "recognition" and s.name == "process provider.completion"]
    assert {s.attributes["messaging.system"] for s in by_topic} == {"kafka"}
    assert {s.attributes["messaging.operation.type"] for s in by_topic} == {"process"}
    assert {s.attributes["messaging.destination.name"] for s in by_topic} == {"provider.completion"}
    assert {s.attributes["messaging.consumer.group.name"] for s in by_topic} == {"recognition"}
