"""The undisturbed run, once for all tests that compare with it; and what was done, said after everything else."""

from collections.abc import Callable

import pytest

from tests.faults.runs import LEARNERS, SEED, running, tell
from tests.faults.state import State, settled_state
from tests.faults.story import Client, learners
from tests.servers import Run

_notes = pytest.StashKey[list[str]]()
_verdict = pytest.StashKey[str]()


@pytest.fixture
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """A function that notes a line which is printed at the end of the run."""
    return pytestconfig.stash.setdefault(_notes, []).append


@pytest.fixture
def say_last(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """A function that sets the very last line of the run."""

    def say(line: str) -> None:
        pytestconfig.stash[_verdict] = line

    return say


def pytest_unconfigure(config: pytest.Config) -> None:
    """Print what was said, below pytest's own summary."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        verdict = config.stash.get(_verdict, None)
        for line in [*config.stash.get(_notes, []), *([verdict] if verdict else [])]:
            reporter.write_line(line)


@pytest.fixture(scope="session")
async def undisturbed(servers: Run, pytestconfig: pytest.Config) -> State:
    """The end state of the story when nothing happens to it and the client sends everything once."""
    async with running(servers.folder / "undisturbed") as whole:
        client = Client(whole, SEED, is_unruly=False)
        seconds = await tell(client, learners(SEED, LEARNERS))
        assert client.unseen == []
        state = await settled_state(whole)
    flowing = len(state["completions"]) / seconds
    pytestconfig.stash.setdefault(_notes, []).append(
        f"undisturbed run: {len(state['completions'])} completions, {flowing:.0f} a second"
    )
    # Every table has something to be lost, and every kind of decision comes about.
    assert all(state.values())
    assert len(state["decisions"]) > LEARNERS
    assert {row[4] for row in state["decisions"]} >= {"RECOGNISED", "DECLINED", "REFERRED"}
    return state
