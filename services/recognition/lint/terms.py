"""Lint of an agreement's terms and parties, its rules aside (documents.md, Lint)."""

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction

from contracts.documents.agreement import Agreement, Bilateral, Leaf
from contracts.documents.findings import Finding
from contracts.documents.values import is_in_hundredths, plain
from services.recognition.lint.catalogue import Catalogue
from services.recognition.lint.trees import nodes


def id_is_free(agreement: Agreement, _: Catalogue) -> Iterator[Finding]:
    """No address of something else begins where the agreement is read: /agreements/gaps is what to agree next."""
    if agreement.id == "gaps":
        yield Finding("reserved-id", "/id", agreement.id, "should be another id: /agreements/gaps is something else")


def each_level_is_mapped_once(agreement: Agreement, _: Catalogue) -> Iterator[Finding]:
    """One level of one framework, for one course or for all, is one level (domain.md: anything else is REFERRED)."""
    entries = defaultdict(list)
    for position, entry in enumerate(agreement.level_map or ()):
        entries[(entry.framework, entry.level, entry.course)].append((position, entry.maps_to))
    for (framework, level, course), found in entries.items():
        first, value = found[0]
        for position, other in found[1:]:
            if other != value:
                about = f"{framework} {level}" + (f" of {course}" if course else "")
                yield Finding(
                    "several-levels-for-one",
                    f"/level_map/{position}/is",
                    str(other),
                    f"{about} should be one level: it is {value} at /level_map/{first} and {other} here",
                    (f"/level_map/{first}",),
                )


def every_denial_has_a_reason(agreement: Agreement, _: Catalogue) -> Iterator[Finding]:
    """An adverse decision states its reasons (domain.md)."""
    for position, denial in enumerate(agreement.denied_courses):
        if not (denial.reason or "").strip():
            yield Finding(
                "denial-without-reason",
                f"/denied_courses/{position}/reason",
                denial.reason,
                f"{denial.course} should be denied with a reason, which the learner is shown",
            )


def credit_is_in_hundredths(agreement: Agreement, _: Catalogue) -> Iterator[Finding]:
    """The ledger holds hundredths: `credit_step` and the credits of every line are whole numbers of them."""
    amounts: list[tuple[str, Fraction]] = [("/credit_step", agreement.credit_step)]
    for number, rule in enumerate(agreement.rules or ()):
        for position, line in enumerate(rule.grants or ()):
            amounts.append((f"/rules/{number}/grants/{position}/credits", line.credits))
    for pointer, amount in amounts:
        if not is_in_hundredths(amount):
            yield Finding(
                "not-in-hundredths",
                pointer,
                plain(amount),
                "should be a whole number of hundredths, such as 0.01, 0.5 or 20",
                (f"{plain(amount)} is {plain(amount * 100)} hundredths",),
            )


def dates_follow_each_other(agreement: Agreement, _: Catalogue) -> Iterator[Finding]:
    """It begins before it ends, and reaches back, not forward (decision.md, `covers_since`)."""
    if agreement.in_force_from > agreement.in_force_until:
        yield Finding(
            "dates-reversed",
            "/in_force_until",
            str(agreement.in_force_until),
            f"should be {agreement.in_force_from} (/in_force_from) or later",
            ("/in_force_from",),
        )
    if agreement.covers_since is not None and agreement.covers_since > agreement.in_force_from:
        yield Finding(
            "dates-reversed",
            "/covers_since",
            str(agreement.covers_since),
            f"should be {agreement.in_force_from} (/in_force_from) or earlier, or null",
            ("/in_force_from",),
        )


def ranges_run_upwards(agreement: Agreement, _: Catalogue) -> Iterator[Finding]:
    """A range that ends before it begins holds nothing, so every completion would be referred."""
    for name in ("course_versions", "hours_per_credit"):
        bounds: tuple[int | Fraction, int | Fraction] | None = getattr(agreement, name)
        if bounds is not None and bounds[0] > bounds[1]:
            lowest, highest = (plain(Fraction(bound)) for bound in bounds)
            yield Finding(
                "range-reversed",
                f"/{name}",
                f"{lowest} to {highest}",
                "should be the lower number first",
            )


