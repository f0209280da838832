"""The JSON Schemas of the documents, made from the models; contracts/schemas holds them, and a test finds drift."""

from typing import Any, Final

from contracts.documents.agreement import Agreement
from contracts.documents.award import Award
from contracts.documents.values import Part

DOCUMENTS: Final[dict[str, type[Part]]] = {"agreement": Agreement, "award": Award}


def json_schema(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of the document of this name: `agreement` or `award`."""
    schema = DOCUMENTS[name].model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:concord:schema:document:{name}",
        **schema,
    }
