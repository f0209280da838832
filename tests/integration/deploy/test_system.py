"""The launcher's promises, on real processes: order, restarts, holding, ending – also of what was left behind."""

import os
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local import processes
from deploy.local.system import NotReady, System
from deploy.local.units import ROOT

COMPOSE = Path(__file__).with_name("compose.yml")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., System]]:
    """Makes a system of the small topology in a folder of the test's own, and ends it with the test."""
    made: list[System] = []

    def one(name: str = "system", **more: Any) -> System:
        made.append(System(tmp_path / name, compose_file=COMPOSE, ends_with_this_process=True, **more))
        return made[-1]

    yield one
    for system in made:
        system.stop()


def answer(system: System, path: str = "/") -> str:
    with urllib.request.urlopen(system.addresses["server"] + path, timeout=5) as response:  # noqa: S310
        return str(response.read().decode())


def runs(system: System) -> list[str]:
    return [line.split()[0] for line in (system.folder / "notes" / "runs").read_text().splitlines()]


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def test_what_depends_on_a_completed_service_starts_after_it(make: Callable[..., System]) -> None:
    with make(values={"FAILS": "2"}) as system:
        assert answer(system) == "hello"
        assert runs(system) == ["once", "once", "once", "serve"]
        assert system.states["first"].phase == "done"
        assert system.states["first"].starts == 3
        assert system.states["server"].phase == "ready"


def test_a_killed_process_is_started_again(make: Callable[..., System]) -> None:
    with make() as system:
        before = system.kill("server")
        assert not processes.is_running(before)
        system.wait_ready("server")
        assert system.processes["server"] != before
        assert system.states["server"].exit_code == -signal.SIGKILL
        assert answer(system) == "hello"


def test_a_held_unit_stays_down_until_it_is_released(make: Callable[..., System]) -> None:
    with make() as system:
        system.hold("server")
        system.kill("server")
        until(lambda: system.states["server"].phase == "held")
        with pytest.raises(NotReady, match="server: held"):
            system.wait_ready("server", seconds=0.5)
        system.release("server")
        system.wait_ready("server")


def test_a_stopped_process_is_not_ready_until_it_goes_on(make: Callable[..., System]) -> None:
    with make() as system:
        system.kill("server", signal.SIGSTOP)
        until(lambda: system.states["server"].phase == "not ready")
        system.kill("server", signal.SIGCONT)
        system.wait_ready("server")
        assert system.states["server"].starts == 1


def test_a_restart_takes_up_a_new_environment(make: Callable[..., System]) -> None:
    with make(environment={"server": {"GREETING": "first"}}) as system:
        assert answer(system) == "first"
        system.set_environment("server", {"GREETING": "second"})
        system.restart("server")
        assert answer(system) == "second"


def test_copies_of_a_service_run_side_by_side(make: Callable[..., System]) -> None:
    with make(copies={"server": 2}) as system:
        assert system.addresses["server"] != system.addresses["server-2"]
        system.kill("server-2")
        system.wait_ready("server-2")
        assert system.states["server"].starts == 1


def test_what_never_becomes_ready_is_told_with_what_it_wrote(make: Callable[..., System]) -> None:
    system = make(values={"FAILS": "many"})
    with pytest.raises(NotReady, match=r"(?s)first: it ended with 1.*ValueError"):
        system.start()
    assert not system.is_running


def test_nothing_runs_after_stop_even_what_ignores_it(make: Callable[..., System]) -> None:
    system = make(environment={"server": {"IGNORES_SIGTERM": "1"}})
    system.start()
    left = system.processes["server"]
    system.stop()
    assert not processes.is_running(left)
    assert not system.is_running


def test_stop_ends_a_stopped_process(make: Callable[..., System]) -> None:
    system = make()
    system.start()
    left = system.kill("server", signal.SIGSTOP)
    system.stop()
    assert not processes.is_running(left)


def test_nothing_outlives_a_supervisor_that_was_killed(make: Callable[..., System]) -> None:
    system = make()
    system.start()
    left = system.processes["server"]
    recorded = system._recorded()
    assert recorded is not None
    os.kill(recorded["supervisor"]["pid"], signal.SIGKILL)
    until(lambda: not processes.is_running(left))
    system.stop()
    system.start()
    assert answer(system) == "hello"


def test_a_number_that_another_process_has_now_is_not_touched() -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        known = processes.identify(bystander.pid)
        assert known is not None
        processes.end(processes.Identity(known.pid, "an earlier boot:1"))
        assert processes.is_running(known)
    finally:
        bystander.kill()
        bystander.wait()


def test_two_systems_run_side_by_side(make: Callable[..., System]) -> None:
    with make("one") as one, make("two") as two:
        assert one.addresses != two.addresses
        one.stop()
        assert answer(two) == "hello"


def test_secrets_are_for_this_user_alone_and_last(make: Callable[..., System]) -> None:
    system = make()
    system.start()
    first = system.environment("server")["SECRET"]
    assert stat.S_IMODE(system.folder.stat().st_mode) == 0o700
    for file in system.folder.glob("*.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    system.stop()
    system.start()
    assert system.environment("server")["SECRET"] == first


def test_a_system_ends_with_the_process_that_owns_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from deploy.local.system import System\n"
        f"System(Path({str(tmp_path / 'system')!r}), compose_file=Path({str(COMPOSE)!r}), "
        "ends_with_this_process=True).start()\n"
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, timeout=60)  # noqa: S603  # written above
    until(lambda: not System(tmp_path / "system").is_running)
    assert System(tmp_path / "system").processes == {}
