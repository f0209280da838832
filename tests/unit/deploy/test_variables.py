"""What `make up` hands to a shell: addresses, and the members' secret, for the user alone."""

import stat
import subprocess
from pathlib import Path

from deploy.local import variables

ADDRESSES = {"provider-api": "http://127.0.0.1:1", "issuer": "http://127.0.0.1:2/a b", "kafka": "127.0.0.1:3"}
SECRET = "it's $HOME `id`"  # noqa: S105


def test_a_shell_reads_exactly_what_was_written(tmp_path: Path) -> None:
    file = variables.write(tmp_path, ADDRESSES, {"PUBLISHER_CLIENT_SECRET": SECRET, "PORTAL_CLIENT_SECRET": "no"})
    script = 'set -eu; . "$0"; printf "%s\\n" "$CONCORD_PROVIDER_URL" "$CONCORD_ISSUER" "$CONCORD_CLIENT_SECRET"; env'
    printed = subprocess.run(["/bin/sh", "-c", script, str(file)], env={}, capture_output=True, text=True, check=True)  # noqa: S603
    lines = printed.stdout.splitlines()
    assert lines[:3] == ["http://127.0.0.1:1", "http://127.0.0.1:2/a b", SECRET]
    assert {line.split("=")[0] for line in lines if line.startswith("CONCORD_")} == {
        "CONCORD_PROVIDER_URL",
        "CONCORD_ISSUER",
        "CONCORD_CLIENT_SECRET",
    }


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    file = variables.write(tmp_path, ADDRESSES, {"PUBLISHER_CLIENT_SECRET": SECRET})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.name == "concord.env"
