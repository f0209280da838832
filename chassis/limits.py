"""How often one client may ask a process: a bucket for each, in memory and within a bound (ADR 27).

A bucket holds `burst` requests and is filled again at `rate` a second. It is kept as one number, the instant at which
it will be full (the generic cell rate algorithm), so that a request costs a look into a table and a few sums.
"""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from prometheus_client import Counter
from starlette.requests import Request

from chassis.identity import principal_of
from chassis.problems import Problem

LIMITED: Final = Counter("concord_requests_limited_total", "Requests that were not served: too many came.", ["of"])
MOST_CLIENTS: Final = 10_000
"""Buckets that are kept; beyond, the one that was not used for longest is forgotten, and begins anew full."""
FREE: Final = ("/health/", "/static/")
"""Addresses that cost next to nothing and are asked for often."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A bucket after a request."""

    left: int
    """Requests that may come at once."""
    full_in: float
    """Seconds until it is full again."""
    wait: float
    """Seconds until a request is served again; 0 where this one is."""


class Buckets:
    """The buckets of all clients of one kind; safe within one event loop."""

    def __init__(
        self,
        rate: float,
        burst: int,
        *,
        most: int = MOST_CLIENTS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._each = 1 / rate
        self._whole = burst / rate
        self._most = most
        self._monotonic = monotonic
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self.policy = f"q={burst};w={math.ceil(burst / rate)}"
        """The bucket in the words of RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers): quota and window."""

    def __len__(self) -> int:
        """Clients that are kept."""
        return len(self._full_at)

    def take(self, client: str) -> Standing:
        """Count a request of a client."""
        now = self._monotonic()
        before = max(self._full_at.get(client, now), now)
        after = before + self._each
        wait = after - now - self._whole
        if wait > 1e-9:
            return Standing(0, before - now, wait)
        self._full_at[client] = after
        self._full_at.move_to_end(client)
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)
        return Standing(int((self._whole - (after - now)) / self._each + 1e-6), after - now, 0.0)


def address_of(request: Request) -> str:
    """From where a request comes; of an IPv6 address the network, since whoever has one address has all of it."""
    host = request.client.host if request.client is not None else ""
    if ":" not in host:
        return host
    try:
        return str(ipaddress.IPv6Network((host.partition("%")[0], 64), strict=False).network_address)
    except ValueError:
        return host


def too_many(standing: Standing, of: str, detail: str) -> Problem:
    """429: the client may ask again after a while."""
    LIMITED.labels(of).inc()
    after = math.ceil(standing.wait)
    more = f"{detail} Try again in {after} second{'' if after == 1 else 's'}."
    return Problem(429, more, retryable=True, headers={"Retry-After": str(after)})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request's answer says of its client's bucket; with `refused`, it is the answer."""

    headers: dict[str, str]
    refused: Problem | None


class Limits:
    """The limits of one process: whoever has a good token by its subject, everybody else by where they come from.

    The subject and not the client that the token was given to: a portal's is one for all its learners.
    """

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    @classmethod
    def of(cls, rate: float, burst: int) -> "Limits | None":
        """So many requests a second and so many at once; None where the rate is 0, and any number may come."""
        return cls(Buckets(rate, burst)) if rate else None

    async def ask(self, request: Request) -> Asked | None:
        """Count a request; None where its address is free."""
        if request.scope["path"].startswith(FREE):
            return None
        kind, client = await _client_of(request)
        standing = self._buckets.take(client)
        headers = {
            "RateLimit-Policy": f'"{kind}";{self._buckets.policy}',
            "RateLimit": f'"{kind}";r={standing.left};t={math.ceil(standing.full_in)}',
        }
        refused = too_many(standing, kind, "You ask more often than one may.") if standing.wait else None
        return Asked(headers, refused)


async def _client_of(request: Request) -> tuple[str, str]:
    authorization = request.headers.get("authorization")
    if authorization:
        try:
            return "client", f"sub {(await principal_of(request, authorization)).subject}"
        except Problem:
            pass  # what is wrong with the token is the route's to say, where it asks for one
    return "address", address_of(request)
