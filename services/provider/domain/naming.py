"""Whom a member means by its own reference for a learner."""

from typing import Generic, Literal, TypeVar

Id = TypeVar("Id")


class Named(Generic[Id]):
    """The learners that one reference of a member has stood for: under an identifier, and under a placeholder."""

    def __init__(self, identified: Id | None = None, placeholder: Id | None = None) -> None:
        self.identified = identified
        self.placeholder = placeholder

    def objection_to(self, learner: Id, *, is_placeholder: bool) -> Literal["other", "known"] | None:
        """Why the reference cannot stand for this learner; None where it can.

        `other`: it already stands for a learner with another identifier, and two learners are never merged silently.
        `known`: the placeholder comes after the identifier, and would make a stranger of a known learner.
        An identifier after the placeholder is no objection: that is how a learner gets one. What was published under
        the placeholder stays the stranger's.
        """
        if is_placeholder:
            return "known" if self.identified is not None else None
        return "other" if self.identified not in (None, learner) else None

    def knows(self, *, is_placeholder: bool) -> bool:
        """Whether the reference has stood for a learner in this way."""
        return (self.placeholder if is_placeholder else self.identified) is not None

    def note(self, learner: Id, *, is_placeholder: bool) -> None:
        """Remember whom the reference stands for."""
        if is_placeholder:
            self.placeholder = learner
        else:
            self.identified = learner
