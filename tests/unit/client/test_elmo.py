"""ELMO files of members, read as completions: what is taken, what is noted, and what is refused, with its line."""

import io
import tracemalloc
from itertools import chain, repeat
from typing import Any

import pytest

from client.formats import elmo
from client.formats.elmo import MarkScale, Own
from client.formats.elmo.parsing import BLOCK, DEEPEST, LARGEST_KEPT, LONGEST_TOKEN
from client.formats.reading import NotAsSaid, Notes, Read, Unreadable
from contracts.elmo import CEN, CONCORD, EMREX
from services.provider.documents import CompletionLine
from tests.elmo import EXAMPLE, must_be_valid

OWN = Own(member="northbridge", identity_verified=True)
ESI = "urn:schac:personalUniqueCode:int:esi:northbridge.example:ann"
LEARNER = f'<identifier type="esi">{ESI}</identifier><identifier type="local">S-ann</identifier>'
ACHIEVED = "<date>2026-06-30</date><status>passed</status>"
ECTS = "<credit><scheme>ects</scheme><value>5</value></credit>"


def specification(
    instance: str = ACHIEVED + ECTS, *, kind: str = "Course", inside: str = "", code: str = "DS101"
) -> str:
    return f"""
<learningOpportunitySpecification>
  <identifier type="local">{code}</identifier><title xml:lang="en">Data Ethics</title><type>{kind}</type>
  <specifies><learningOpportunityInstance>{instance}</learningOpportunityInstance></specifies>
  {f"<hasPart>{inside}</hasPart>" if inside else ""}
</learningOpportunitySpecification>"""


