"""A learner's completions as ELMO: valid, and read back to what was published, whatever it was."""

import io
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from client.formats import elmo as reading
from client.formats.reading import Notes
from contracts.elmo import COUNTRIES, EMREX
from contracts.ids import completion_id
from contracts.provider_completion import CompletionPublished
from services.learner_record.application import elmo
from services.learner_record.application.elmo import Credit, Report
from services.learner_record.domain.published import FIELDS, document_of
from services.provider.documents import CompletionLine
from services.provider.domain.frameworks import LEVELS
from tests.elmo import ELMO, must_be_valid

AT = datetime(2026, 9, 1, 9, 30, tzinfo=UTC)
IDENTIFIER = "urn:schac:personaluniquecode:int:esi:northbridge.example:ann"
NS = {"e": EMREX}
EXAMPLES = ELMO.parent / "examples" / CompletionPublished.TYPE

# --- any completion --------------------------------------------------------------------------------------------------

# White space of all kinds, markup, and what JSON takes and XML 1.0 has no place for.
texts = st.text(st.sampled_from("aé &<>\"']]>\t\n\r\x01\x0b\x1f\x85\u00a0\u2028\ufffe\uffff\U0001f600"), min_size=1) | (
    st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=40)
)
references = st.text(
    st.characters(exclude_characters="\x7f", min_codepoint=32, exclude_categories=["Cs"]), min_size=1, max_size=40
)
codes = st.text(
    st.characters(exclude_characters="\x7f", min_codepoint=33, exclude_categories=["Cs"]), min_size=1, max_size=30
)
days = st.dates(date(1, 1, 1)).map(date.isoformat)
amounts = st.decimals(Decimal("0.01"), 999_999, places=2).map(lambda number: f"{number:f}")
marks = st.decimals(0, 100, places=4)


@st.composite
def levels(draw: st.DrawFn) -> dict[str, Any]:
    framework = draw(st.sampled_from(sorted(LEVELS)))
    return {"framework": framework, "level": draw(st.sampled_from(LEVELS[framework]))}


@st.composite
def completions(draw: st.DrawFn) -> dict[str, Any]:
    """A document that the provider service takes, with any of its optional fields."""
    credit = draw(levels())
    document = {
        "reference": draw(references),
        "revision": draw(st.integers(1, 2**31 - 1)),
        "learner": {"scheme": "ESI", "identifier": IDENTIFIER, "reference": draw(references)},
        "learning_opportunity": {"id": f"northbridge:{draw(codes)}", "version": draw(st.integers(1, 2**31 - 1))},
        "credits": draw(amounts),
        "framework": credit["framework"],
        "result": draw(st.sampled_from(["pass", "compensated", "fail", "not_assessed", "pending"])),
        "completed_on": draw(days),
        "identity_verified_at_assessment": draw(st.booleans()),
    }
    lowest, highest = Decimal(0), Decimal(100)
    optional = {
        "level": st.just(credit["level"]),
        "mark": marks.map(lambda number: f"{number:f}"),
        "mark_scale": marks.map(lambda number: {"lowest": str(lowest), "pass": f"{number:f}", "highest": str(highest)}),
        "issued_on": days,
        "workload_hours": amounts,
        "used_for": st.builds(
            lambda title, at, more: {"title": title, **at, **more},
            texts,
            levels(),
            st.fixed_dictionaries({}, optional={"awarding_member": st.just("westfield"), "ladder": texts}),
        ),
        "learning_outcomes": st.lists(texts, min_size=1, max_size=3),
        "revoked": st.just(True),
    }
    for name in ("title", "awarding_body", "assessment_type", "participation_form", "quality_assurance"):
        optional[name] = texts
    optional["revocation_reason"] = texts
    stated = draw(st.fixed_dictionaries({}, optional=optional))
    return {**document, **stated}


def event_of(document: dict[str, Any]) -> dict[str, Any]:
    """The event of a document, as the learner record stores it."""
    taken = CompletionLine.model_validate(document).model_dump(mode="json", exclude={"learner"})
    event = CompletionPublished.model_validate_json(
        json.dumps(
            {
                **taken,
                "completion_id": str(completion_id("northbridge", document["reference"])),
                "provider": "northbridge",
                "learner_id": str(UUID(int=1)),
                "learner_reference": document["learner"]["reference"],
                "body_hash": "0" * 64,
                "accepted_at": AT.isoformat(),
                "claimable_from": AT.isoformat(),
            }
        )
    )
    stored: dict[str, Any] = json.loads(event.to_bytes())
    return stored


def record(documents: Sequence[dict[str, Any]]) -> bytes:
    """The ELMO of completions of one member's."""
    return written(*(document_of(event_of(one), scheme="ESI", identifier=IDENTIFIER) for one in documents))


def written(*documents: dict[str, Any]) -> bytes:
    """The ELMO of documents of one member's."""
    credits_ = [Credit(one, one["learning_opportunity"]["id"]) for one in documents]
    return elmo.written("ESI", IDENTIFIER, [Report("northbridge", "Northbridge University", credits_, "GB")], AT)


