"""What lint compares a document with: members, learning opportunities, awards and the agreements already published."""

from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.documents.agreement import Parties
from contracts.documents.findings import UNREADABLE, DocumentRefused, Finding, findings_of
from contracts.documents.values import Ratio, Slot
from contracts.event import Framework, Level

Section = Literal["members", "learning_opportunities", "awards", "agreements"]

_READABLE: Final = ConfigDict(frozen=True, extra="ignore", strict=True)
"""What a service exports has more fields than lint needs."""


class Appeals(BaseModel):
    """Where a learner lodges an appeal; the days and stages are the member's affair."""

    model_config = _READABLE
    route: str


class Member(BaseModel):
    """A member of the consortium, as far as its agreements are concerned."""

    model_config = _READABLE
    id: str
    framework: Framework
    referrals_to: str | None = None
    appeals: Appeals | None = None


class LearningOpportunity(BaseModel):
    """A version of a learning opportunity: what its completion carries, unless the completion says otherwise."""

    model_config = _READABLE
    id: str
    version: Annotated[int, Field(ge=1)]
    credits: Ratio
    framework: Framework
    level: Level | None = None


class PublishedAward(BaseModel):
    """The slots that an award of a member has."""

    model_config = _READABLE
    id: str
    member: str
    slots: tuple[Slot, ...] = ()


class PublishedAgreement(BaseModel):
    """The parties of an agreement that is published."""

    model_config = _READABLE
    id: str
    parties: Parties


class Catalogue(BaseModel):
    """The context of lint. A section that is null is not at hand: rules that need it are not checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    members: tuple[Member, ...] | None = None
    learning_opportunities: tuple[LearningOpportunity, ...] | None = None
    awards: tuple[PublishedAward, ...] | None = None
    agreements: tuple[PublishedAgreement, ...] | None = None

    @cached_property
    def member(self) -> Mapping[str, Member]:
        """The members by id."""
        return {member.id: member for member in self.members or ()}

    @cached_property
    def course(self) -> Mapping[str, tuple[LearningOpportunity, ...]]:
        """The versions of each learning opportunity by its id."""
        versions: dict[str, list[LearningOpportunity]] = defaultdict(list)
        for opportunity in self.learning_opportunities or ():
            versions[opportunity.id].append(opportunity)
        return {course: tuple(found) for course, found in versions.items()}

    def slots_of(self, member: str) -> frozenset[str]:
        """Every slot that some award of the member has."""
        return frozenset(slot for award in self.awards or () if award.member == member for slot in award.slots)

    def credits_of(self, course: str, covered: tuple[int, int] | None) -> LearningOpportunity | None:
        """The covered version of the course that carries least credit; null where the catalogue has none."""
        versions = [
            opportunity
            for opportunity in self.course.get(course, ())
            if covered is None or covered[0] <= opportunity.version <= covered[1]
        ]
        return min(versions, key=_least_credit, default=None)


def _least_credit(opportunity: LearningOpportunity) -> tuple[Fraction, int]:
    return opportunity.credits, opportunity.version


EMPTY: Final = Catalogue()
"""Nothing at hand: the document alone is looked at."""


def catalogue_from(content: str) -> Catalogue:
    """The catalogue that a JSON text states.

    Raises DocumentRefused with every fault found.
    """
    try:
        return Catalogue.model_validate_json(content)
    except ValidationError as error:
        raise DocumentRefused(findings_of(error, Catalogue)) from error
    except ValueError as error:
        raise DocumentRefused((Finding(UNREADABLE, "", None, f"the catalogue cannot be read: {error}"),)) from error
