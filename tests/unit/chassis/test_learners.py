"""Identifiers at the door, and pseudonyms against ones computed here by hand."""

import hashlib
import hmac
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.learners import (
    Learner,
    Malformed,
    esi,
    identify,
    learner_id,
    learners_of_token,
    placeholder_id,
    ukprn,
    uln,
)

KEY = b"a key of at least thirty-two bytes"
PUBLISHED_ULN = "9276308686"
AN_ESI = "urn:schac:personalUniqueCode:int:esi:uma.es:AB-12345"


def by_hand(text: str) -> UUID:
    number = int(hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()[:32], 16)
    number = number & ~(0xF << 76) | (8 << 76)
    number = number & ~(0x3 << 62) | (2 << 62)
    return UUID(int=number)


def test_the_pseudonym_is_the_first_half_of_the_hmac_as_uuid_8() -> None:
    made = learner_id(KEY, "ULN", PUBLISHED_ULN)
    assert made == by_hand(f"ULN:{PUBLISHED_ULN}")
    assert made.version == 8
    assert made.variant == "specified in RFC 4122"
    # printf ULN:9276308686 | openssl dgst -sha256 -hmac "$KEY", with the version and the variant put in
    assert made == UUID("777720af-0916-8bde-90a2-a4058eadc462")


def test_another_key_gives_another_pseudonym() -> None:
    assert learner_id(KEY, "ULN", PUBLISHED_ULN) != learner_id(KEY[::-1], "ULN", PUBLISHED_ULN)


@pytest.mark.parametrize(
    "value",
    [
        "urn:schac:personalUniqueCode:int:esi:hr:xxxxxxxxxx",
        "urn:schac:personalUniqueCode:int:esi:de-by:12345",
        "URN:SCHAC:PersonalUniqueCode:INT:ESI:yyy.uma.es:a%2Fb:c",
    ],
)
def test_an_esi_is_accepted_and_lower_cased(value: str) -> None:
    assert esi(value) == value.lower()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "urn:schac:personalUniqueCode:int:studentID:hr:1",
        "urn:schac:personalUniqueCode:int:esi:hr",
        "urn:schac:personalUniqueCode:int:esi:hr:",
        "urn:schac:personalUniqueCode:int:esi:hrv:1",
        "urn:schac:personalUniqueCode:int:esi:.es:1",
        "urn:schac:personalUniqueCode:int:esi:-a.es:1",
        "urn:schac:personalUniqueCode:int:esi:hr:1 ",
        "urn:schac:personalUniqueCode:int:esi:hr:1\n",
        "urn:schac:personalUniqueCode:int:esi:hr:\x00",
        "urn:schac:personalUniqueCode:int:esi:hr:%zz",
        "urn:schac:personalUniqueCode:int:esi:hr:é",
        "urn:schac:personalUniqueCode:int:esi:hr:" + "1" * 216,
    ],
)
def test_what_is_no_esi_is_refused_with_the_rule(value: str) -> None:
    with pytest.raises(Malformed) as refused:
        esi(value)
    assert refused.value.fault.field == "learner.identifier"
    assert refused.value.fault.value == value
    assert "ESI" in refused.value.fault.expected or "esi" in refused.value.fault.expected


def test_the_longest_esi_is_accepted() -> None:
    longest = "urn:schac:personalUniqueCode:int:esi:hr:" + "1" * 215
    assert len(longest) == 255
    assert esi(longest)


@pytest.mark.parametrize("value", [PUBLISHED_ULN, "9999999999"])
def test_a_uln_with_the_right_check_digit_is_accepted(value: str) -> None:
    assert uln(value) == value


@pytest.mark.parametrize(
    "value", ["", "927630868", "92763086860", "0276308686", "927630868x", "９２７６３０８６８６", "9276308686\n"]
)
def test_what_is_no_uln_is_refused(value: str) -> None:
    with pytest.raises(Malformed, match="ten digits"):
        uln(value)


