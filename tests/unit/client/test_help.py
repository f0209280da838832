"""What `--help` shows, on a terminal of 80 columns: of every command there is."""

import contextlib
import io
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

import pytest
import typer
from typer.main import get_command

from client.main import GROUP, PANELS, _show_flags_as_such, collect

ALONE = {"set-aside"}
"""Groups whose commands stand in one service's own file."""


def _walk(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name, part in getattr(command, "commands", {}).items():
        yield from _walk(part, (*words, name))


PROGRAM = get_command(collect())
_show_flags_as_such(PROGRAM)
EVERY = dict(_walk(PROGRAM))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a command's help shows."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 80)

    def show(words: tuple[str, ...]) -> list[str]:
        output = io.StringIO()
        with contextlib.redirect_stdout(output), pytest.raises(SystemExit) as ended:
            PROGRAM([*words, "--help"], prog_name="concord")
        assert not ended.value.code
        return output.getvalue().splitlines()

    return show


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_help_fits_a_terminal_and_leaves_nothing_out(words: tuple[str, ...], shown: Any) -> None:
    lines = shown(words)
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "…" not in text, text
    assert "<bool>" not in text
    for parameter in EVERY[words].params:
        for name in parameter.opts if isinstance(parameter, typer.core.TyperOption) else ():
            assert name in text
            assert parameter.help


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_a_command_is_described_by_one_sentence(words: tuple[str, ...]) -> None:
    command = EVERY[words]
    summary, *_ = command.help.split("\n\n")
    assert summary.endswith(".")
    assert len(summary) <= 78
    assert "\n" not in summary


def test_every_command_stands_under_what_it_is_for(shown: Any) -> None:
    offered = {entry.name for entry in entry_points(group=GROUP)}
    assert offered == {name for names in PANELS.values() for name in names}
    lines = shown(())
    places = [next(nth for nth, line in enumerate(lines) if line.startswith(f"╭─ {panel} ")) for panel in PANELS]
    assert places == sorted(places)
    # Each on one line, so that all are seen at a glance.
    of_commands = [line for line in lines[places[0] :] if line.startswith("│")]
    assert len(of_commands) == len(offered)


def test_commands_that_send_a_file_show_how() -> None:
    for words in (("publish",), ("convert",), ("learning-opportunities", "publish"), ("enrolments", "open"),
                  ("completions", "compare"), ("decisions", "follow")):  # fmt: skip
        epilog = EVERY[words].epilog
        assert f"`concord {' '.join(words)}" in epilog or f"| concord {' '.join(words)}" in epilog
        assert max(len(line) for line in epilog.split("\n\n")) <= 78
