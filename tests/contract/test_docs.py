"""What decision records name, and what the code cites, is there. (Links: tests/unit/test_links.py.)"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_decision_record_says_what_enforces_it_and_when_to_look_at_it_again() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    for record in records:
        text = record.read_text(encoding="utf-8")
        assert all(f"## {part}\n" in text for part in ("Context", "Decision", "Enforced by", "Revisit when")), (
            record.name
        )
        named = re.findall(r"`((?:tests|services|chassis|contracts|client)/[\w./*-]+)`", text)
        assert all(list(ROOT.glob(name)) for name in named), (record.name, named)


def test_what_the_code_cites_is_in_the_repository() -> None:
    """docs/decision.md, docs/documents.md and the others are cited by their names in docstrings."""
    cited = set()
    for package in ("chassis", "client", "contracts", "deploy", "services"):
        for file in (ROOT / package).rglob("*.py"):
            cited |= set(re.findall(r"(?<![/\w-])([a-z-]+\.md)\b", file.read_text(encoding="utf-8")))
    assert cited <= {page.name for page in (ROOT / "docs").glob("*.md")}, cited
