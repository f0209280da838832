"""What a process in production demands before it serves (ENVIRONMENT=production), as one list of named checks.

Each says what is wrong and what would be right; the configuration reference (docs/configuration.md) is written from the
same list. What is wrong ends the process. What cannot be found out, because Kafka or the issuer does not answer, is
asked again until it can, and the process is not ready and says so.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

import httpx
import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from pydantic import SecretStr

from chassis.kafka import Access
from chassis.settings import Settings, Surroundings
from contracts.catalogue import topics

log = structlog.get_logger()

DEVELOPMENT: Final = "development-"
"""How every secret begins that the launcher and `make env` make up."""
DEVELOPMENT_ISSUER: Final = "concord_development_issuer"
"""What the local issuer says of itself among its metadata."""
FEWEST_COPIES: Final = 3
FEWEST_IN_SYNC: Final = 2
LONGEST_PAUSE: Final = 5.0
"""Seconds between two tries to ask a server that does not answer."""

_RANDOM: Final = re.compile(r"[A-Za-z0-9+/=_.-]{32,}")
_ONLY_HERE: Final = ("localhost", "127.0.0.1", "::1")
_HIDDEN, _UNKNOWN = 29, 3
"""Kafka's codes for a topic that this user may not see, and for one that is not there."""


@dataclass(frozen=True)
class Demand:
    """One check: `wrong` gives None where all is well, else what is wrong and what would be right."""

    name: str
    variables: tuple[str, ...]
    demand: str
    """For the configuration reference."""
    wrong: Callable[[Surroundings], Awaitable[str | None]]


class Refused(Exception):
    """What production does not start with; each line names a check, what is wrong, and what would be right."""


# From the settings alone


async def kafka_is_private(settings: Surroundings) -> str | None:
    """Kafka is spoken to under TLS, by a user."""
    if settings.kafka_security_protocol == "SASL_SSL":
        return None
    return (
        f"KAFKA_SECURITY_PROTOCOL is {settings.kafka_security_protocol}; it must be SASL_SSL, so that nobody reads"
        " along and each service writes its own topics alone"
    )


async def databases_are_verified(settings: Surroundings) -> str | None:
    """PostgreSQL is spoken to under TLS, and its certificate is checked for its name."""
    unsure = [
        name.upper()
        for name in type(settings).model_fields
        if name.endswith(("_database_url", "_owner_url"))
        and parse_qs(urlsplit(getattr(settings, name).get_secret_value()).query).get("sslmode") != ["verify-full"]
    ]
    if not unsure:
        return None
    return (
        f"{', '.join(unsure)} must end with ?sslmode=verify-full&sslrootcert=<PEM file>, else anybody may be PostgreSQL"
    )


async def secrets_are_not_for_development(settings: Surroundings) -> str | None:
    """No secret is one that the launcher made up, and the learners' key is long and random."""
    made_up = [
        name.upper()
        for name in type(settings).model_fields
        if isinstance(secret := getattr(settings, name), SecretStr) and DEVELOPMENT in secret.get_secret_value()
    ]
    if made_up:
        return f"{', '.join(made_up)} comes from `make env` or the launcher; production has secrets of its own"
    key = settings.learner_id_key.get_secret_value() if isinstance(settings, Settings) else ""
    if key and not (_RANDOM.fullmatch(key) and len(set(key)) >= 12):
        return (
            "LEARNER_ID_KEY is no random key; make one with `openssl rand -base64 32`, and never change it afterwards"
        )
    return None


async def public_addresses_are_encrypted(settings: Surroundings) -> str | None:
    """People and tokens reach this installation under https alone."""
    assert isinstance(settings, Settings)  # noqa: S101  # of a service's demands
    addresses = {
        name: getattr(settings, name) for name in ("oidc_issuer", "public_url", "portal_url", "operations_url")
    }
    plain = [
        f"{name.upper()} ({address})"
        for name, address in addresses.items()
        if address and (urlsplit(address).scheme != "https" or urlsplit(address).hostname in _ONLY_HERE)
    ]
    return f"{', '.join(plain)} must be an https:// address that others reach" if plain else None


# By asking


async def issuer_is_not_the_local_one(settings: Surroundings) -> str | None:
    """Tokens come from an issuer that asks who somebody is. Raises what httpx raises where it does not answer."""
    assert isinstance(settings, Settings)  # noqa: S101  # of a service's demands
    async with httpx.AsyncClient(timeout=5) as client:
        answer = await client.get(f"{settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration")
    answer.raise_for_status()
    if answer.json().get(DEVELOPMENT_ISSUER):
        return f"OIDC_ISSUER {settings.oidc_issuer} is the local issuer, which lets anybody in; name your own"
    return None


