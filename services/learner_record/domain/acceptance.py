"""Whether what a member sends of an enrolment is new, a repeat, or contradicts what is stored (ADR 3)."""

from enum import Enum
from typing import Literal
from uuid import UUID


class Standing(Enum):
    """How a revision that was sent stands to those that are stored."""

    NEW = "new"
    REPEATED = "repeated"
    OTHER_BODY = "other body"
    TOO_LOW = "too low"


def standing(*, sent: int, sent_hash: str, stored_hash: str | None, newest: int | None) -> Standing:
    """Judge a revision by its number and the hash of its body.

    `stored_hash` is that of the stored revision of the same number (None: there is none), `newest` the highest stored
    number (None: nothing is stored). A repeat is a repeat whatever came later.
    """
    if stored_hash is not None:
        return Standing.REPEATED if stored_hash == sent_hash else Standing.OTHER_BODY
    return Standing.TOO_LOW if newest is not None and sent < newest else Standing.NEW


class Named:
    """The learners that one reference of a member has stood for: under an identifier, and under a placeholder."""

    def __init__(self) -> None:
        self._learners: dict[bool, UUID] = {}

    def objection_to(self, learner: UUID, *, is_placeholder: bool) -> Literal["other", "known"] | None:
        """Why the reference cannot stand for this learner; None where it can.

        `other`: it already stands for a learner with another identifier, and two learners are never merged silently.
        `known`: the placeholder comes after the identifier, and would make a stranger of a known learner.
        An identifier after the placeholder is no objection: that is how a learner gets one.
        """
        identified = self._learners.get(False)
        if is_placeholder:
            return "known" if identified is not None else None
        return "other" if identified not in (None, learner) else None

    def knows(self, *, is_placeholder: bool) -> bool:
        """Whether the reference has stood for a learner in this way."""
        return is_placeholder in self._learners

    def note(self, learner: UUID, *, is_placeholder: bool) -> None:
        """Remember whom the reference stands for."""
        self._learners[is_placeholder] = learner
