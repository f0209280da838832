"""The jars of Apache Kafka, at pinned versions whose checksums are committed: `kafka.jars.lock`.

They are resolved and fetched in Python (jgo), so neither Java nor Maven is needed. `python -m deploy.local.jars`
resolves them anew and rewrites the list.
"""

import fcntl
import hashlib
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jgo.maven import Dependency, MavenContext

LOCK = Path(__file__).with_name("kafka.jars.lock")
CACHE = Path(__file__).parents[2] / ".local" / "cache" / "jars"
_SECONDS = 60

# What is asked for; Connect, which Kafka's tools name, is a product of its own that nothing here uses.
WANTED = (
    ("org.apache.kafka", "kafka_2.13", "4.1.1", ()),
    ("org.apache.kafka", "kafka-tools", "4.1.1", (("org.apache.kafka", "connect-runtime"),)),
    ("org.apache.logging.log4j", "log4j-core", "2.24.3", ()),
    ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3", ()),
)


class WrongJar(Exception):
    """A jar is not the one that was pinned, or cannot be fetched."""


@dataclass(frozen=True)
class Jar:
    """A pinned jar."""

    group: str
    artifact: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


def pinned() -> list[Jar]:
    """What the committed list names."""
    lines = [line for line in LOCK.read_text().splitlines() if line and not line.startswith("#")]
    # group:artifact:version checksum
    return [Jar(*line.replace(" ", ":").split(":")) for line in lines]


def fetch(cache: Path = CACHE) -> list[Path]:
    """Files of all pinned jars, fetched where the cache lacks them; each is checked, also one from the cache.

    Raises WrongJar where one cannot be fetched or has another checksum.
    """
    cache.mkdir(parents=True, exist_ok=True)
    context = MavenContext(repo_cache=cache, timeout=_SECONDS)
    with _alone(cache), ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda jar: _fetched(context, jar), pinned()))


def _fetched(context: MavenContext, jar: Jar) -> Path:
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    cached = artifact.cached_path
    assert cached is not None  # noqa: S101  # the context has a cache
    if cached.exists() and _sha256(cached) != jar.sha256:
        cached.unlink()  # an interrupted download
    if not cached.exists():
        try:
            artifact.resolve()
        except Exception as error:  # jgo and the transport below it raise many kinds
            cached.unlink(missing_ok=True)
            raise WrongJar(f"{jar} cannot be fetched: {error}") from error
        if _sha256(cached) != jar.sha256:
            cached.unlink()
            raise WrongJar(f"{jar} is not the file whose SHA-256 is pinned in {LOCK.name}")
    return cached


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """One process at a time fills a cache."""
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def resolve(cache: Path = CACHE) -> list[Jar]:
    """Resolve what is WANTED with all that it needs, fetch it, and give it with its checksums."""
    cache.mkdir(parents=True, exist_ok=True)
    context = MavenContext(repo_cache=cache, timeout=_SECONDS)
    # Raw: what these projects manage for their own builds must not decide other projects' versions.
    asked = [
        Dependency(
            context.project(group, artifact).at_version(version).artifact(),
            exclusions=[context.project(*excluded) for excluded in exclusions],
            raw=True,
        )
        for group, artifact, version, exclusions in WANTED
    ]
    with _alone(cache):
        direct, transitive = context.resolver.resolve(asked)
        jars = [
            Jar(each.groupId, each.artifactId, each.version, _sha256(each.artifact.resolve()))
            for each in (*direct, *transitive)
        ]
    return sorted(jars, key=str)


def write_lock(jars: Sequence[Jar]) -> None:
    """Rewrite the committed list."""
    head = "# Apache Kafka and what it needs: group:artifact:version and SHA-256. `make lock` writes this file.\n"
    LOCK.write_text(head + "".join(f"{jar} {jar.sha256}\n" for jar in jars))


if __name__ == "__main__":
    found = resolve()
    write_lock(found)
    sys.stdout.write(f"{LOCK.name}: {len(found)} jars\n")
