"""`concord agreement lint` and `concord award lint`, as a person or a program runs them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import contracts
from client.main import collect

EXAMPLES = Path(contracts.__file__).parent / "examples" / "documents"
CATALOGUE = ("--catalogue", str(EXAMPLES / "catalogue.yaml"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(collect(), arguments, env={"COLUMNS": "120", "NO_COLOR": "1"}, catch_exceptions=False)


@pytest.fixture
def faulty(tmp_path: Path) -> str:
    text = (EXAMPLES / "brabant-northbridge.yaml").read_text(encoding="utf-8")
    file = tmp_path / "faulty.yaml"
    file.write_text(text.replace("credit_step: 0.5", "credit_step: 0.005").replace("slot: STAT205", "slot: STAT999"))
    return str(file)


def test_a_sound_agreement_passes_with_every_rule_checked() -> None:
    result = run("agreement", "lint", str(EXAMPLES / "brabant-northbridge.yaml"), *CATALOGUE)
    assert result.exit_code == 0
    assert "brabant → northbridge" in result.output
    assert "nothing to refuse; 19 of 19 rules checked" in result.output


def test_without_a_catalogue_it_says_what_it_did_not_check() -> None:
    result = run("agreement", "lint", str(EXAMPLES / "consortium-microcredentials.yaml"))
    assert result.exit_code == 0
    assert "not checked: no catalogue" in result.output
    assert "second-agreement" in result.output
    assert "11 of 19 rules checked" in result.output


def test_a_fault_is_shown_where_it_is_and_the_exit_code_is_one(faulty: str) -> None:
    result = run("agreement", "lint", faulty, *CATALOGUE)
    assert result.exit_code == 1
    assert "not-in-hundredths" in result.output
    assert "/rules/0/grants/0/slot" in result.output
    assert "2 findings; 19 of 19 rules checked" in result.output


def test_a_program_reads_the_findings_as_json(faulty: str) -> None:
    result = run("agreement", "lint", faulty, "--json")
    assert result.exit_code == 1
    report = json.loads(result.output)
    assert report["findings"] == [
        {
            "rule": "not-in-hundredths",
            "pointer": "/credit_step",
            "value": "0.005",
            "message": "should be a whole number of hundredths, such as 0.01, 0.5 or 20",
            "related": ["0.005 is 0.5 hundredths"],
        }
    ]
    assert {"rule": "unknown-slot", "sentence": "slots are the receiver's", "lacks": ["awards"]} in report[
        "not_checked"
    ]


def test_an_award_is_looked_at_by_its_own_rules(tmp_path: Path) -> None:
    text = (EXAMPLES / "strathmore-pgcert-data.yaml").read_text(encoding="utf-8")
    file = tmp_path / "award.yaml"
    file.write_text(text.replace("import_cap: 40", "import_cap: 118.8"))
    assert run("award", "lint", str(EXAMPLES / "strathmore-pgcert-data.yaml"), *CATALOGUE).exit_code == 0
    result = run("award", "lint", str(file))
    assert result.exit_code == 1
    assert "/import_cap" in result.output
    assert "118.8" in result.output
    assert "1 finding; 2 of 5 rules checked" in result.output


def test_a_document_that_cannot_be_read_is_refused_before_any_rule(tmp_path: Path) -> None:
    file = tmp_path / "agreement.json"
    file.write_text('{"id": "a", "id": "b"}')
    result = run("agreement", "lint", str(file))
    assert result.exit_code == 1
    # A long path wraps the line.
    shown = " ".join(result.output.split())
    assert "`id` is written twice" in shown
    assert "cannot be checked until this is right" in shown


def test_a_catalogue_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.yaml"
    file.write_text("persons: []\n")
    result = run("agreement", "lint", str(EXAMPLES / "brabant-northbridge.yaml"), "--catalogue", str(file))
    assert result.exit_code == 1
    assert "Catalogue" in result.output
    assert "`persons` is no field here" in result.output


def test_markup_in_a_document_is_shown_as_it_is_written(tmp_path: Path) -> None:
    text = (EXAMPLES / "brabant-northbridge.yaml").read_text(encoding="utf-8")
    file = tmp_path / "agreement.yaml"
    file.write_text(text.replace("Computing and statistics", "Computing [bold]and[/bold] [/red]"))
    result = run("agreement", "lint", str(file))
    assert result.exit_code == 0
    assert "Computing [bold]and[/bold] [/red]" in result.output


def test_help_names_every_command() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "agreement" in result.output
    assert "award" in result.output
