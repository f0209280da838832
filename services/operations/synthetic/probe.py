"""Publishes a synthetic credit through the public APIs, and measures the seconds until it is visible on the record.

It goes the whole way – acceptance, outbox, topic, decision, topic, record, API – under members of its own, so that
nothing of anybody's changes. Whatever goes wrong is counted and shown, and never ends the process.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import httpx
import structlog
from prometheus_client import Counter, Gauge, Histogram

from chassis.clock import Clock
from chassis.database import Pool, transaction
from chassis.identity import IssuerUnreachable, ServiceToken
from chassis.settings import Settings
from chassis.telemetry import SECONDS
from services.operations.synthetic import documents, store
from services.operations.synthetic.documents import Document

log = structlog.get_logger()

FOUNDER: Final = "synthetic-founder"
"""The client that enters the two members; not needed where the consortium has entered them itself."""
EVERY: Final = 0.05
"""Seconds between two looks at the record."""

SECONDS_TO_VISIBLE: Final = Histogram(
    "concord_synthetic_visibility_seconds",
    "From the acceptance of a synthetic credit until its decision is visible on the record.",
    buckets=SECONDS,
)
LAST_VISIBLE: Final = Gauge(
    "concord_synthetic_last_visible_timestamp_seconds", "When a synthetic credit was last seen on the record; 0: never."
)
FAILED: Final = Counter(
    "concord_synthetic_failed_total", "Synthetic credits that were not seen on the record in time.", ["why"]
)
for _why in ("not visible", "refused", "unreachable", "broken"):
    FAILED.labels(_why)


class Refused(Exception):
    """A service refused what was sent; the message says what and why."""


class NotVisible(Exception):
    """It was accepted, and was not on the record in time."""


@dataclass(frozen=True)
class Doors:
    """The services, as the clients of the two members and of the consortium's registry reach them."""

    catalogue: httpx.AsyncClient
    """provider, as the registry of the consortium"""
    provider: httpx.AsyncClient
    """provider, as the publishing member"""
    recognition: httpx.AsyncClient
    """recognition, as the receiver"""
    recognition_as_provider: httpx.AsyncClient
    record: httpx.AsyncClient
    """learner record, as the receiver"""


@asynccontextmanager
async def open_doors(settings: Settings) -> AsyncIterator[Doors]:
    """Clients that sign in by client credentials."""

    def client(url: str, client_id: str) -> httpx.AsyncClient:
        token = ServiceToken(
            issuer=settings.oidc_issuer,
            client_id=client_id,
            client_secret=settings.synthetic_client_secret.get_secret_value(),
            asked=settings.asked_with_credentials,
        )
        # Servers close connections that were idle for a few seconds; they are not used again so late.
        return httpx.AsyncClient(
            base_url=url, auth=token, timeout=httpx.Timeout(10.0), limits=httpx.Limits(keepalive_expiry=2.0)
        )

    async with (
        client(settings.provider_url, FOUNDER) as catalogue,
        client(settings.provider_url, documents.MEMBER) as provider,
        client(settings.recognition_url, documents.RECEIVER) as recognition,
        client(settings.recognition_url, documents.MEMBER) as recognition_as_provider,
        client(settings.learner_record_url, documents.RECEIVER) as record,
    ):
        yield Doors(catalogue, provider, recognition, recognition_as_provider, record)


async def _put(client: httpx.AsyncClient, path: str, document: Any, headers: dict[str, str] | None = None) -> None:
    response = await client.put(path, json=document, headers=headers)
    if response.is_server_error:
        response.raise_for_status()
    if not response.is_success:
        raise Refused(f"PUT {path} answered {response.status_code}: {response.text[:500]}")


async def _get(client: httpx.AsyncClient, path: str) -> dict[str, Any] | None:
    """What stands there; None where nothing does."""
    response = await client.get(path)
    if response.status_code == httpx.codes.NOT_FOUND:
        return None
    if response.is_client_error:
        raise Refused(f"GET {path} answered {response.status_code}: {response.text[:500]}")
    found: dict[str, Any] = response.raise_for_status().json()
    return found


