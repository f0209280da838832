"""The schema of ELMO as the tests validate with it: from the repository alone, by its catalogue."""

from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

ELMO = Path(__file__).parent.parent / "contracts" / "elmo"
EXAMPLE = ELMO / "example.xml"
_CATALOGUE = {
    entry.get("name"): str(ELMO / str(entry.get("uri"))) for entry in etree.parse(ELMO / "catalog.xml").getroot()
}


class _FromTheRepository(etree.Resolver):
    def resolve(self, url: str, _: str | None, context: Any) -> Any:
        if url in _CATALOGUE:
            return self.resolve_filename(_CATALOGUE[url], context)
        assert Path(url).is_relative_to(ELMO), f"{url} is not in the catalogue"
        return None


@cache
def schema() -> etree.XMLSchema:
    """ELMO 1.7's schema."""
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_FromTheRepository())
    return etree.XMLSchema(etree.parse(ELMO / "schema.xsd", parser))


def must_be_valid(content: bytes) -> etree._Element:
    """The root of an ELMO file that has to be valid."""
    root = etree.fromstring(content)
    schema().assertValid(root)
    return root
