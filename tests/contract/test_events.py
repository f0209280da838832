"""Every event's contract: its name, its key, its owner, its schema, and the examples that every version must read."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
from pydantic import ValidationError

import contracts
from contracts.catalogue import BY_TYPE, EVENTS, topics
from contracts.event import Event
from contracts.generate import drifted

EXAMPLES = sorted((Path(contracts.__file__).parent / "examples").glob("*.v*/*.json"))
SCHEMAS = Path(contracts.__file__).parent / "schemas"


def test_every_topic_has_one_owner_and_one_event_and_every_event_a_topic() -> None:
    assert [topic.event for topic in topics()] == [event.TYPE for event in EVENTS]
    for topic in topics():
        event = BY_TYPE[topic.event]
        assert (topic.name, topic.key) == (event.TOPIC, event.KEY)
        assert topic.owner == topic.name.partition(".")[0]
        assert topic.partitions == 12


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_an_event_is_named_service_thing_participle_version(event: type[Event]) -> None:
    assert re.fullmatch(r"[a-z_]+\.[a-z_]+\.([a-z]+ed|made)\.v[1-9]\d*", event.TYPE)
    assert event.TYPE.startswith(event.TOPIC + ".")
    assert event.KEY in event.model_fields
    assert "Event" not in event.__name__


def test_generated_files_are_what_the_models_say() -> None:
    assert drifted() == []


def test_every_event_type_has_an_example() -> None:
    assert {path.parent.name for path in EXAMPLES} == set(BY_TYPE)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_stored_example_is_read_for_ever(path: Path) -> None:
    example = json.loads(path.read_text(encoding="utf-8"))
    contract = BY_TYPE[path.parent.name]
    event = contract.model_validate_json(json.dumps(example["value"]))
    assert event.key == example["key"]
    assert str(event.event_id) == example["event_id"], "the id of a fact must never change"
    written = json.loads(event.to_bytes())
    assert written.items() >= example["value"].items()
    schema = json.loads((SCHEMAS / f"{contract.TYPE}.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(written, schema, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_drift_of_a_newer_writer_is_kept_or_refused_never_guessed(path: Path) -> None:
    """reliability.md, F-34: an unknown field is kept and ignored; a missing field or a changed type is an error."""
    value = json.loads(path.read_text(encoding="utf-8"))["value"]
    contract = BY_TYPE[path.parent.name]
    extended = contract.model_validate_json(json.dumps({**value, "of_a_newer_version": [1]}))
    assert json.loads(extended.to_bytes())["of_a_newer_version"] == [1]
    required = [name for name, field in contract.model_fields.items() if field.is_required()]
    for name in required:
        with pytest.raises(ValidationError):
            contract.model_validate_json(json.dumps({key: v for key, v in value.items() if key != name}))
        with pytest.raises(ValidationError):
            contract.model_validate_json(json.dumps({**value, name: {"another": "type"} if name != "document" else 1}))


def test_an_unknown_value_of_a_closed_list_is_an_error() -> None:
    for path in EXAMPLES:
        value = json.loads(path.read_text(encoding="utf-8"))["value"]
        closed = {"state", "result", "kind", "framework"} & value.keys()
        for name in closed:
            with pytest.raises(ValidationError):
                BY_TYPE[path.parent.name].model_validate_json(json.dumps({**value, name: "SOMETHING_NEW"}))


def test_no_event_has_a_field_for_a_name_an_address_or_an_identifier_of_a_person() -> None:
    personal = re.compile(r"(^|_)(first_?name|last_?name|family|given|email|address|birth|identifier|uln|esi)(_|$)")
    for event in EVENTS:
        assert not [name for name in event.model_fields if personal.search(name)]
