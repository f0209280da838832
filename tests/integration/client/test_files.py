"""Members' files through `concord publish` and `concord convert`: CSV in all its dress, and dry runs."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from client.formats.columns import COMPLETIONS
from tests.integration.client.ground import ROOT, Service, concord, line, provider, serving, written
from tests.integration.provider.ground import esi
from tests.integration.provider.test_dry_run import everything

pytestmark = pytest.mark.servers

CONVERT = ("convert",)
PAGE = ROOT / "docs" / "files.md"
CELLS = {
    "revision": "1",
    "learner.scheme": "ESI",
    "learning_opportunity.id": "northbridge:data-ethics",
    "learning_opportunity.version": "2",
    "credits": "15",
    "framework": "FHEQ",
    "level": "7",
    "result": "pass",
    "mark": "62",
    "mark_scale.lowest": "0",
    "mark_scale.pass": "40",
    "mark_scale.highest": "100",
    "completed_on": "2026-06-30",
    "identity_verified_at_assessment": "true",
}
"""What `line` states."""


def table(count: int, changes: dict[int, dict[str, str]] | None = None, separator: str = ";") -> bytes:
    """A file of so many rows, C-0 and on; `changes` by number."""
    rows = [
        CELLS
        | {"reference": f"C-{n}", "learner.identifier": esi(f"l{n}"), "learner.reference": f"S-l{n}"}
        | (changes or {}).get(n, {})
        for n in range(count)
    ]
    file = io.StringIO()
    to = csv.DictWriter(file, sorted({name for row in rows for name in row}), delimiter=separator, restval="")
    to.writeheader()
    to.writerows(rows)
    return b"\xef\xbb\xbf" + file.getvalue().encode()


def file_of(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


async def test_a_csv_file_is_published_like_the_same_rows_in_ndjson(service: Service, tmp_path: Path) -> None:
    file = file_of(tmp_path / "june.csv", table(1_200))
    first = await concord(file, environment=service.environment())
    assert (first.code, first.out) == (0, ""), first
    assert "june.csv: 1,200 accepted, 0 known already, 0 refused" in first.err
    assert first.err.rstrip().endswith(", read as CSV")
    same = written(tmp_path / "june.ndjson", (line(f"C-{n}", f"l{n}") for n in range(1_200)))
    second = await concord(same, environment=service.environment())
    assert "june.ndjson: 0 accepted, 1,200 known already, 0 refused" in second.err
    assert second.err.rstrip().endswith(", read as NDJSON")
    assert await service.stored() == 1_200


async def test_refused_rows_of_a_csv_file_are_named_and_the_others_go_through(service: Service, tmp_path: Path) -> None:
    changes = {
        1: {"title": "two\nlines"},
        2: {"credits": "7,5", "level": "x"},
        5: {"credits": "0"},
        7: {"result": "passed"},
    }
    result = await concord(file_of(tmp_path / "a.csv", table(10, changes)), environment=service.environment())
    assert result.code == 1
    assert sorted(result.out.splitlines()) == [
        "a.csv:10: C-7: result is \"passed\"; expected: one of 'pass', 'compensated', 'fail', 'not_assessed' or"
        " 'pending'",
        'a.csv:5: C-2: credits is "7,5"; expected: a number with a decimal point, not a comma: 7.5',
        'a.csv:5: C-2: level is "x"; expected: a whole number, such as 7',
        'a.csv:8: C-5: credits is "0"; expected: text of a number above 0 with at most two decimals, such as "15" or'
        ' "7.5"',
    ]
    assert "a.csv: 7 accepted, 0 known already, 3 refused" in result.err
    assert "two\nlines" in {event.title for event in await service.events()}


async def test_a_csv_file_comes_through_standard_input(service: Service) -> None:
    result = await concord("-", environment=service.environment(), content=table(3, separator="\t"))
    assert result.code == 0, result
    assert "<stdin>: 3 accepted" in result.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (table(2).decode().encode("utf-16"), "a.csv: The file is in UTF-16; save the file as UTF-8"),
        (
            table(2).replace(b"credits", b"credit", 1),
            "a.csv: A completion has no field “credit”; did you mean credits?",
        ),
        (b"reference\nC-1\n", "a.csv: The header, read as separated by commas, has no column learner.scheme,"),
        (b"<elmo", "a.csv: "),
    ],
)
@pytest.mark.parametrize("command", [("publish", "--dry-run"), CONVERT])
async def test_a_file_that_cannot_be_read_as_a_whole_is_said_to_be(
    service: Service, tmp_path: Path, content: bytes, words: str, command: tuple[str, ...]
) -> None:
    result = await concord(file_of(tmp_path / "a.csv", content), environment=service.environment(), command=command)
    assert (result.code, result.out) == (2, ""), result
    assert result.err.startswith(words)
    assert "Until then" not in result.err
    assert await service.stored() == 0


async def test_a_file_is_read_as_what_it_is_said_to_be(service: Service, tmp_path: Path) -> None:
    file = file_of(tmp_path / "a.ndjson", table(3))
    taken = await concord(file, environment=service.environment())
    assert taken.code == 1
    assert "0 accepted, 0 known already, 4 refused" in taken.err
    said = await concord(file, "--format", "csv", environment=service.environment())
    assert said.code == 0, said


ELMO = (ROOT / "contracts" / "elmo" / "example.xml").read_bytes()
"""The standard's own example, whose learner other members could not know."""
OF_ELMO = (
    *("--member", "northbridge", "--learner-type", "nationalIdentifier", "--mark-scale", "0", "40", "100"),
    *("--identity-verified", "--revision", "3", "--opportunity-version", "2", "--language", "pl"),
)


