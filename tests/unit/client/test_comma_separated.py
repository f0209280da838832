"""CSV as spreadsheets and members' systems write it: what becomes of each row, and what is said of a wrong one."""

import csv
import io
import random
from typing import Any

import pytest

from client.formats.columns import COMPLETIONS, ENROLMENTS, Table
from client.formats.comma_separated import rows
from client.formats.reading import NotAsSaid, Notes, Read, Unreadable
from client.rows import LARGEST_ROW

CELLS = {
    "reference": "C-1",
    "revision": "1",
    "learner.scheme": "ESI",
    "learner.identifier": "urn:a",
    "learner.reference": "S-1",
    "learning_opportunity.id": "northbridge:data-ethics",
    "learning_opportunity.version": "2",
    "credits": "15",
    "framework": "FHEQ",
    "level": "7",
    "result": "pass",
    "mark": "62.5",
    "mark_scale.lowest": "0",
    "mark_scale.pass": "40",
    "mark_scale.highest": "100",
    "completed_on": "2026-06-30",
    "identity_verified_at_assessment": "TRUE",
    "title": "Data Ethics",
    "learning_outcomes": "Weigh interests | Argue",
    "revoked": "",
}
DOCUMENT = {
    "reference": "C-1",
    "revision": 1,
    "learner": {"scheme": "ESI", "identifier": "urn:a", "reference": "S-1"},
    "learning_opportunity": {"id": "northbridge:data-ethics", "version": 2},
    "credits": "15",
    "framework": "FHEQ",
    "level": 7,
    "result": "pass",
    "mark": "62.5",
    "mark_scale": {"lowest": "0", "pass": "40", "highest": "100"},
    "completed_on": "2026-06-30",
    "identity_verified_at_assessment": True,
    "title": "Data Ethics",
    "learning_outcomes": ["Weigh interests", "Argue"],
}


def read(content: bytes, table: Table = COMPLETIONS) -> list[Read]:
    return list(rows(io.BytesIO(content), Notes(), table=table))


def written(*changes: dict[str, str], separator: str = ",", end: str = "\n") -> str:
    """A file with a row for each set of changes."""
    names = list(dict.fromkeys([*CELLS, *(name for one in changes for name in one)]))
    file = io.StringIO()
    to = csv.DictWriter(file, names, delimiter=separator, lineterminator=end, restval="")
    to.writeheader()
    to.writerows(CELLS | one for one in changes)
    return file.getvalue()


def faults(content: bytes) -> list[tuple[int, str, object, str]]:
    """What is said of the rows that are not read."""
    return [
        (one.line, fault.field, fault.value, fault.expected)
        for one in read(content)
        if isinstance(one, Unreadable)
        for fault in one.faults
    ]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("before", ["", "sep={}{}"])
def test_a_file_of_any_spreadsheet_is_the_same_completion(mark: str, end: str, separator: str, before: str) -> None:
    content = mark + before.format(separator, end) + written({}, separator=separator, end=end)
    line = 3 if before else 2
    assert read(content.encode()) == [(line, DOCUMENT)]
    assert read(content.removesuffix(end).encode()) == [(line, DOCUMENT)]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_file_whose_every_cell_is_quoted_is_the_same(separator: str) -> None:
    file = io.StringIO()
    csv.writer(file, delimiter=separator, quoting=csv.QUOTE_ALL).writerows([CELLS, CELLS.values()])
    assert made(file.getvalue()) == [(2, DOCUMENT)]


def test_line_breaks_in_quotes_count_as_lines() -> None:
    content = written({"title": "Data\nEthics"}, {"title": "a\r\n\r\nb"}, {}, end="\r\n")
    assert [line for line, _ in made(content)] == [2, 4, 7]
    assert [document["title"] for _, document in made(content)] == ["Data\nEthics", "a\r\n\r\nb", "Data Ethics"]


def made(content: str) -> list[tuple[int, dict[str, Any]]]:
    found = read(content.encode())
    assert not any(isinstance(one, Unreadable) for one in found), found
    return found  # type: ignore[return-value]


def test_quotes_separators_and_letters_in_cells_are_theirs() -> None:
    title = 'Éthique – “data”, "big" ; small\t學'
    ((_, document),) = made(written({"title": title}))
    assert document["title"] == title


def test_an_empty_cell_states_nothing_and_a_row_of_them_is_no_row() -> None:
    empty = dict.fromkeys(CELLS, "")
    scale = {name: " " for name in CELLS if name.startswith("mark")}
    (first, second) = made(written({}, empty, {**scale, "reference": "C-2"}) + "\n  \n,,,\n")
    assert first == (2, DOCUMENT)
    line, document = second
    assert line == 4
    assert document == {name: value for name, value in DOCUMENT.items() if not name.startswith("mark")} | {
        "reference": "C-2"
    }


