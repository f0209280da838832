"""The inputs of an evaluation as JSON values and back, so that it can be decided again to the same bytes (I-12).

The agreement and the award are not repeated: a decision pins their versions.
"""

from dataclasses import replace
from typing import Any, Final

from services.recognition.engine import model
from services.recognition.engine.codec import case_from_json, case_to_json

_PINNED: Final[dict[str, Any]] = {
    "agreement": None,
    "award": {"import_cap": None, "import_cap_by_level": {}, "same_level_cap": None, "minimum_level": None},
}


def inputs_of(case: model.Case) -> dict[str, Any]:
    """What the engine was given, but for the pinned versions."""
    written = case_to_json(replace(case, agreement=None))
    return {name: value for name, value in written.items() if name not in _PINNED}


def case_from(inputs: dict[str, Any], agreement: model.Agreement | None, award: model.Award) -> model.Case:
    """The same case again, with the pinned versions' terms."""
    return replace(case_from_json(inputs | _PINNED), agreement=agreement, award=award)