async def test_elmo_is_published_with_what_its_member_says_of_it(service: Service, tmp_path: Path) -> None:
    known = ELMO.replace(b"<givenNames>", f'<identifier type="esi">{esi("wojciech")}</identifier><givenNames>'.encode())
    file = file_of(tmp_path / "a.xml", known)
    unsaid = await concord(file, "--dry-run", environment=service.environment())
    assert "--member" in unsaid.out
    assert "0 would be accepted" in unsaid.err
    result = await concord(file, *OF_ELMO, environment=service.environment())
    assert result.code == 1
    assert "a.xml: 1 accepted, 0 known already, 1 refused" in result.err
    assert "a.xml:30: not carried over: learner/familyName" in result.err
    assert result.err.rstrip().endswith(", read as ELMO")
    (event,) = await service.events()
    assert (event.revision, event.learner_reference, event.title) == (3, "83041200000", "Budowa kompilatorów")
    assert event.learning_opportunity.model_dump() == {"id": "northbridge:1000-217bMRJ", "version": 2}
    assert (str(event.mark), event.identity_verified_at_assessment) == ("45.1", True)
    converted = await concord(file, *OF_ELMO, environment={}, command=CONVERT)
    again = await concord("-", environment=service.environment(), content=converted.out.encode())
    assert "0 accepted, 1 known already, 0 refused" in again.err


# --- dry runs --------------------------------------------------------------------------------------------------------


async def test_a_dry_run_says_what_would_become_of_every_row_and_stores_nothing(
    service: Service, tmp_path: Path
) -> None:
    bad = {50: {"credits": "7,5"}, 60: {"mark": "101"}, 70: {"learner.scheme": "ULN"}}
    file = file_of(tmp_path / "june.csv", table(103, bad))
    known = written(tmp_path / "known.ndjson", [line("C-0", "l0")])
    await concord(known, environment=service.environment())
    held = await everything(service)
    tried = await concord(file, "--dry-run", environment=service.environment())
    assert tried.code == 1
    assert "june.csv: 99 would be accepted, 1 known already, 3 would be refused" in tried.err
    assert tried.err.rstrip().endswith("\nNothing was stored.")
    assert await everything(service) == held
    earnest = await concord(file, environment=service.environment())
    assert earnest.code == 1
    assert sorted(earnest.out.splitlines()) == sorted(tried.out.splitlines())
    assert "june.csv: 99 accepted, 1 known already, 3 refused" in earnest.err
    assert "Nothing was stored" not in earnest.err
    again = await concord(file, "--dry-run", environment=service.environment())
    assert "june.csv: 0 would be accepted, 100 known already, 3 would be refused" in again.err


async def test_a_dry_run_of_good_rows_ends_with_0(service: Service, tmp_path: Path) -> None:
    result = await concord(
        written(tmp_path / "a.ndjson", [line("C-1"), line("C-1", revision=2)]),
        "--dry-run",
        environment=service.environment(),
    )
    assert (result.code, result.out) == (0, "")
    assert "a.ndjson: 2 would be accepted" in result.err
    assert await service.stored() == 0