async def topics_are_kept_safely(settings: Surroundings) -> str | None:
    """Every topic that this user sees survives the loss of a broker. Raises KafkaError where none answers."""
    access = Access.of(settings)
    names = [topic.name for topic in topics()]
    admin = AIOKafkaAdminClient(
        bootstrap_servers=settings.kafka_bootstrap_servers, request_timeout_ms=5_000, **access.options
    )
    try:
        await admin.start()
        found = await admin.describe_topics(names)
        seen = [topic for topic in found if topic["error_code"] not in (_HIDDEN, _UNKNOWN)]
        missing = [topic["topic"] for topic in found if topic["error_code"] == _UNKNOWN]
        wanted = [
            ConfigResource(ConfigResourceType.TOPIC, topic["topic"], {"min.insync.replicas": None}) for topic in seen
        ]
        answers = await admin.describe_configs(wanted) if wanted else []
    finally:
        await admin.close()
    in_sync = {
        resource[3]: int(resource[4][0][1])
        for answer in answers
        for resource in answer.resources
        if resource[0] == 0 and resource[4]
    }
    if missing:
        return f"Kafka has no topic {', '.join(missing)}: run `python -m deploy.setup`"
    weak = []
    for topic in seen:
        copies = min(len(partition["replicas"]) for partition in topic["partitions"])
        known = in_sync.get(topic["topic"], 0)
        if copies < FEWEST_COPIES or known < FEWEST_IN_SYNC:
            weak.append(f"{topic['topic']} (replication {copies}, min.insync.replicas {known or 'not shown'})")
    if not seen:
        return f"Kafka shows {settings.kafka_username or 'this user'} no topic: run the script of `make acls`"
    if not weak:
        return None
    return (
        f"{', '.join(weak)} would lose records with one broker: replication must be {FEWEST_COPIES} or more and"
        f" min.insync.replicas {FEWEST_IN_SYNC} or more"
    )


_KAFKA = Demand(
    "kafka_is_private",
    ("KAFKA_SECURITY_PROTOCOL",),
    "`SASL_SSL`",
    kafka_is_private,
)
_DATABASES = Demand(
    "databases_are_verified",
    (
        "SERVICE_DATABASE_URL",
        "POSTGRES_OWNER_URL",
        *(f"{name}_DATABASE_URL" for name in ("PROVIDER", "RECOGNITION", "LEARNER_RECORD", "PORTAL", "OPERATIONS")),
    ),
    "`?sslmode=verify-full&sslrootcert=…`",
    databases_are_verified,
)
_SECRETS = Demand(
    "secrets_are_not_for_development",
    ("LEARNER_ID_KEY", "OIDC_CLIENT_SECRET", "KAFKA_PASSWORD"),
    "none that `make env` or the launcher made up; the key random, 32 characters or more",
    secrets_are_not_for_development,
)
_ADDRESSES = Demand(
    "public_addresses_are_encrypted",
    ("OIDC_ISSUER", "PUBLIC_URL", "PORTAL_URL", "OPERATIONS_URL"),
    "`https://`, not this machine",
    public_addresses_are_encrypted,
)
_ISSUER = Demand("issuer_is_not_the_local_one", ("OIDC_ISSUER",), "not the local issuer", issuer_is_not_the_local_one)
_TOPICS = Demand(
    "topics_are_kept_safely",
    ("KAFKA_BOOTSTRAP_SERVERS", "KAFKA_REPLICATION"),
    f"topics with replication ≥ {FEWEST_COPIES} and min.insync.replicas ≥ {FEWEST_IN_SYNC}",
    topics_are_kept_safely,
)

OF_EVERY_PROCESS: Final = (_DATABASES, _SECRETS, _ADDRESSES)
OF_AN_API: Final = (_ISSUER,)
"""What checks tokens; a worker does not need the issuer."""
OF_A_WORKER: Final = (_KAFKA, _TOPICS)
"""What sends to Kafka or reads from it; an API goes on without it."""
OF_THE_SET_UP: Final = (_KAFKA, _DATABASES, _SECRETS)
ALL: Final = (*OF_EVERY_PROCESS, *OF_AN_API, *OF_A_WORKER)


class Admission:
    """Lets a process in production serve once every demand is met; in development at once."""

    name: Final = "production"

    def __init__(self, settings: Surroundings, demands: Sequence[Demand]) -> None:
        self._settings = settings
        self._demands = demands if settings.environment == "production" else ()
        self.trouble: str | None = "not yet checked" if self._demands else None

    async def run(self) -> None:
        """Return once all is well. Raises Refused with all that is wrong."""
        backoff = 0.2
        while True:
            refusals, unanswered = [], []
            for demand in self._demands:
                try:
                    wrong = await demand.wrong(self._settings)
                except (KafkaError, OSError, httpx.HTTPError, ValueError) as error:
                    unanswered.append(f"{demand.name} cannot be checked: {await self._why(error)}")
                else:
                    refusals += [f"{demand.name}: {wrong}"] if wrong else []
            if refusals:
                raise Refused("\n".join(refusals))
            self.trouble = "; ".join(unanswered) or None
            if not unanswered:
                return
            log.warning("not admitted yet", causes=unanswered, in_seconds=backoff)
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, LONGEST_PAUSE)

    async def _why(self, error: Exception) -> str:
        if isinstance(error, KafkaError):
            return await Access.of(self._settings).why(self._settings.kafka_bootstrap_servers, error)
        return str(error) or type(error).__name__
