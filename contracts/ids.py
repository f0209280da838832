"""Ids made from what identifies a thing, so that whoever meets it twice makes the same id (ADR 3)."""

from uuid import UUID, uuid5

NAMESPACE = UUID("6f2d1c1e-6a2b-5d0e-9d59-3b8f5f0c7a11")
"""Concord's own UUIDv5 namespace; it never changes, or every stored id would."""


def _id(*parts: str) -> UUID:
    # The unit separator cannot occur in any part, so no two lists of parts read alike.
    return uuid5(NAMESPACE, "\x1f".join(parts))


def completion_id(member: str, reference: str) -> UUID:
    """A completion is its member and the member's own reference for it."""
    return _id("completion", member, reference)


def enrolment_id(member: str, reference: str) -> UUID:
    """An enrolment is its member and the member's own reference for it."""
    return _id("enrolment", member, reference)


def decision_id(completion: UUID, enrolment: UUID, number: int) -> UUID:
    """The number-th decision on a completion for an enrolment."""
    return _id("decision", str(completion), str(enrolment), str(number))


def grant_id(enrolment: UUID, completions: tuple[str, ...], number: int) -> UUID:
    """A grant: its enrolment, the completions it rests on (sorted), and how many grants the enrolment had before it."""
    return _id("grant", str(enrolment), *sorted(completions), str(number))


def entry_id(completion: UUID, enrolment: UUID | None) -> UUID:
    """An entry of a learner's record: own credit (no enrolment), or what became of it for an enrolment."""
    return _id("entry", str(completion), str(enrolment) if enrolment else "own")


def appeal_id(decision: UUID) -> UUID:
    """The appeal against a decision: there is one, through all its stages."""
    return _id("appeal", str(decision))


def conferral_id(enrolment: UUID) -> UUID:
    """The conferral of an enrolment's award: there is one at most."""
    return _id("conferral", str(enrolment))


def event_id(event_type: str, natural_key: tuple[str, ...], sequence: int) -> UUID:
    """An event: its type, the thing it is about, and the revision of the thing that it states."""
    return _id("event", event_type, *natural_key, str(sequence))
