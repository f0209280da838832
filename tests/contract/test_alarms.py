"""The alarms as Prometheus takes them: sound in form, about figures that there are, and each in the runbook."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

import chassis.telemetry  # noqa: F401 - registers the metrics
import services.operations.audit.kept
import services.operations.synthetic.probe  # noqa: F401 - and those of operations

ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "deploy/monitoring/alarms.yaml").read_text())
ALARMS = [rule for group in RULES["groups"] for rule in group["rules"]]
WORDS = {"sum", "max", "min", "by", "rate", "changes", "and", "or", "unless", "on"}
DURATION = re.compile(r"(\d+[smhd])+")


def anchors(page: str) -> set[str]:
    """What the headings of a Markdown page can be linked to by."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def names(expression: str) -> set[str]:
    """The metrics that an expression is about."""
    without_labels = re.sub(r"\{[^}]*\}|\[[^\]]*\]|(by|on) \([^)]*\)", " ", expression)
    return set(re.findall(r"[a-z_][a-z0-9_:]*", without_labels)) - WORDS


def labels(expression: str) -> set[str]:
    """The labels by which it keeps series apart."""
    return {name.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for name in group.split(",")}


def test_the_file_is_what_prometheus_takes() -> None:
    assert RULES.keys() == {"groups"}
    for group in RULES["groups"]:
        assert group.keys() <= {"name", "interval", "rules"}
    assert len({rule["alert"] for rule in ALARMS}) == len(ALARMS) >= 7


@pytest.mark.parametrize("rule", ALARMS, ids=lambda rule: rule["alert"])
def test_an_alarm_is_sound(rule: dict[str, Any]) -> None:
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert DURATION.fullmatch(rule.get("for", "0s"))
    assert rule["labels"]["severity"] in ("page", "ticket")
    expression = rule["expr"]
    for opening, closing in ("()", "[]", "{}"):
        assert expression.count(opening) == expression.count(closing)
    assert all(DURATION.fullmatch(window) for window in re.findall(r"\[([^\]]*)\]", expression))
    assert re.search(r"(>|==) [\d.* ]+$", expression)
    # A summary names no label that the expression has summed away.
    used = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    assert used <= (labels(expression) or {"service", "instance"})


@pytest.mark.parametrize("rule", ALARMS, ids=lambda rule: rule["alert"])
def test_an_alarm_is_about_figures_that_there_are(rule: dict[str, Any]) -> None:
    known = {name for metric in REGISTRY.collect() for name in (metric.name, *(s.name for s in metric.samples))}
    # The bucket's bound as Prometheus' own client writes it.
    assert "concord_visibility_seconds_bucket" in known
    assert names(rule["expr"]) <= known | {"up"}


def test_a_second_is_a_bucket() -> None:
    assert REGISTRY.get_sample_value("concord_visibility_seconds_bucket", {"le": "1.0"}) is not None


@pytest.mark.parametrize("rule", ALARMS, ids=lambda rule: rule["alert"])
def test_an_alarm_is_explained(rule: dict[str, Any]) -> None:
    assert rule["annotations"]["summary"]
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    text = (ROOT / page).read_text()
    assert anchor in anchors(text)
    section = next(part for part in re.split(r"^## ", text, flags=re.MULTILINE) if anchor in anchors(f"# {part}"))
    heading, _, meaning = section.partition("\n")
    meaning, looks, rest = meaning.partition("**Look.**")
    assert meaning.strip(), f"{heading} does not say what it means"
    assert looks, f"{heading} does not say what to look at"
    assert "```sh" in rest
    # What to do stands below, under whatever word.
    assert "**" in rest
