"""Who a learner is: identifiers checked at the door, and the pseudonym made of them (ADR 13).

One identifier scheme holds in a consortium. A pseudonym is the first 128 bits of HMAC-SHA-256, as UUIDv8, under a key
that only the provider and learner-record services hold; it is still personal data.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from chassis.problems import Fault
from chassis.settings import Settings

Scheme = Literal["ESI", "ULN"]

PLACEHOLDER_ULN: Final = "9999999999"
"""The ULN of a learner who has none, or whose is not known."""
SHORTEST_KEY: Final = 32
"""Bytes that the key of the pseudonyms has at least."""

_DIGITS_10: Final = re.compile(r"[1-9][0-9]{9}")
_DIGITS_8: Final = re.compile(r"[1-9][0-9]{7}")
_COUNTRY: Final = re.compile(r"[a-z]{2}(-[a-z0-9]{1,3})?")
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_ORGANISATION: Final = re.compile(rf"{_LABEL}(\.{_LABEL})+")
# RFC 2141, section 2.2: what the specific string of a URN may have.
_CODE: Final = re.compile(r"([a-z0-9()+,\-.:=@;$_!*']|%[0-9a-f]{2})+")
_ESI_PREFIX: Final = "urn:schac:personaluniquecode:int:esi:"
_ULN_CLAIM: Final = re.compile(r"urn:schac:personaluniquecode:[a-z]{2,3}:uln:([0-9]{10})")


class Malformed(Exception):
    """An identifier that cannot be one; `fault` names its field, its value, and what would be right."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(f"{fault.field}: {fault.expected}")


@dataclass(frozen=True)
class Learner:
    """A learner as the services know one."""

    learner_id: UUID
    scheme: Scheme
    identifier: str
    """In its canonical form."""
    matchable: bool
    """Whether another member's records of this person get the same `learner_id`; false for a placeholder."""


def esi(value: str) -> str:
    """The canonical form of a European Student Identifier; raises Malformed.

    `urn:schac:personalUniqueCode:int:esi:<country or home organisation>:<code>`, at most 255 characters (GÉANT,
    European Student Identifier 1.0). SCHAC defines the attribute to compare without regard to case in all its parts
    (`EQUALITY caseIgnoreMatch`), so the canonical form is lower case throughout: a learner must not become two where
    one system writes the code in capitals. Nothing else is changed; percent-encoded characters stay encoded.
    """
    canonical = value.lower() if value.isascii() else value
    if not canonical.startswith(_ESI_PREFIX):
        raise _malformed(value, "an ESI begins with urn:schac:personalUniqueCode:int:esi:")
    if len(canonical) > 255:
        raise _malformed(value, "an ESI has at most 255 characters")
    scope, _, code = canonical.removeprefix(_ESI_PREFIX).partition(":")
    if not (_COUNTRY.fullmatch(scope) or (_ORGANISATION.fullmatch(scope) and len(scope) <= 253)):
        raise _malformed(value, "after esi: comes a country code such as de, or a home organisation such as uma.es")
    if not _CODE.fullmatch(code):
        raise _malformed(value, "an ESI ends with : and a code of the characters that a URN may have (RFC 2141)")
    return canonical


def uln(value: str) -> str:
    """A Unique Learner Number, checked; raises Malformed.

    Ten digits, the first not 0; the sum of digit × weight (10, 9, … 1) leaves 10 when divided by 11 (domain.md,
    Identifiers). The placeholder does not fulfil this, and passes as what it is.
    """
    if not _DIGITS_10.fullmatch(value):
        raise _malformed(value, "a ULN has ten digits, of which the first is not 0")
    if value == PLACEHOLDER_ULN:
        return value
    if sum(int(digit) * weight for digit, weight in zip(value, range(10, 0, -1), strict=True)) % 11 != 10:
        raise _malformed(value, "a ULN whose check digit is right: Σ digit × (10 … 1) leaves 10 when divided by 11")
    return value


