"""Leaves of the rules: which mark one takes, and which completion it accepts (decision.md, Step 1, below the table)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from services.recognition.engine.model import Agreement, Completion, Leaf, Rule
from services.recognition.engine.requirements import leaves_in


@dataclass(frozen=True, slots=True)
class PlacedLeaf:
    """A leaf, the position of its rule in the agreement (None for like for like), and the rule's lowest named level."""

    leaf: Leaf
    rule: int | None
    lowest_level: int | None


def lowest_named_level(rule: Rule) -> int | None:
    """The lowest level that the rule's lines name; None where they name none."""
    return min((line.level for line in rule.grants or () if line.level is not None), default=None)


def leaves_by_course(rules: Sequence[Rule]) -> Mapping[str, tuple[PlacedLeaf, ...]]:
    """For each course that the rules name, every leaf that names it, in the order written."""
    found: dict[str, list[PlacedLeaf]] = {}
    for position, rule in enumerate(rules):
        lowest_level = lowest_named_level(rule)
        for leaf in leaves_in(rule.requires):
            found.setdefault(leaf.course, []).append(PlacedLeaf(leaf, position, lowest_level))
    return {course: tuple(leaves) for course, leaves in found.items()}


LIKE_FOR_LIKE: Final = (PlacedLeaf(Leaf("every course"), None, None),)
"""Without rules: like for like counts as one leaf for each course, without bounds of its own."""


def is_accepted_result(completion: Completion, agreement: Agreement) -> bool:
    """`pass`, and `compensated` where the agreement accepts it."""
    return completion.result == "pass" or (completion.result == "compensated" and agreement.accepts_compensated_pass)


def lower_bound(leaf: Leaf, completion: Completion, agreement: Agreement) -> Fraction | None:
    """The leaf's own minimum, else the agreement's, which a compensated pass need not meet."""
    if leaf.minimum_mark is not None:
        return leaf.minimum_mark
    return None if completion.result == "compensated" else agreement.minimum_mark


def takes_mark(leaf: Leaf, completion: Completion, agreement: Agreement) -> bool:
    """The mark is within the leaf's bounds, both included; a leaf with a bound takes no missing mark."""
    lowest, highest, mark = lower_bound(leaf, completion, agreement), leaf.maximum_mark, completion.mark
    if mark is None:
        return lowest is None and highest is None
    return (lowest is None or lowest <= mark) and (highest is None or mark <= highest)


def accepts(leaf: Leaf, lowest_level: int | None, completion: Completion, level: int, agreement: Agreement) -> bool:
    """The leaf takes the mark, and the level is not below the lowest that the rule's lines name."""
    return (lowest_level is None or lowest_level <= level) and takes_mark(leaf, completion, agreement)
