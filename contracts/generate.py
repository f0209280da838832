"""Writes what is made from the models: `python -m contracts.generate`; `--check` says what has drifted."""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from contracts.catalogue import BY_TYPE, EVENTS, Topic, topics
from contracts.documents import schema
from contracts.event import Event, json_schema

HERE = Path(__file__).parent

HEADERS: dict[str, Any] = {
    "type": "object",
    "description": "CloudEvents 1.0 in Kafka's binary mode, with the trace context and the cause beside it.",
    "properties": {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {"type": "string", "format": "uuid", "description": "UUIDv5 of type, natural key and revision."},
        "ce_type": {"type": "string"},
        "ce_source": {"type": "string", "description": "urn:concord:<consortium>:<service>"},
        "ce_time": {"type": "string", "format": "date-time", "description": "When the fact was committed."},
        "content-type": {"const": "application/json"},
        "traceparent": {"type": "string", "description": "W3C trace context of the sending."},
        "caused_by": {"type": "string", "format": "uuid", "description": "ce_id of the event that led to this one."},
    },
    "required": ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "content-type"],
}


def _schema_file(event: type[Event]) -> str:
    return f"schemas/{event.TYPE}.schema.json"


def _message(event: type[Event]) -> dict[str, Any]:
    return {
        "name": event.TYPE,
        "title": event.__name__,
        "summary": (event.__doc__ or "").strip().splitlines()[0],
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/envelope"},
        "payload": {"$ref": f"./{_schema_file(event)}"},
        "bindings": {"kafka": {"key": {"type": "string", "description": f"The text of {event.KEY}."}}},
    }


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"Written by {topic.owner} alone.",
        "messages": {topic.event: {"$ref": f"#/components/messages/{topic.event}"}},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": ["delete"],
                    "retention.ms": topic.retention_days * 86_400_000,
                    "max.message.bytes": topic.max_message_bytes,
                },
            }
        },
    }


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3 document of all topics."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Concord: events",
            "version": "1",
            "description": "Each event is the whole state of one thing at one revision. "
            "A newer revision replaces an older one; a reader ignores what is older than what it has.",
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in topics()},
        "operations": {
            f"publish {topic.name}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{topic.name}"},
                "messages": [{"$ref": f"#/channels/{topic.name}/messages/{topic.event}"}],
            }
            for topic in topics()
        },
        "components": {
            "messages": {topic.event: _message(BY_TYPE[topic.event]) for topic in topics()},
            "schemas": {"envelope": HEADERS},
        },
    }


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def generated() -> dict[str, str]:
    """The text of every generated file, by its path in this package."""
    files = {_schema_file(event): _json(json_schema(event)) for event in EVENTS}
    files |= {f"schemas/{name}.schema.json": _json(schema.json_schema(name)) for name in schema.DOCUMENTS}
    files["asyncapi.yaml"] = yaml.safe_dump(asyncapi(), sort_keys=False, allow_unicode=True, width=120)
    return files


def drifted() -> list[str]:
    """The generated files that are not what the models say."""
    return [
        path
        for path, text in generated().items()
        if not (HERE / path).exists() or (HERE / path).read_text(encoding="utf-8") != text
    ]


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` only compare them; 1 where something has drifted."""
    if arguments == ["--check"]:
        stale = drifted()
        sys.stdout.writelines(f"contracts/{path} is not what the models say: run `make contracts`\n" for path in stale)
        return 1 if stale else 0
    for path, text in generated().items():
        (HERE / path).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
