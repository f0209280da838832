"""What watches Concord asks every process, by names that the code has; the launcher starts none of it."""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client import REGISTRY

import chassis
import services
from deploy.local import compose
from deploy.local.units import COMPOSE_FILE, Plan, fill_in, units
from tests.contract.test_compose_files import OVERLAID, OVERLAY, ROOT, TOPOLOGY

MONITORING: Final = ROOT / "deploy" / "monitoring"
DASHBOARD: Final[dict[str, Any]] = json.loads((MONITORING / "grafana" / "concord.json").read_text())
PROMETHEUS: Final[dict[str, Any]] = yaml.safe_load((MONITORING / "prometheus.yaml").read_text())
SERIES: Final = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


def queries() -> Iterator[tuple[str, str]]:
    """Every query of the dashboard, with its panel's title."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def named_in(query: str) -> set[str]:
    """The metrics that a query names: what is no label, no function, no keyword."""
    bare = re.sub(r"\{[^}]*\}|\b(by|without)\s*\([^)]*\)|\[\w+\]", " ", query)
    return set(re.findall(r"\b[a-z]\w*_\w+\b(?!\s*\()", bare))


@pytest.fixture(scope="module")
def metrics() -> set[str]:
    """The names under which the processes' metrics are scraped."""
    for package in (chassis, services):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "migration" not in module.name:
                importlib.import_module(module.name)
    return {
        metric.name + ending
        for metric in REGISTRY.collect()
        for ending in SERIES.get(metric.type, ())
        if "_" in metric.name
    }


@pytest.mark.parametrize(("title", "query"), list(queries()))
def test_the_dashboard_names_metrics_that_there_are(metrics: set[str], title: str, query: str) -> None:
    assert named_in(query)
    assert named_in(query) <= metrics


def test_a_metric_that_there_is_not_would_be_found(metrics: set[str]) -> None:
    assert named_in("sum by (service_name) (rate(concord_nothing_total{a_b='c'}[5m]))") == {"concord_nothing_total"}
    assert "concord_nothing_total" not in metrics


@pytest.mark.parametrize(
    "metric",
    [
        "concord_visibility_seconds_bucket",
        "concord_consumer_lag_seconds",
        "concord_outbox_oldest_seconds",
        "concord_set_aside_records",
        "concord_decisions_total",
        "concord_auditor_violations",
    ],
)
def test_the_dashboard_shows_what_must_be_watched(metric: str) -> None:
    assert any(metric in named_in(query) for _, query in queries())


def test_the_dashboard_counts_completions_by_their_topic() -> None:
    assert any('messaging_destination_name="provider.completion"' in query for _, query in queries())


def test_prometheus_asks_every_process_that_has_metrics() -> None:
    (job,) = PROMETHEUS["scrape_configs"]
    (asked,) = job["static_configs"]
    ports = {
        name: re.sub(r"^.*:-(.+)}$", r"\1", body["environment"]["METRICS_PORT"])
        for name, body in TOPOLOGY["services"].items()
        if "METRICS_PORT" in body["environment"]
    }
    assert sorted(asked["targets"]) == sorted(f"{name}:{port}" for name, port in ports.items())


def test_every_process_that_makes_traces_sends_them_to_jaeger() -> None:
    traced = [name for name, body in TOPOLOGY["services"].items() if "SERVICE_DATABASE_URL" in body["environment"]]
    for name in traced:
        assert OVERLAID["services"][name]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://jaeger:4318"
    added = OVERLAID["services"].keys() - TOPOLOGY["services"].keys()
    assert added == {"jaeger", "prometheus", "grafana"}
    assert OVERLAID["services"].keys() - added == set(traced)


def test_what_is_mounted_is_there_and_where_its_reader_looks() -> None:
    mounted = {}
    for service in ("prometheus", "grafana"):
        for volume in OVERLAID["services"][service]["volumes"]:
            source, _, target = volume.removesuffix(":ro").partition(":")
            if source.startswith("./"):
                # Paths of an overlay are relative to the first file.
                assert (COMPOSE_FILE.parent / source).is_file(), source
                mounted[target] = source
    assert set(PROMETHEUS["rule_files"]) <= mounted.keys()
    (provider,) = yaml.safe_load((MONITORING / "grafana" / "dashboards.yaml").read_text())["providers"]
    home = OVERLAID["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home in mounted
    assert str(Path(home).parent) == provider["options"]["path"]


def test_every_panel_asks_the_source_that_is_provisioned() -> None:
    (source,) = yaml.safe_load((MONITORING / "grafana" / "datasources.yaml").read_text())["datasources"]
    wanted = {"type": source["type"], "uid": source["uid"]}
    for panel in DASHBOARD["panels"]:
        assert panel["datasource"] == wanted
        assert all(target["datasource"] == wanted for target in panel["targets"])
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_the_launcher_starts_none_of_it(tmp_path: Path) -> None:
    plan = Plan(tmp_path)
    started = {unit.service for unit in units(plan, fill_in(plan, {}))}
    assert started == TOPOLOGY["services"].keys()
    assert not started & {"jaeger", "prometheus", "grafana"}
    assert compose.variables(OVERLAY).keys() >= {"JAEGER_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT"}
