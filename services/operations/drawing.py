"""The waterfall of a chain, laid out for drawing: what stands where, in per cent of the picture's width."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.operations.domain.journey import Chain, Step
from services.operations.domain.wording import duration, what_happened

WIDTH: Final = 100.0
"""From the first instant to the last."""
NARROWEST: Final = 0.5
"""A bar's least width, so that what took no time at all is still seen."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time in the picture."""

    x: float
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class Row:
    """A hop of the chain: its words, the work until its fact, and its way to the topic."""

    number: int
    step: Step
    what: str
    after: str
    since_start: str
    to_topic: str
    work: Bar | None
    way: Bar


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the scale."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Waterfall:
    """A chain as a picture: its rows in order, the scale above them, and the sum."""

    chain: Chain
    title: str
    rows: Sequence[Row]
    ticks: Sequence[Tick]
    visible_after: str | None
    lasts: str


def _tick_step(seconds: float) -> float:
    """A round step that gives three to six marks."""
    step = 0.001
    for factor in (2, 2.5, 2) * 20:
        if seconds / step <= 6:
            break
        step *= factor
    return step


def waterfall(chain: Chain) -> Waterfall:
    """Lay out a chain. Clocks of several machines may disagree by a little; nothing is drawn before the start."""
    start = chain.root.happened_at
    whole = max(chain.lasts.total_seconds(), 0.001)

    def x(instant: datetime) -> float:
        return min(max((instant - start).total_seconds() / whole, 0.0), 1.0) * WIDTH

    def bar(begins: datetime, ends: datetime, title: str) -> Bar:
        left, right = x(begins), x(ends)
        width = max(right - left, NARROWEST)
        return Bar(round(min(left, WIDTH - width), 2), round(width, 2), title)

    rows = []
    causes: list[Step] = []
    for number, step in enumerate(chain.steps, start=1):
        del causes[step.depth :]
        hop = step.hop
        cause = causes[-1].hop if causes else None
        to_topic = (hop.recorded_at - hop.happened_at).total_seconds()
        rows.append(
            Row(
                number=number,
                step=step,
                what=what_happened(hop),
                after=duration(step.after.total_seconds()) if step.after is not None else "",
                since_start=duration((hop.happened_at - start).total_seconds()),
                to_topic=duration(to_topic),
                work=bar(cause.recorded_at, hop.happened_at, f"{hop.service}: worked on it") if cause else None,
                way=bar(hop.happened_at, hop.recorded_at, f"to the topic {hop.topic}: {duration(to_topic)}"),
            )
        )
        causes.append(step)
    tick = _tick_step(whole)
    ticks = [Tick(round(n * tick / whole * WIDTH, 2), duration(n * tick)) for n in range(int(whole / tick) + 1)]
    after = chain.visible_after
    return Waterfall(
        chain=chain,
        title=what_happened(chain.root),
        rows=rows,
        ticks=ticks,
        visible_after=duration(after.total_seconds()) if after is not None else None,
        lasts=duration(whole),
    )
