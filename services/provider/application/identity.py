"""Who is meant by the learner of a completion (design decision 13)."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from chassis.problems import Fault
from services.provider.documents import LearnerDocument


@dataclass(frozen=True, slots=True)
class Learner:
    """A learner as identified at the door; `identifier` is in its canonical form."""

    learner_id: UUID
    scheme: str
    identifier: str
    is_placeholder: bool


Identify = Callable[[str, LearnerDocument], Learner | Fault]
"""Gives the learner that a member means, or says what is wrong with the identifier."""
