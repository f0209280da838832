"""Levels of one framework in another (decision.md, Levels)."""

from typing import Final

from services.recognition.engine.model import Agreement, Completion

_COLUMNS: Final = ("FHEQ", "SCQF", "EQF", "NFQ")
_ROWS: Final = (
    (3, 6, 4, 5),
    (4, 7, 5, 6),
    (5, 8, 5, 6),
    (6, 9, 6, 7),
    (6, 10, 6, 8),
    (7, 11, 7, 9),
    (8, 12, 8, 10),
)
"""The national comparison; its rows are decision.md's."""


def _comparison() -> dict[tuple[str, int, str], tuple[int, ...]]:
    found: dict[tuple[str, int, str], set[int]] = {}
    for row in _ROWS:
        for source, level in zip(_COLUMNS, row, strict=True):
            for target, counterpart in zip(_COLUMNS, row, strict=True):
                found.setdefault((source, level, target), set()).add(counterpart)
    return {key: tuple(sorted(levels)) for key, levels in found.items()}


_COMPARISON: Final = _comparison()


def levels_by_comparison(framework: str, level: int, receiver_framework: str) -> tuple[int, ...]:
    """Every level of the receiver's framework that shares a row of the national comparison with this one, ascending.

    A level of the receiver's own framework is itself; what no row has maps to nothing.
    """
    if framework == receiver_framework:
        return (level,)
    return _COMPARISON.get((framework, level, receiver_framework), ())


def entries_covering(completion: Completion, agreement: Agreement) -> tuple[int, ...]:
    """Positions in the agreement's level map that cover the completion: those that name its course go first, alone."""
    if agreement.level_map is None or completion.framework == agreement.receiver_framework:
        return ()
    covering = [
        (position, entry)
        for position, entry in enumerate(agreement.level_map)
        if entry.framework == completion.framework
        and entry.level == completion.level
        and entry.course in (None, completion.course)
    ]
    naming_the_course = tuple(position for position, entry in covering if entry.course is not None)
    return naming_the_course or tuple(position for position, _ in covering)


def levels_of(completion: Completion, agreement: Agreement) -> tuple[int, ...]:
    """Every level of the receiver's framework that the completion may stand at, ascending.

    Its own framework's level is itself; otherwise what the agreement's level map says; otherwise the national
    comparison. Empty where it states no level or none of these covers it.
    """
    if completion.level is None:
        return ()
    entries = entries_covering(completion, agreement)
    if entries and agreement.level_map is not None:
        return tuple(sorted({agreement.level_map[position].maps_to for position in entries}))
    return levels_by_comparison(completion.framework, completion.level, agreement.receiver_framework)


def level_of(completion: Completion, agreement: Agreement) -> int | None:
    """The one level at which the completion stands; None where it is missing, unmapped or ambiguous."""
    levels = levels_of(completion, agreement)
    return levels[0] if len(levels) == 1 else None
