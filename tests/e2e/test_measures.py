"""What the running processes tell those who watch them."""

import re
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.units import ROOT
from tests.eventually import eventually
from tests.whole import WORKERS, Whole, completion, enrolment

pytestmark = pytest.mark.servers

RULES = yaml.safe_load((ROOT / "deploy/monitoring/alarms.yaml").read_text())
Figures = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


async def told(whole: Whole) -> dict[str, Figures]:
    """Every sample that each process tells, by the process's name."""
    found: dict[str, Figures] = {}
    async with httpx.AsyncClient(timeout=30) as client:
        for name, address in whole.system.addresses.items():
            process, _, what = name.partition(" ")
            if what == "metrics":
                text = (await client.get(f"{address}/metrics")).text
                families = list(text_string_to_metric_families(text))
                found[process] = {
                    (sample.name, frozenset(sample.labels.items())): sample.value
                    for family in families
                    for sample in family.samples
                } | {(family.name, frozenset()): 0.0 for family in families if not family.samples}
    return found


def sums(figures: Figures, name: str, **labels: str) -> float | None:
    """The sum of a metric's samples that have these labels; None where there is none."""
    values = [value for (known, having), value in figures.items() if known == name and labels.items() <= having]
    return sum(values) if values else None


async def test_every_figure_of_the_alarms_is_told_by_whoever_knows_it(whole: Whole) -> None:
    by_process = await told(whole)
    assert {"provider-api", "portal", "operations", *WORKERS} <= by_process.keys()
    names = {name for figures in by_process.values() for name, _ in figures}
    wanted = {name for rule in RULES["groups"][0]["rules"] for name in re.findall(r"\bconcord_[a-z_]+\b", rule["expr"])}
    assert len(wanted) >= 8
    assert wanted <= names
    for process, figures in by_process.items():
        holds_an_outbox = process != "portal"
        consumes = process in ("recognition-worker", "learner-record-worker", "operations")
        assert (sums(figures, "concord_measured_seconds_ago", server="database") is not None) == holds_an_outbox
        assert (sums(figures, "concord_measured_seconds_ago", server="kafka") is not None) == consumes
        assert (sums(figures, "concord_consumer_lag_seconds", topic="provider.completion") is not None) == consumes


async def test_a_decision_on_the_record_counts_for_visibility_and_for_the_messages_that_led_to_it(whole: Whole) -> None:
    def seen(by_process: Mapping[str, Figures]) -> dict[str, Any]:
        provider, recognition = by_process["provider-worker"], by_process["recognition-worker"]
        on_topic = {"messaging_system": "kafka", "messaging_destination_name": "provider.completion"}
        mine = {**on_topic, "messaging_consumer_group_name": "recognition"}
        return {
            "visible": sums(by_process["learner-record-worker"], "concord_visibility_seconds_count"),
            "sent": sums(provider, "messaging_client_sent_messages_total", messaging_operation_name="send", **on_topic),
            "sends": sums(provider, "messaging_client_operation_duration_seconds_count", **on_topic),
            "consumed": sums(recognition, "messaging_client_consumed_messages_total", **mine),
            "position": sums(recognition, "concord_consumer_position", topic="provider.completion"),
            "commits": sums(
                recognition, "messaging_client_operation_duration_seconds_count", messaging_operation_name="commit"
            ),
            "batches": sums(
                recognition, "messaging_process_duration_seconds_count", messaging_operation_name="process"
            ),
        }

    before = seen(await told(whole))
    assert (await whole.enrol(enrolment("m1", "northbridge:bsc-data-science"))).status_code == 201
    assert (await whole.publish(completion("m1", "delmere:cloud"))).status_code == 201

    async def all_grew() -> bool:
        now = seen(await told(whole))
        return all(now[name] is not None and now[name] > (before[name] or 0) for name in now)

    await eventually(all_grew, within=60, every=0.5)
