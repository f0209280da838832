"""Lint of an award definition (documents.md, Award definition and Lint)."""

from collections.abc import Iterator
from fractions import Fraction

from contracts.documents.award import Award
from contracts.documents.findings import Finding
from contracts.documents.values import plain
from services.recognition.lint.catalogue import Catalogue


def id_is_free(award: Award, _: Catalogue) -> Iterator[Finding]:
    """No address of something else begins where the award is read: /awards/<id>/drafts are another award's drafts."""
    if "/drafts/" in f"{award.id}/":
        yield Finding("reserved-id", "/id", award.id, "should be an id without /drafts, where drafts are read")


def credit_is_whole(award: Award, _: Catalogue) -> Iterator[Finding]:
    """Caps, minima and requirements are whole credits: 33 % of 360 is 118.8 and wrongly refuses a sixth module."""
    amounts: list[tuple[str, Fraction | None]] = [("/credits_required", award.credits_required)]
    amounts += [(f"/minimum_by_level/{level}", amount) for level, amount in award.minimum_by_level.items()]
    amounts += [(f"/categories/{at}/minimum", category.minimum) for at, category in enumerate(award.categories)]
    amounts += [("/import_cap", award.import_cap), ("/same_level_cap", award.same_level_cap)]
    amounts += [(f"/import_cap_by_level/{level}", amount) for level, amount in award.import_cap_by_level.items()]
    for pointer, amount in amounts:
        if amount is not None and amount.denominator != 1:
            yield Finding("not-whole-credits", pointer, plain(amount), "should be a whole number of credits")


def member_is_a_member(award: Award, catalogue: Catalogue) -> Iterator[Finding]:
    """The awarding member is in the consortium's registry."""
    if award.member not in catalogue.member:
        yield Finding("party-not-a-member", "/member", award.member, "should be a member of the consortium")


def framework_is_its_members(award: Award, catalogue: Catalogue) -> Iterator[Finding]:
    """An award is in its member's framework, in which its levels and caps are counted."""
    member = catalogue.member.get(award.member)
    if member is not None and member.framework != award.framework:
        yield Finding(
            "award-framework", "/framework", award.framework, f"should be {member.framework}, that of {award.member}"
        )


def courses_are_in_the_catalogue(award: Award, catalogue: Catalogue) -> Iterator[Finding]:
    """The capstone, and whatever a category takes that is no slot, is a learning opportunity."""
    for pointer, course in _named(award):
        if course not in catalogue.course:
            right = "should be a learning opportunity of the catalogue"
            yield Finding("unknown-course", pointer, course, right if pointer == "/capstone" else f"{right}, or a slot")


def courses_named(award: Award) -> frozenset[str]:
    """Every learning opportunity that the award names: what lint looks up in the catalogue."""
    return frozenset(course for _, course in _named(award))


def _named(award: Award) -> Iterator[tuple[str, str]]:
    if award.capstone is not None:
        yield "/capstone", award.capstone
    for at, category in enumerate(award.categories):
        for position, name in enumerate(category.of):
            if name not in award.slots:
                yield f"/categories/{at}/of/{position}", name
