"""Every link of the documentation leads somewhere: to a file of the repository, and to a heading in it."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[[^\]]*\]\((?!https?://|mailto:)([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def links(text: str) -> Iterator[tuple[str, str]]:
    """The path and the anchor of each link within the repository; code has none."""
    for target in _LINK.findall(_CODE.sub("", _FENCE.sub("", text))):
        path, _, anchor = target.partition("#")
        yield path, anchor


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings get: in small letters, without punctuation, words joined by hyphens."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.add(anchor if not seen[anchor] else f"{anchor}-{seen[anchor]}")
        seen[anchor] += 1
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for path, anchor in links(page.read_text(encoding="utf-8")):
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name} links to {path}"
        assert there.is_relative_to(ROOT), f"{page.name} links to {path}, outside the repository"
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there.read_text(encoding="utf-8")), f"{page.name} links to {path}#{anchor}"


def test_every_page_is_linked_to_from_another() -> None:
    reached = {
        (page.parent / path).resolve() for page in PAGES for path, _ in links(page.read_text(encoding="utf-8")) if path
    }
    pages = [page for page in PAGES if page.parent.name != "adr" and page.parent != ROOT]
    assert [str(page.relative_to(ROOT)) for page in pages if page not in reached] == []


def test_a_link_to_nowhere_is_found() -> None:
    text = "# A heading, *here*\n[a](other.md#b) `[no](code.md)`\n```\n[no](fence.md)\n# none\n```\n## A heading, here"
    assert list(links(text)) == [("other.md", "b")]
    assert anchors(text) == {"a-heading-here", "a-heading-here-1"}
