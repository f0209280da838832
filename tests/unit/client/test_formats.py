"""Files are recognised by how they begin and what they are called, and read as they come."""

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from client.formats import File, Format, NotAsSaid, recognised
from client.formats.columns import ENROLMENTS
from client.rows import MOST_AHEAD, Refused, Row, beside
from tests.unit.client.test_comma_separated import DOCUMENT, written


@pytest.mark.parametrize(
    ("name", "head", "which"),
    [
        ("a.ndjson", b"", Format.NDJSON),
        ("a.JSONL", b"[]", Format.NDJSON),
        ("a.csv", b"", Format.CSV),
        ("a.TSV", b"nonsense", Format.CSV),
        ("a.xml", b"", Format.ELMO),
        ("a.csv", b' \r\n\t{"reference":', Format.NDJSON),
        ("a.ndjson", b"\xef\xbb\xbf<?xml", Format.ELMO),
        ("a.csv", b"\xff\xfe<\x00e\x00l\x00", Format.ELMO),
        ("<stdin>", b"<elmo", Format.ELMO),
        ("<stdin>", b"\n{", Format.NDJSON),
        ("<stdin>", b'\xef\xbb\xbf"Credits";"x"\n', Format.CSV),
        ("export", b"Learner Identifier\tx\r\n", Format.CSV),
        ("export", b"sep=;\r\ncredits;x\r\n", Format.CSV),
        ("export", b"credit,x\n", Format.NDJSON),
        ("<stdin>", b"", Format.NDJSON),
    ],
)
def test_a_file_is_recognised_by_its_beginning_then_by_its_name(name: str, head: bytes, which: Format) -> None:
    assert recognised(name, head) is which


def test_the_header_of_other_things_is_recognised_for_them() -> None:
    assert recognised("-", b"opened_on,x", ENROLMENTS) is Format.CSV
    assert recognised("-", b"opened_on,x") is Format.NDJSON


def file_of(path: Path, content: bytes, **said: Format) -> File:
    path.write_bytes(content)
    return File(os.open(path, os.O_RDONLY), path.name, **said)  # type: ignore[arg-type]


def test_a_file_says_what_it_was_read_as_and_its_rows_are_tied(tmp_path: Path) -> None:
    file = file_of(tmp_path / "a", written({}, {"level": "x"}, {"learner.identifier": "URN:A"}).encode())
    first, refused, third = file
    assert file.format is Format.CSV
    assert isinstance(first, Row)
    assert isinstance(third, Row)
    assert (first.number, orjson.loads(first.text)) == (2, DOCUMENT)
    assert set(first.ties) == {"identifier urn:a", "reference C-1", "learner S-1"}
    assert first.ties == third.ties
    error = {"field": "level", "value": "x", "expected": "a whole number, such as 7"}
    assert refused == Refused(3, "C-1", "The row cannot be read.", (error,))


def test_what_a_file_is_said_to_be_is_what_it_is_read_as(tmp_path: Path) -> None:
    file = file_of(tmp_path / "a.xml", written({}).encode(), format=Format.CSV)
    assert len(list(file)) == 1
    (row,) = file_of(tmp_path / "a.csv", b"reference", format=Format.NDJSON)
    assert isinstance(row, Row)
    assert (row.text, row.ties) == (b"reference", ())


def test_elmo_is_read_too_and_holds_nothing_but_completions(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(b"<elmo xmlns='https://github.com/emrex-eu/elmo-schemas/tree/v1'></elmo>")
    file = File(os.open(path, os.O_RDONLY), path.name)
    assert list(file) == []
    assert file.format is Format.ELMO
    with pytest.raises(NotAsSaid, match=r"holds completions. An enrolment comes as NDJSON or CSV"):
        list(File(os.open(path, os.O_RDONLY), path.name, table=ENROLMENTS))


@pytest.mark.parametrize("ending", [".ndjson", ".csv"])
def test_a_file_in_utf_16_is_refused_as_a_whole(tmp_path: Path, ending: str) -> None:
    with pytest.raises(NotAsSaid, match="in UTF-16"):
        list(file_of(tmp_path / f"a{ending}", "reference\n".encode("utf-16")))


def test_sizes_add_up_to_what_was_taken(tmp_path: Path) -> None:
    content = written(*[{"title": "x" * 50_000}] * 30).encode()
    rows = [row for row in file_of(tmp_path / "a.csv", content) if isinstance(row, Row)]
    assert sum(row.size for row in rows) == len(content)
    assert max(row.size for row in rows) < len(content)


async def test_rows_of_a_pipe_come_as_soon_as_they_are_written() -> None:
    reading, writing = os.pipe()
    header, row = written({}).encode().splitlines()
    rows = File(reading, "-").rows()
    os.write(writing, header + b"\n" + row + b"\n" + row + b"\n" + row[:20])
    assert [(await asyncio.wait_for(anext(rows), 20)).number for _ in range(2)] == [2, 3]  # type: ignore[union-attr]
    os.write(writing, row[20:])
    os.close(writing)
    assert (await asyncio.wait_for(anext(rows), 20)).number == 4  # type: ignore[union-attr]
    with pytest.raises(StopAsyncIteration):
        await anext(rows)
    os.close(reading)


async def test_what_reading_raises_comes_after_what_was_read() -> None:
    def items(_: object) -> Iterator[int]:
        yield 1
        raise ValueError("in the middle")

    found = beside(items)
    assert await anext(found) == 1
    with pytest.raises(ValueError, match="in the middle"):
        await anext(found)


async def test_reading_is_only_a_little_ahead_and_ends_with_its_reader() -> None:
    given = 0
    ended = threading.Event()

    def items(before_waiting):  # type: ignore[no-untyped-def]
        nonlocal given
        try:
            while True:
                before_waiting()
                given += 1
                yield given
        finally:
            ended.set()

    rows = beside(items)
    for number in range(1, 20):
        assert await anext(rows) == number
        assert given <= number + MOST_AHEAD + 1
    await rows.aclose()  # type: ignore[attr-defined]
    assert await asyncio.to_thread(ended.wait, 20)
