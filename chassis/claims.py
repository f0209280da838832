"""What a token says of whoever calls: who, for which member, in which roles; issuers call these by different names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

_MEMBER: Final = re.compile(r"[a-z][a-z0-9-]{1,39}")


class NotTrusted(Exception):
    """The token is not accepted; the text says why, without repeating the token."""


class Role(StrEnum):
    """What a person or a system may do; a token lists its roles."""

    PUBLISHER = "publisher"
    REGISTRY = "registry"
    OFFICER = "officer"
    OPERATIONS = "operations"
    CONSORTIUM = "consortium"
    LEARNER = "learner"
    SERVICE = "service"
    """A service that acts for another of the same consortium: exports and erasure (docs/privacy.md)."""


@dataclass(frozen=True)
class Principal:
    """Who calls, as the token says it."""

    subject: str
    member: str | None
    """The member they act for; None for staff of the consortium and of operations."""
    roles: frozenset[Role]
    learner_identifiers: tuple[str, ...] = ()
    """A learner's identifiers as the federation states them, in its order and not yet checked."""

    def has(self, *roles: Role) -> bool:
        """Whether at least one of the roles is theirs."""
        return not self.roles.isdisjoint(roles)


@dataclass(frozen=True)
class ClaimNames:
    """How an issuer calls what Concord asks of a token (docs/sign-in.md).

    A claim is found under its whole name, dots and all, or else along a path of names with dots between them:
    `realm_access.roles`.
    """

    subject: str = "sub"
    member: tuple[str, ...] = ("member",)
    """Claims of which the first counts that is stated: a person's may be another than a system's."""
    roles: tuple[str, ...] = ("roles",)
    """Claims whose values are taken together."""
    learner: str = "schac_personal_unique_code"
    member_names: Mapping[str, str] = field(default_factory=dict)
    """The issuer's names of members, and Concord's; where there are any, no other name is a member's."""
    role_names: Mapping[str, str] = field(default_factory=dict)
    """The same for roles."""

    def subject_of(self, said: Mapping[str, Any]) -> str:
        """Who the token is about. Raises NotTrusted."""
        subject = _found(said, self.subject)
        if not isinstance(subject, str) or not 0 < len(subject) <= 255 or "\x00" in subject:
            raise NotTrusted("the token has no usable subject")
        return subject

    def principal(self, said: Mapping[str, Any]) -> Principal:
        """Who calls, of what a verified token says. Raises NotTrusted where a claim is not of its form."""
        stated = {one for claim in self.roles for one in _texts(said, claim)}
        names = {self.role_names.get(one) for one in stated} if self.role_names else stated
        return Principal(
            subject=self.subject_of(said),
            member=self._member(said),
            # An issuer may know more roles than Concord does.
            roles=frozenset(role for role in Role if role.value in names),
            learner_identifiers=_texts(said, self.learner),
        )

    def _member(self, said: Mapping[str, Any]) -> str | None:
        stated = next((value for claim in self.member if (value := _found(said, claim)) not in (None, [])), None)
        if stated is None:
            return None
        # Some issuers write every claim as a list.
        value = stated[0] if isinstance(stated, list) and len(stated) == 1 else stated
        if isinstance(value, str) and self.member_names:
            return self.member_names.get(value)
        if not (isinstance(value, str) and _MEMBER.fullmatch(value)):
            raise NotTrusted("the token's member is no member id")
        return value


def _found(said: Mapping[str, Any], name: str) -> Any:
    """The value of a claim by its whole name, or along its path; None where there is none."""
    if name in said:
        return said[name]
    value: Any = said
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _texts(said: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = _found(said, name)
    if value is None:
        return ()
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) and "\x00" not in item for item in values):
        raise NotTrusted(f"the token's {name} is no text or list of texts")
    return tuple(values)
