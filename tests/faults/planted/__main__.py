"""Plants every bug in turn and sees that the auditor names it: `python -m tests.faults.planted [NAME …]`.

First comes the tree as it is, of which nothing may be said.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.faults.planted import Planted, planted

ROOT: Final = Path(__file__).parents[3]
SECONDS: Final = 400


def copy_tree(into: Path) -> None:
    """The files of the tree, without its history; the virtual environment and the servers' programs are shared."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, into / name)
    (into / ".local").mkdir()
    for shared in ("venv", "cache"):
        if (ROOT / ".local" / shared).exists():
            (into / ".local" / shared).symlink_to(ROOT / ".local" / shared)


def apply(patch: Path, into: Path, *, only_check: bool = False) -> str | None:
    """Apply a patch to a copy; None where it applies, else why it does not."""
    words = ["git", "apply", *(["--check"] if only_check else []), str(patch)]
    # A copy inside some other repository must not be taken for a part of that.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(into.parent)}
    done = subprocess.run(words, cwd=into, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    return None if done.returncode == 0 else done.stderr.strip()


def _told(tree: Path, system: Path, bug: Planted | None) -> dict[str, Any]:
    words = [sys.executable, "-m", "tests.faults.planted.story", str(system), *((bug and bug.fault) or ())]
    done = subprocess.run(  # noqa: S603
        words,
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-3000:])
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def _first_violations(report: dict[str, Any]) -> Iterator[str]:
    for check in report["checks"]:
        for violation in check["violations"]:
            yield f"    {check['invariant']}: {violation['wrong']} ({violation['rows']})"


def _run(bug: Planted | None) -> bool:
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        tree = Path(folder) / "tree"
        tree.mkdir()
        copy_tree(tree)
        if bug is not None and (trouble := apply(bug.patch, tree)) is not None:
            _say(f"✗ {bug.name}: does not apply any more: {trouble}")
            return False
        report = _told(tree, Path(folder) / "system", bug)
    expected = bug.caught if bug else frozenset()
    broken = {name for name, rows in report["violations"].items() if rows}
    is_right = broken == expected and not report["nothing_examined"]
    name = bug.name if bug else "nothing planted"
    _say(f"{'✓' if is_right else '✗'} {name}: {', '.join(sorted(broken)) or 'nothing broken'}")
    for line in _first_violations(report):
        _say(line)
    if not is_right:
        _say(f"    expected: {', '.join(sorted(expected)) or 'nothing'}; empty: {report['nothing_examined']}")
    return is_right


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run all, or those that are named; the exit code is 1 where one is not caught as it should be."""
    names = set(sys.argv[1:])
    bugs = [None, *planted()] if not names else [bug for bug in planted() if bug.name in names]
    outcomes = [_run(bug) for bug in bugs]
    _say(f"{sum(outcomes)} of {len(outcomes)} as expected")
    sys.exit(0 if all(outcomes) else 1)


if __name__ == "__main__":
    main()
