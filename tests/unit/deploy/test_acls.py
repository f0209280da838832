"""The generated rights in Kafka, against what the services' code writes and reads."""

import ast
import re
from pathlib import Path

import pytest

from chassis.migrate import SERVICES
from contracts.catalogue import EVENTS, topics
from deploy import acls

ROOT = Path(__file__).parents[3]


def sources(service: str) -> list[str]:
    return [file.read_text(encoding="utf-8") for file in (ROOT / "services" / service).rglob("*.py")]


def made_by(service: str) -> set[str]:
    """The topics of the events that a service's code makes."""
    called = {
        node.func.id
        for text in sources(service)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    return {event.TOPIC for event in EVENTS if event.__name__ in called}


def allowed(operation: str, user: str) -> set[str]:
    return {
        topic
        for line in acls.script().splitlines()
        if f"--allow-principal User:{user} " in f"{line} " and f"--operation {operation} " in f"{line} "
        for topic in re.findall(r"--topic (\S+)", line)
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_write_what_it_makes_and_nothing_else(service: str) -> None:
    assert made_by(service) <= allowed("Write", service)
    assert allowed("Write", service) == {topic.name for topic in topics() if topic.owner == service}


def test_every_topic_has_one_writer() -> None:
    writers = [(topic, user) for user in (*SERVICES, acls.SETUP) for topic in allowed("Write", user)]
    assert sorted(topic for topic, _ in writers) == sorted(topic.name for topic in topics())


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_consumes_may_read_what_its_desk_reads_in_its_own_group(service: str) -> None:
    consumes = any("Consumer(" in text for text in sources(service))
    assert consumes == (service in acls.READERS)
    if consumes:
        group, events = acls.READERS[service]
        assert allowed("Read", service) == {event.TOPIC for event in events}
        groups = re.findall(rf"User:{service} --operation Read --group (\S+)", acls.script())
        assert groups == [group]
        assert f'GROUP: Final = "{group}"' in "".join(sources(service))
    else:
        assert allowed("Read", service) == set()


def test_nobody_is_given_everything() -> None:
    script = acls.script()
    assert not re.search(r"User:\*|--operation (All|Alter|Delete|ClusterAction)|--cluster|--topic '?\*", script)
    assert set(re.findall(r"User:(\w+)", script)) == {
        acls.SETUP,
        "provider",
        "recognition",
        "learner_record",
        "operations",
    }
