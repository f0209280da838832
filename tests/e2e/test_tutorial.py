"""docs/tutorial.md: its commands are run in their order, and print what the page shows.

In a folder of the test's own, where `make` is a function that calls the launcher as the Makefile does; so `.local/run`
is there, and not the user's. The system is new: nobody is a member.
"""

import asyncio
import os
import shlex
import sys
from collections.abc import AsyncIterator

import pytest

from deploy.local.system import System
from deploy.local.units import ROOT
from tests.e2e.tutorial import Bash, is_as_shown, steps_of
from tests.servers import Run

PAGE = ROOT / "docs" / "tutorial.md"


@pytest.fixture
async def bash(servers: Run) -> AsyncIterator[Bash]:
    """A bash in what looks like a clone in which nothing was done yet."""
    folder = servers.folder / "tutorial"
    folder.mkdir(mode=0o700)
    shell = await Bash.start(folder, {**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        await shell.run(
            f'make() {{ {shlex.join([sys.executable, "-m", "deploy.local.launcher"])} --folder .local/run "$@"; }}'
        )
        yield shell
    finally:
        await shell.end()
        await asyncio.to_thread(System(folder / ".local" / "run").delete)


@pytest.mark.servers
@pytest.mark.timeout(900)
async def test_every_command_prints_what_the_page_shows(bash: Bash) -> None:
    steps = steps_of(PAGE.read_text(encoding="utf-8"))
    assert len(steps) >= 15
    for step in steps:
        code, printed = await bash.run(step.commands)
        assert code == 0, f"{PAGE.name}, line {step.line}: {code}\n{printed}"
        assert is_as_shown(step.shown or "", printed), f"{PAGE.name}, line {step.line} prints\n{printed}"


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