def terms_fit_every_direction(agreement: Agreement, _: Catalogue) -> Iterator[Finding]:
    """Between many members nothing may stand that belongs to one receiver, one provider or one scale of marks."""
    if not agreement.is_multilateral:
        return
    belongs = {
        "level_map": "a level map is into one receiver's framework",
        "rules": "rules grant the slots of one receiver for the courses of one provider",
        "hours_per_credit": "hours are per credit of one provider",
        "minimum_mark": "a mark is on one provider's scale",
    }
    for name, why in belongs.items():
        value = getattr(agreement, name)
        says_nothing = value is None or (name == "level_map" and not value)
        if not says_nothing:
            shown = plain(value) if isinstance(value, Fraction) else f"{len(value)} entries"
            yield Finding(
                "belongs-to-one-direction",
                f"/{name}",
                shown,
                f"should be null in a multilateral agreement: {why}",
            )


def parties_are_members(agreement: Agreement, catalogue: Catalogue) -> Iterator[Finding]:
    """Every party is in the consortium's registry."""
    names = (
        (("provider", agreement.parties.provider), ("receiver", agreement.parties.receiver))
        if isinstance(agreement.parties, Bilateral)
        else tuple((f"members/{position}", member) for position, member in enumerate(agreement.parties.members))
    )
    for step, member in names:
        if member not in catalogue.member:
            yield Finding("party-not-a-member", f"/parties/{step}", member, "should be a member of the consortium")


def somebody_takes_referrals(agreement: Agreement, catalogue: Catalogue) -> Iterator[Finding]:
    """At every receiver somebody is named who decides what is referred."""
    for receiver in agreement.receivers:
        member = catalogue.member.get(receiver)
        if member is not None and not (member.referrals_to or "").strip():
            yield Finding(
                "nobody-takes-referrals",
                "/parties",
                receiver,
                f"{receiver} should name in the registry who takes referrals (`referrals_to`)",
            )


def somebody_takes_appeals(agreement: Agreement, catalogue: Catalogue) -> Iterator[Finding]:
    """A decline without appeal information must be impossible (domain.md)."""
    for receiver in agreement.receivers:
        member = catalogue.member.get(receiver)
        if member is not None and (member.appeals is None or not member.appeals.route.strip()):
            yield Finding(
                "nobody-takes-appeals",
                "/parties",
                receiver,
                f"{receiver} should state in the registry how to appeal (`appeals`)",
            )


def no_other_agreement_has_these_parties(agreement: Agreement, catalogue: Catalogue) -> Iterator[Finding]:
    """One agreement id for a direction, and one multilateral for the same members: agreements are never merged."""
    for other in catalogue.agreements or ():
        if other.id == agreement.id:
            continue
        if isinstance(agreement.parties, Bilateral) or isinstance(other.parties, Bilateral):
            same = agreement.parties == other.parties
        else:
            same = set(agreement.parties.members) == set(other.parties.members)
        if same:
            yield Finding(
                "second-agreement",
                "/parties",
                ", ".join(agreement.members),
                f"should be a new version of {other.id}, which is published for these parties",
                (other.id,),
            )


def courses_are_in_the_catalogue(agreement: Agreement, catalogue: Catalogue) -> Iterator[Finding]:
    """Every course that is named is a learning opportunity, and one of the provider's where it is to be recognised."""
    leaves = list(_leaves(agreement))
    for pointer, course in [*_named_elsewhere(agreement), *leaves]:
        if course not in catalogue.course:
            yield Finding("unknown-course", pointer, course, "should be a learning opportunity of the catalogue")
    if isinstance(agreement.parties, Bilateral):
        prefix = f"{agreement.parties.provider}:"
        for pointer, course in leaves:
            if course in catalogue.course and not course.startswith(prefix):
                yield Finding("unknown-course", pointer, course, f"should be one of the provider's (`{prefix}…`)")


def courses_named(agreement: Agreement) -> frozenset[str]:
    """Every course that the agreement names: what lint looks up in the catalogue."""
    return frozenset(course for _, course in (*_named_elsewhere(agreement), *_leaves(agreement)))


def _named_elsewhere(agreement: Agreement) -> Iterator[tuple[str, str]]:
    for at, denial in enumerate(agreement.denied_courses):
        yield f"/denied_courses/{at}/course", denial.course
    for at, course in enumerate(agreement.excluded_components):
        yield f"/excluded_components/{at}", course
    for at, entry in enumerate(agreement.level_map or ()):
        if entry.course is not None:
            yield f"/level_map/{at}/course", entry.course


def _leaves(agreement: Agreement) -> Iterator[tuple[str, str]]:
    for at, rule in enumerate(agreement.rules or ()):
        for node in nodes(rule.requires, f"/rules/{at}/requires"):
            if isinstance(node.requirement, Leaf):
                yield f"{node.pointer}/course", node.requirement.course
