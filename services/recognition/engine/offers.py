"""What a learner may choose from when not everything fits (decision.md, Step 5, *Whole units*, c)."""

from collections.abc import Hashable, Mapping, Sequence
from fractions import Fraction
from math import lcm
from typing import Final, TypeVar

MOST_OFFERS: Final = 10
MOST_SEARCHED: Final = 12
"""Beyond this many, offers are found greedily."""

Cap = TypeVar("Cap", bound=Hashable)


def offers_of(
    needs: Sequence[Mapping[Cap, Fraction]], credits_: Sequence[Fraction], rooms: Mapping[Cap, Fraction]
) -> tuple[tuple[int, ...], ...]:
    """Sets (of positions) that fit and to which no other can be added, most credits first, at most ten.

    `needs` says for each position how much it takes of each cap it is under, `credits_` what it is worth. Sets of
    equal worth stand in the order of their positions.
    """
    whole_needs, whole_rooms = _in_whole_numbers(needs, rooms)
    search = _all_maximal if len(needs) <= MOST_SEARCHED else _greedy
    found = search(whole_needs, whole_rooms)
    found.sort(key=lambda chosen: (-sum(credits_[position] for position in chosen), chosen))
    return tuple(found[:MOST_OFFERS])


def _in_whole_numbers(
    needs: Sequence[Mapping[Cap, Fraction]], rooms: Mapping[Cap, Fraction]
) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
    """Per position and cap, in the same order of caps, multiplied by what makes every number whole."""
    numbers = [*rooms.values(), *(number for need in needs for number in need.values())]
    scale = lcm(*(number.denominator for number in numbers))
    whole_needs = [tuple(int(need.get(cap, 0) * scale) for cap in rooms) for need in needs]
    return whole_needs, tuple(int(room * scale) for room in rooms.values())


def _fits(need: Sequence[int], rooms: Sequence[int]) -> bool:
    """Whether there is room for it under every cap; a cap stands only in the way of credit under it."""
    return all(credits_ == 0 or credits_ <= room for credits_, room in zip(need, rooms, strict=True))


def _all_maximal(needs: Sequence[tuple[int, ...]], rooms: Sequence[int]) -> list[tuple[int, ...]]:
    count = len(needs)
    together: list[tuple[int, ...]] = [(0,) * len(rooms)]  # what each set needs; bit i of its number is position i
    for need in needs:
        together += [tuple(map(sum, zip(before, need, strict=True))) for before in together]
    fits = [_fits(need, rooms) for need in together]
    return [
        tuple(position for position in range(count) if chosen >> position & 1)
        for chosen in range(1, 1 << count)
        if fits[chosen]
        and not any(fits[chosen | 1 << position] for position in range(count) if not chosen >> position & 1)
    ]


def _greedy(needs: Sequence[tuple[int, ...]], rooms: Sequence[int]) -> list[tuple[int, ...]]:
    """For each position the set that begins with it and takes in order what still fits."""
    found: dict[tuple[int, ...], None] = {}
    for first in range(len(needs)):
        chosen = [first]
        left = [room - credits_ for room, credits_ in zip(rooms, needs[first], strict=True)]
        for position, need in enumerate(needs):
            if position != first and _fits(need, left):
                chosen.append(position)
                left = [room - credits_ for room, credits_ in zip(left, need, strict=True)]
        found[tuple(sorted(chosen))] = None
    return list(found)
