"""Asking until an answer comes: pauses that grow, Retry-After kept to, and an end to it (ADR 12)."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import httpx

TRY_AGAIN: Final = frozenset({408, 425, 429, 502, 503, 504})
"""Answers to a whole request that another try may cure."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
LONGEST_RETRY_AFTER: Final = 60.0
REQUEST_SECONDS: Final = 30.0

Result = TypeVar("Result")


class GaveUp(Exception):
    """No answer came for too long; what was asked for may or may not have been done."""


class NotConcord(Exception):
    """What answers at this address is another service."""


class NoAnswer(Exception):
    """An answer that is not whole, or says to come again: after so many seconds at the earliest."""

    def __init__(self, cause: str, after: float = 0.0) -> None:
        self.after = after
        super().__init__(cause)


def must_be_answered(response: httpx.Response) -> None:
    """Raise NoAnswer where another try may cure it, httpx.HTTPStatusError for any other failure."""
    if response.status_code in TRY_AGAIN:
        after = _seconds(response.headers.get("Retry-After", ""))
        raise NoAnswer(f"{response.url} answered {response.status_code}", after)
    response.raise_for_status()


async def insist(
    ask: Callable[[float], Awaitable[Result]],
    *,
    patience: float,
    on_trouble: Callable[[str], None],
    on_again: Callable[[], None] = lambda: None,
) -> Result:
    """What `ask` gives, as soon as it gives something; it is handed the seconds that its request may take.

    Where it raises NoAnswer, or no connection comes about, `on_trouble` hears why, and after a pause it is asked again,
    which `on_again` hears. Raises GaveUp after `patience` seconds, and at once what no repetition cures.
    """
    ends_at = time.monotonic() + patience
    pause = FIRST_PAUSE
    while True:
        try:
            return await ask(min(REQUEST_SECONDS, max(ends_at - time.monotonic(), 1.0)))
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError):
            raise  # the request itself is impossible
        except (httpx.TransportError, NoAnswer) as error:
            cause = _in_words(error)
            wanted = error.after if isinstance(error, NoAnswer) else 0.0
        # Those that were cut off together do not come back together.
        wait = max(wanted, pause * random.uniform(0.5, 1.0))  # noqa: S311
        if time.monotonic() + wait > ends_at:
            raise GaveUp(f"{cause}, for {patience:g} s")
        on_trouble(cause)
        await asyncio.sleep(wait)
        pause = min(2 * pause, LONGEST_PAUSE)
        on_again()


def _in_words(error: Exception) -> str:
    if isinstance(error, httpx.TransportError):
        # It may be the issuer of tokens that does not answer.
        return f"{error.request.url} gave no answer ({str(error) or type(error).__name__})"
    return str(error)


def _seconds(retry_after: str) -> float:
    """A Retry-After in seconds; one that is a date is left to the client's own pauses."""
    return min(float(retry_after), LONGEST_RETRY_AFTER) if retry_after.isascii() and retry_after.isdigit() else 0.0
