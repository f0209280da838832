"""Agreement and award documents: strict, exact, the same in YAML and JSON, and refused with a pointer to the fault."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import contracts
from contracts.documents.agreement import Agreement, Bilateral, Multilateral
from contracts.documents.award import Award
from contracts.documents.findings import DocumentRefused, Finding
from contracts.documents.loading import agreement_from, as_json, award_from, read_file, read_json, read_yaml
from contracts.documents.schema import DOCUMENTS, json_schema
from contracts.documents.values import exact, plain

HERE = Path(contracts.__file__).parent
EXAMPLES = HERE / "examples" / "documents"
AGREEMENTS = ("consortium-microcredentials", "northbridge-strathmore", "brabant-northbridge")
AWARDS = ("strathmore-pgcert-data", "northbridge-bsc-data-science")


def example(name: str) -> dict[str, Any]:
    raw = read_file(EXAMPLES / f"{name}.yaml")
    assert isinstance(raw, dict)
    return raw


def refused(read: Callable[[object], object], raw: object) -> dict[str, Finding]:
    """What is refused, by its pointer."""
    with pytest.raises(DocumentRefused) as caught:
        read(raw)
    return {finding.pointer: finding for finding in caught.value.findings}


@pytest.mark.parametrize("name", AGREEMENTS)
def test_an_example_agreement_is_read_and_written_back_the_same(name: str) -> None:
    agreement = agreement_from(example(name))
    written = as_json(agreement)
    assert agreement_from(json.loads(json.dumps(written))) == agreement
    assert set(written) == set(Agreement.model_fields), "what is published writes every field out"


@pytest.mark.parametrize("name", AWARDS)
def test_an_example_award_is_read_and_written_back_the_same(name: str) -> None:
    award = award_from(example(name))
    written = as_json(award)
    assert award_from(json.loads(json.dumps(written))) == award
    assert set(written) == set(Award.model_fields)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_committed_schema_is_what_the_models_say(name: str) -> None:
    committed = json.loads((HERE / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8"))
    assert committed == json_schema(name)


@pytest.mark.parametrize("name", [*AGREEMENTS, *AWARDS])
def test_the_schema_takes_an_example_as_it_is_written_and_as_it_is_published(name: str) -> None:
    schema = json_schema("agreement" if name in AGREEMENTS else "award")
    raw = example(name)
    document = agreement_from(raw) if name in AGREEMENTS else award_from(raw)
    for value in (raw, as_json(document)):
        jsonschema.validate(value, schema, cls=jsonschema.Draft202012Validator)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**raw, "minimum_mrak": "40"}, schema, cls=jsonschema.Draft202012Validator)


def test_the_parties_say_which_kind_of_agreement_it_is() -> None:
    one_way = agreement_from(example("northbridge-strathmore"))
    assert one_way.parties == Bilateral(provider="northbridge", receiver="strathmore")
    assert (one_way.is_multilateral, one_way.receivers) == (False, ("strathmore",))
    every_way = agreement_from(example("consortium-microcredentials"))
    assert every_way.parties == Multilateral(members=("northbridge", "strathmore", "brabant", "shannon"))
    assert (every_way.is_multilateral, every_way.receivers) == (True, every_way.members)


def test_numbers_stay_as_they_are_written() -> None:
    raw = example("northbridge-strathmore")
    thirds = agreement_from({**raw, "credit_ratio": "2/3", "minimum_mark": "1.695"})
    assert thirds.credit_ratio == Fraction(2, 3)
    assert thirds.minimum_mark == Fraction("1.695")
    assert as_json(thirds)["credit_ratio"] == "2/3"
    assert as_json(agreement_from({**raw, "credit_ratio": "0.50"}))["credit_ratio"] == "0.5"
    assert as_json(agreement_from({**raw, "credit_ratio": 2}))["credit_ratio"] == "2"
    assert read_yaml(b"credit_step: 0.1\nin_force_from: 2025-01-01\nversion: 1\nladder:\n") == {
        "credit_step": "0.1",
        "in_force_from": "2025-01-01",
        "version": 1,
        "ladder": None,
    }


@given(st.fractions(min_value=-(10**6), max_value=10**6, max_denominator=1000))
def test_a_number_is_its_text_and_its_text_the_number(number: Fraction) -> None:
    assert exact(plain(number)) == number


@pytest.mark.parametrize(
    "value", [0.5, True, "", " 1", "1e3", "1/0", "½", "٣", "1,5", "33 %", None, [], "-1/-2", 10**13, "9" * 13]
)
def test_what_is_no_exact_number_is_refused(value: object) -> None:
    found = refused(agreement_from, {**example("northbridge-strathmore"), "credit_step": value})
    assert found.keys() == {"/credit_step"}
    assert found["/credit_step"].rule == "wrong-value"


@pytest.mark.parametrize("name", [*AGREEMENTS, *AWARDS])
def test_an_unknown_field_is_refused_naming_it(name: str) -> None:
    read = agreement_from if name in AGREEMENTS else award_from
    found = refused(read, {**example(name), "minimum_levle": 7})
    assert found["/minimum_levle"].rule == "unknown-field"
    assert "`minimum_levle`" in found["/minimum_levle"].message


def test_a_near_name_is_offered_for_an_unknown_field_wherever_it_stands() -> None:
    raw = example("northbridge-strathmore")
    raw["rules"][1]["requires"]["of"][2]["minimum_marks"] = 50
    found = refused(agreement_from, raw)
    assert found.keys() == {"/rules/1/requires/of/2/minimum_marks"}
    assert found["/rules/1/requires/of/2/minimum_marks"].message.endswith("did you mean `minimum_mark`?")


@pytest.mark.parametrize(
    ("name", "read", "model"),
    [("northbridge-strathmore", agreement_from, Agreement), ("strathmore-pgcert-data", award_from, Award)],
)
def test_a_field_that_is_required_is_asked_for_by_name(
    name: str, read: Callable[[object], object], model: type[Agreement] | type[Award]
) -> None:
    raw = example(name)
    required = [field for field, about in model.model_fields.items() if about.is_required()]
    assert required
    for field in required:
        found = refused(read, {key: value for key, value in raw.items() if key != field})
        assert found[f"/{field}"].rule == "missing-field"
        assert field in found[f"/{field}"].message


def test_every_fault_is_named_at_once() -> None:
    raw = {**example("northbridge-strathmore"), "version": "1", "on_expired": "declined", "credit_step": 0, "x": 1}
    raw["rules"][0]["grants"] = []
    found = refused(agreement_from, raw)
    assert found.keys() == {"/version", "/on_expired", "/credit_step", "/x", "/rules/0/grants"}
    assert found["/on_expired"].value == "declined"
    assert found["/on_expired"].message == "should be 'DECLINED' or 'REFERRED'"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"credit_ratio": None}, "/credit_ratio"),
        ({"credit_units": {"FHEQ": 1, "SCQF": 1, "EQF": 2, "NFQ": 2}}, "/credit_units"),
        ({"parties": {"members": ["northbridge", "strathmore"]}}, "/credit_units"),
        ({"parties": {"members": ["northbridge"]}}, "/parties/members"),
        ({"parties": {"members": ["northbridge", "northbridge"]}}, "/parties"),
        ({"parties": {"provider": "northbridge", "receiver": "northbridge"}}, "/parties"),
        ({"parties": "northbridge"}, "/parties"),
        ({"minimum_claim": "1/3"}, "/minimum_claim"),
        ({"minimum_claim": "-1"}, "/minimum_claim"),
        ({"credit_ratio": "0"}, "/credit_ratio"),
        ({"in_force_from": "2025-02-30"}, "/in_force_from"),
        ({"in_force_from": "0"}, "/in_force_from"),
        ({"in_force_from": 0}, "/in_force_from"),
        ({"denied_courses": [{"course": "northbridge:a", "reason": "\x00"}]}, "/denied_courses/0/reason"),
        ({"rules": [{"priority": 2**31, "requires": {"course": "northbridge:a"}}]}, "/rules/0/priority"),
        ({"title": "\ud800"}, ""),
        ({"level_map": [{"framework": "EQF", "level": 5, "is": [4, 5]}]}, "/level_map/0/is"),
        ({"rules": [{"priority": 1, "requires": {}}]}, "/rules/0/requires"),
        ({"rules": [{"priority": 1, "requires": {"all": [{"any": ["A"]}]}}]}, "/rules/0/requires/all/0/any/0"),
        ({"denied_courses": ["northbridge:a"]}, "/denied_courses/0"),
    ],
)
def test_an_agreement_that_says_two_things_or_nothing_is_refused_where_it_does(
    changes: dict[str, Any], pointer: str
) -> None:
    assert pointer in refused(agreement_from, {**example("northbridge-strathmore"), **changes})


def test_a_multilateral_agreement_names_the_unit_of_every_framework() -> None:
    raw = example("consortium-microcredentials")
    found = refused(agreement_from, {**raw, "credit_units": {"FHEQ": 1, "EQF": 2, "CEFR": 1}})
    assert found.keys() == {"/credit_units/SCQF", "/credit_units/NFQ", "/credit_units/CEFR"}


@pytest.mark.parametrize("field", ["id", "capstone"])
def test_an_award_and_its_capstone_are_of_the_awarding_member(field: str) -> None:
    found = refused(award_from, {**example("strathmore-pgcert-data"), field: "northbridge:pgcert"})
    assert found.keys() == {f"/{field}"}
    assert found[f"/{field}"].value == "northbridge:pgcert"


def test_levels_are_keys_in_yaml_and_json_alike() -> None:
    award = award_from(example("strathmore-pgcert-data"))
    assert award.minimum_by_level == {10: 60, 11: 40}
    assert award_from(read_json(json.dumps(as_json(award)).encode())) == award


@pytest.mark.parametrize(
    "content",
    [
        b"? [a]\n: 1",
        b"a: " + b"1" * 5000,
        b"a: !!int x",
        b"a: 1\na: 2",
        b"7: 1\n'7': 2",
        b"a: &x [1]\nb: *x",
        b"a: [",
        b"\xff",
        b"[" * 5000,
        b"a" * 1_048_577,
    ],
    ids=[
        "list as name",
        "endless number",
        "no number",
        "field twice",
        "key twice",
        "alias",
        "broken",
        "not UTF-8",
        "deep",
        "long",
    ],
)
def test_a_yaml_text_that_could_be_read_in_two_ways_or_never_ends_is_refused(content: bytes) -> None:
    assert refused(lambda text: read_yaml(text), content)[""].rule == "unreadable"  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b'{"a": 1, "a": 2}', b"{", b"\xff", b"1" * 5000, b"[" * 100_000])
def test_a_json_text_that_could_be_read_in_two_ways_or_not_at_all_is_refused(content: bytes) -> None:
    assert refused(lambda text: read_json(text), content)[""].rule == "unreadable"  # type: ignore[arg-type]


@pytest.mark.parametrize("raw", [None, [], "text", {"a": {"b": b"bytes"}}])
def test_what_is_no_document_at_all_is_refused(raw: object) -> None:
    assert refused(agreement_from, raw)[""].rule == "unreadable"


@pytest.mark.parametrize("depth", [60, 10_000])
def test_a_tree_without_end_is_refused_and_not_walked(depth: int) -> None:
    tree: dict[str, Any] = {"course": "northbridge:data-ethics"}
    for _ in range(depth):
        tree = {"all": [tree]}
    raw = {**example("northbridge-strathmore"), "rules": [{"priority": 1, "requires": tree}]}
    assert refused(agreement_from, raw)[""].message.startswith("nested deeper than 120")


def test_a_file_that_is_not_there_is_refused_with_its_name(tmp_path: Path) -> None:
    assert (
        "none.yaml cannot be read"
        in refused(lambda path: read_file(Path(str(path))), tmp_path / "none.yaml")[""].message
    )
