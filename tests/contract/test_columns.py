"""The columns of members' files are the fields of the documents that the services take, with the same kinds of values.

The client knows the contracts alone, so it makes its columns from the events; a field that only one of the two has
would be refused as unknown, or could not be stated in a file.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, Field

from client.formats.columns import COMPLETIONS, ENROLMENTS, LEARNING_OPPORTUNITIES, Column, Table
from contracts.event import LearningOpportunityId
from services.learner_record.documents import EnrolmentLine
from services.provider.documents import CompletionLine, LearningOpportunityDocument


class LearningOpportunityLine(LearningOpportunityDocument):
    id: LearningOpportunityId = Field()


TABLES: list[tuple[Table, type[BaseModel]]] = [
    (COMPLETIONS, CompletionLine),
    (LEARNING_OPPORTUNITIES, LearningOpportunityLine),
    (ENROLMENTS, EnrolmentLine),
]
REQUIRED_LATER = {"learner.scheme", "learner.identifier"}
"""Whose absence the services refuse where they can name the consortium's scheme."""


def leaves(schema: dict[str, Any], parts: dict[str, Any], before: str = "", needed: bool = True) -> Iterator[Any]:
    """Each field of a document that is no object: its name, whether it must be stated, and its JSON type."""
    for name, stated in schema["properties"].items():
        must = needed and name in schema.get("required", ())
        (one,) = [each for each in stated.get("anyOf", [stated]) if each.get("type") != "null"]
        if "$ref" in one:
            one = parts[one["$ref"].rsplit("/", 1)[1]]
        if one.get("type") == "object":
            yield from leaves(one, parts, f"{before}{name}.", must)
        else:
            yield f"{before}{name}", must or f"{before}{name}" in REQUIRED_LATER, one["type"]


def kind_of(column: Column) -> str:
    """The JSON type of a column's values, by what it makes of a text that suits some column of that type."""
    for text in ("7", "true", "2026-06-30", "a"):
        try:
            value = column.value_of(text)
        except ValueError:
            continue
        return {bool: "boolean", int: "integer", str: "string", list: "array"}[type(value)]
    raise AssertionError(column)


@pytest.mark.parametrize(("table", "model"), TABLES)
def test_the_columns_are_the_fields_of_the_document(table: Table, model: type[BaseModel]) -> None:
    schema = model.model_json_schema()
    fields = {name: (must, kind) for name, must, kind in leaves(schema, schema.get("$defs", {}))}
    assert {name: (one.is_required, kind_of(one)) for name, one in table.columns.items()} == fields