def test_spaces_around_a_cell_do_not_count() -> None:
    assert made(written({"title": "  Data Ethics\u00a0", "level": " 7 "})) == [(2, DOCUMENT)]
    header, row = written({}).splitlines()
    header, row = header.replace(",", " , "), row.replace(",Data Ethics", ', "Data Ethics"')
    assert made(f"{header}\n{row}") == [(2, DOCUMENT)]


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ("Learner Identifier", "learner.identifier"),
        ("LEARNER_IDENTIFIER", "learner.identifier"),
        ("mark-scale pass", "mark_scale.pass"),
        ("CompletedOn", "completed_on"),
        (' "Completed on"', "completed_on"),
    ],
)
def test_capitals_and_what_joins_words_do_not_distinguish_columns(stated: str, name: str) -> None:
    header, row = written({}).splitlines()
    assert made(f"{header.replace(name, stated)}\n{row}") == [(2, DOCUMENT)]


def test_columns_without_a_name_are_nothing_as_long_as_they_are_empty() -> None:
    header, row = written({}).splitlines()
    assert made(f"{header},,\n{row},,\n{row},,,,") == [(2, DOCUMENT), (3, DOCUMENT)]
    assert faults(f"{header},,\n{row},x,\n".encode()) == [(2, "", "x", "no cell where the header names no column")]


@pytest.mark.parametrize(
    ("column", "text", "expected"),
    [
        ("credits", "7,5", "a number with a decimal point, not a comma: 7.5"),
        ("mark", "-62,5", "a number with a decimal point, not a comma: -62.5"),
        ("credits", "1.000,5", "a number, such as 15 or 7.5"),
        ("credits", "15 ECTS", "a number, such as 15 or 7.5"),
        ("credits", "1e1", "a number, such as 15 or 7.5"),
        ("credits", "١٥", "a number, such as 15 or 7.5"),
        ("level", "7.0", "a whole number, such as 7"),
        ("level", "seven", "a whole number, such as 7"),
        ("revision", "9" * 5_000, "a whole number, such as 7"),
        ("identity_verified_at_assessment", "yes", "true or false"),
        ("revoked", "WAHR", "true or false"),
        ("completed_on", "30/06/2026", "a day of the calendar as YYYY-MM-DD, such as 2026-06-30"),
        ("completed_on", "2026-02-30", "a day of the calendar as YYYY-MM-DD, such as 2026-06-30"),
        ("completed_on", "2026-W01-1", "a day of the calendar as YYYY-MM-DD, such as 2026-06-30"),
        ("learning_outcomes", "a||b", "texts with one | between two of them, none of them empty"),
        ("learning_outcomes", "a|", "texts with one | between two of them, none of them empty"),
    ],
)
def test_a_cell_that_is_no_value_of_its_column_is_refused_and_the_other_rows_are_read(
    column: str, text: str, expected: str
) -> None:
    first, second, third = read(written({}, {column: text, "reference": "C-2"}, {}).encode())
    assert (first, third) == ((2, DOCUMENT), (4, DOCUMENT))
    assert isinstance(second, Unreadable)
    assert (second.line, second.reference) == (3, "C-2")
    assert [(one.field, one.value, one.expected) for one in second.faults] == [(column, text, expected)]


def test_every_wrong_cell_of_a_row_is_named() -> None:
    found = faults(written({"credits": "7,5", "level": "x", "revoked": "no"}).encode())
    assert [field for _, field, _, _ in found] == ["credits", "level", "revoked"]


@pytest.mark.parametrize("cut", [1, 5])
def test_a_row_of_another_number_of_cells_is_refused(cut: int) -> None:
    header, row = written({}).splitlines()
    short = row.rsplit(",", cut)[0]
    ((line, field, value, expected),) = faults(f"{header}\n{short}\n{row}".encode())
    assert (line, field) == (2, "")
    assert str(value).startswith("C-1,1,ESI")
    assert expected == f"20 cells, as the header has; this row has {20 - cut}"
    assert [one[3] for one in faults(f"{header}\n{row},x".encode())] == ["20 cells, as the header has; this row has 21"]


def test_a_quotation_mark_that_stays_open_takes_no_more_than_it_must() -> None:
    header, good = written({}).splitlines()
    broken = good.replace("Data Ethics", '"Data Ethics')
    quoted = good.replace("Data Ethics", '"Data Ethics"')
    found = read("\n".join([header, good, broken, good, quoted, good]).encode())
    assert [one[0] for one in found if not isinstance(one, Unreadable)] == [2, 6]
    ((line, field, value, expected),) = faults("\n".join([header, good, broken, good, quoted, good]).encode())
    assert (line, field) == (3, "")
    assert str(value).startswith("C-1,1")
    assert expected.startswith("quotation marks that are closed within the row")
    assert expected.endswith("; lines 3 to 5 were read as this row")
    # None follows that would end it.
    (_, _, _, at_the_end), *_ = faults("\n".join([header, good, broken, good]).encode())
    assert "; lines 3 to 4 were read as this row" in at_the_end


def test_a_quotation_mark_that_nothing_closes_is_given_up_within_bounds() -> None:
    header, good = written({}).splitlines()
    broken = good.replace("Data Ethics", '"Data Ethics')
    found = read("\n".join([header, broken, *[good] * 3_000]).encode())
    assert isinstance(found[0], Unreadable)
    assert "cells of at most" in found[0].faults[0].expected
    assert len([one for one in found if not isinstance(one, Unreadable)]) > 1_500


