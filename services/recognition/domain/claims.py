"""When a claim is judged, whether it is open, and what it waits for (decision.md, "What is decided")."""

from datetime import date

from services.recognition.domain.catalogue import Catalogue
from services.recognition.domain.learner import Completion, Decision, Enrolment
from services.recognition.engine.model import State

UNSETTLED = (State.INCOMPLETE, State.REFERRED)


def claim_date(completion: Completion, enrolment: Enrolment, current: Decision | None) -> date:
    """The later of the day from which it is claimable and the day of enrolment.

    It is kept from the first decision on, and renewed only when `claimable_from` changes.
    """
    if current is not None and current.claimable_from == completion.claimable_from:
        return current.claimed_on
    return max(completion.claimable_on, enrolment.opened_on)


def is_open(completion: Completion, enrolment: Enrolment, current: Decision | None, today: date) -> bool:
    """Whether a claim is open by itself, without anything that opens it again.

    Undecided, unless the enrolment was closed before the claim date; or INCOMPLETE or REFERRED at an enrolment that is
    not closed, and not for a frozen grant.
    """
    if current is None:
        return enrolment.ends_on is None or enrolment.ends_on >= claim_date(completion, enrolment, None)
    return current.state in UNSETTLED and not current.is_frozen and not enrolment.is_closed(today)


def waits_for(provider: str, enrolment: Enrolment, catalogue: Catalogue) -> str | None:
    """What is unknown without which nothing of this provider can be decided here: `award`, `receiver`, `provider`."""
    if catalogue.award(enrolment.award) is None:
        return "award"
    if enrolment.receiver not in catalogue.members:
        return "receiver"
    return "provider" if provider not in catalogue.members else None
