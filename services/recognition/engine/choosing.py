"""Which agreement applies, and in which order evaluations follow one another (decision.md, *Which agreement*)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from services.recognition.engine.grounds import agreement_is_in_force_for
from services.recognition.engine.model import Agreement, Completion


@dataclass(frozen=True, slots=True)
class Candidate:
    """A published version that might apply: between two members in this direction, or among many."""

    agreement: Agreement
    kind: Literal["bilateral", "multilateral"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Open completions that are decided together, under one agreement or (None) without any."""

    agreement: Agreement | None
    completions: tuple[Completion, ...]


def is_in_force(agreement: Agreement, completions: Iterable[Completion]) -> bool:
    """At least one of the completions would not get AGREEMENT_NOT_IN_FORCE under it."""
    return any(agreement_is_in_force_for(completion, agreement) is None for completion in completions)


def agreement_for(completions: Iterable[Completion], candidates: Iterable[Candidate]) -> Agreement | None:
    """The agreement for one provider's open completions; None where there is no candidate.

    Bilateral in force, multilateral in force, bilateral, multilateral; within each the newest version first. The first
    is taken, and two are never merged.
    """
    completions = tuple(completions)

    def place(candidate: Candidate) -> tuple[bool, bool, int, str]:
        agreement = candidate.agreement
        in_force = is_in_force(agreement, completions)
        return (not in_force, candidate.kind == "multilateral", -agreement.version, agreement.id)

    first = min(candidates, key=place, default=None)
    return None if first is None else first.agreement


def evaluations_of(
    completions: Mapping[str, Iterable[Completion]], candidates: Mapping[str, Iterable[Candidate]]
) -> tuple[Evaluation, ...]:
    """The evaluations of one enrolment, in their order, from what is open and what might apply, by provider.

    Each provider's agreement is found by itself, over its completions that are open now. Providers that arrive at the
    same agreement version are one evaluation. They follow one another by agreement id, then version, no agreement at
    all last, each on the ledger that the one before left.
    """
    found: dict[tuple[bool, str, int], tuple[Agreement | None, list[Completion]]] = {}
    for provider in sorted(completions):
        open_now = tuple(completions[provider])
        if open_now:
            agreement = agreement_for(open_now, candidates.get(provider, ()))
            place = (True, "", 0) if agreement is None else (False, agreement.id, agreement.version)
            found.setdefault(place, (agreement, []))[1].extend(open_now)
    in_order = (found[place] for place in sorted(found))
    return tuple(Evaluation(agreement, tuple(together)) for agreement, together in in_order)


class AgreementIndex:
    """Every published version by its parties, so that finding the candidates costs the same however many there are."""

    def __init__(self) -> None:
        self._bilateral: dict[tuple[str, str], list[Candidate]] = {}
        self._multilateral: dict[str, list[tuple[frozenset[str], Candidate]]] = {}

    def add_bilateral(self, agreement: Agreement, provider: str, receiver: str) -> None:
        """Add a version for the direction from the provider to the receiver (member ids)."""
        self._bilateral.setdefault((provider, receiver), []).append(Candidate(agreement, "bilateral"))

    def add_multilateral(self, agreement: Agreement, members: Iterable[str]) -> None:
        """Add a version for every direction between the members (ids)."""
        among = frozenset(members)
        for member in among:
            self._multilateral.setdefault(member, []).append((among, Candidate(agreement, "multilateral")))

    def candidates(self, provider: str, receiver: str) -> tuple[Candidate, ...]:
        """Every version that might apply to the provider's credit at the receiver, in no particular order."""
        among_many = self._multilateral.get(provider, ())
        return (
            *self._bilateral.get((provider, receiver), ()),
            *(candidate for members, candidate in among_many if receiver in members),
        )
