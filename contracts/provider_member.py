"""Topic provider.member: who is in the consortium (documents.md, Member)."""

from datetime import date, datetime
from typing import Annotated, ClassVar

from pydantic import Field

from contracts.event import Event, Framework, Instant, MemberId, Part, Revision, Text


class Colours(Part):
    """A member's colours on the portal's pages, as CSS hexadecimal colours."""

    primary: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
    accent: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class Suspension(Part):
    """A period in which agreements with a member decide nothing; both days included, open where `until` is null."""

    since: Annotated[date, Field(alias="from", serialization_alias="from")]
    until: date | None = None
    reason: Text


class Appeals(Part):
    """How a learner appeals against a member's decision; shown with every decline."""

    route: Text
    days: Annotated[int, Field(ge=1, le=365, description="Days within which an appeal is lodged.")]
    stages: Annotated[list[Text], Field(min_length=1)]


class MemberRegistered(Event):
    """The consortium's registry entered or changed a member: its whole state at this revision."""

    TYPE: ClassVar[str] = "provider.member.registered.v1"
    TOPIC: ClassVar[str] = "provider.member"
    KEY: ClassVar[str] = "member_id"

    member_id: MemberId
    revision: Revision
    name: Text
    colours: Colours
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2.")]
    ukprn: Annotated[str | None, Field(description="UK Provider Reference Number: it identifies, no more.")] = None
    framework: Framework
    suspensions: list[Suspension] = []
    joined_on: date
    left_on: date | None = None
    public_keys: list[Text] = []
    referrals_to: Text
    appeals: Appeals
    accepted_at: Instant

    @property
    def natural_key(self) -> tuple[str, ...]:
        """The member's id."""
        return (self.member_id,)

    @property
    def happened_at(self) -> datetime:
        """When the registry's change was committed."""
        return self.accepted_at
