"""Files are cut into rows, whatever blocks they come in, and however long their lines are."""

import random

import orjson
import pytest

from client.formats.ndjson import _Lines
from client.rows import LARGEST_ROW, Row


def rows(*blocks: bytes) -> list[Row]:
    lines = _Lines()
    return [row for block in blocks for row in lines.rows(block)] + list(lines.end())


def line(reference: str, identifier: str = "urn:A", learner: str = "S-1") -> bytes:
    return orjson.dumps({"reference": reference, "learner": {"identifier": identifier, "reference": learner}})


def test_lines_keep_their_numbers_over_blank_ones() -> None:
    found = rows(b'\xef\xbb\xbf{"a":1}\r\n\r\n   \n{"a":2}\n\n{"a":3}')
    assert [(row.number, row.text) for row in found] == [(1, b'{"a":1}'), (4, b'{"a":2}'), (6, b'{"a":3}')]


def test_a_file_of_blank_lines_has_no_rows() -> None:
    assert rows(b"\n\n \r\n") == rows(b"") == rows(b"\xef\xbb\xbf") == []


def test_blocks_do_not_matter() -> None:
    content = b"\xef\xbb\xbf" + b"\r\n".join(line(f"C-{n}") + b"\n" * (n % 3) for n in range(40)) + b"x" * 300
    whole = rows(content)
    assert len(whole) == 40
    for seed in range(20):
        chance = random.Random(seed)
        cuts = sorted(chance.sample(range(len(content)), 30))
        blocks = [content[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]
        assert rows(*blocks) == whole


def test_sizes_add_up_to_what_was_read() -> None:
    content = b"\xef\xbb\xbf" + line("C-1") + b"\r\n\n\n" + b"x" * (2 * LARGEST_ROW) + b"\n" + line("C-2")
    assert sum(row.size for row in rows(content)) == len(content)


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("after", [b"", b"\n", b"\r\n"])
def test_a_row_of_the_largest_size_is_whole_and_a_larger_one_is_seen_to_be(before: bytes, after: bytes) -> None:
    largest = b"x" * LARGEST_ROW
    (row,) = rows(before + largest + after)
    assert row.text == largest
    for more in (1, 2, 3, 4, 5, 100, LARGEST_ROW):
        (row,) = rows(before + largest + b"y" * (more - 1), b"\r" + after)
        assert len(row.text) > LARGEST_ROW or more == 1


def test_of_a_long_line_only_the_beginning_is_held() -> None:
    lines = _Lines()
    for _ in range(100):
        assert list(lines.rows(b"x" * LARGEST_ROW)) == []
        assert len(lines._held) <= LARGEST_ROW + 10
    (row,) = lines.end()
    assert row.size == 100 * LARGEST_ROW


def test_an_identifier_in_capitals_is_the_same_learners() -> None:
    one, two = rows(line("C-1", "urn:schac:ABC") + b"\n" + line("C-2", "URN:SCHAC:abc"))
    assert one.learner == two.learner
    assert set(one.ties) & set(two.ties)


def test_a_row_is_tied_by_its_learner_and_its_references() -> None:
    (row,) = rows(line("C-1", "urn:a", "C-1"))
    assert set(row.ties) == {"identifier urn:a", "reference C-1", "learner C-1"}


@pytest.mark.parametrize(
    "text", [b"{", b"[]", b'"x"', b"1", b"\xff", b'{"learner": 1}', b'{"learner": {"identifier": 1}}', b"[" * 5000]
)
def test_a_row_that_cannot_be_read_stands_by_itself(text: bytes) -> None:
    (row,) = rows(text)
    assert row.ties == ()


def test_what_can_be_read_of_a_row_ties_it() -> None:
    (row,) = rows(b'{"reference": "C-1", "learner": null}')
    assert row.ties == ("reference C-1",)
