"""docker-compose.yml under a Docker engine: a project of the test's own, beside whatever else runs there."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.demo.publishing import Doors
from deploy.local import compose
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.units import COMPOSE_FILE, ROOT

PUBLISHED = ("ISSUER", "PROVIDER", "RECOGNITION", "LEARNER_RECORD", "PORTAL", "OPERATIONS")
"""What docker-compose.yml publishes, each on <name>_PORT of this machine."""
BUILD_SECONDS = 1800
"""For a first build of all on a busy machine."""


def missing() -> str | None:
    """What stands in the way of running containers here; None where nothing does."""
    if shutil.which("docker") is None:
        return "there is no `docker` command here"
    for words in (["docker", "compose", "version"], ["docker", "version", "--format", "{{.Server.Version}}"]):
        try:
            asked = subprocess.run(words, capture_output=True, text=True, timeout=30)
        except subprocess.TimeoutExpired:
            return f"`{' '.join(words)}` does not answer"
        if asked.returncode:
            return f"`{' '.join(words)}` says: {' '.join(asked.stderr.split()) or asked.returncode}"
    return None


@dataclass(frozen=True)
class Project:
    """The services of docker-compose.yml as containers, volumes and a network under a name of their own."""

    name: str
    env_file: Path
    values: dict[str, str]

    @classmethod
    def prepare(cls, name: str, folder: Path) -> "Project":
        """Secrets as `make env` makes them, and free ports, in a file of this folder."""
        made = subprocess.run(
            [sys.executable, "-m", "deploy.local.launcher", "env"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        values = dict(line.split("=", 1) for line in made.stdout.splitlines())
        values |= {f"{service}_PORT": str(free_port()) for service in PUBLISHED}
        file = folder / "env"
        file.touch(mode=0o600)
        file.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
        return cls(name, file, values)

    def __call__(self, *words: str, seconds: float = 600) -> str:
        """What `docker compose` prints for these words. Raises AssertionError with what it said where it fails."""
        # The caller's environment would take precedence over the file.
        theirs = {*compose.variables(COMPOSE_FILE), "COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_ENV_FILES"}
        environment = {key: value for key, value in os.environ.items() if key not in theirs}
        project = ["--project-name", self.name, "--env-file", str(self.env_file), "--file", str(COMPOSE_FILE)]
        done = subprocess.run(
            ["docker", "compose", "--progress", "plain", *project, *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        assert done.returncode == 0, f"docker compose {' '.join(words)}:\n{(done.stdout + done.stderr)[-6000:]}"
        return done.stdout

    def states(self) -> dict[str, dict[str, Any]]:
        """Every container of the project, by its service: State, Health, ExitCode …"""
        lines = self("ps", "--all", "--format", "json").splitlines()
        return {container["Service"]: container for container in map(json.loads, lines)}

    def left(self) -> list[str]:
        """Names of the containers, volumes and networks that exist under the project's name."""
        label = f"label=com.docker.compose.project={self.name}"
        found: list[str] = []
        for kind in (["ps", "--all"], ["volume", "ls"], ["network", "ls"]):
            asked = subprocess.run(
                ["docker", *kind, "--quiet", "--filter", label], capture_output=True, text=True, check=True
            )
            found += asked.stdout.split()
        return found

    def url(self, service: str, host: str = LOOPBACK) -> str:
        """The address of what is published on <service>_PORT."""
        return f"http://{host}:{self.values[f'{service}_PORT']}"

    @property
    def doors(self) -> Doors:
        """Where the services are, and the secret of the members' clients."""
        return Doors(
            provider=self.url("PROVIDER"),
            recognition=self.url("RECOGNITION"),
            learner_record=self.url("LEARNER_RECORD"),
            issuer=self.url("ISSUER", "issuer.localhost"),
            secret=self.values["PUBLISHER_CLIENT_SECRET"],
        )
