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

_CODES: Final = """
AD AE AF AG AL AM AO AR AT AU AZ BA BB BD BE BF BG BH BI BJ BN BO BR BS BT BW BY BZ CA CD CF CG CH CI CL CM CN
CO CR CU CV CY CZ DE DJ DK DM DO DZ EC EE EG ER ES ET FI FJ FM FR GA GB GD GE GH GL GM GN GQ GR GT GW GY HN HR
HT HU ID IE IL IN IQ IR IS IT JM JO JP KE KG KH KI KM KN KP KR KW KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD
ME MG MH MK ML MM MN MR MT MU MV MW MX MY MZ NA NE NG NI NL NO NP NR NU NZ OM PA PE PG PH PK PL PR PS PT PW PY
QA RO RS RU RW SA SB SC SD SE SG SI SK SL SM SN SO SR ST SV SY SZ TD TG TH TJ TL TM TN TO TR TT TV TZ UA UG US
UY UZ VA VC VE VN VU WS YE ZA ZM ZW
"""
COUNTRIES: Final = frozenset(_CODES.split())
"""The countries that ELMO knows (Europass's list, references/); a member may be in another, which is then left out."""
