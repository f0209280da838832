"""Trees of requirements: what meets one (decision.md, Step 2, 1)."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from services.recognition.engine.model import All, Any, Leaf, NOf, Requirement

Met = TypeVar("Met")


def branches_wanted(tree: All | Any | NOf) -> int:
    """How many branches of a tree have to be met: `all` of them, `any` one, or n."""
    if isinstance(tree, All):
        return len(tree.branches)
    return 1 if isinstance(tree, Any) else tree.n


def met_by(requirement: Requirement, pick: Callable[[Leaf], Met | None]) -> list[Met] | None:
    """What meets the tree, where `pick` gives what meets a leaf; None if it is not met.

    `all` is met by the union of its branches, `any` by its first branch that is met, `n of` by the first n that are
    met, in the order written. A tree that nothing meets (an empty list, n below 1) is not met. What meets several
    branches is listed once for each.
    """
    if isinstance(requirement, Leaf):
        met = pick(requirement)
        return None if met is None else [met]
    wanted = branches_wanted(requirement)
    if wanted < 1 or wanted > len(requirement.branches):
        return None
    together: list[Met] = []
    for branch in requirement.branches:
        part = met_by(branch, pick)
        if part is not None:
            together += part
            wanted -= 1
            if wanted == 0:
                return together
    return None


def leaves_in(requirement: Requirement) -> Iterator[Leaf]:
    """Every leaf of a tree, in the order written."""
    if isinstance(requirement, Leaf):
        yield requirement
    else:
        for branch in requirement.branches:
            yield from leaves_in(branch)
