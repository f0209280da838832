"""Bugs planted into a copy of the tree, one at a time, each of which the auditor must name: docs/reliability.md.

A bug is a patch in this folder. The lines above the patch say what it is:

    Bug: in the words of docs/reliability.md, "Planted bugs the auditors must catch"
    Caught: the invariants that the audit must find broken, and no other
    Fault: where it needs one: <process> <name:n>, which dies there (chassis.crash); the patch has the crash point
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True)
class Planted:
    """A planted bug."""

    patch: Path
    bug: str
    caught: frozenset[str]
    fault: tuple[str, str] | None

    @property
    def name(self) -> str:
        """What it is called."""
        return self.patch.stem


def planted() -> list[Planted]:
    """Every planted bug of this folder. Raises KeyError where one does not say what it is."""
    return [_read(patch) for patch in sorted(FOLDER.glob("*.patch"))]


def _read(patch: Path) -> Planted:
    said = dict(line.split(": ", 1) for line in patch.read_text().split("\ndiff ", 1)[0].splitlines() if ": " in line)
    process, _, point = said.get("Fault", "").partition(" ")
    return Planted(
        patch, said["Bug"], frozenset(said["Caught"].split(", ")), (process, point.strip()) if process else None
    )