def test_a_row_that_is_too_long_is_refused_and_the_others_are_read() -> None:
    header, good = written({}).splitlines()
    long = good.replace("Data Ethics", "x" * 3 * LARGEST_ROW)
    lines = good.replace("Data Ethics", '"' + "x\n" * 100 + '","' + '","'.join(["y\n" * 50_000 + "z"] * 10) + '"')
    content = "\n".join([header, good, long, good, lines, good])
    found = [one for one in read(content.encode()) if not isinstance(one, Unreadable)]
    assert [found[0], found[1]] == [(2, DOCUMENT), (4, DOCUMENT)]
    assert found[-1] == (content.count("\n") + 1, DOCUMENT)
    first, *rest = faults(content.encode())
    assert first[0] == 3
    assert first[3] == "a row of at most 262,144 bytes"
    assert rest[0][0] == 5
    assert "a row of at most 262,144 bytes; lines 5 to " in rest[0][3]


def test_a_cell_in_another_encoding_is_refused_where_it_stands() -> None:
    content = written({}, {"title": "Éthique", "reference": "C-2"}, {})
    ((line, field, value, expected),) = faults(content.encode("cp1252"))
    assert (line, field, value) == (3, "title", "\ufffdthique")
    assert expected == "text in UTF-8; save the file as UTF-8 (in a spreadsheet: “CSV UTF-8”)"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_in_utf_16_is_said_to_be(encoding: str) -> None:
    with pytest.raises(NotAsSaid, match=r"^The file is in UTF-16; save the file as UTF-8"):
        read(written({}).encode(encoding))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("Référence,credits".encode("cp1252"), "The header is not in UTF-8; save the file as UTF-8"),
        (b"reference,credit,x", "A completion has no field “credit”; did you mean credits? A completion has no"),
        (b"reference;lerner.identifier", "no field “lerner.identifier”; did you mean learner.identifier?"),
        (b"reference,zzzzzzzz", "no field “zzzzzzzz”; the columns are learner.scheme, learner.identifier, "),
        (b"reference,credits,Reference", "The header has more than one column reference."),
        (b'reference,"credits', "The header cannot be read; it wants quotation marks that are closed"),
        (b"reference,credits\rC-1,15\r", "Lines must end with LF or CRLF"),
        (b"x" * (LARGEST_ROW + 2), "The first line has more than 262,144 bytes"),
        (b"\x1b[2Jreference", "did you mean reference?"),
    ],
)
def test_a_header_that_cannot_be_read_is_refused_once_and_says_why(header: bytes, words: str) -> None:
    with pytest.raises(NotAsSaid) as caught:
        read(header + b"\nC-1,15\n")
    assert words in str(caught.value)


def test_a_header_without_what_every_completion_needs_is_refused_once() -> None:
    with pytest.raises(NotAsSaid) as caught:
        read(b"reference;credits;level\nC-1;15;7")
    assert str(caught.value) == (
        "The header, read as separated by semicolons, has no column learner.scheme, learner.identifier,"
        " learner.reference, revision, learning_opportunity.id, learning_opportunity.version, framework, result,"
        " completed_on or identity_verified_at_assessment. A completion needs a value there."
    )


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\n\r\n  \n", written({}).splitlines()[0].encode()])
def test_a_file_without_rows_has_none(content: bytes) -> None:
    assert read(content) == []


def test_other_things_have_their_own_columns() -> None:
    content = b"reference,revision,learner.scheme,learner.identifier,learner.reference,award,opened_on\n" + (
        b"E-1,1,ESI,urn:a,S-1,northbridge:bsc,2026-09-01\n"
    )
    assert read(content, ENROLMENTS) == [
        (
            2,
            {
                "reference": "E-1",
                "revision": 1,
                "learner": {"scheme": "ESI", "identifier": "urn:a", "reference": "S-1"},
                "award": "northbridge:bsc",
                "opened_on": "2026-09-01",
            },
        )
    ]
    with pytest.raises(NotAsSaid, match=r"^An enrolment has no field “credits”"):
        read(b"reference,credits\n", ENROLMENTS)


@pytest.mark.parametrize("seed", range(30))
def test_whatever_stands_in_a_file_rows_come_or_are_refused(seed: int) -> None:
    """No file breaks the reader: what is left of a good file after bytes of it were changed is read, or refused."""
    chance = random.Random(seed)
    content = bytearray(written(*[{"reference": f"C-{n}", "title": 'a "b"\n'} for n in range(50)]).encode())
    begun = content.index(b"\n") + 1
    for _ in range(30):
        content[chance.randrange(begun, len(content))] = chance.choice(b'",;\n\r\x00\xff x')
    for one in read(bytes(content)):
        if isinstance(one, Unreadable):
            assert all(fault.expected for fault in one.faults)
        else:
            assert one[1].keys() <= DOCUMENT.keys()
