"""Bulk requests of one line, as Schemathesis sends and reads them: it loads this file."""

import json
from typing import Any

import orjson
import schemathesis

NDJSON = "application/x-ndjson"


@schemathesis.serializer(NDJSON)
def one_line(_: schemathesis.SerializationContext, value: Any) -> bytes:
    """A line that is as good or as bad as the value."""
    # Not orjson, which writes no whole number of more than 64 bits.
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@schemathesis.deserializer(NDJSON)
def its_answer(_: schemathesis.DeserializationContext, response: schemathesis.Response) -> Any:
    """The answer to that line; without a line there is none, and nothing to be held against the schema."""
    return orjson.loads(response.content) if response.content else None