@given(position=st.integers(0, 9), by=st.integers(1, 9))
def test_one_wrong_digit_of_a_uln_is_found(position: int, by: int) -> None:
    digits = [int(digit) for digit in PUBLISHED_ULN]
    digits[position] = (digits[position] + by) % 10
    wrong = "".join(map(str, digits))
    # The last digit has weight 1 and the sum leaves 10, so every single change shows.
    with pytest.raises(Malformed):
        uln(wrong)


@pytest.mark.parametrize("value", ["1000724", "01007246", "100072466", "1000724x", "10007246\n"])
def test_what_is_no_ukprn_is_refused(value: str) -> None:
    with pytest.raises(Malformed, match="eight digits"):
        ukprn(value)


def test_a_ukprn_is_eight_digits() -> None:
    assert ukprn("10007246") == "10007246"


def test_one_person_is_one_learner_at_every_member_and_in_any_case() -> None:
    here = identify(KEY, "ESI", scheme="ESI", identifier=AN_ESI, member="northbridge", reference="1")
    there = identify(KEY, "ESI", scheme="ESI", identifier=AN_ESI.upper(), member="southgate", reference="2")
    assert here == there
    assert here.matchable
    assert here.learner_id == by_hand(f"ESI:{AN_ESI.lower()}")


def test_two_strangers_with_the_placeholder_stay_two() -> None:
    def stranger(member: str, reference: str) -> Learner:
        return identify(KEY, "ULN", scheme="ULN", identifier="9999999999", member=member, reference=reference)

    several = {stranger("northbridge", "1"), stranger("northbridge", "2"), stranger("southgate", "1")}
    assert len({learner.learner_id for learner in several}) == 3
    assert not any(learner.matchable for learner in several)
    assert stranger("northbridge", "1").learner_id == placeholder_id(KEY, "northbridge", "1")
    assert learner_id(KEY, "ULN", "9999999999") not in {learner.learner_id for learner in several}


@pytest.mark.parametrize(
    ("scheme", "identifier", "field", "expected"),
    [
        ("ULN", PUBLISHED_ULN, "learner.scheme", "ESI"),
        (None, AN_ESI, "learner.scheme", "ESI"),
        ("ESI", None, "learner.identifier", "ESI"),
        ("ESI", "", "learner.identifier", "ESI"),
        ("ESI", "12345", "learner.identifier", "begins with urn:schac"),
    ],
)
def test_the_door_says_what_would_be_right(
    scheme: str | None, identifier: str | None, field: str, expected: str
) -> None:
    with pytest.raises(Malformed) as refused:
        identify(KEY, "ESI", scheme=scheme, identifier=identifier, member="northbridge", reference="1")
    assert refused.value.fault.field == field
    assert expected in refused.value.fault.expected


def test_a_token_stands_for_its_identifiers_of_the_consortiums_scheme() -> None:
    stated = ["urn:schac:personalUniqueCode:de:uni.de:Matrikelnummer:1", AN_ESI, AN_ESI.upper()]
    (learner,) = learners_of_token(KEY, "ESI", stated)
    assert learner.learner_id == by_hand(f"ESI:{AN_ESI.lower()}")


def test_two_esis_are_two_learners_for_the_asker_to_decide() -> None:
    other = "urn:schac:personalUniqueCode:int:esi:hr:77"
    assert [learner.identifier for learner in learners_of_token(KEY, "ESI", [other, AN_ESI])] == [
        other.lower(),
        AN_ESI.lower(),
    ]


def test_a_token_with_the_placeholder_stands_for_nobody() -> None:
    assert learners_of_token(KEY, "ULN", ["9999999999"]) == ()


@pytest.mark.parametrize("stated", [PUBLISHED_ULN, f"urn:schac:personalUniqueCode:gb:ULN:{PUBLISHED_ULN}"])
def test_a_uln_comes_plain_or_as_a_code(stated: str) -> None:
    (learner,) = learners_of_token(KEY, "ULN", [stated])
    assert learner.learner_id == by_hand(f"ULN:{PUBLISHED_ULN}")
