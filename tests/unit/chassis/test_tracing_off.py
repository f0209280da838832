"""Traces where nobody gets them: they have their ids, and nothing is recorded for them."""

import os
import subprocess
import sys

import pytest

# In a process of its own, since a process has one tracer for good.
PROGRAM = """
from chassis import telemetry

telemetry.set_up("test")
with telemetry.tracer().start_as_current_span("request") as span:
    print(span.is_recording(), telemetry.is_sampled(telemetry.current_traceparent()), span.get_span_context().is_valid)
"""


@pytest.mark.parametrize(("endpoint", "said"), [("", "False False True"), ("http://127.0.0.1:1", "True True True")])
def test_spans_are_recorded_only_where_they_are_exported(endpoint: str, said: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    ran = subprocess.run(  # noqa: S603 - this very Python
        [sys.executable, "-c", PROGRAM],
        env=environment | {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_EXPORT_TIMEOUT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == said
