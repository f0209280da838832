"""`concord operations set-aside`: what is not clear ends with 2 and a sentence, before anybody is asked."""

import pytest
from typer.testing import CliRunner

from services.operations.asking import Desks
from services.operations.commands import operations
from services.operations.domain.aside import dropped_in_words, replayed_in_words

HERE = {
    "CONCORD_RECOGNITION_URL": "http://127.0.0.1:1",
    "CONCORD_ISSUER": "http://127.0.0.1:1",
    "CONCORD_CLIENT_ID": "operations-desk",
    "CONCORD_CLIENT_SECRET": "a secret",
}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("replay --because why", "one of the three"),
        ("replay 1 --all --because why", "one of the three"),
        ("drop --all --cause bad_value --because why", "one of the three"),
        ("drop 1 --because why", "say which with --service"),
        ("replay --all", "Missing option '--because'"),
        ("list --service portal", "There is no service portal"),
        ("show learner_record 1", "--learner-record-url"),
        ("list", "recognition could not be asked"),
    ],
)
def test_what_is_not_clear_is_said_plainly(words: str, said: str) -> None:
    result = CliRunner().invoke(operations, ["set-aside", *words.split()], env=HERE)
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize("variable", ["CONCORD_ISSUER", "CONCORD_CLIENT_ID", "CONCORD_CLIENT_SECRET"])
def test_it_asks_who_one_is(variable: str) -> None:
    result = CliRunner().invoke(operations, ["set-aside", "list"], env={**HERE, variable: ""})
    assert result.exit_code == 2
    assert "Say who you are" in result.output


def test_what_came_of_a_queue_is_a_sentence() -> None:
    queue = {
        "queue": "learner:x",
        "applied": 2,
        "ignored": 1,
        "waiting": 4,
        "stopped_at": 7,
        "cause": "bad_value",
        "detail": "level: int_type",
    }
    assert replayed_in_words(queue, False) == (
        "learner:x: 3 records processed, 1 of them known already; 7 failed again:"
        " Its value is not what the contract says (level: int_type); 4 records wait on"
    )
    assert replayed_in_words({**queue, "applied": 1, "ignored": 0, "stopped_at": None, "waiting": 0}, True) == (
        "learner:x: 1 record would be processed"
    )
    assert dropped_in_words({"queue": None, "ids": [3], "waiting": 0}, False) == "a record by itself: 1 record dropped"
    assert dropped_in_words({"queue": "learner:x", "ids": [3], "waiting": 2}, True) == (
        "learner:x: 1 record would be dropped; 2 records behind would wait on, until replayed"
    )


def test_a_list_loses_nothing_in_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = "learner:2b6a7c1e-6a2b-5d0e-9d59-3b8f5f0c7a11"
    item = {
        "id": 17, "queue": queue, "topic": "provider.completion", "partition": 3, "offset": 42, "cause": "bad_value",
        "detail": "a [b]:x:", "state": "waiting", "set_aside_at": "2026-09-01T12:00:00Z", "behind": 2,
        "acted_at": None, "acted_by": "olga", "because": "try it", "next": None,
    }  # fmt: skip

    async def listed(*_: object, **__: object) -> dict[str, object]:
        return {"items": [item], "next": None}

    monkeypatch.setattr(Desks, "listed", listed)
    result = CliRunner().invoke(operations, ["set-aside", "list"], env={**HERE, "COLUMNS": "80"})
    assert result.exit_code == 0
    assert queue in result.output
    for words in ("recognition 17", "bad_value", "a [b]:x:", "2 behind", "olga: try"):
        assert words in result.output
    assert max(map(len, result.output.splitlines())) <= 80