def file(*specifications: str, learner: str = LEARNER, prologue: str = "") -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>{prologue}
<elmo xmlns="{EMREX}">
<generatedDate>2026-09-01T09:30:00Z</generatedDate>
<learner>{learner}<givenNames/><familyName/></learner>
<report>
<issuer><country>GB</country><identifier type="schac">northbridge.example</identifier><title>Northbridge</title>
<url>https://northbridge.example</url></issuer>
{"".join(specifications)}
<issueDate>2026-09-01T09:30:00Z</issueDate>
</report>
</elmo>""".encode()


def read(content: bytes, own: Own = OWN, notes: Notes | None = None) -> list[Read]:
    return list(elmo.reader(own)(io.BytesIO(content), notes or Notes()))


def document(content: bytes, own: Own = OWN) -> dict[str, Any]:
    (row,) = read(content, own)
    assert isinstance(row, tuple), row
    return row[1]


def refusal(content: bytes, own: Own = OWN) -> Unreadable:
    (row,) = read(content, own)
    assert isinstance(row, Unreadable), row
    return row


def noted(content: bytes, own: Own = OWN) -> dict[str, tuple[int, int]]:
    """What is noted, with how often and where first."""
    notes = Notes()
    read(content, own, notes)
    return {what: (count, notes.first[what]) for what, count in notes.counts.items()}


# --- what is taken ---------------------------------------------------------------------------------------------------


def test_a_course_with_credit_is_a_completion_that_concord_takes() -> None:
    content = file(specification())
    must_be_valid(content)
    made = document(content)
    assert made == {
        "reference": "S-ann/DS101/2026-06-30",
        "revision": 1,
        "learner": {"scheme": "ESI", "identifier": ESI, "reference": "S-ann"},
        "learning_opportunity": {"id": "northbridge:DS101", "version": 1},
        "credits": "5",
        "framework": "EQF",
        "result": "pass",
        "completed_on": "2026-06-30",
        "identity_verified_at_assessment": True,
        "title": "Data Ethics",
        "awarding_body": "Northbridge",
    }
    assert not list(CompletionLine.model_validate(made).faults())


def test_the_line_is_that_of_the_instance() -> None:
    (row,) = read(file("\n\n\n", specification()))
    assert isinstance(row, tuple)
    assert row[0] == 14
    assert b"<learningOpportunityInstance>" in file("\n\n\n", specification()).splitlines()[row[0] - 1]


def test_what_a_member_says_of_its_files_is_taken() -> None:
    own = Own(
        member="northbridge",
        learner_type="student",
        opportunity_type="module",
        completion_type="enrolment",
        version=3,
        revision=7,
        identity_verified=False,
        mark_scale=MarkScale("0", "40", "100"),
        language="cy",
    )
    content = file(
        specification(
            '<identifier type="Enrolment">E 77</identifier>' + ACHIEVED + "<resultLabel>62,50</resultLabel>" + ECTS
        ).replace(
            '<title xml:lang="en">',
            '<identifier type="module">M 1</identifier><title>None</title><title xml:lang="cy">',
        ),
        learner=LEARNER + '<identifier type="student">12</identifier>',
    )
    made = document(content, own)
    assert made["reference"] == "E 77"
    assert made["learner"]["reference"] == "12"
    assert made["learning_opportunity"] == {"id": "northbridge:M%201", "version": 3}
    assert made["revision"] == 7
    assert made["identity_verified_at_assessment"] is False
    assert (made["mark"], made["mark_scale"]) == ("62.5", {"lowest": "0", "pass": "40", "highest": "100"})
    assert made["title"] == "Data Ethics"
    assert not list(CompletionLine.model_validate(made).faults())


@pytest.mark.parametrize(
    ("credit", "levels", "said", "taken"),
    [
        ("ects 5", "EQF 6", None, ("5", "EQF", 6)),
        ("ECTS 5.00", "eqf 6", None, ("5", "EQF", 6)),
        ("ects 5", "", None, ("5", "EQF", None)),
        ("cats 15", "", None, ("15", "FHEQ", None)),
        ("ects 7.5 cats 15", "EQF 7 FHEQ 7", None, ("7.5", "EQF", 7)),
        ("ects 7.5 cats 15", "EQF 7 FHEQ 7", "FHEQ", ("15", "FHEQ", 7)),
        ("cats 15", "EQF 7 FHEQ 7", None, ("15", "FHEQ", 7)),
        ("ects 7.5", "NQF 5 NFQ 8", None, ("7.5", "NFQ", 8)),
        ("scqf 20", "SCQF 11", None, ("20", "SCQF", 11)),
    ],
)  # fmt: skip
def test_credit_and_level_are_of_one_framework(credit: str, levels: str, said: Any, taken: tuple[Any, ...]) -> None:
    words, names = credit.split(), levels.split()
    stated = "".join(
        f"<credit><scheme>{scheme}</scheme><value>{value}</value></credit>"
        for scheme, value in zip(words[::2], words[1::2], strict=True)
    ) + "".join(
        f"<level><type>{name}</type><value>{value}</value></level>"
        for name, value in zip(names[::2], names[1::2], strict=True)
    )
    made = document(file(specification(ACHIEVED + stated)), Own("northbridge", framework=said, identity_verified=True))
    assert (made["credits"], made["framework"], made.get("level")) == taken


def test_credit_is_never_converted() -> None:
    (fault,) = refusal(file(specification(ACHIEVED + ECTS + "<level><type>FHEQ</type><value>6</value></level>"))).faults
    assert (fault.field, fault.value) == ("learningOpportunityInstance/credit", "ects 5")
    assert "cats, the credit of FHEQ" in fault.expected


def test_no_status_is_passed_and_failed_is_fail() -> None:
    assert document(file(specification("<date>2026-06-30</date>" + ECTS)))["result"] == "pass"
    assert document(file(specification("<date>2026-06-30</date><status>failed</status>" + ECTS)))["result"] == "fail"


def test_a_number_is_no_mark_until_its_scale_is_said() -> None:
    content = file(specification(ACHIEVED + "<resultLabel>1.3</resultLabel>" + ECTS))
    assert "mark" not in document(content)
    assert "learningOpportunityInstance/resultLabel: a number, but of no scale that is said" in noted(content)


def test_a_day_may_have_a_zone() -> None:
    assert document(file(specification("<date>2026-06-30+02:00</date>" + ECTS)))["completed_on"] == "2026-06-30"


def test_many_learners_may_stand_in_one_file_inside_anything() -> None:
    other = LEARNER.replace("ann", "ben")
    content = b"<export xmlns='urn:x'>" + b"".join(
        b"<of>" + file(specification(), learner=who).split(b"?>", 1)[1] + b"</of>" for who in (LEARNER, other)
    )
    rows = read(content + b"</export>")
    assert [row[1]["learner"]["reference"] for row in rows if isinstance(row, tuple)] == ["S-ann", "S-ben"]


def test_the_older_elmo_is_read() -> None:
    content = f"""<elmo xmlns="{CEN}"><report>
    <learner>{LEARNER}</learner><issuer><title>Northbridge</title></issuer>
    <learningOpportunitySpecification>
      <identifier type="local">DS101</identifier><title>Data Ethics</title><type>Course</type>
      <credit><scheme>ECTS</scheme><level>2</level><value>5</value></credit>
      <learningOutcome xml:lang="en">Weighs interests.</learningOutcome>
      <specifies><learningOpportunityInstance>
        <date dtf="W3CDTF">2012-06-30T00:00:00</date><result scheme="0-100" number="62.0">B</result>
        <engagementHours type="hours">30</engagementHours>
      </learningOpportunityInstance></specifies>
    </learningOpportunitySpecification><issueDate>2012-07-01</issueDate></report></elmo>""".encode()
    own = Own("northbridge", identity_verified=True, mark_scale=MarkScale("0", "40", "100"))
    made = document(content, own)
    assert [made[name] for name in ("credits", "framework", "result", "mark", "completed_on", "learning_outcomes")] == [
        "5", "EQF", "pass", "62", "2012-06-30", ["Weighs interests."],
    ]  # fmt: skip
    assert not list(CompletionLine.model_validate(made).faults())
    assert {"credit/level", "learningOpportunityInstance/engagementHours"} <= set(noted(content, own))


# --- what is noted ---------------------------------------------------------------------------------------------------


def test_what_a_completion_does_not_hold_is_noted_with_its_count_and_first_line() -> None:
    extra = "<languageOfInstruction>en</languageOfInstruction><engagementHours>30</engagementHours>"
    found = noted(file(specification(ACHIEVED + ECTS + extra), specification(ACHIEVED + ECTS + extra, code="DS102")))
    assert found["learningOpportunityInstance/languageOfInstruction"] == (2, 11)
    assert found["elmo/generatedDate"] == (1, 3)
    assert found["issuer/identifier of type schac"] == (1, 6)
    assert "learner/givenNames" not in found  # it is empty


def test_degrees_parts_without_credit_and_what_goes_on_are_no_completions() -> None:
    part = specification("<status>passed</status>", kind="Class", code="L")
    course = specification(inside=part, code="C")
    content = file(
        specification(ACHIEVED + ECTS, kind="Degree Programme", inside=course, code="D"),
        specification("<status>in-progress</status>", code="P"),
    )
    rows = read(content)
    assert [row[1]["learning_opportunity"]["id"] for row in rows if isinstance(row, tuple)] == ["northbridge:C"]
    assert len(rows) == 1
    assert {what.partition(": ")[2] for what in noted(content) if ": " in what} == {
        "a degree programme", "in progress", "without credit",
    }  # fmt: skip


def test_the_standards_own_example_is_understood() -> None:
    own = Own("warsaw", learner_type="someOtherCustomIdentifierType", identity_verified=True)
    rows = read(EXAMPLE.read_bytes(), own)
    assert [row.line for row in rows if isinstance(row, Unreadable)] == [152, 197]
    # A Polish national identifier is none that other members know.
    assert {fault.field for row in rows if isinstance(row, Unreadable) for fault in row.faults} == {
        "learner/identifier", "learningOpportunityInstance/date",
    }  # fmt: skip


# --- what is refused -------------------------------------------------------------------------------------------------


def test_all_that_is_missing_is_said_at_once_with_what_would_be_right() -> None:
    content = file(
        specification(ECTS).replace('type="local"', 'type="x"'), learner='<identifier type="n">1</identifier>'
    )
    row = refusal(content, Own())
    assert row.line == 11
    said = {(fault.field, fault.value): fault.expected for fault in row.faults}
    assert set(said) == {
        ("learner/identifier", "identifiers of n"),
        ("learningOpportunitySpecification/identifier", "identifiers of x"),
        ("learningOpportunityInstance/date", None),
        ("learning_opportunity.id", None),
        ("identity_verified_at_assessment", None),
    }
    assert "--member" in said["learning_opportunity.id", None]
    assert all("1" not in str(value) for _, value in said)  # no identifier of a person is repeated


def test_a_course_without_credit_is_refused_and_so_is_credit_inside_credit() -> None:
    (fault,) = refusal(file(specification(ACHIEVED))).faults
    assert fault.field == "learningOpportunityInstance/credit"
    whole, part = read(file(specification(inside=specification(code="DS102"))))
    assert isinstance(whole, tuple)
    assert isinstance(part, Unreadable)
    assert "has credit itself" in part.faults[0].expected


OWN_WORDS = {
    "<revision>first</revision>": ("revision", "first", "a whole number"),
    "<revoked>perhaps</revoked>": ("revoked", "perhaps", "true or false"),
    '<title escaped="json">no quotes</title>': ("title", "no quotes", "text in the quotes"),
    '<title escaped="json">7</title>': ("title", "7", "text in the quotes"),
}


@pytest.mark.parametrize(("words", "said"), OWN_WORDS.items(), ids=OWN_WORDS)
def test_what_somebody_changed_in_concords_own_words_is_said(words: str, said: tuple[str, str, str]) -> None:
    stated = f'<extension><completion xmlns="{CONCORD}">{words}</completion></extension>'
    (fault,) = refusal(file(specification(ACHIEVED + ECTS + stated))).faults
    assert (fault.field, fault.value) == said[:2]
    assert fault.expected.startswith(said[2])


def test_a_row_that_cannot_be_made_stops_no_other() -> None:
    rows = read(file(specification(ACHIEVED), specification(code="DS102")))
    assert [type(row) for row in rows] == [Unreadable, tuple]


HOSTILE = {
    "billion laughs": '<!DOCTYPE elmo [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>',
    "a file of the machine": '<!DOCTYPE elmo [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    "an address": '<!DOCTYPE elmo SYSTEM "http://127.0.0.1:9/elmo.dtd">',
    "a document type alone": "<!DOCTYPE elmo>",
}


@pytest.mark.parametrize("declared", HOSTILE.values(), ids=HOSTILE.keys())
def test_document_types_are_refused_with_their_line(declared: str) -> None:
    with pytest.raises(NotAsSaid, match=r"line 2: the file declares a document type .*take it out"):
        read(file(specification("&a;"), prologue="\n" + declared))


def test_an_entity_that_nobody_declared_is_refused() -> None:
    with pytest.raises(NotAsSaid, match="line 11: this is no well-formed XML"):
        read(file(specification("&secret;")))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (file(specification())[:-10], "line 15: this is no well-formed XML"),
        (b"<html><body/></html>", "no ELMO: .* but html of no namespace"),
        (b"<elmo/>", "no ELMO"),
        (b"", "line 1: this is no well-formed XML: no element found"),
        (b'<?xml version="1.0" encoding="klingon"?><elmo/>', "encoding"),
        (b"<a>" * (DEEPEST + 2), f"more than {DEEPEST} elements"),
        (b"<a><!--" + b"x" * (LONGEST_TOKEN + 2 * BLOCK), "a tag or a comment"),
        (b'<a b="' + b"x" * (LONGEST_TOKEN + 2 * BLOCK), "a tag or a comment"),
        (file().replace(b"<learner>", b"<learner>" + b"<identifier type='a'>1</identifier>" * 12_000), "stands before"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_with_its_line(content: bytes, said: str) -> None:
    with pytest.raises(NotAsSaid, match=said):
        read(content)


def test_what_stands_before_a_fault_is_read() -> None:
    rows = elmo.reader(OWN)(io.BytesIO(file(specification()) + b"<again/>"), Notes())
    assert isinstance(next(rows), tuple)
    with pytest.raises(NotAsSaid, match="line 16"):
        next(rows)


def test_other_encodings_are_read() -> None:
    content = file(specification()).decode().replace("Data Ethics", "Éthique").replace("UTF-8", "{}")
    for encoding in ("UTF-16", "ISO-8859-1", "windows-1252"):
        assert document(content.format(encoding).encode(encoding))["title"] == "Éthique"


def test_an_instance_beyond_all_measure_stops_no_other() -> None:
    endless = f"<identifier type='x'>{'x' * LARGEST_KEPT}</identifier>"
    rows = read(file(specification(ACHIEVED + ECTS + endless), specification(code="DS102")))
    assert isinstance(rows[0], Unreadable)
    assert rows[0].faults[0].field == "learningOpportunityInstance"
    assert isinstance(rows[1], tuple)


# --- memory ----------------------------------------------------------------------------------------------------------


ATTACHED = f"<attachment><content>{'QUJD' * 250}</content></attachment>"
HEAD = f'<elmo xmlns="{EMREX}"><learner>{LEARNER}</learner>'
REPORT = "<report><issuer><title>Northbridge</title></issuer>"
OPPORTUNITY = '<learningOpportunitySpecification><identifier type="local">DS101</identifier><specifies>'
INSTANCE = f"<learningOpportunityInstance>{ACHIEVED}{ECTS}</learningOpportunityInstance>"
LARGE = {
    "learners": ("<export>", f"{HEAD}{REPORT}{specification()}</report>{ATTACHED}</elmo>", "</export>"),
    "reports": (HEAD, f"{REPORT}{specification()}{ATTACHED}</report>", "</elmo>"),
    "opportunities": (f"{HEAD}{REPORT}", specification(), "</report></elmo>"),
    "parts": (
        f"{HEAD}{REPORT}{OPPORTUNITY}</specifies>",
        f"<hasPart>{specification()}</hasPart>",
        "</learningOpportunitySpecification></report></elmo>",
    ),
    "instances": (
        f"{HEAD}{REPORT}{OPPORTUNITY}",
        INSTANCE,
        "</specifies></learningOpportunitySpecification></report></elmo>",
    ),
}


class _Endless(io.RawIOBase):
    """A file that is made as it is read: a beginning, something again and again, and an end."""

    def __init__(self, size: int, before: str, again: str, after: str) -> None:
        times = BLOCK // len(again) + 1
        blocks = max(1, size // (times * len(again)))
        self._blocks = chain((before.encode(),), repeat((again * times).encode(), blocks), (after.encode(),))

    def read(self, _size: int = -1) -> bytes:
        return next(self._blocks, b"")


def _peak(size: int, parts: tuple[str, str, str]) -> tuple[int, int]:
    """The most bytes that were held while a file of this size was read, and its rows."""
    source = _Endless(size, *parts)
    tracemalloc.start()
    try:
        rows = sum(isinstance(row, tuple) for row in elmo.reader(OWN)(source, Notes()))  # type: ignore[arg-type]
        return tracemalloc.get_traced_memory()[1], rows
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("parts", LARGE.values(), ids=LARGE)
def test_a_large_file_takes_no_more_memory_than_a_small_one(parts: tuple[str, str, str]) -> None:
    small, rows = _peak(1, parts)
    large, more = _peak(5 * BLOCK, parts)
    assert more > 3 * rows > 0
    assert large < small + 50_000