def ukprn(value: str, *, field: str = "ukprn") -> str:
    """A UK Provider Reference Number, checked: eight digits, the first not 0; raises Malformed. It accredits nobody."""
    if not _DIGITS_8.fullmatch(value):
        raise Malformed(Fault(field, value, "a UKPRN has eight digits, of which the first is not 0"))
    return value


CANONICAL: Final[Mapping[Scheme, Callable[[str], str]]] = {"ESI": esi, "ULN": uln}
"""For each scheme, what checks an identifier and gives its canonical form."""


def _malformed(value: str, expected: str) -> Malformed:
    return Malformed(Fault("learner.identifier", value, expected))


def key_from(settings: Settings) -> bytes:
    """The key of the pseudonyms; raises ValueError where it is missing or short, which must end the start."""
    key = settings.learner_id_key.get_secret_value().encode()
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"LEARNER_ID_KEY needs at least {SHORTEST_KEY} bytes")
    return key


def learner_id(key: bytes, scheme: Scheme, identifier: str) -> UUID:
    """The pseudonym of a learner, from a canonical identifier."""
    return _pseudonym(key, f"{scheme}:{identifier}")


def placeholder_id(key: bytes, member: str, reference: str) -> UUID:
    """The pseudonym of a learner without an identifier: of the member and the member's own learner reference.

    Were it of the placeholder, strangers would merge. No scheme is called PLACEHOLDER and no member's id has a colon,
    so it never meets another's.
    """
    return _pseudonym(key, f"PLACEHOLDER:{member}:{reference}")


def _pseudonym(key: bytes, text: str) -> UUID:
    bits = bytearray(hmac.new(key, text.encode(), hashlib.sha256).digest()[:16])
    bits[6] = bits[6] & 0x0F | 0x80  # version 8
    bits[8] = bits[8] & 0x3F | 0x80  # the variant of RFC 9562
    return UUID(bytes=bytes(bits))


def identify(
    key: bytes, consortium: Scheme, *, scheme: str | None, identifier: str | None, member: str, reference: str
) -> Learner:
    """The learner that a member means; raises Malformed for what the door refuses (ADR 13).

    `consortium` is the consortium's scheme; `member` and `reference` tell apart the learners without an identifier.
    """
    if scheme != consortium:
        raise Malformed(Fault("learner.scheme", scheme, f"{consortium}, the consortium's scheme"))
    if not identifier:
        raise Malformed(Fault("learner.identifier", identifier, f"the learner's {consortium}"))
    canonical = CANONICAL[consortium](identifier)
    if consortium == "ULN" and canonical == PLACEHOLDER_ULN:
        return Learner(placeholder_id(key, member, reference), consortium, canonical, matchable=False)
    return Learner(learner_id(key, consortium, canonical), consortium, canonical, matchable=True)


def learners_of_token(key: bytes, consortium: Scheme, identifiers: Iterable[str]) -> tuple[Learner, ...]:
    """Whom a learner's token can stand for: its identifiers of the consortium's scheme, each once, in their order.

    The federation's claim may list codes of other schemes, which say nothing here; a placeholder names nobody. A ULN
    is taken plain or as `urn:schac:personalUniqueCode:<country>:uln:<ULN>`. Where there is more than one learner, who
    asks decides: two known learners are never merged silently.
    """
    found: dict[UUID, Learner] = {}
    for stated in identifiers:
        claim = _ULN_CLAIM.fullmatch(stated.lower()) if consortium == "ULN" else None
        try:
            canonical = CANONICAL[consortium](claim[1] if claim else stated)
        except Malformed:
            continue
        if consortium == "ULN" and canonical == PLACEHOLDER_ULN:
            continue
        learner = Learner(learner_id(key, consortium, canonical), consortium, canonical, matchable=True)
        found.setdefault(learner.learner_id, learner)
    return tuple(found.values())
