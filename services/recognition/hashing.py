"""The hash under which a document is approved and published."""

import hashlib
from typing import Any

import rfc8785


def document_hash(document: dict[str, Any]) -> str:
    """SHA-256 over the document's canonical bytes (RFC 8785), in hexadecimal.

    Raises ValueError where it holds what JSON's canonical form has not, such as an integer beyond 2^53.
    """
    return hashlib.sha256(rfc8785.dumps(document)).hexdigest()