def read(content: bytes) -> list[dict[str, Any]]:
    """What a member's command would publish of it."""
    rows = list(reading.rows(io.BytesIO(content), Notes()))
    assert all(isinstance(row, tuple) for row in rows), rows
    return [row[1] for row in rows if isinstance(row, tuple)]


@settings(max_examples=150, deadline=None)
@given(st.lists(completions(), min_size=1, max_size=3))
def test_whatever_was_published_is_valid_elmo_and_comes_back_field_by_field(documents: list[dict[str, Any]]) -> None:
    content = record(documents)
    must_be_valid(content)
    back = read(content)
    assert [CompletionLine.model_validate(one) for one in back] == [
        CompletionLine.model_validate(one) for one in documents
    ]
    assert back == [document_of(event_of(one), scheme="ESI", identifier=IDENTIFIER) for one in documents]


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_every_stored_example_goes_there_and_back(example: Path) -> None:
    published = document_of(json.loads(example.read_bytes())["value"], scheme="ESI", identifier=IDENTIFIER)
    assert read(written(published)) == [published]


def test_no_field_of_a_completion_is_forgotten() -> None:
    assert set(FIELDS) == {field.serialization_alias or name for name, field in CompletionLine.model_fields.items()}


# --- what others read of it ------------------------------------------------------------------------------------------

PASSED = {
    "reference": "C-1", "revision": 3, "learner": {"scheme": "ESI", "identifier": IDENTIFIER, "reference": "S-ann"},
    "learning_opportunity": {"id": "northbridge:data-ethics", "version": 2}, "credits": "15.00", "framework": "FHEQ",
    "level": 7, "result": "pass", "mark": "62.50", "completed_on": "2026-06-30", "title": "Data Ethics",
    "identity_verified_at_assessment": True,
}  # fmt: skip


def instance(**changes: Any) -> etree._Element:
    (found,) = must_be_valid(record([PASSED | changes])).iterfind(".//e:learningOpportunityInstance", NS)
    return found


def text(element: etree._Element, path: str) -> str | None:
    return element.findtext(path, namespaces=NS)


def test_elmos_own_elements_say_what_was_achieved() -> None:
    specification = must_be_valid(record([PASSED])).find(".//e:learningOpportunitySpecification", NS)
    assert specification is not None
    identifiers = {one.get("type"): one.text for one in specification.iterfind("e:identifier", NS)}
    assert identifiers == {"concord": "northbridge:data-ethics", "local": "data-ethics"}
    assert [text(specification, f"e:{name}") for name in ("title", "type")] == ["Data Ethics", "Course"]
    achieved = instance()
    stated = {
        name: text(achieved, f"e:{name}")
        for name in (
            "date",
            "status",
            "resultLabel",
            "credit/e:scheme",
            "credit/e:value",
            "level/e:type",
            "level/e:value",
        )
    }
    assert stated == {
        "date": "2026-06-30", "status": "passed", "resultLabel": "62.5", "credit/e:scheme": "cats",
        "credit/e:value": "15", "level/e:type": "FHEQ", "level/e:value": "7",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"result": "compensated"}, "passed"),
        ({"result": "fail"}, "failed"),
        ({"result": "pending"}, "in-progress"),
        ({"result": "not_assessed"}, "in-progress"),
        ({"revoked": True, "revocation_reason": "It was another's."}, "failed"),
    ],
)
def test_credit_that_was_not_acquired_or_was_revoked_is_nowhere_elmos_credit(
    changes: dict[str, Any], status: str
) -> None:
    found = instance(**changes)
    assert text(found, "e:status") == status
    assert (found.find("e:credit", NS) is not None) == (status == "passed")


def test_units_are_named_and_never_converted() -> None:
    for framework, level, scheme in (("FHEQ", 7, "cats"), ("SCQF", 11, "scqf"), ("EQF", 7, "ects"), ("NFQ", 9, "ects")):
        found = instance(framework=framework, level=level)
        assert [text(found, "e:credit/e:scheme"), text(found, "e:credit/e:value")] == [scheme, "15"]


def test_a_completion_without_a_title_is_called_by_its_learning_opportunity_and_comes_back_without_one() -> None:
    untitled = {name: value for name, value in PASSED.items() if name != "title"}
    content = record([untitled])
    assert text(must_be_valid(content), ".//e:learningOpportunitySpecification/e:title") == "northbridge:data-ethics"
    assert "title" not in read(content)[0]


def test_a_record_with_nothing_on_it_is_valid_too() -> None:
    must_be_valid(elmo.written("ULN", "9276308686", [Report("concord", "Concord", ())], AT))


@pytest.mark.parametrize(("country", "stated"), [("GB", "GB"), ("XK", None), ("TW", None), (None, None)])
def test_a_country_that_elmo_does_not_know_is_left_out(country: str | None, stated: str | None) -> None:
    root = must_be_valid(elmo.written("ESI", IDENTIFIER, [Report("northbridge", "Northbridge", (), country)], AT))
    assert text(root, "e:report/e:issuer/e:country") == stated


def test_the_countries_are_those_of_the_schema() -> None:
    listed = etree.parse(ELMO / "references" / "EUROPASS_ISOCountries_V1.1.xsd").iter("{*}enumeration")
    assert {one.get("value") for one in listed} == COUNTRIES
