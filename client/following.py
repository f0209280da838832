"""Follows the feed of decisions: page by page, each once, and on from where one stopped.

At its end the feed is asked once a second. That is one index read of nothing for each follower, of which a member has
one or two; a request that waits would hold a connection on both sides and hear hardly sooner, since the feed shows a
decision only once every transaction that began before it has ended.
"""

import asyncio
import math
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import httpx
import orjson

from client.patience import NoAnswer, NotConcord, insist, must_be_answered

PATH: Final = "/decisions"
ITEMS: Final = 200
"""Decisions of a page at most."""
EVERY: Final = 1.0
"""Seconds after which it is asked again, once there is nothing more: decisions are seen that soon."""

Side: TypeAlias = Literal["provider", "receiver", "both"]


@dataclass(frozen=True, slots=True)
class Page:
    """Some decisions in their order, and the cursor that leads to what follows them; none before the first decision."""

    decisions: list[dict[str, Any]]
    after: str | None


class NoState(Exception):
    """The state cannot be kept, or is none; the message says why."""


class State:
    """The cursor in a file, so that a restart goes on where it was; whole at every instant, whatever dies."""

    def __init__(self, path: Path, side: Side) -> None:
        self._path = path
        self._side = side

    def read(self) -> str | None:
        """The cursor; None where there is no file yet. Raises NoState."""
        try:
            kept = orjson.loads(self._path.read_bytes())
            after, side = kept["after"], kept["as"]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise NoState(f"{self._path} cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError):
            after = side = None
        if not isinstance(after, str) or not isinstance(side, str):
            raise NoState(f"{self._path} was not written by this command; name another file")
        if side != self._side:
            raise NoState(f"{self._path} was kept with --as {side}; each needs a file of its own")
        return after

    def write(self, after: str) -> None:
        """Keep the cursor, on the disk when this returns. Raises NoState."""
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            with beside.open("wb") as file:
                file.write(orjson.dumps({"after": after, "as": self._side}, option=orjson.OPT_APPEND_NEWLINE))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            with suppress(OSError):
                beside.unlink()
            raise NoState(f"{self._path} cannot be written: {error.strerror}") from None


async def follow(
    client: httpx.AsyncClient,
    *,
    after: str | None,
    side: Side,
    from_start: bool,
    once: bool,
    on_trouble: Callable[[str], None],
    on_answer: Callable[[], None] = lambda: None,
    patience: float = math.inf,
) -> AsyncIterator[Page]:
    """The decisions after a cursor, or else from the start or from now on; without `once` there is no end to them.

    A page without decisions comes once where it brings another cursor. `on_trouble` hears why no answer comes, and
    `on_answer` when one came. Raises GaveUp after `patience` seconds without any, NotConcord, and httpx.HTTPStatusError
    where the service refuses.
    """
    begin = "start" if from_start else "now"

    async def ask(seconds: float) -> Page:
        question: dict[str, str | int] = {"as": side, "limit": ITEMS}
        question |= {"from": begin} if after is None else {"after": after}
        response = await client.get(PATH, params=question, timeout=seconds)
        must_be_answered(response)
        return _page(response)

    while True:
        page = await insist(ask, patience=patience, on_trouble=on_trouble)
        on_answer()
        if page.after is not None and page.after != after:
            after = page.after
            yield page
        if len(page.decisions) < ITEMS:
            if once:
                return
            await asyncio.sleep(EVERY)


def _page(response: httpx.Response) -> Page:
    try:
        stated = orjson.loads(response.content)
        decisions, after = stated["items"], stated["next"]
    except orjson.JSONDecodeError:
        if response.headers.get("Content-Type", "").startswith("application/json"):
            raise NoAnswer(f"{response.url} gave an answer that is not whole") from None
        decisions = after = None
    except (KeyError, TypeError):
        decisions = after = None
    if not isinstance(decisions, list) or not isinstance(after, str | None):
        raise NotConcord(f"{response.url} answered, but not as Concord does; is it the right address?")
    return Page(decisions, after)


class Away:
    """Tells that the service is away, once, and for how long it was when it answers again."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._since: float | None = None

    def on_trouble(self, cause: str) -> None:
        """No answer came."""
        if self._since is None:
            self._since = time.monotonic()
            self._say(f"{cause}; trying again")

    def on_answer(self) -> None:
        """An answer came."""
        if self._since is not None:
            self._say(f"answered again after {time.monotonic() - self._since:.0f} s")
            self._since = None
