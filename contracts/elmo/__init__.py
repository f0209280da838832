"""Names that the writer of ELMO and its reader share (docs/elmo.md); the schema stands beside this file."""

from typing import Final

EMREX: Final = "https://github.com/emrex-eu/elmo-schemas/tree/v1"
"""The namespace of EMREX ELMO, in all its versions 1.x."""
CEN: Final = "http://purl.org/net/elmo"
"""The namespace of the older ELMO that EMREX's was made from; it is read, and never written."""
CONCORD: Final = "urn:concord:elmo:1"
"""The namespace of what a completion holds and ELMO has no element for, inside ELMO's `extension`."""

CONCORD_ID: Final = "concord"
"""The type of ELMO identifiers that are Concord's: of a member, of a learning opportunity, and of a completion."""

SCHEMES: Final = {"FHEQ": "cats", "SCQF": "scqf", "EQF": "ects", "NFQ": "ects"}
"""By framework the scheme of its credit; nothing is ever converted between them."""

RESULTS: Final = {"passed": "pass", "failed": "fail", "in-progress": "pending"}
"""What a `status` means where no `result` is stated beside it."""
STATUSES: Final = {
    "pass": "passed",
    "compensated": "passed",
    "fail": "failed",
    "not_assessed": "in-progress",
    "pending": "in-progress",
}
"""By result its `status`. Credit that was revoked is `failed`: whoever knows ELMO alone must not take it for earned."""
