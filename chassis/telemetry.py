"""Traces, metrics and logs, under the current OpenTelemetry messaging conventions (reliability.md, Telemetry names)."""

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Final

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Counter, Gauge, Histogram

_PROPAGATOR: Final = TraceContextTextMapPropagator()

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)

# The conventions' metrics, with their attributes as labels; an empty one is to Prometheus none at all.
MESSAGING: Final = (
    "messaging_system",
    "messaging_operation_name",
    "messaging_operation_type",
    "messaging_destination_name",
    "messaging_consumer_group_name",
    "error_type",
)
CONSUMED = Counter("messaging_client_consumed_messages", "Records that were handed to the consumer.", MESSAGING)
SENT = Counter("messaging_client_sent_messages", "Records that were sent; with an error, that were not.", MESSAGING)
PROCESS_DURATION = Histogram(
    "messaging_process_duration_seconds",
    "One batch, from its first statement to its commit; with its topic, where it is of one topic alone.",
    MESSAGING,
    buckets=SECONDS,
)
OPERATION_DURATION = Histogram(
    "messaging_client_operation_duration_seconds",
    "One operation of a client: a send from hand-over to all acknowledgements, a commit of offsets.",
    MESSAGING,
    buckets=SECONDS,
)

BATCHES_ROLLED_BACK = Counter("concord_batches_rolled_back_total", "Batches whose transaction was given up.", ["why"])
SET_ASIDE = Counter("concord_set_aside_total", "Records set aside.", ["cause"])
SET_ASIDE_RECORDS = Gauge("concord_set_aside_records", "Records that wait set aside.")
SET_ASIDE_LEARNERS = Gauge("concord_set_aside_learners", "Learners of whom records wait set aside.")
SET_ASIDE_OLDEST = Gauge("concord_set_aside_oldest_seconds", "For how long the first of them has waited.")
BELOW_FENCE = Counter("concord_records_below_fence_total", "Records dropped because they had been processed before.")
OUTBOX_OLDEST = Gauge("concord_outbox_oldest_seconds", "Age of the oldest row in the outbox.")
OUTBOX_ROWS = Gauge("concord_outbox_rows", "Rows in the outbox.")
LAG_SECONDS = Gauge("concord_consumer_lag_seconds", "Age of the oldest record that waits; 0 when none does.", ["topic"])
LAG_RECORDS = Gauge("concord_consumer_lag_records", "Records that wait.", ["topic"])
POSITION = Gauge(
    "concord_consumer_position", "Records that are behind the fences: it moves with every commit.", ["topic"]
)
MEASURED_AGO = Gauge(
    "concord_measured_seconds_ago",
    "For how long a server that is asked for these figures has not answered.",
    ["server"],
)
VISIBILITY = Histogram(
    "concord_visibility_seconds", "From the acceptance of a completion to its entry on a record.", buckets=SECONDS
)


def set_up(service: str, *, version: str = "") -> TracerProvider:
    """Give this process its tracer and its logs. Spans leave by OTLP where the usual variables name an endpoint.

    Elsewhere traces have their ids all the same, for logs and journeys, but nothing is recorded that nobody would get:
    two spans a record cost more than the work on it.
    """
    exports = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    provider = TracerProvider(
        sampler=None if exports else ALWAYS_OFF,
        resource=Resource.create({"service.name": service, "service.version": version}),
    )
    if exports:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    _set_up_logs(service)
    return provider


def _set_up_logs(service: str) -> None:
    def add_trace(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            event["trace_id"] = f"{context.trace_id:032x}"
            event["span_id"] = f"{context.span_id:016x}"
        event["service"] = service
        return event

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        add_trace,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    # What libraries log reaches the same stream in the same form, from WARNING on.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def tracer() -> Tracer:
    """The tracer of this process."""
    return trace.get_tracer("concord")


def context_of(traceparent: str | None) -> SpanContext | None:
    """The span context a traceparent names; None where there is none or it is malformed."""
    if traceparent is None:
        return None
    context = trace.get_current_span(_PROPAGATOR.extract({"traceparent": traceparent})).get_span_context()
    return context if context.is_valid else None


def traceparent_in(headers: Sequence[tuple[str, bytes | None]]) -> str | None:
    """The trace context in a record's headers."""
    for name, value in headers:
        if name == "traceparent" and value is not None:
            return value.decode("ascii", errors="replace")
    return None


def is_sampled(traceparent: str | None) -> bool:
    """Whether spans are wanted for this trace; told from the text alone, since it is asked for every record."""
    return traceparent is not None and len(traceparent) == 55 and traceparent[-1] in "13579bdf"


def traceparent_of(span: Span) -> str | None:
    """The W3C trace context of a span, for an outbox row or a record's headers."""
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def current_traceparent() -> str | None:
    """The trace context of the work under way."""
    return traceparent_of(trace.get_current_span())


def start_child(
    name: str, traceparent: str | None, kind: SpanKind, attributes: Mapping[str, str | int], links: Sequence[Link] = ()
) -> Span:
    """Start a span under a context that came over a topic or out of an outbox row. The caller ends it."""
    parent = context_of(traceparent)
    context = trace.set_span_in_context(NonRecordingSpan(parent)) if parent else None
    return tracer().start_span(name, context=context, kind=kind, attributes=attributes, links=links)


def labels(operation: str, kind: str, topic: str = "", *, group: str = "", error: str = "") -> dict[str, str]:
    """The labels of a messaging metric."""
    return dict(zip(MESSAGING, ("kafka", operation, kind, topic, group, error), strict=True))


def messaging(operation: str, kind: str, topic: str | None = None, **more: str | int) -> dict[str, str | int]:
    """The attributes of a messaging span; keyword names are written with `__` for the dots."""
    attributes: dict[str, str | int] = {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": kind,
    }
    if topic is not None:
        attributes["messaging.destination.name"] = topic
    return attributes | {name.replace("__", "."): value for name, value in more.items()}
