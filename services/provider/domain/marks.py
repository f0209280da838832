"""Marks and their scales; a higher mark is better (decision.md)."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Scale:
    """The lowest mark there is, the lowest that passes, and the highest."""

    lowest: Decimal
    passing: Decimal
    highest: Decimal

    def is_in_order(self) -> bool:
        """Whether the scale has an extent, and its pass mark is on it."""
        return self.lowest < self.highest and self.lowest <= self.passing <= self.highest

    def holds(self, mark: Decimal) -> bool:
        """Whether the mark is on the scale; both ends belong to it."""
        return self.lowest <= mark <= self.highest