class Unaware:
    """A service of before dry runs: it knows no such parameter, and would store everything."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app({**scope, "query_string": b""}, receive, send)


async def test_a_service_that_knows_no_dry_runs_gets_no_row(service: Service, tmp_path: Path) -> None:
    file = written(tmp_path / "a.ndjson", [line("C-1")])
    async with serving(Unaware(provider(service.pool, service.issuer))) as url:
        result = await concord(file, "--dry-run", environment=service.environment(provider_url=url))
    assert result.code == 2
    assert "does not answer as to a dry run; nothing was sent" in result.err
    assert await service.stored() == 0


# --- convert ---------------------------------------------------------------------------------------------------------


async def test_what_is_converted_is_what_would_be_published(service: Service, tmp_path: Path) -> None:
    file = file_of(tmp_path / "june.csv", table(120, {7: {"credits": "7,5"}, 9: {"title": "Ü\n|"}}))
    # Nobody is asked: there is no address, and no token.
    converted = await concord(file, environment={}, command=CONVERT)
    assert converted.code == 1
    assert converted.err.splitlines() == [
        'june.csv:9: C-7: credits is "7,5"; expected: a number with a decimal point, not a comma: 7.5',
        "june.csv: 119 written, 1 refused, read as CSV",
    ]
    assert [orjson.loads(each)["reference"] for each in converted.out.splitlines()] == [
        f"C-{n}" for n in range(120) if n != 7
    ]
    await concord(file, environment=service.environment())
    result = await concord("-", environment=service.environment(), content=converted.out.encode())
    assert "<stdin>: 0 accepted, 119 known already, 0 refused" in result.err


async def test_a_conversion_goes_where_it_is_to(tmp_path: Path) -> None:
    file = file_of(tmp_path / "june.csv", table(3))
    to = tmp_path / "june.ndjson"
    result = await concord(file, "--output", to, environment={}, command=CONVERT)
    assert (result.code, result.out) == (0, "")
    assert to.read_bytes().count(b"\n") == 3
    same = await concord(to, "--output", to, environment={"COLUMNS": "300"}, command=CONVERT)
    assert same.code == 2
    assert "is the file that is read" in same.err
    assert to.read_bytes().count(b"\n") == 3
    nowhere = await concord(file, "-o", tmp_path / "no" / "a", environment={"COLUMNS": "300"}, command=CONVERT)
    assert nowhere.code == 2
    assert "cannot be written: No such file or directory" in nowhere.err


async def test_ndjson_is_converted_to_itself_without_what_is_none(tmp_path: Path) -> None:
    good = [line("C-1"), line("C-2", title="Übung")]
    bad: list[bytes] = [b"{", b"[]", b'{"a": "\xff"}', b'{"title": "' + b"x" * 300_000 + b'"}']
    content = b"\xef\xbb\xbf" + b"\r\n".join([good[0], *bad, b"", good[1]])
    result = await concord(file_of(tmp_path / "a.ndjson", content), environment={}, command=CONVERT)
    assert result.code == 1
    assert result.out.encode().splitlines() == good
    *said, last = result.err.splitlines()
    assert [re.sub(r'is ".*"; ', "", each) for each in said] == [
        *(f"a.ndjson:{n}: the row expected: a JSON document in UTF-8: an object" for n in (2, 3, 4)),
        "a.ndjson:5: the row expected: a row of at most 262,144 bytes",
    ]
    assert last == "a.ndjson: 2 written, 4 refused, read as NDJSON"


@pytest.mark.parametrize(("name", "words"), [("nothing.csv", "No such file"), (".", "Is a directory")])
async def test_what_cannot_be_converted_is_said_to_be(tmp_path: Path, name: str, words: str) -> None:
    result = await concord(tmp_path / name, environment={"COLUMNS": "300"}, command=CONVERT)
    assert result.code == 2
    assert words in result.err


# --- the documentation -----------------------------------------------------------------------------------------------


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


async def test_the_example_of_the_documentation_is_published(service: Service, tmp_path: Path) -> None:
    (example,) = blocks("csv")
    file = file_of(tmp_path / "june.csv", example.encode())
    shown: list[str] = [each for block in blocks("console") for each in block.splitlines()]
    tried = await concord(file, "--dry-run", environment=service.environment())
    said = re.sub(r"in [0-9.]+ s", "in 0.1 s", tried.err).splitlines()[-2:]
    assert said == shown[-2:]
    result = await concord(file, environment=service.environment())
    assert (result.code, result.out) == (0, ""), result
    titles: dict[str, Any] = {event.reference: event for event in await service.events()}
    assert titles["C-2026-0001"].learning_outcomes == [
        "Weigh the interests of those whose data is used",
        "Argue a position",
    ]
    assert titles["C-2026-0002"].mark is None
    broken = file_of(file, example.replace(";15;", ";7,5;").encode())
    converted = await concord(broken, environment={}, command=CONVERT)
    assert converted.err.splitlines() == shown[1:3]


def test_the_documentation_names_every_column_and_which_are_needed() -> None:
    rows = [each.split("|")[1:3] for each in PAGE.read_text(encoding="utf-8").splitlines() if each.startswith("| `")]
    named = {name: needed.strip() == "yes" for cell, needed in rows for name in re.findall(r"`([\w.]+)`", cell)}
    assert named == {name: column.is_required for name, column in COMPLETIONS.columns.items()}
