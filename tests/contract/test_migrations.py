"""Migrations expand, then contract: what the previous version needs is not taken away under it (ADR 24)."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from chassis.migrate import SERVICES

ROOT: Final = Path(__file__).parents[2]
FILES: Final = sorted((ROOT / "services").glob("*/migrations/*.py"))
NAME: Final = r'(?:ONLY\s+)?(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?:public\.)?"?(\w+)"?'

# What it is, and why the previous version, which still runs, cannot bear it.
CONTRACTING: Final = {
    r"\bDROP\s+(?!NOT\s+NULL\b|CONSTRAINT\b|TRIGGER\b)": "takes away what the previous version reads or writes",
    r"\bRENAME\b": "the previous version knows the old name",
    r"\bALTER\s+(?:COLUMN\s+)?\S+\s+(?:SET\s+DATA\s+)?TYPE\b": "the previous version reads and writes the old type",
    r"\bSET\s+NOT\s+NULL\b": "the previous version may leave it empty",
    r"\bADD\s+(?:COLUMN\s+)?(?!CONSTRAINT\b|CHECK\b|UNIQUE\b|PRIMARY\b|FOREIGN\b|EXCLUDE\b)"
    r"(?:(?!\b(?:DEFAULT|GENERATED)\b|,\s*ADD\b).)*\bNOT\s+NULL\b"
    r"(?!(?:(?!,\s*ADD\b).)*\b(?:DEFAULT|GENERATED)\b)": "the previous version's rows do not state it",
    r"^\s*REVOKE\b": "takes away a right that the previous version uses",
    r"^\s*TRUNCATE\b": "takes away what the previous version reads",
}


def _bare(statement: str) -> str:
    """A statement without comments, texts and bodies of functions."""
    without = re.sub(r"--[^\n]*|/\*.*?\*/", " ", statement, flags=re.DOTALL)
    without = re.sub(r"\$(\w*)\$.*?\$\1\$", "''", without, flags=re.DOTALL)
    return re.sub(r"'(?:[^']|'')*'", "''", without)


def contracting(statements: list[str]) -> list[str]:
    """What of these statements takes something away from tables that they do not make themselves."""
    own = {name for each in statements for name in re.findall(rf"\bCREATE\s+TABLE\s+{NAME}", _bare(each), re.I)}
    found = []
    for statement in map(_bare, statements):
        table = re.search(rf"\b(?:ALTER\s+TABLE|ON(?:\s+TABLE)?|TRUNCATE(?:\s+TABLE)?)\s+{NAME}", statement, re.I)
        if table and table[1] in own:
            continue
        for pattern, why in CONTRACTING.items():
            if re.search(pattern, statement, re.I | re.DOTALL):
                found.append(f"{' '.join(statement.split())}: {why}")
    return found


def _loaded(file: Path) -> tuple[ModuleType, list[str]]:
    """A migration, and the SQL that it would run."""
    specification = importlib.util.spec_from_file_location(file.stem, file)
    assert specification is not None
    assert specification.loader is not None
    migration = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(migration)
    statements: list[str] = []
    assert hasattr(migration, "execute"), f"{file.name} runs its SQL by chassis.migrate.execute, so that it can be read"
    migration.__dict__["execute"] = lambda *texts: statements.extend(texts)
    migration.upgrade()
    return migration, statements


def _released() -> Iterator[str]:
    for line in (ROOT / "CHANGELOG.md").read_text().splitlines():
        if (heading := re.match(r"## (\d+\.\d+\.\d+)", line)) and "not released" not in line:
            yield heading[1]


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parts[-3]}/{file.stem}")
def test_a_migration_expands_or_names_the_release_that_stopped_using_what_it_takes_away(file: Path) -> None:
    migration, statements = _loaded(file)
    assert statements, "it runs no SQL"
    after = getattr(migration, "CONTRACTS_AFTER", None)
    if after is None:
        assert contracting(statements) == []
    else:
        assert after in set(_released()), f"CONTRACTS_AFTER = {after!r} names no release of CHANGELOG.md"


def test_every_service_s_migrations_are_read() -> None:
    assert {file.parts[-3] for file in FILES} == set(SERVICES)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE hop",
        "ALTER TABLE hop DROP COLUMN facts",
        "ALTER TABLE hop DROP facts",
        "ALTER TABLE hop ADD COLUMN a int, DROP COLUMN facts",
        "DROP INDEX hop_newest",
        "ALTER TABLE hop RENAME COLUMN facts TO known",
        "ALTER TABLE hop RENAME TO seen",
        "ALTER TABLE hop ALTER COLUMN facts TYPE text",
        "ALTER TABLE hop ALTER facts SET DATA TYPE text",
        "ALTER TABLE hop ALTER COLUMN trace_id SET NOT NULL",
        "ALTER TABLE hop ALTER COLUMN seen_at DROP DEFAULT",
        "ALTER TABLE hop ADD COLUMN tenant text NOT NULL",
        "ALTER TABLE hop ADD tenant text NOT NULL CHECK (tenant <> '')",
        "ALTER TABLE hop ADD COLUMN a int NOT NULL, ADD COLUMN b int NOT NULL DEFAULT 0",
        "ALTER TABLE hop ADD COLUMN b int NOT NULL DEFAULT 0, ADD COLUMN a int NOT NULL",
        "REVOKE INSERT ON hop FROM operations",
        "TRUNCATE hop",
    ],
)
def test_what_takes_away_is_found(statement: str) -> None:
    assert contracting([statement])
    assert contracting(["CREATE TABLE other (id int)", statement])


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE hop ADD COLUMN tenant text",
        "ALTER TABLE hop ADD COLUMN tenant text NOT NULL DEFAULT ''",
        "ALTER TABLE hop ADD COLUMN number bigint NOT NULL GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE hop ADD COLUMN a int DEFAULT 0 NOT NULL, ADD COLUMN b int",
        "ALTER TABLE hop DROP CONSTRAINT hop_kind, ADD CONSTRAINT hop_kind CHECK (kind IN ('a', 'b'))",
        "CREATE INDEX hop_trace ON hop (trace_id) -- DROP it later",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DROP TABLE temporary_thing $$",
        "GRANT SELECT, INSERT ON hop TO operations",
        "INSERT INTO hop VALUES ('we RENAME nothing')",
    ],
)
def test_what_adds_is_not(statement: str) -> None:
    assert contracting([statement]) == []


def test_what_a_migration_makes_itself_it_may_also_change() -> None:
    made = "CREATE TABLE new (a int)"
    assert (
        contracting([made, "ALTER TABLE new ALTER COLUMN a SET NOT NULL", "REVOKE UPDATE ON new FROM operations"]) == []
    )
