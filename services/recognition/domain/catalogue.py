"""The catalogue at one number: members, and the published versions of agreements and award definitions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from functools import cached_property
from typing import Literal

from services.recognition.domain.declines import AppealRoute
from services.recognition.domain.learner import DocumentVersion
from services.recognition.engine import model
from services.recognition.engine.choosing import AgreementIndex, Candidate


@dataclass(frozen=True, slots=True)
class Period:
    """Days in which a member is suspended, both included; without an end where `until` is None."""

    since: date
    until: date | None


@dataclass(frozen=True, slots=True)
class Member:
    """A member, as far as decisions depend on it, and how one appeals against its own; None: in no way."""

    member_id: str
    framework: str
    suspensions: tuple[Period, ...]
    left_on: date | None
    appeals: AppealRoute | None = None

    def is_suspended(self, day: date) -> bool:
        """Whether the member is suspended on this day; one that has left by then counts as suspended."""
        if self.left_on is not None and self.left_on <= day:
            return True
        return any(period.since <= day and (period.until is None or day <= period.until) for period in self.suspensions)


@dataclass(frozen=True, slots=True)
class AgreementVersion:
    """A published version of an agreement.

    `parties` is provider and receiver of a bilateral agreement, or all members of a multilateral one. `terms` are its
    terms in each framework a receiver may have. `ratios` (multilateral) is receiver credits per credit of a
    completion, by the completion's and the receiver's framework.
    """

    id: str
    version: int
    parties: tuple[str, ...]
    on_revocation: Literal["refer", "withdraw"]
    terms: Mapping[str, model.Agreement]
    ratios: Mapping[tuple[str, str], Fraction] | None


@dataclass(frozen=True, slots=True)
class AwardVersion:
    """A published version of an award definition, and the catalogue number that its publication took."""

    id: str
    version: int
    member: str
    framework: str
    level: int
    ladder: str | None
    credits_required: Fraction
    slots: tuple[str, ...]
    terms: model.Award
    number: int

    @property
    def document(self) -> DocumentVersion:
        """What a decision pins of it."""
        return DocumentVersion(self.id, self.version)


@dataclass(frozen=True)
class Catalogue:
    """Everything published and every member known, as of catalogue number `number`."""

    number: int
    members: Mapping[str, Member] = field(default_factory=dict)
    agreements: Sequence[AgreementVersion] = ()
    awards: Mapping[str, Sequence[AwardVersion]] = field(default_factory=dict)
    """Every version of each award, the newest first."""

    def agreement(self, agreement_id: str, version: int) -> AgreementVersion | None:
        """One version of an agreement."""
        return self._by_version.get((agreement_id, version))

    def award(self, award_id: str) -> AwardVersion | None:
        """The newest published version of an award."""
        return next(iter(self.awards.get(award_id, ())), None)

    def award_version(self, award_id: str, version: int) -> AwardVersion | None:
        """One version of an award."""
        return next((award for award in self.awards.get(award_id, ()) if award.version == version), None)

    def award_at(self, award_id: str, number: int) -> AwardVersion | None:
        """The version that was the newest at a catalogue number."""
        return next((award for award in self.awards.get(award_id, ()) if award.number <= number), None)

    def candidates(self, provider: str, receiver: str) -> Sequence[Candidate]:
        """Every version of an agreement that might apply in this direction, with its terms at the receiver."""
        return self._indexes[self.members[receiver].framework].candidates(provider, receiver)

    @cached_property
    def _by_version(self) -> Mapping[tuple[str, int], AgreementVersion]:
        return {(agreement.id, agreement.version): agreement for agreement in self.agreements}

    @cached_property
    def _indexes(self) -> Mapping[str, AgreementIndex]:
        """The agreements by their parties, with their terms in each framework that a member has."""
        indexes = {member.framework: AgreementIndex() for member in self.members.values()}
        for framework, index in indexes.items():
            for agreement in self.agreements:
                terms = agreement.terms[framework]
                if agreement.ratios is not None:
                    index.add_multilateral(terms, agreement.parties)
                else:
                    index.add_bilateral(terms, *agreement.parties)
        return indexes