class Probe:
    """Sends one synthetic credit after the other."""

    def __init__(self, settings: Settings, pool: Pool, clock: Clock) -> None:
        self._settings = settings
        self._pool = pool
        self._clock = clock
        self._every = settings.synthetic_every
        self._within = settings.synthetic_within
        self._is_founded = False
        self._enrolled = ""

    async def run(self) -> None:
        """Send one every `SYNTHETIC_EVERY` seconds, in turn with other processes of operations, until cancelled."""
        async with open_doors(self._settings) as doors:
            while True:
                begun = time.monotonic()
                try:
                    if await self._is_due():
                        await self._once(doors)
                except Exception as error:  # the database is away, or something worse: the next turn tells
                    log.warning("the synthetic credit was not sent", error=repr(error))
                await asyncio.sleep(max(0.0, begun + self._every / 4 - time.monotonic()))

    async def _is_due(self) -> bool:
        async with transaction(self._pool) as connection:
            if (last := await store.last(connection)) is not None and last.visible_at is not None:
                LAST_VISIBLE.set(last.visible_at.timestamp())
            return await store.claim(connection, self._clock(), timedelta(seconds=self._every))

    async def _once(self, doors: Doors) -> None:
        try:
            seconds = await self._measure(doors)
        except (Refused, NotVisible, IssuerUnreachable, httpx.HTTPError) as error:
            why = {Refused: "refused", NotVisible: "not visible"}.get(type(error), "unreachable")
            await self._failed(why, f"{why}: {error or type(error).__name__}")
        except Exception as error:  # whatever it is, it is counted, and nothing else suffers
            log.exception("the synthetic credit is broken")
            await self._failed("broken", f"broken: {error!r}")
        else:
            SECONDS_TO_VISIBLE.observe(seconds)
            at = self._clock()
            LAST_VISIBLE.set(at.timestamp())
            async with transaction(self._pool) as connection:
                await store.visible(connection, at, seconds)

    async def _failed(self, why: str, trouble: str) -> None:
        FAILED.labels(why).inc()
        log.warning("the synthetic credit failed", trouble=trouble)
        async with transaction(self._pool) as connection:
            await store.failed(connection, trouble[:1000])

    async def _measure(self, doors: Doors) -> float:
        """Publish a credit; gives the seconds from its acceptance until its decision was visible."""
        await self._found(doors)
        period = documents.period(self._clock())
        scheme, identifier = self._settings.learner_scheme, self._identifier(period)
        if self._enrolled != period:
            await _put(doors.record, f"/enrolments/{period}", documents.enrolment(scheme, identifier, period))
            self._enrolled = period
        before = await _get(doors.provider, f"/completions/{period}")
        revision = 1 if before is None else before["revision"] + 1
        path = f"/completions/{period}"
        await _put(doors.provider, path, documents.completion(scheme, identifier, period, revision))
        accepted = time.monotonic()
        while True:
            record = await _get(doors.record, f"/members/{documents.RECEIVER}/learners/{period}/record")
            seconds = time.monotonic() - accepted
            if record is not None and documents.shows(record, period, revision):
                return seconds
            if seconds > self._within:
                raise NotVisible(f"revision {revision} of {period} is on no record after {seconds:.1f} s")
            await asyncio.sleep(EVERY)

    def _identifier(self, period: str) -> str:
        if self._settings.synthetic_learner:
            return self._settings.synthetic_learner.replace("{period}", period)
        if self._settings.learner_scheme != "ESI":
            # Any number that is well formed may be somebody's.
            raise Refused("SYNTHETIC_LEARNER is not set: an identifier of the consortium's scheme that is nobody's")
        return f"urn:schac:personalUniqueCode:int:esi:synthetic.invalid:{period}"

    async def _found(self, doors: Doors) -> None:
        """Enter the members, the learning opportunity, the award and the agreement, as far as they are not there."""
        if self._is_founded:
            return
        for member, document in documents.MEMBERS.items():
            if await _get(doors.provider, f"/members/{member}") is None:
                await _put(doors.catalogue, f"/members/{member}", document, {"If-None-Match": "*"})
        await _put(doors.provider, f"/learning-opportunities/{documents.COURSE}", documents.COURSE_DOCUMENT)
        registries = (doors.recognition, doors.recognition_as_provider)
        await self._publish(f"/awards/{documents.AWARD}", documents.AWARD_DOCUMENT, registries[:1])
        await self._publish(f"/agreements/{documents.AGREEMENT}", documents.AGREEMENT_DOCUMENT, registries)
        self._is_founded = True

    async def _publish(self, path: str, document: Document, registries: Sequence[httpx.AsyncClient]) -> None:
        """Draft a document, have each of its members' registries approve it, and publish it."""
        publisher = registries[0]
        if await _get(publisher, f"{path}?version={document['version']}") is not None:
            return
        draft = f"{path}/drafts/{document['version']}"
        await _put(publisher, draft, document, {"If-None-Match": "*"})
        drafted = await _get(publisher, draft)
        if drafted is None:
            raise Refused(f"{draft} is gone")
        # Recognition learns of members and courses over a topic; what comes too early is refused, and sent again.
        for registry in registries:
            await self._put_when_known(registry, f"{draft}/approval", {"document_hash": drafted["document_hash"]})
        await _put(publisher, path, document)

    async def _put_when_known(self, client: httpx.AsyncClient, path: str, document: Any) -> None:
        until = time.monotonic() + self._within
        while True:
            try:
                return await _put(client, path, document)
            except Refused:
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(EVERY)
