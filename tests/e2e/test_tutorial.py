"""docs/tutorial.md and docs/python.md: what they show is run in its order, and prints what they show.

In a folder of the test's own, where `make` is a function that calls the launcher as the Makefile does; so `.local/run`
is there, and not the user's. The system is new: nobody is a member.
"""

import ast
import asyncio
import contextlib
import inspect
import io
import os
import shlex
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.local.system import System
from deploy.local.units import ROOT
from tests.e2e.tutorial import Bash, Step, is_as_shown, steps_of
from tests.servers import Run

TUTORIAL, PYTHON = ROOT / "docs" / "tutorial.md", ROOT / "docs" / "python.md"
MAKE = f"{shlex.join([sys.executable, '-m', 'deploy.local.launcher'])} --folder .local/run"


@dataclass(frozen=True)
class Told:
    """The tutorial as it went: its folder, and what each step came to."""

    folder: Path
    steps: list[tuple[Step, int, str]]

    @property
    def system(self) -> System:
        """What it started."""
        return System(self.folder / ".local" / "run")


@pytest.fixture(scope="module")
async def told(servers: Run) -> AsyncIterator[Told]:
    """The tutorial, done in what looks like a clone in which nothing was done yet, as far as it goes well."""
    told = Told(servers.folder / "tutorial", [])
    told.folder.mkdir(mode=0o700)
    bash = await Bash.start(told.folder, {**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        await bash.run(f'make() {{ {MAKE} "$@"; }}')
        for step in steps_of(TUTORIAL.read_text(encoding="utf-8")):
            told.steps.append((step, *await bash.run(step.commands)))
            if not is_as_shown(step.shown or "", told.steps[-1][2]):
                break
        yield told
    finally:
        await bash.end()
        await asyncio.to_thread(told.system.delete)


@pytest.mark.servers
@pytest.mark.timeout(900)
async def test_every_command_prints_what_the_page_shows(told: Told) -> None:
    for step, code, printed in told.steps:
        assert code == 0, f"{TUTORIAL.name}, line {step.line}: {code}\n{printed}"
        assert is_as_shown(step.shown or "", printed), f"{TUTORIAL.name}, line {step.line} prints\n{printed}"
    assert len(told.steps) == len(steps_of(TUTORIAL.read_text(encoding="utf-8"))) >= 15


@pytest.mark.servers
@pytest.mark.timeout(900)
async def test_the_examples_in_python_print_what_their_page_shows(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """They go on from the tutorial, as at the prompt of `python -m asyncio`."""
    for line in told.system.write_variables().read_text().splitlines():
        name, value = shlex.split(line.removeprefix("export "))[0].split("=", 1)
        monkeypatch.setenv(name, value)
    known: dict[str, Any] = {}
    steps = steps_of(PYTHON.read_text(encoding="utf-8"), "python")
    assert len(steps) >= 8
    for step in steps:
        printed = io.StringIO()
        code = compile(step.commands, f"{PYTHON.name}:{step.line}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        with contextlib.redirect_stdout(printed):
            result = eval(code, known)  # noqa: S307  # the page's own examples
            if inspect.iscoroutine(result):
                await result
        shown = step.shown or ""
        assert is_as_shown(shown, printed.getvalue()), f"{PYTHON.name}, line {step.line} prints\n{printed.getvalue()}"


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\n", "a\n", True),
        ("a\n", "a\nb\n", False),
        ("", "", True),
        ("", "a\n", False),
        ("…\nb\n", "b\n", True),
        ("…\nb\n", "a\na\nb\n", True),
        ("a …: b\n", "a 17 (x): b\n", True),
        ("a …: b\n", "a 17\n: b\n", False),
        ("  …\nb\n", "a\nb\nc\n", False),
    ],
)
def test_dots_stand_for_anything_and_nothing_else_does(shown: str, printed: str, same: bool) -> None:
    assert is_as_shown(shown, printed) is same
