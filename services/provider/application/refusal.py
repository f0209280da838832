"""Why something that was asked for was not done."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from services.provider.documents import Fault

Kind = Literal["invalid", "conflict", "foreign", "unknown", "stale", "too_large"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal: nothing was stored. `stored` is what stands in the way, where something does.

    Kinds: `invalid` values; a `conflict` with what is stored; a `foreign` thing, which is another member's; something
    `unknown`; a change to a `stale` revision; a document `too_large` for an event.
    """

    kind: Kind
    detail: str
    faults: tuple[Fault, ...] = ()
    stored: Mapping[str, Any] | None = None
