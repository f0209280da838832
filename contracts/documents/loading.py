"""Read a document from YAML or JSON: numbers stay as written, and what is ambiguous in either is refused."""

import json
import re
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import ValidationError

from contracts.documents.agreement import Agreement
from contracts.documents.award import Award
from contracts.documents.findings import UNREADABLE, DocumentRefused, Finding, findings_of
from contracts.documents.values import Part

MAXIMUM_NESTING: Final = 120
"""Lists and mappings inside each other; a tree of requirements at lint's limit has about 45."""
MAXIMUM_BYTES: Final = 1_048_576

_Document = TypeVar("_Document", bound=Part)


def agreement_from(raw: object) -> Agreement:
    """The agreement that a parsed YAML or JSON value states.

    Raises DocumentRefused with every fault found.
    """
    return _validated(Agreement, raw)


def award_from(raw: object) -> Award:
    """The award definition that a parsed YAML or JSON value states.

    Raises DocumentRefused with every fault found.
    """
    return _validated(Award, raw)


def as_json(document: Part) -> dict[str, Any]:
    """The document as JSON values, every field written out: what is published, and what clauses point into."""
    return document.model_dump(mode="json")


def read_file(path: Path) -> object:
    """The value in a file: JSON by the name `*.json`, else YAML.

    Raises DocumentRefused where it cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(f"{path} cannot be read: {error.strerror}") from error
    return read_json(content) if path.suffix == ".json" else read_yaml(content)


def read_json(content: bytes) -> object:
    """The value of a JSON text; a field named twice is refused, for either could be meant.

    Raises DocumentRefused where it cannot be read.
    """
    try:
        return json.loads(_text(content), object_pairs_hook=_once_each)
    except DocumentRefused:
        raise
    except (ValueError, RecursionError) as error:
        raise _unreadable(f"this is no JSON: {error}") from error


def read_yaml(content: bytes) -> object:
    """The value of a YAML text. Decimals and dates stay text, so `0.1` is exactly a tenth.

    Raises DocumentRefused where it cannot be read, on a field named twice, and on aliases (`*name`).
    """
    try:
        return yaml.load(_text(content), Loader=_PlainLoader)  # noqa: S506 - a SafeLoader with fewer types
    except DocumentRefused:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _unreadable(f"this is no YAML that can be read: {error}") from error


class _PlainLoader(yaml.SafeLoader):
    """SafeLoader that knows text, integers, true, false and null only, and no aliases."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "an alias is not read; write the value out")
        return super().compose_node(parent, index)


def _mapping(loader: _PlainLoader, node: yaml.MappingNode) -> dict[str, Any]:
    # Keys are names, as written: YAML's `7: 40` and JSON's `"7": 40` are the same.
    if any(not isinstance(key, yaml.ScalarNode) for key, _ in node.value):
        raise _unreadable("a field's name is a list or a mapping")
    return _once_each([(str(key.value), loader.construct_object(value, deep=True)) for key, value in node.value])


_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|)$"), ["~", "n", ""])
_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), ["t", "f"])
_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9][0-9]*)$"), list("-0123456789"))
_PlainLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _validated(model: type[_Document], raw: object) -> _Document:
    if not isinstance(raw, dict):
        raise _unreadable("a document is a mapping of fields")
    if _nesting(raw) > MAXIMUM_NESTING:
        raise _unreadable(f"nested deeper than {MAXIMUM_NESTING} lists and mappings")
    try:
        # By way of JSON, where strict still reads a date from its text.
        return model.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        raise DocumentRefused(findings_of(error, model)) from error
    except (TypeError, ValueError) as error:
        raise _unreadable(f"holds a value that JSON has not: {error}") from error


def _nesting(raw: object) -> int:
    deepest, level = 0, [raw]
    while level := [part for part in level if isinstance(part, dict | list)]:
        deepest += 1
        if deepest > MAXIMUM_NESTING:
            break
        level = [inner for part in level for inner in (part.values() if isinstance(part, dict) else part)]
    return deepest


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _unreadable(f"`{twice}` is written twice in one place")
    return fields


def _text(content: bytes) -> str:
    if len(content) > MAXIMUM_BYTES:
        raise _unreadable(f"longer than {MAXIMUM_BYTES} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _unreadable(f"not UTF-8: {error}") from error


def _unreadable(message: str) -> DocumentRefused:
    return DocumentRefused((Finding(UNREADABLE, "", None, message),))
