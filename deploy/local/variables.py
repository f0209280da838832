"""What somebody outside needs of a running system, as variables of a shell: `. .local/run/concord.env`.

The names are those that the `concord` command reads. The secret is that of the members' clients at the local issuer
(clients.yaml); it was made up on this machine, works nowhere else, and the file is for this user alone.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

NAME: Final = "concord.env"
_ADDRESSES: Final[Mapping[str, str]] = {
    "CONCORD_PROVIDER_URL": "provider-api",
    "CONCORD_RECOGNITION_URL": "recognition-api",
    "CONCORD_LEARNER_RECORD_URL": "learner-record-api",
    "CONCORD_OPERATIONS_URL": "operations",
    "CONCORD_PORTAL_URL": "portal",
    "CONCORD_ISSUER": "issuer",
}


def text(addresses: Mapping[str, str], issuer: Mapping[str, str]) -> str:
    """The lines for these addresses, and for the secret in the issuer's environment."""
    values = {name: addresses[unit] for name, unit in _ADDRESSES.items() if unit in addresses}
    values["CONCORD_CLIENT_SECRET"] = issuer["PUBLISHER_CLIENT_SECRET"]
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def write(folder: Path, addresses: Mapping[str, str], issuer: Mapping[str, str]) -> Path:
    """Write the file into a system's folder, for this user alone, and say where it is."""
    file = folder / NAME
    file.touch(mode=0o600)
    file.write_text(text(addresses, issuer))
    return file
