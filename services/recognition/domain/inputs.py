"""The inputs of an evaluation as JSON values and back, so that it can be decided again to the same bytes (I-12).

The agreement and the award are not repeated: a decision pins their versions. Of the agreement only what depends on the
day is kept, which is whether the receiver was suspended.
"""

from dataclasses import replace
from typing import Any

from services.recognition.engine import model
from services.recognition.engine.codec import case_from_json, case_to_json


def inputs_of(case: model.Case) -> dict[str, Any]:
    """What the engine was given, but for the pinned versions."""
    inputs = case_to_json(replace(case, agreement=None))
    del inputs["agreement"]
    del inputs["award"]
    return inputs | {"receiver_suspended": case.agreement is not None and case.agreement.receiver_suspended}


def case_from(inputs: dict[str, Any], agreement: model.Agreement | None, award: model.Award) -> model.Case:
    """The same case again, with the pinned versions' terms."""
    if agreement is not None:
        agreement = replace(agreement, receiver_suspended=inputs["receiver_suspended"])
    nothing: dict[str, Any] = {
        "import_cap": None,
        "import_cap_by_level": {},
        "same_level_cap": None,
        "minimum_level": None,
    }
    return replace(case_from_json(inputs | {"agreement": None, "award": nothing}), agreement=agreement, award=award)
